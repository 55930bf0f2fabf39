"""The stateless era: each request alone."""

import base64
from typing import Annotated, Any

import msgspec
import pytest
from mcp_samples import (
    HANDSHAKE,
    META,
    SERVER_INFO_KEY,
    STATELESS,
    VERSION_KEY,
    Answer,
    FakeOutbound,
    Json,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
)

from omnitornado.mcp.context import Context
from omnitornado.mcp.server import MCPServer


def build_server() -> MCPServer:
    server = MCPServer("test", title="Test", version="1.2", instructions="Be kind.")

    @server.tool()
    async def echo(words: str) -> str:
        return words

    @server.tool()
    async def route(
        region: Annotated[str, msgspec.Meta(extra_json_schema={"x-mcp-header": "Region"})] = "eu",
    ) -> str:
        return region

    @server.tool()
    async def speak_up(context: Context) -> str:
        await context.log("info", "i")
        await context.log("error", "e")
        return context.protocol_version

    return server


def check_whole(answer: Answer) -> None:
    """What every result of this era carries."""
    assert answer.status == 200
    assert answer.result["resultType"] == "complete"
    assert answer.result["_meta"][SERVER_INFO_KEY] == {"name": "test", "version": "1.2", "title": "Test"}
    assert "Mcp-Session-Id" not in answer.headers


def test_discover_says_versions_capabilities_and_identity() -> None:
    """Required by MCP 2026-07-28 server/discover."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post_stateless("server/discover")
        check_whole(answer)
        assert answer.result["supportedVersions"] == [STATELESS, *reversed(HANDSHAKE)]
        assert answer.result["capabilities"] == {"logging": {}, "tools": {"listChanged": True}}
        assert answer.result["instructions"] == "Be kind."

    run(scenario, build_server())


@pytest.mark.parametrize("method", ["server/discover", "tools/list"])
def test_what_may_be_cached_says_for_how_long_and_by_whom(method: str) -> None:
    """Required by MCP 2026-07-28 server/utilities/caching; private: our choice, it is behind a login."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post_stateless(method)
        check_whole(answer)
        assert type(answer.result["ttlMs"]) is int
        assert answer.result["ttlMs"] > 0
        assert answer.result["cacheScope"] == "private"

    run(scenario, build_server())


def test_a_tool_is_called_without_any_session() -> None:
    """Required by MCP 2026-07-28 basic/index (Statelessness); a session id is ignored."""

    async def scenario(wire: Wire) -> None:
        message = build_stateless("tools/call", {"name": "echo", "arguments": {"words": "hé"}}, request_id=0)
        answer = await wire.post(message, build_headers(message) | {"mcp-session-id": "nonsense"})
        check_whole(answer)
        assert answer.body["id"] == 0
        assert answer.result["content"] == [{"type": "text", "text": "hé"}]
        assert "ttlMs" not in answer.result

    run(scenario, build_server())


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "unknown/method",
    ],
)
def test_a_method_that_is_not_there_is_404(method: str) -> None:
    """Required by MCP 2026-07-28 streamable-http (Protocol Version Header)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post(build_stateless(method, request_id=0), build_headers({"method": method}))
        assert (answer.status, answer.code, answer.body["id"]) == (404, -32601, 0)

    run(scenario)


def test_a_version_of_neither_era_is_told_what_is_there() -> None:
    """Required by MCP 2026-07-28 basic/versioning; what it names is what discover names."""

    async def scenario(wire: Wire) -> None:
        message = build_stateless("server/discover")
        message["params"]["_meta"] = META | {VERSION_KEY: "v999.0.0"}
        headers = build_headers(message) | {"mcp-protocol-version": "v999.0.0"}
        answer = await wire.post(message, headers)
        assert (answer.status, answer.code) == (400, -32022)
        data = answer.body["error"]["data"]
        discovered = (await wire.post_stateless("server/discover")).result["supportedVersions"]
        assert data == {"supported": discovered, "requested": "v999.0.0"}

    run(scenario)


CHECKED: list[tuple[str, Json, dict[str, str], int]] = [
    ("missing _meta", build_request("server/discover", {}), {}, -32602),
    ("missing params", build_request("server/discover"), {}, -32602),
    ("missing method header", build_stateless("tools/list"), {"mcp-method": ""}, -32020),
    ("a response", {"jsonrpc": "2.0", "id": 1, "result": {}}, {}, -32600),
]


@pytest.mark.parametrize(
    ("message", "headers", "code"), [row[1:] for row in CHECKED], ids=[row[0] for row in CHECKED]
)
def test_a_malformed_request_is_400(message: Json, headers: dict[str, str], code: int) -> None:
    """Required by MCP 2026-07-28 basic/index and streamable-http."""

    async def scenario(wire: Wire) -> None:
        given = {"mcp-protocol-version": STATELESS, "mcp-method": message.get("method", "")} | headers
        answer = await wire.post(message, given)
        assert (answer.status, answer.code) == (400, code)

    run(scenario)


def test_there_are_no_batches() -> None:
    """Required by MCP 2026-07-28 streamable-http (Sending Messages, 4)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post([build_stateless("tools/list")], {"mcp-protocol-version": STATELESS})
        assert (answer.status, answer.code) == (400, -32600)

    run(scenario)


