"""Rules of the base protocol that every method keeps to, in every revision."""

import asyncio
import json
from typing import Any

import pytest
from mcp_samples import (
    ANN,
    CAPABILITIES_KEY,
    EVERY_VERSION,
    HANDSHAKE,
    SERVER_INFO_KEY,
    STATELESS,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
    until,
)

from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer

LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"

DEFINED = {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022}
"""JSON-RPC's own codes, and those of MCP 2026-07-28 schema.ts."""


def build_server() -> MCPServer:
    server = MCPServer("test", version="1.2", title="Test")
    leaked: list[Context] = []

    @server.tool()
    def say(word: str = "hello") -> str:
        """Say it."""
        return word

    @server.tool(name="Say")
    def shout(word: str = "hello") -> str:
        return word.upper()

    @server.tool()
    async def ask(context: Context) -> str:
        await context.elicit("Name?", str)
        return "asked"

    @server.tool()
    async def talk(context: Context) -> str:
        await context.log("info", "talking")
        await context.progress(1)
        leaked.append(context)
        return "talked"

    @server.tool()
    async def talk_on() -> str:
        await leaked[-1].progress(2)
        await leaked[-1].log("error", "late")
        return "nothing"

    @server.tool(timeout=0.01)
    async def sleep() -> None:
        await asyncio.Event().wait()

    @server.resource("a://b")
    def read() -> str:
        raise RuntimeError("no")

    @server.resource("c://{name}")
    def find(name: str) -> None:
        """Nothing."""

    @server.prompt()
    def write(topic: str) -> str:
        return topic

    return server


METHODS: dict[str, Json] = {
    "tools/list": {},
    "tools/call": {"name": "say"},
    "resources/list": {},
    "resources/templates/list": {},
    "prompts/list": {},
    "prompts/get": {"name": "write", "arguments": {"topic": "a"}},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "write"},
        "argument": {"name": "topic", "value": ""},
    },
}


@pytest.mark.parametrize("method", [*METHODS, "server/discover"])
def test_every_result_says_which_server_it_is_from(method: str) -> None:
    """Required by MCP 2026-07-28 basic/index (`_meta`)."""

    async def scenario(wire: Wire) -> None:
        meta = (await wire.ask(method, METHODS.get(method, {}))).result["_meta"]
        assert meta[SERVER_INFO_KEY] == {"name": "test", "version": "1.2", "title": "Test"}

    run(scenario, build_server())


