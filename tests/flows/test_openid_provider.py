"""Signing in through a certified OpenID provider, from a client's first request to a tool call."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .conftest import Serve
from .ledger import Ledger
from .openid_provider import (
    CLIENT_SECRET,
    ProviderPerson,
    build_table,
    find_free_port,
    open_provider,
)
from .process import ServerProcess
from .sdk import Application
from .test_sdk_client import call

CALLBACK = "/login/oidc/callback"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def begin(serve: Serve, ledger: Ledger, stack: ExitStack) -> Any:
    """Starts a provider, and a server that signs people in through it; gives both."""

    def start(*, provider: dict[str, Any] | None = None, **keys: Any) -> tuple[ServerProcess, str]:
        port = find_free_port()
        issuer = stack.enter_context(open_provider(f"http://127.0.0.1:{port}{CALLBACK}", **(provider or {})))
        ledger.note(CLIENT_SECRET)
        return serve(port=port, login={"oidc": build_table(issuer, **keys)}), issuer

    return start


def test_a_client_gets_from_the_address_to_a_tool_call_through_the_provider(
    begin: Any, ledger: Ledger
) -> None:
    """Required by OpenID Connect Core §3.1: the official Python SDK's client, and what it is told of who
    calls.
    """
    server, issuer = begin()

    async def journey(application: Application) -> None:
        async with application.connect("auto") as client:
            assert await call(client, "add", a=2, b=3) == 5
            caller = await call(client, "whoami")
            assert caller["username"] == issuer.removeprefix("http://") + ":ada"

    with ProviderPerson(server.issuer, issuer, ledger) as person:
        asyncio.run(journey(Application(server.mcp_url, person, ledger)))
        assert (person.sign_ins, person.approvals) == (1, 1)
        assert person.visits == 2  # its own sign-in and consent
        page = person.open(server.issuer + "/account")
        assert "Signed in as ada@example.com" in page.text
    assert server.count_log("login.succeeded") == 1
