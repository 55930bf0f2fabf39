"""Objects of the official SDK and of fastmcp: streams, who leaves, and how the process starts and ends."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.subscriptions import ToolsListChanged
from mcp_types import ToolListChangedNotification

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess
from .raw import RawClient
from .sdk import Application
from .test_objects import KINDS, open_session
from .test_shutdown import parse_events, start_in_vain

MODES = ["legacy", "2026-07-28"]


@contextmanager
def connected(server: ServerProcess, ledger: Ledger, mode: str) -> Iterator[RawClient]:
    """A client with tokens, and a session where the era has them."""
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        raw.http.headers["Content-Type"] = "application/json"
        if mode == "legacy":
            open_session(raw, ledger)
        yield raw


@contextmanager
def call_held(server: ServerProcess, raw: RawClient) -> Iterator[Iterator[dict[str, Any]]]:
    """A call that waits for SIGUSR1; gives the messages that come after its first progress."""
    params = {"name": "hold", "arguments": {}, "_meta": {"progressToken": 0}}
    response = raw.http.send(raw.build_call("tools/call", params, request_id=7), stream=True)
    try:
        messages = parse_events(response.iter_lines())
        assert next(messages)["params"]["progress"] == 0
        server.wait_for_log("call held")
        yield messages
    finally:
        response.close()


def count_tasks(raw: RawClient) -> int:
    """The tasks of the server's process."""
    answer = raw.call_tool("count_tasks", {})
    (message,) = parse_events(iter(answer.text.splitlines())) if answer.text[0] != "{" else (answer.json(),)
    return int(message["result"]["content"][0]["text"])


# Streams


