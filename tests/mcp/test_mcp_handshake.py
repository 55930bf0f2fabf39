"""The handshake era: sessions and what is said in them."""

import hashlib
import json
from typing import Any, cast

import pytest
from mcp_samples import (
    ANN_ELSEWHERE,
    BOB,
    HANDSHAKE,
    STATELESS,
    Answer,
    Clock,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_request,
    check_error_shape,
    run,
)

from omnitornado.mcp.context import Context
from omnitornado.mcp.endpoint import Endpoint, EndpointStore
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import McpSession
from omnitornado.store.transitions import StoreUnavailable

PING = build_request("ping")


def build_server() -> MCPServer:
    server = MCPServer("test", title="Test", version="1.2", instructions="Be kind.")

    @server.tool()
    async def echo(words: str) -> str:
        return words

    return server


@pytest.mark.parametrize(
    ("asked", "given"),
    [*zip(HANDSHAKE, HANDSHAKE, strict=True), ("2024-11-05", "2025-11-25"), (STATELESS, "2025-11-25")],
)
def test_initialize_negotiates_and_opens_a_session(asked: str, given: str) -> None:
    """Required by MCP 2025-11-25 basic/lifecycle (Initialization), basic/transports (Session Management)."""

    async def scenario(wire: Wire) -> None:
        params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        answer = await wire.post(build_request("initialize", params, request_id=0))
        assert answer.status == 200
        assert answer.body["id"] == 0
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.result["protocolVersion"] == given
        assert answer.result["capabilities"] == {"logging": {}, "tools": {"listChanged": True}}
        assert answer.result["instructions"] == "Be kind."
        info = {"name": "test", "version": "1.2"}
        assert answer.result["serverInfo"] == (info if given == "2025-03-26" else info | {"title": "Test"})
        assert set(answer.result) == {"protocolVersion", "capabilities", "serverInfo", "instructions"}
        session = {"mcp-session-id": answer.headers["Mcp-Session-Id"]}
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        accepted = await wire.post(initialized, session)
        assert (accepted.status, accepted.body) == (202, None)
        assert (await wire.post(PING, session)).result == {}

    run(scenario, build_server())


def test_a_session_id_is_random_visible_and_stored_as_its_digest() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management); the digest is our choice."""
    kept: dict[bytes, McpSession] = {}

    class Store:
        bus = None

        async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None:
            kept[session_hash] = session

        async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
            return kept.get(session_hash)

        async def subscribe_mcp_session(self, session_hash: bytes, uri: str, **rest: Any) -> bool:
            raise AssertionError("nobody subscribes here")

        async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
            raise AssertionError("nobody sets a level here")

        async def close_mcp_session(self, session_hash: bytes) -> bool:
            return kept.pop(session_hash, None) is not None

        async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes:
            return fresh

    async def scenario(wire: Wire) -> None:
        clock = Clock()
        server = build_server()
        endpoint = Endpoint(
            server,
            path="/a",
            sessions=cast(EndpointStore, Store()),
            session_lifetime=60,
            clock=clock,
            token_bytes=lambda count: bytes(range(count)),
        )
        session = await Wire(endpoint, server).open_session("2025-06-18")
        session_id = session["mcp-session-id"]
        assert session_id == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        ((key, record),) = kept.items()
        assert key == hashlib.sha256(session_id.encode()).digest()
        assert session_id not in repr(record)
        assert (record.username, record.client_id, record.path) == ("ann", "client-1", "/a")
        assert (record.protocol_version, record.client_info) == ("2025-06-18", {"name": "t", "version": "1"})
        assert record.expires_at == clock.now + 60
        await endpoint.close()

    run(scenario)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"protocolVersion": 5},
        {"protocolVersion": None},
        {"protocolVersion": "2025-11-25", "clientInfo": "me"},
        {"protocolVersion": "2025-11-25", "capabilities": []},
    ],
)
def test_a_malformed_initialize_opens_nothing(params: Json) -> None:
    """Required by schema.ts (InitializeRequestParams)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post(build_request("initialize", params, request_id="i"))
        assert (answer.status, answer.code, answer.body["id"]) == (400, -32602, "i")
        assert "Mcp-Session-Id" not in answer.headers

    run(scenario)