def test_notifications_are_accepted_unless_their_version_is_unknown() -> None:
    """Required by MCP 2026-07-28 streamable-http (Sending Messages, 5)."""

    async def scenario(wire: Wire) -> None:
        message: Json = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        accepted = await wire.post(message, {"mcp-protocol-version": STATELESS})
        assert (accepted.status, accepted.body) == (202, None)
        message["params"]["_meta"] = META
        assert (await wire.post(message)).status == 202
        message["params"]["_meta"] = META | {VERSION_KEY: "1"}
        assert (await wire.post(message)).code == -32022

    run(scenario)


@pytest.mark.parametrize(
    ("arguments", "header", "status"),
    [
        ({"region": "us"}, "us", 200),
        ({"region": "Zürich"}, f"=?base64?{base64.b64encode('Zürich'.encode()).decode()}?=", 200),
        ({}, None, 200),
        ({"region": "us"}, "eu", 400),
        ({"region": "us"}, None, 400),
        ({}, "us", 400),
    ],
)
def test_a_mirrored_parameter_must_match_its_header(arguments: Json, header: str | None, status: int) -> None:
    """Required by MCP 2026-07-28 streamable-http (Server Behavior for Custom Headers)."""

    async def scenario(wire: Wire) -> None:
        message = build_stateless("tools/call", {"name": "route", "arguments": arguments})
        headers = build_headers(message) | ({} if header is None else {"mcp-param-region": header})
        answer = await wire.post(message, headers)
        assert answer.status == status
        if status == 400:
            assert answer.code == -32020

    run(scenario, build_server())


@pytest.mark.parametrize(("level", "count"), [(None, 0), ("debug", 2), ("error", 1), ("alert", 0)])
def test_log_messages_are_sent_only_when_the_request_asks(level: str | None, count: int) -> None:
    """Required by MCP 2026-07-28 server/utilities/logging (Per-request log level)."""

    async def scenario(wire: Wire) -> None:
        meta: dict[str, Any] = {} if level is None else {"io.modelcontextprotocol/logLevel": level}
        answer = await wire.post_stateless("tools/call", {"name": "speak_up"}, **meta)
        check_whole(answer)
        assert [message["method"] for message in answer.sent] == ["notifications/message"] * count

    run(scenario, build_server())


def test_a_client_that_leaves_has_cancelled_its_request() -> None:
    """Required by MCP 2026-07-28 streamable-http (Cancellation)."""

    async def scenario(wire: Wire) -> None:
        outbound = FakeOutbound()
        outbound.cancels_on_disconnect = False
        await wire.post_stateless("tools/list", outbound=outbound)
        assert outbound.cancels_on_disconnect is True

    run(scenario)