@pytest.mark.parametrize("mode", MODES)
def test_who_listens_hears_that_the_tools_have_changed(
    serve_object: Serve, ledger: Ledger, mode: str
) -> None:
    """Required by MCP 2025-11-25 basic/transports and MCP 2026-07-28 basic/patterns/subscriptions."""
    server = serve_object("official")
    heard: list[Any] = []
    changed = asyncio.Event()

    async def hear(message: Any) -> None:
        if mode == "legacy":
            heard.append(message)
            changed.set()

    async def follow(client: Client) -> None:
        async with client.listen(tools_list_changed=True) as subscription:
            await client.call_tool("tell", {})
            async for event in subscription:
                heard.append(event)
                return

    async def journey() -> None:
        with Person(server.issuer, ledger) as person:
            application = Application(server.mcp_url, person, ledger)
            async with application.connect(mode, message_handler=hear) as client:
                if mode == "legacy":
                    # The stream of the session opens beside the first requests.
                    while not changed.is_set():
                        await client.call_tool("tell", {})
                else:
                    await follow(client)

    asyncio.run(asyncio.wait_for(journey(), PATIENCE))
    assert isinstance(heard[0], ToolListChangedNotification if mode == "legacy" else ToolsListChanged)


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_stateless_era_a_client_that_leaves_has_cancelled(
    serve_object: Serve, ledger: Ledger, kind: str
) -> None:
    """Required by MCP 2026-07-28 basic/patterns/cancellation."""
    server = serve_object(kind)
    with connected(server, ledger, "2026-07-28") as raw:
        with call_held(server, raw):
            pass
        server.wait_for_log("call cancelled")
    assert server.count_log("call finished") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_session_a_client_that_leaves_has_not_cancelled(
    serve_object: Serve, ledger: Ledger, kind: str
) -> None:
    """Required by MCP 2025-11-25 basic/transports: disconnection should not be taken for cancelling."""
    server = serve_object(kind)
    with connected(server, ledger, "legacy") as raw:
        with call_held(server, raw):
            pass
        assert count_tasks(raw) > 0
        server.send_signal(signal.SIGUSR1)
        server.wait_for_log("call finished")
    assert server.count_log("call cancelled") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_session_a_notification_cancels(serve_object: Serve, ledger: Ledger, kind: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation."""
    server = serve_object(kind)
    with connected(server, ledger, "legacy") as raw, call_held(server, raw):
        cancelled = raw.build_call("notifications/cancelled", {"requestId": 7}, request_id=None)
        assert httpx.Client(timeout=PATIENCE).send(cancelled).status_code == 202
        server.wait_for_log("call cancelled")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_clients_that_have_left(
    serve_object: Serve, ledger: Ledger, kind: str, mode: str
) -> None:
    """Our choice: no task of theirs stays, or it would be as many as have come."""
    server = serve_object(kind)
    with connected(server, ledger, mode) as raw:
        count_tasks(raw)
        before = count_tasks(raw)
        for _ in range(20):
            with call_held(server, raw):
                pass
            if mode == "legacy":
                server.send_signal(signal.SIGUSR1)
                with raw.listen():
                    pass
        # Each call gives the loop a turn: what is about to end, ends.
        assert any(count_tasks(raw) <= before for _ in range(200))


# The end


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_in_flight_is_answered_before_the_end(
    serve_object: Serve, ledger: Ledger, kind: str, mode: str
) -> None:
    """Our choice ([server] shutdown_grace): as with tools of our own."""
    server = serve_object(kind)
    with connected(server, ledger, mode) as raw, call_held(server, raw) as messages:
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("server.stopping in_flight=1")
        server.send_signal(signal.SIGUSR1)
        (answer,) = messages
    assert answer["id"] == 7
    assert answer["result"]["content"][0]["text"] == "held"
    server.check_end(server.wait())
    assert server.count_log("server.cut") == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_outlasts_the_grace_ends_without_a_stack_trace(
    serve_object: Serve, ledger: Ledger, kind: str, mode: str
) -> None:
    """Our choice ([server] shutdown_grace): its stream ends as HTTP wants it (RFC 9112 §7.1)."""
    server = serve_object(kind, server={"shutdown_grace": 0})
    with connected(server, ledger, mode) as raw, call_held(server, raw) as messages:
        server.send_signal(signal.SIGTERM)
        (answer,) = messages
    assert answer["id"] == 7
    assert answer["error"]["message"] in ("Request cancelled", "The server is stopping")
    server.check_end(server.wait())
    assert server.count_log("server.cut in_flight=1") == 1
    assert server.count_log("call cancelled") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_stream_of_a_session_ends_with_the_server(
    serve_object: Serve, ledger: Ledger, kind: str
) -> None:
    """Required by RFC 9112 §7.1: the chunked body is closed, so that an end is not taken for a break."""
    server = serve_object(kind)
    with connected(server, ledger, "legacy") as raw, raw.listen() as lines:
        server.send_signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("data: {")] == []
    server.check_end(server.wait())
    assert server.count_log("server.cut") == 0


def test_a_subscription_is_told_of_the_end(serve_object: Serve, ledger: Ledger) -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (Graceful Closure)."""
    server = serve_object("official")
    with connected(server, ledger, "2026-07-28") as raw:
        params = {"notifications": {"toolsListChanged": True}}
        request = raw.build_call("subscriptions/listen", params, request_id=9)
        response = raw.http.send(request, stream=True)
        messages = parse_events(response.iter_lines())
        assert next(messages)["method"] == "notifications/subscriptions/acknowledged"
        server.send_signal(signal.SIGTERM)
        (last,) = messages
        response.close()
    assert last["id"] == 9
    assert "result" in last
    server.check_end(server.wait())
    assert server.count_log("server.cut") == 0


# Starts that can't be

BROKEN = """
from contextlib import asynccontextmanager
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette

@asynccontextmanager
async def fail(server):
    raise RuntimeError("no database")
    yield

class Verifier:
    async def verify_token(self, token):
        return None

issuer = "https://issuer.example"
auth = AuthSettings(issuer_url=issuer, resource_server_url=issuer, validate_token_resource=True)
guarded = MCPServer("guarded", auth=auth, token_verifier=Verifier())
fast_guarded = FastMCP("guarded", auth=JWTVerifier(public_key="x" * 32, algorithm="HS256"))
failing = MCPServer("failing", lifespan=fail)
fast_failing = FastMCP("failing", lifespan=fail)
scoped = MCPServer("scoped")
scoped.add_tool(lambda: 1, name="x", meta={"securitySchemes": [{"type": "oauth2", "scopes": ["a b"]}]})
starlette = Starlette()
number = 7
"""
OWN_LOGIN = "can't be served: it has a login of its own"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("guarded", f"an object of type MCPServer {OWN_LOGIN}"),
        ("fast_guarded", f"an object of type FastMCP {OWN_LOGIN}"),
        ("failing", "broken:failing does not start: RuntimeError: no database"),
        ("fast_failing", "broken:fast_failing does not start: RuntimeError: no database"),
        ("scoped", "broken:scoped does not start: ScopeError: scopes must be a list of scope tokens"),
        (
            "starlette",
            "an object of type Starlette can't be served: it is an ASGI application; name the MCPServer or",
        ),
        ("MCPServer", "the class MCPServer is not an omnitornado.MCPServer, nor"),
        ("number", "an object of type int is not an omnitornado.MCPServer, nor"),
    ],
)
def test_an_object_that_cannot_be_served_is_refused_at_the_start(
    tmp_path: Path, name: str, reason: str
) -> None:
    """Our choice: exit code 2, and one line with the file, the line, the key and the reason."""
    (tmp_path / "broken.py").write_text(BROKEN)
    settings = {"mcp": {"name": name, "app": f"broken:{name}"}}
    found = start_in_vain(tmp_path, settings, "--port", "0")
    assert "[mcp] app: " in found
    assert reason in found
