"""The official Python SDK's client, unmodified, from an address alone to tool calls."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import mcp.client.session
import pytest
from mcp.client import Client
from mcp_types import TextContent

from .ledger import Ledger
from .person import Person
from .process import TOP, ServerProcess
from .sdk import Application, expire_access_token

MODES = ["auto", "2026-07-28", "legacy"]
HANDSHAKE_REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.fixture
def application(server: ServerProcess, person: Person, ledger: Ledger) -> Application:
    return Application(server.mcp_url, person, ledger)


async def call(client: Client, name: str, **arguments: Any) -> Any:
    """A tool's result. Before 2026-07-28 structured results are objects, before 2025-06-18 there are none."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result
    found = result.structured_content
    if found is None:
        assert isinstance(result.content[0], TextContent)
        return json.loads(result.content[0].text)
    return found["result"] if isinstance(found, dict) and found.keys() == {"result"} else found


async def use_everything(client: Client) -> None:
    """List the tools, call some, and hear of progress."""
    tools = await client.list_tools()
    assert [tool.name for tool in tools.tools][:3] == ["add", "whoami", "countdown"]
    assert await call(client, "add", a=2, b=3) == 5
    caller = await call(client, "whoami")
    assert caller == {"username": "ada", "client": "Python app", "scopes": ["mcp"]}
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    await client.call_tool("countdown", {"steps": 3}, progress_callback=hear)
    assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


@pytest.mark.parametrize("mode", MODES)
def test_the_client_gets_from_the_address_to_a_tool_call_on_the_first_try(
    application: Application, person: Person, mode: str
) -> None:
    """Required by MCP 2026-07-28 basic/authorization and MCP 2025-11-25 basic/authorization."""

    async def journey() -> None:
        async with application.connect(mode) as client:
            assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
            await use_everything(client)

    asyncio.run(journey())
    assert (person.sign_ins, person.approvals) == (1, 1)
    assert len(application.session_ids) == (1 if mode == "legacy" else 0)
    found = [path for path in application.paths if path != "/mcp"]
    assert found == [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/register",
        "/token",
    ]


@pytest.mark.parametrize("revision", HANDSHAKE_REVISIONS)
def test_every_handshake_revision_is_spoken(
    application: Application, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    """Required by MCP basic/lifecycle, Version Negotiation: a known revision that is asked for is used."""
    monkeypatch.setattr(mcp.client.session, "LATEST_HANDSHAKE_VERSION", revision)

    async def journey() -> None:
        async with application.connect("legacy") as client:
            assert client.protocol_version == revision
            await use_everything(client)

    asyncio.run(journey())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_expired_access_token_is_refreshed_without_the_person(
    application: Application, person: Person, mode: str
) -> None:
    """Required by RFC 6749 §6, with rotation (OAuth 2.1 §4.3.1)."""

    async def journey() -> None:
        async with application.connect(mode) as client:
            assert await call(client, "add", a=1, b=1) == 2
            expire_access_token(application)
            assert await call(client, "add", a=2, b=2) == 4
            expire_access_token(application)
            sums = await asyncio.gather(*(call(client, "add", a=n, b=n) for n in range(10)))
            assert sums == [n + n for n in range(10)]

    asyncio.run(journey())
    assert (person.sign_ins, person.approvals) == (1, 1)
    received = application.storage.received
    assert len({token.access_token for token in received}) == len(received) == 3
    assert len({token.refresh_token for token in received}) == 3
    assert all(token.expires_in == 3600 for token in received)


def test_a_revoked_access_token_leads_back_to_the_person_who_is_still_signed_in(
    application: Application, person: Person, server: ServerProcess
) -> None:
    """Required by RFC 7009 §2 and RFC 6750 §3.1: this client answers a 401 with a new authorization."""

    async def journey() -> None:
        async with application.connect("auto") as client:
            assert await call(client, "add", a=1, b=1) == 2
            revoke(application, server)
            assert await call(client, "add", a=2, b=2) == 4

    asyncio.run(journey())
    assert (person.sign_ins, person.approvals) == (1, 2)


def revoke(application: Application, server: ServerProcess) -> None:
    """What the account page, or an operator, would do."""
    tokens, client = application.storage.tokens, application.storage.client
    assert tokens is not None
    assert client is not None
    response = httpx.post(
        f"{server.issuer}/revoke",
        data={"token": tokens.access_token},
        auth=(client.client_id, client.client_secret or ""),
    )
    assert response.status_code == 200


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_tokens_and_registration_are_good_after_a_restart(
    application: Application, server: ServerProcess, person: Person, ledger: Ledger, mode: str
) -> None:
    """Required by RFC 7591 §3.2.1: what was handed out stays good. The application starts again as well."""

    async def use(again: Application) -> None:
        async with again.connect(mode) as client:
            await use_everything(client)
            expire_access_token(again)
            assert await call(client, "add", a=2, b=2) == 4

    asyncio.run(use(application))
    server.restart()
    asyncio.run(use(Application(server.mcp_url, person, ledger, application.storage)))
    assert (person.sign_ins, person.approvals) == (1, 1)
    assert application.storage.client is not None


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_connected_client_does_not_notice_a_restart(
    application: Application, server: ServerProcess, person: Person, mode: str
) -> None:
    """Our choice: sessions are kept on disk, so that an upgrade ends nobody's work."""

    async def journey() -> None:
        async with application.connect(mode) as client:
            assert await call(client, "add", a=1, b=1) == 2
            await asyncio.to_thread(server.restart)
            await use_everything(client)

    asyncio.run(journey())
    assert (person.sign_ins, person.approvals) == (1, 1)
    assert len(application.session_ids) == (1 if mode == "legacy" else 0)


def test_the_configuration_at_the_top_of_the_project_works_as_it_stands(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Our choice: what `make run` serves, with the name and password that stand in the file."""
    shutil.copy(TOP / "config.toml", tmp_path)
    server = ServerProcess(tmp_path, {}, ledger).start()
    try:
        assert [key for key, _ in server.banner] == ["MCP URL", "Issuer", "Client ID", "Client Secret"]
        with Person(server.issuer, Ledger(), username="admin", password="password") as person:
            application = Application(server.mcp_url, person, ledger)

            async def journey() -> None:
                async with application.connect("auto") as client:
                    assert "add" in [tool.name for tool in (await client.list_tools()).tools]
                    assert await call(client, "add", a=2, b=3) == 5

            asyncio.run(journey())
        server.stop()
    finally:
        server.kill()