def test_a_client_that_says_much_about_itself_is_remembered_in_short() -> None:
    """Our choice: what is kept is bounded."""

    async def scenario(wire: Wire) -> None:
        info = {"name": "n" * 10_000, "version": "1", "more": {"a": "b" * 10_000}, "k" * 70: "v"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {"x": "y" * 9000}, "clientInfo": info}
        answer = await wire.post(build_request("initialize", params))
        session = {"mcp-session-id": answer.headers["Mcp-Session-Id"]}
        assert (await wire.post(PING, session)).status == 200

    run(scenario)


METHODS = ["post", "get", "delete"]


async def speak(wire: Wire, method: str, headers: dict[str, str], **options: Any) -> Answer:
    if method == "post":
        return await wire.post(PING, headers, **options)
    answer = await (wire.get if method == "get" else wire.delete)(headers, **options)
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("method", METHODS)
def test_a_session_is_unknown_to_everyone_but_its_owner(method: str) -> None:
    """Required by MCP 2025-11-25 basic/transports (404); bound to person and client: our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        for other in (BOB, ANN_ELSEWHERE):
            answer = await speak(wire, method, session, principal=other)
            assert answer.status == 404
            check_error_shape(answer.body)
        for unknown in ("", "x", "A" * 43, "A" * 5000, "\xff", "../etc"):
            assert (await speak(wire, method, {"mcp-session-id": unknown})).status == 404
        assert (await wire.post(PING, session)).status == 200

    run(scenario)


def test_a_session_belongs_to_its_path() -> None:
    """Our choice: two endpoints on one store don't share sessions."""

    async def scenario(wire: Wire) -> None:
        store = EmbeddedStore.open(None)
        await store.start()
        server = build_server()
        one = Wire(Endpoint(server, path="/one", sessions=store), server)
        two = Wire(Endpoint(server, path="/two", sessions=store), server)
        session = await one.open_session()
        assert (await one.post(PING, session)).status == 200
        assert (await two.post(PING, session)).status == 404
        await store.close()

    run(scenario)


def test_a_session_survives_a_restart_of_the_server() -> None:
    """Our choice: clients get stuck otherwise; MCP lets a server end sessions at will."""

    async def scenario(wire: Wire) -> None:
        store = EmbeddedStore.open(None)
        await store.start()
        server = build_server()
        before = Endpoint(server, path="/mcp", sessions=store)
        session = await Wire(before, server).open_session("2025-06-18")
        await before.close()
        after = Wire(Endpoint(server, path="/mcp", sessions=store), server)
        answer = await after.post(
            build_request("tools/call", {"name": "echo", "arguments": {"words": "hi"}}), session
        )
        assert answer.result["structuredContent"] == {"result": "hi"}
        await store.close()

    run(scenario)


def test_a_session_ends_with_its_time() -> None:
    """Our choice: a session lives for its lifetime after its last use."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        clock.now += 50
        assert (await wire.post(PING, session)).status == 200
        clock.now += 50
        assert (await wire.post(PING, session)).status == 200
        clock.now += 101
        assert (await wire.post(PING, session)).status == 404

    run(scenario, clock=clock, session_lifetime=100)


def test_delete_ends_a_session() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        other = await wire.open_session()
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        ended = await wire.delete(session)
        assert (ended.status, ended.body) == (204, None)
        assert await stream.receive() is None
        for method in METHODS:
            assert (await speak(wire, method, session)).status == 404
        assert (await wire.post(PING, other)).status == 200

    run(scenario)


def test_without_a_session_id_nothing_but_initialize_is_served() -> None:
    """Required by MCP 2025-11-25 basic/transports (400); GET: the 405 it allows, for there is no stream."""

    async def scenario(wire: Wire) -> None:
        for message in (PING, build_request("server/discover"), {"jsonrpc": "2.0", "method": "x"}, [PING]):
            answer = await wire.post(message)
            assert (answer.status, answer.code) == (400, -32600)
        assert (await wire.delete({})).status == 400
        for headers in ({}, {"mcp-protocol-version": "2024-11-05"}, {"mcp-protocol-version": "2025-11-25"}):
            refused = await wire.get(headers)
            assert isinstance(refused, Answer)
            assert (refused.status, refused.headers["Allow"]) == (405, "POST")
            check_error_shape(refused.body)

    run(scenario)


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_stateless_client_has_no_get_and_no_delete(method: str) -> None:
    """Required by MCP 2026-07-28 streamable-http (Earlier Streamable HTTP Revisions)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        answer = await speak(wire, method, session | {"mcp-protocol-version": STATELESS})
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await wire.post(PING, session)).status == 200

    run(scenario)


