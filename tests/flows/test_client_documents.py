"""The official Python SDK's client, known by a document of its own: a real server, a real https site."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from net.https_site import HttpsSite, make_certificate_files, open_site

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .sdk import CALLBACK, Application, expire_access_token
from .test_sdk_client import call

HOST = "localhost"
"""Where the site is: behind the same wall as the server, and so among its trusted hosts."""


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that is started now takes the site's certificate for one of the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate_files(tmp_path)))


@pytest.fixture
def server(trusting: None, serve: Serve) -> ServerProcess:
    return serve(outbound={"trusted_hosts": [HOST]})


@pytest.fixture
def person(server: ServerProcess, ledger: Ledger) -> Iterator[Person]:
    with Person(server.issuer, ledger) as person:
        yield person


def publish(site: HttpsSite, **changed: Any) -> str:
    url = site.build_url("/oauth/client.json", HOST)
    members = {
        "client_id": url,
        "client_name": "Document app",
        "redirect_uris": [CALLBACK.replace(":3030", "")],
        "grant_types": ["authorization_code", "refresh_token", "urn:example:unknown"],
        "token_endpoint_auth_method": "none",
    }
    return site.publish("/oauth/client.json", members | changed, host=HOST)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_app_signs_in_by_its_document_and_registers_nowhere(
    server: ServerProcess, person: Person, ledger: Ledger, mode: str
) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 basic/authorization (Client ID Metadata Documents)."""

    async def journey() -> None:
        async with open_site() as site:
            application = Application(server.mcp_url, person, ledger, document=publish(site))
            async with application.connect(mode) as client:
                assert (await call(client, "whoami"))["client"] == "Document app"
                expire_access_token(application)
                assert await call(client, "add", a=2, b=3) == 5
            assert [asked.path for asked in site.asked] == ["/oauth/client.json"]
        assert "/register" not in application.paths
        assert len(application.storage.received) == 2
        await outlive(application, server)

    asyncio.run(journey())
    assert (person.sign_ins, person.approvals) == (1, 1)


async def outlive(application: Application, server: ServerProcess) -> None:
    """The site is gone and the server starts again: what it knew of the app it still knows."""
    await asyncio.to_thread(server.restart)
    expire_access_token(application)
    async with application.connect("auto") as client:
        assert await call(client, "add", a=1, b=1) == 2
    assert "/register" not in application.paths


def test_a_server_that_was_told_nothing_asks_nobody_inside(
    trusting: None, serve: Serve, ledger: Ledger
) -> None:
    """Required by OAuth Client ID Metadata Document §6.5: as it is installed, with a site beside it."""
    server = serve()

    async def journey() -> None:
        async with open_site() as site:
            query = {"response_type": "code", "client_id": publish(site), "redirect_uri": CALLBACK}
            async with httpx.AsyncClient() as http:
                response = await http.get(f"{server.issuer}/authorize", params=query)
            assert response.status_code == 400
            assert "address that is not public" in response.text
            assert site.accepted == 0

    asyncio.run(journey())
    server.wait_for_log("reason=fetch_address")