WRONG: list[tuple[str, Json]] = [
    ("tools/call", {"name": "gone"}),
    ("tools/call", {"name": 3}),
    ("tools/call", {"name": "say", "arguments": []}),
    ("tools/call", {"name": "ask"}),
    ("tools/list", {"cursor": "x"}),
    ("resources/read", {"uri": "a://b"}),
    ("resources/read", {"uri": "c://d"}),
    ("resources/read", {"uri": "gone://x"}),
    ("resources/read", {}),
    ("resources/subscribe", {"uri": "gone://x"}),
    ("prompts/get", {"name": "gone"}),
    ("prompts/get", {"name": "write"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "gone"}, "argument": {}}),
    ("nobody/knows", {}),
    ("logging/setLevel", {"level": "loud"}),
    ("subscriptions/listen", {}),
    ("tools/call", {"_meta": {"progressToken": []}, "name": "say"}),
]


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_no_other_error_code_is_ever_sent(version: str) -> None:
    """Required by MCP 2026-07-28 basic/index (Error Codes), MCP 2025-11-25 client/elicitation (URL
    Elicitation Required Error). Beyond the reserved range an application's own codes are in order: 429 is
    ours."""

    async def scenario(wire: Wire) -> None:
        codes = set()
        for method, params in WRONG:
            body = (await wire.ask(method, params, version=version)).body
            if body is not None and "error" in body:
                codes.add(body["error"]["code"])
        assert len(codes) >= 3
        assert codes <= DEFINED | ({-32002} if version in HANDSHAKE else set())

    run(scenario, build_server(), logged=None)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_bytes_beyond_ascii_are_answered_as_utf_8(version: str) -> None:
    """Required by MCP 2025-11-25 basic/transports and MCP 2026-07-28 basic/transports: UTF-8."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("say", {"word": "Grüße 🙂"}, version=version)
        body = answer.reply.body or json.dumps(answer.body, ensure_ascii=False).encode()
        assert "Grüße 🙂".encode() in body

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_what_a_client_says_of_itself_changes_nothing(version: str) -> None:
    """Required by MCP 2026-07-28 basic/index (`_meta`), MCP 2025-11-25 client/elicitation (Identifying the
    User): it is for display, and decides nothing."""
    claims = {"name": "ann", "version": "9", "user": "bob", "scopes": ["admin"]}
    server = build_server()

    @server.tool()
    def whoami(context: Context) -> str:
        return f"{context.username} {context.client_id} {sorted(context.scopes)}"

    async def scenario(wire: Wire) -> None:
        params: Json = {"name": "whoami", "arguments": {}}
        if version == STATELESS:
            message = build_stateless("tools/call", params, **{"io.modelcontextprotocol/clientInfo": claims})
            answer = await wire.post(message, build_headers(message))
        else:
            opening = {"protocolVersion": version, "capabilities": {}, "clientInfo": claims}
            opened = await wire.post(build_request("initialize", opening))
            session = {"mcp-session-id": opened.headers["Mcp-Session-Id"]}
            answer = await wire.post(build_request("tools/call", params), session)
        assert answer.text == f"{ANN.username} {ANN.client_id} ['mcp']"

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_what_a_request_says_of_tasks_is_ignored(version: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/tasks (Task Support and Handling): a server that doesn't
    declare tasks of this revision works on the request as on any other, and has no `tasks/list`."""

    async def scenario(wire: Wire) -> None:
        params: Json = {"name": "say", "arguments": {}, "task": {"ttl": 60000}}
        assert (await wire.ask("tools/call", params, version=version)).text == "hello"
        for method in ("tasks/list", "tasks/result") if version in HANDSHAKE else ():
            assert (await wire.ask(method, {"taskId": "x"}, version=version)).code == -32601

    run(scenario, build_server())


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_ping_is_answered_with_an_empty_result(version: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/ping (Behavior Requirements)."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.ask("ping", version=version)).result == {}

    run(scenario)


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_cancellation_touches_no_initialize(version: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation (Behavior Requirements)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await wire.post(note, session)).status == 202
        assert (await wire.post(build_request("ping"), session)).result == {}

    run(scenario)


def test_the_server_never_sends_a_cancellation_in_the_stateless_era() -> None:
    """Required by MCP 2026-07-28 basic/patterns/cancellation: it is for subscriptions over stdio alone."""

    async def scenario(wire: Wire) -> None:
        asked = FakeOutbound()
        meta: Json = {CAPABILITIES_KEY: {"elicitation": {}}, "progressToken": 1}
        await wire.post_stateless("tools/call", {"name": "ask"}, outbound=asked, **meta)
        late = FakeOutbound()
        await wire.post_stateless("tools/call", {"name": "sleep"}, outbound=late, **meta)
        listening = FakeOutbound()
        message = build_stateless("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        task = asyncio.create_task(wire.post(message, build_headers(message), outbound=listening))
        await listening.arrived.wait()
        await wire.endpoint.end_streams()
        await task
        for outbound in (asked, late, listening):
            assert "notifications/cancelled" not in [one.get("method") for one in outbound.sent]

    run(scenario, build_server(), logged=None)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_no_progress_comes_after_the_end(version: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/progress and MCP 2026-07-28 basic/patterns/progress
    (Implementation Notes)."""

    async def scenario(wire: Wire) -> None:
        first = await wire.call("talk", version=version, token="t")
        assert [one["method"] for one in first.sent].count("notifications/progress") == 1
        later = await wire.call("talk_on", version=version, token="u")
        assert later.sent == []

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_progress_token_is_a_string_or_an_integer(version: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/progress and MCP 2026-07-28 basic/patterns/progress."""

    unfit: list[Any] = [[], {}, 1.5, True]

    async def scenario(wire: Wire) -> None:
        for token in ("", "a", 0, 7):
            assert (await wire.call("talk", version=version, token=token)).text == "talked"
        for wrong in unfit:
            assert (await wire.call("talk", version=version, token=wrong)).code == -32602

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_names_of_tools_count_in_their_own_case(version: str) -> None:
    """Required by MCP 2025-11-25 and MCP 2026-07-28 server/tools (Tool Names)."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("say", version=version)).text == "hello"
        assert (await wire.call("Say", version=version)).text == "HELLO"
        assert (await wire.call("SAY", version=version)).code == -32602

    run(scenario, build_server())


def test_log_messages_go_to_the_stream_of_their_call_alone() -> None:
    """Required by MCP 2026-07-28 server/utilities/logging (Per-request log level)."""

    async def scenario(wire: Wire) -> None:
        listening = FakeOutbound()
        filters = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
        message = build_stateless(
            "subscriptions/listen", {"notifications": filters}, **{LOG_LEVEL_KEY: "debug"}
        )
        task = asyncio.create_task(wire.post(message, build_headers(message), outbound=listening))
        await listening.arrived.wait()
        other = FakeOutbound()
        called = await wire.post_stateless(
            "tools/call", {"name": "talk"}, outbound=other, **{LOG_LEVEL_KEY: "debug"}
        )
        assert [one["method"] for one in called.sent] == ["notifications/message"]
        wire.server.remove_tool("say")
        await until(lambda: len(listening.sent) == 2)
        assert [one["method"] for one in listening.sent] == [
            "notifications/subscriptions/acknowledged",
            "notifications/tools/list_changed",
        ]
        await wire.endpoint.end_streams()
        await task

    run(scenario, build_server())


@pytest.mark.parametrize("version", HANDSHAKE)
def test_log_messages_of_a_session_go_to_their_calls_stream(version: str) -> None:
    """Required by MCP 2025-11-25 basic/transports (Multiple Connections): not to the session's own stream."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        called = await wire.post(build_request("tools/call", {"name": "talk", "arguments": {}}), session)
        assert [one["method"] for one in called.sent] == ["notifications/message"]
        wire.server.remove_tool("say")
        assert (await stream.receive() or {})["method"] == "notifications/tools/list_changed"
        stream.close()

    run(scenario, build_server())


@pytest.mark.parametrize(
    ("key", "is_good"),
    [
        ("name", True),
        ("openai/outputTemplate", True),
        ("com.example/name", True),
        ("com.example-1.b2/na_m-e.2", True),
        ("com.example/", True),
        ("9", True),
        ("", False),
        ("/name", False),
        ("com..example/name", False),
        ("1com/name", False),
        ("com-/name", False),
        ("com.example/na/me", False),
        ("com.example/-name", False),
        ("name_", False),
        ("na me", False),
        ("näme", False),
        ("name\n", False),
    ],
)
def test_a_key_of_meta_keeps_to_its_form(key: str, is_good: bool) -> None:
    """Required by MCP 2025-06-18 and later basic/index (`_meta`); held at import."""
    server = MCPServer("test")

    def declare() -> None:
        server.add_tool(lambda: "a", name="a", meta={key: 1})
        server.add_prompt(lambda: "a", name="a", meta={key: 1})
        server.add_resource("a://b", lambda: "a", meta={key: 1})

    if is_good:
        declare()
        return
    for offer in (
        lambda: server.add_tool(lambda: "a", name="a", meta={key: 1}),
        lambda: server.add_prompt(lambda: "a", name="a", meta={key: 1}),
        lambda: server.add_resource("a://b", lambda: "a", meta={key: 1}),
    ):
        with pytest.raises(DeclarationError, match="of meta is not of the form"):
            offer()


@pytest.mark.parametrize("src", ["http://example.com/i.png", "javascript:alert(1)", "file:///i", "i.png", ""])
def test_an_icon_is_https_or_data(src: str) -> None:
    """Required by MCP 2025-11-25 and MCP 2026-07-28 basic/index (`icons`): clients refuse any other."""
    assert Icon("data:image/png;base64,AA==").src
    with pytest.raises(ValueError, match="an icon is an https: or data: URI"):
        Icon(src)