@pytest.mark.parametrize("negotiated", HANDSHAKE)
def test_the_version_header_must_be_supported_and_no_more(negotiated: str) -> None:
    """Required by MCP 2025-11-25 basic/transports (Protocol Version Header); leniency: our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(negotiated)
        assert (await wire.post(PING, session)).status == 200
        for version in HANDSHAKE:
            listed = await wire.post(build_request("tools/list"), session | {"mcp-protocol-version": version})
            assert ("outputSchema" in listed.result["tools"][0]) == (negotiated != "2025-03-26")
        for method in METHODS:
            answer = await speak(wire, method, session | {"mcp-protocol-version": "2024-11-05"})
            assert (answer.status, answer.code) == (400, -32022)

    run(scenario, build_server())


def test_headers_of_the_stateless_era_mean_nothing_here() -> None:
    """Required by clients on the wire: one sends Mcp-Method with 2025-11-25."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        headers = session | {"mcp-protocol-version": "2025-11-25", "mcp-method": "other", "mcp-name": "other"}
        answer = await wire.post(
            build_request("tools/call", {"name": "echo", "arguments": {"words": "a"}}), headers
        )
        assert answer.text == "a"

    run(scenario, build_server())


@pytest.mark.parametrize("version", HANDSHAKE)
def test_results_carry_nothing_of_the_stateless_era(version: str) -> None:
    """Required by schema.ts of the handshake revisions."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        listed = (await wire.post(build_request("tools/list"), session)).result
        assert set(listed) == {"tools"}
        called = (await wire.call("echo", {"words": "a"}, version=version)).result
        assert set(called) <= {"content", "isError", "structuredContent"}

    run(scenario, build_server())


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "nonsense"])
def test_an_unknown_method_is_answered_inside_the_session(method: str) -> None:
    """Required by JSON-RPC 2.0 §5.1; 200, because the message was received well: our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        answer = await wire.post(build_request(method, request_id="x"), session)
        assert (answer.status, answer.code, answer.body["id"]) == (200, -32601, "x")

    run(scenario)


