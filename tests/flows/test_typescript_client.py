"""The official TypeScript SDKs' clients: the one package of the handshake era, and the newer one of both."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .typescript_application import TypeScriptApplication

CLIENTS = [
    pytest.param("sdk", "legacy", "2025-11-25", id="sdk"),
    pytest.param("client", "legacy", "2025-11-25", id="client-legacy"),
    pytest.param("client", "auto", "2026-07-28", id="client-auto"),
    pytest.param("client", "2026-07-28", "2026-07-28", id="client-pinned"),
]
HANDSHAKE_REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]


class Start:
    """Starts applications, and ends those that the test leaves running."""

    def __init__(self, server: ServerProcess, person: Person, ledger: Ledger) -> None:
        self._parts = (server, person, ledger)
        self.started: list[TypeScriptApplication] = []

    def __call__(self, package: str, mode: str) -> TypeScriptApplication:
        application = TypeScriptApplication(package, mode, *self._parts)
        self.started.append(application)
        return application


@pytest.fixture
def start(server: ServerProcess, person: Person, ledger: Ledger) -> Iterator[Start]:
    start = Start(server, person, ledger)
    try:
        yield start
    finally:
        for application in start.started:
            application.kill()


def call(application: TypeScriptApplication, name: str, **arguments: Any) -> dict[str, Any]:
    """A tool's result, on the application's first connection."""
    answer: dict[str, Any] = application.do("call", on=0, name=name, args=arguments)
    return answer


def add_all(application: TypeScriptApplication, count: int) -> list[str]:
    """So many additions at once."""
    calls = [{"name": "add", "args": {"a": n, "b": n}} for n in range(count)]
    answers = application.do("callAll", on=0, calls=calls)
    return [answer["result"]["content"][0]["text"] for answer in answers]


def use_everything(application: TypeScriptApplication) -> None:
    """List, call, and hear of progress."""
    tools = application.do("request", on=0, method="tools/list", params={})["tools"]
    assert [tool["name"] for tool in tools][:3] == ["add", "whoami", "countdown"]
    caller = call(application, "whoami")["result"]
    if "structuredContent" in caller:
        expected = {"username": "ada", "client": "TypeScript app", "scopes": ["mcp"]}
        assert caller["structuredContent"] == expected
    steps = call(application, "countdown", steps=3)["progress"]
    assert [(step["progress"], step["total"]) for step in steps] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS)
def test_the_client_gets_from_the_address_to_a_tool_call_and_back_after_a_restart(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 basic/authorization: tokens and registration stay good."""
    for _ in range(2):
        application = start(package, mode)
        connected = application.connect()
        assert connected["revision"] == revision
        assert (connected["session"] is not None) == (revision != "2026-07-28")
        use_everything(application)
        application.close()
        server.restart()
    assert (person.sign_ins, person.approvals) == (1, 1)


@pytest.mark.parametrize("revision", HANDSHAKE_REVISIONS)
def test_every_handshake_revision_is_spoken(start: Start, revision: str) -> None:
    """Required by MCP basic/lifecycle, Version Negotiation: a known revision that is asked for is used.

    With the newer package alone: the older one asks for its latest whatever it is told (client/index.js,
    connect).
    """
    application = start("client", "legacy")
    assert application.connect(supportedProtocolVersions=[revision])["revision"] == revision
    use_everything(application)
    application.close()


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS)
def test_ten_calls_at_once_on_a_dead_access_token_all_succeed(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Our choice (refresh_grace): these clients refresh for each 401, all with the same token."""
    application = start(package, mode)
    application.connect()
    before = application.tokens
    response = httpx.post(
        f"{server.issuer}/revoke",
        data={"token": before["access_token"], "client_id": application.client_id},
    )
    assert response.status_code == 200
    assert add_all(application, 10) == [str(n + n) for n in range(10)]
    assert application.tokens["access_token"] != before["access_token"]
    assert application.tokens["refresh_token"] != before["refresh_token"]
    application.close()
    assert (person.sign_ins, person.approvals) == (1, 1)


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS[:3])
def test_a_connected_client_does_not_notice_a_restart(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Our choice: sessions are kept on disk, so that an upgrade ends nobody's work."""
    application = start(package, mode)
    application.connect()
    assert add_all(application, 2) == ["0", "2"]
    server.restart()
    assert add_all(application, 3) == ["0", "2", "4"]
    application.close()
    assert (person.sign_ins, person.approvals) == (1, 1)