def test_responses_and_notifications_are_accepted() -> None:
    """Required by MCP 2025-11-25 basic/transports (Sending Messages)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        for message in (
            {"jsonrpc": "2.0", "id": 5, "result": {}},
            {"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "m"}},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}},
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": True}},
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
            {"jsonrpc": "2.0", "method": "notifications/nobody/knows"},
        ):
            answer = await wire.post(message, session)
            assert (answer.status, answer.body) == (202, None)

    run(scenario)


def test_batches_are_answered_in_the_revision_that_has_them() -> None:
    """Required by MCP 2025-03-26 basic/transports and JSON-RPC 2.0 §6."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session("2025-03-26")
        batch: list[Any] = [
            build_request("ping", request_id=0),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            build_request("nonsense", request_id="b"),
            5,
            build_request("initialize", {"protocolVersion": "2025-03-26"}, request_id="c"),
            build_request("tools/call", {"name": "echo", "arguments": {"words": "a"}}, request_id="d"),
        ]
        answer = await wire.post(batch, session)
        assert answer.status == 200
        seen = [(one["id"], one.get("error", {}).get("code")) for one in answer.body]
        assert seen == [(0, None), ("b", -32601), (None, -32600), ("c", -32600), ("d", None)]
        assert (await wire.post(batch[1:2] * 3, session)).status == 202
        assert (await wire.post(b"[]", session)).status == 400

    run(scenario, build_server())


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_batches_are_refused_in_later_revisions(version: str) -> None:
    """Required by MCP 2025-06-18 changelog (batching removed)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        answer = await wire.post([PING], session)
        assert (answer.status, answer.code) == (400, -32600)

    run(scenario)


@pytest.mark.parametrize(
    ("accept", "status", "streamed", "as_event"),
    [
        (None, 200, 1, False),
        ("*/*", 200, 1, False),
        ("application/json, text/event-stream", 200, 1, False),
        ("application/json", 200, 0, False),
        ("text/event-stream", 200, 1, True),
        ("text/html", 406, 0, False),
    ],
)
def test_what_the_client_accepts_decides_over_streaming(
    accept: str | None, status: int, streamed: int, as_event: bool
) -> None:
    """Required by MCP 2025-11-25 basic/transports (both types in Accept); leniency is our choice."""
    server = MCPServer("s")

    @server.tool()
    async def step(context: Context) -> None:
        await context.progress(1)

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        headers = session | ({} if accept is None else {"accept": accept})
        message = build_request("tools/call", {"name": "step", "_meta": {"progressToken": 0}})
        answer = await wire.post(message, headers)
        assert answer.status == status
        assert len(answer.sent) == streamed
        assert answer.reply.stream is False
        plain = await wire.post(build_request("tools/list"), headers)
        assert plain.reply.stream is as_event

    run(scenario, server)


@pytest.mark.parametrize("wanted", ["debug", "emergency"])
def test_a_client_sets_the_log_level_of_its_session(wanted: str) -> None:
    """Required by MCP 2025-11-25 server/utilities/logging."""
    server = MCPServer("s")

    @server.tool()
    async def speak_up(context: Context) -> str:
        await context.log("debug", "d")
        await context.log("info", {"i": 1}, "here")
        return "done"

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        call = build_request("tools/call", {"name": "speak_up"})
        sent = (await wire.post(call, session)).sent
        assert [message["params"] for message in sent] == [
            {"level": "info", "data": {"i": 1}, "logger": "here"}
        ]
        assert sent[0]["method"] == "notifications/message"
        assert (await wire.post(build_request("logging/setLevel", {"level": wanted}), session)).result == {}
        assert len((await wire.post(call, session)).sent) == (2 if wanted == "debug" else 0)
        assert len((await wire.post(call, await wire.open_session())).sent) == 1
        for bad in ({}, {"level": "loud"}, {"level": 5}):
            assert (await wire.post(build_request("logging/setLevel", bad), session)).code == -32602

    run(scenario, server)


def test_a_session_does_not_cancel_when_its_client_disconnects() -> None:
    """Required by MCP 2025-11-25 basic/transports (Sending Messages, 6)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        outbound = FakeOutbound()
        await wire.post(PING, session, outbound=outbound)
        assert outbound.cancels_on_disconnect is False

    run(scenario)


def test_a_store_that_fails_is_said_plainly_and_promises_nothing() -> None:
    """Our choice: 503, so that the client tries again."""

    class Failing:
        bus = None

        async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None:
            raise StoreUnavailable("disk full")

        async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
            raise StoreUnavailable("disk full")

        async def subscribe_mcp_session(self, session_hash: bytes, uri: str, **rest: Any) -> bool:
            raise StoreUnavailable("disk full")

        async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
            raise StoreUnavailable("disk full")

        async def close_mcp_session(self, session_hash: bytes) -> bool:
            raise StoreUnavailable("disk full")

        async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes:
            raise StoreUnavailable("disk full")

    async def scenario(_: Wire) -> None:
        server = build_server()
        wire = Wire(Endpoint(server, path="/mcp", sessions=cast(EndpointStore, Failing())), server)
        answer = await wire.post(build_request("initialize", {"protocolVersion": "2025-11-25"}, request_id=0))
        assert (answer.status, answer.code, answer.body["id"]) == (503, -32603, 0)
        assert "disk" not in json.dumps(answer.body)
        assert (await wire.post(PING, {"mcp-session-id": "x"})).status == 503
        assert (await wire.delete({"mcp-session-id": "x"})).status == 503
        params = {"name": "x", "requestState": "x" * 80}
        assert (await wire.post_stateless("tools/call", params)).status == 503

    run(scenario, logged=4)
