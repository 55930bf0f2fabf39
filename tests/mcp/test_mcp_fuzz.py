"""Whatever a client sends, there is an answer, and it is well formed."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_samples import (
    ANN,
    CAPABILITIES_KEY,
    EVERY_VERSION,
    META,
    VERSION_KEY,
    FakeOutbound,
    Wire,
    check_error_shape,
    run,
)
from mcp_tasks import TaskClient

from omnitornado.mcp.context import Context
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore

METHODS = [
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "logging/setLevel",
    "server/discover",
    "notifications/initialized",
    "notifications/cancelled",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "",
]

KEYS = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "_meta",
    "name",
    "arguments",
    "cursor",
    "level",
    "uri",
    "ref",
    "type",
    "argument",
    "value",
]
MORE_KEYS = [
    "progressToken",
    "protocolVersion",
    "clientInfo",
    "capabilities",
    "requestId",
    VERSION_KEY,
    CAPABILITIES_KEY,
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([*EVERY_VERSION, "2.0", "echo", "info", *METHODS])
)
keys = st.sampled_from([*KEYS, *MORE_KEYS]) | st.text(max_size=4)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)
uris = st.sampled_from(["echo://words", "echo://{words}", "echo://a/../b"]) | st.text(max_size=8).map(
    "echo://".__add__
)
params = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["echo", "steps", "missing"]) | scalars,
        "arguments": st.dictionaries(st.sampled_from(["words", "count", "x"]), anything, max_size=3)
        | scalars,
        "_meta": st.just(META) | st.dictionaries(keys, anything, max_size=4),
        "protocolVersion": st.sampled_from(EVERY_VERSION) | scalars,
        "cursor": scalars,
        "level": scalars,
        "requestId": scalars,
        "uri": uris | anything,
        "ref": st.fixed_dictionaries(
            {"type": st.sampled_from(["ref/prompt", "ref/resource"]) | scalars},
            optional={"name": st.sampled_from(["echo", "missing"]) | scalars, "uri": uris | scalars},
        )
        | anything,
        "argument": st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from(["words", "x"]) | scalars, "value": scalars}
        )
        | anything,
        "context": st.dictionaries(st.just("arguments"), anything, max_size=1) | anything,
    },
)
messages = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | scalars},
    optional={
        "id": st.integers(0, 3) | st.text(max_size=2) | scalars,
        "method": st.sampled_from(METHODS) | scalars,
        "params": params | anything,
        "result": anything,
    },
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "accept": st.sampled_from(["application/json", "text/event-stream", "*/*", "text/html"])
        | st.text(max_size=8),
        "mcp-protocol-version": st.sampled_from([*EVERY_VERSION, "2024-11-05"]) | st.text(max_size=8),
        "mcp-session-id": st.just("SESSION") | st.text(max_size=8),
        "mcp-method": st.sampled_from(METHODS) | st.text(max_size=8),
        "mcp-name": st.sampled_from(["echo", "steps", "echo://words", "=?base64?ZWNobw==?="])
        | st.text(max_size=8),
    },
)


def build_server() -> MCPServer:
    server = MCPServer("fuzz")

    @server.tool()
    async def echo(words: str = "", x: Any = None) -> list[Any]:
        return [words, x]

    @server.tool()
    async def steps(context: Context, count: int = 1) -> int:
        await context.progress(count % 100)
        return count

    @server.prompt(name="echo")
    @server.resource("echo://{words}")
    async def say(words: str) -> str:
        return words

    @server.resource("echo://words")
    async def words() -> bytes:
        return b"words"

    @server.completion("ref/prompt", "echo", "words")
    async def complete(value: str, arguments: dict[str, str]) -> list[str]:
        return [value, *arguments]

    return server


def check_reply(reply: Reply, sent: list[Any]) -> None:
    assert 200 <= reply.status < 500
    if reply.body is None:
        assert reply.status in (202, 204)
        return
    assert reply.headers["Content-Type"] == "application/json"
    body = json.loads(reply.body)
    for answer in body if isinstance(body, list) else [body]:
        assert answer["jsonrpc"] == "2.0"
        if "error" in answer:
            check_error_shape(answer)
        else:
            assert set(answer) == {"jsonrpc", "id", "result"}
            assert reply.status == 200
    for message in sent:
        assert "id" not in message
        assert message["method"].startswith("notifications/")


def ask(body: bytes, given_headers: Mapping[str, str], version: str) -> None:
    async def main() -> None:
        store = EmbeddedStore.open(None)
        await store.start()
        server = build_server()
        endpoint = Endpoint(server, path="/mcp", sessions=store)
        session = (await Wire(endpoint, server).open_session(version))["mcp-session-id"]
        resolved = {name: session if value == "SESSION" else value for name, value in given_headers.items()}
        outbound = FakeOutbound()
        check_reply(await endpoint.handle_post(body, resolved, ANN, outbound), outbound.sent)
        opened = await endpoint.open_stream(resolved, ANN)
        if isinstance(opened, Reply):
            check_reply(opened, [])
        check_reply(await endpoint.handle_delete(resolved, ANN), [])
        await endpoint.close()
        await store.close()

    asyncio.run(main())


relaxed = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
session_versions = st.sampled_from(EVERY_VERSION[:3])


@relaxed
@given(st.binary(max_size=64), headers, session_versions)
def test_any_bytes_are_answered(body: bytes, given_headers: dict[str, str], version: str) -> None:
    """Our choice: no request makes a stack trace or a 500."""
    ask(body, given_headers, version)


@relaxed
@given(anything | st.lists(messages, max_size=4), headers, session_versions)
def test_any_json_is_answered(value: Any, given_headers: dict[str, str], version: str) -> None:
    """Our choice: no request makes a stack trace or a 500."""
    ask(json.dumps(value).encode(), given_headers, version)


@relaxed
@given(messages, headers, session_versions)
def test_anything_like_a_message_is_answered(
    message: Any, given_headers: dict[str, str], version: str
) -> None:
    """Our choice: no request makes a stack trace or a 500."""
    ask(json.dumps(message).encode(), given_headers, version)


@relaxed
@given(messages, headers)
def test_anything_like_a_stateless_request_is_answered(message: Any, given_headers: dict[str, str]) -> None:
    """Our choice: no request makes a stack trace or a 500."""
    method = message.get("method", "tools/call")
    shaped = message | {"jsonrpc": "2.0", "id": 0, "method": method}
    if isinstance(shaped.get("params"), dict):
        shaped["params"]["_meta"] = META
        name = shaped["params"].get("name")
        if isinstance(name, str):
            given_headers = given_headers | {"mcp-name": name}
    mirrored = {"mcp-protocol-version": "2026-07-28", "mcp-method": str(method), "accept": "*/*"}
    ask(json.dumps(shaped).encode(), given_headers | mirrored, "2025-11-25")


KINDS = ("elicitation", "sampling", "roots", "no question")
answers = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["accept", "decline", "cancel"]) | scalars,
        "content": st.dictionaries(st.sampled_from(["name", "count", "x"]), anything, max_size=3) | anything,
        "role": st.sampled_from(["assistant", "user"]) | scalars,
        "model": scalars,
        "roots": st.lists(st.dictionaries(st.sampled_from(["uri", "name"]), scalars, max_size=2)) | anything,
    },
)
responses = st.dictionaries(st.sampled_from(KINDS) | st.text(max_size=4), answers | anything, max_size=4)


@relaxed
@given(
    st.sampled_from(["tasks/get", "tasks/update", "tasks/cancel"]),
    st.just("TASK") | scalars,
    responses | anything,
)
def test_anything_sent_to_a_task_is_answered(method: str, task_id: Any, given_responses: Any) -> None:
    """Our choice: no request makes a stack trace or a 500, and the task stays what a task can be."""
    server = MCPServer("fuzz")

    @server.tool(task=True)
    async def ask_everybody(context: Context) -> str:
        form = {"type": "object", "properties": {"name": {"type": "string"}, "count": {"type": "integer"}}}
        asked = (context.elicit("?", form), context.sample("?", max_tokens=1), context.list_roots())
        await asyncio.gather(*asked)
        return "done"

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        mine = await client.start("ask_everybody")
        await client.see_question(mine)
        params = {"taskId": mine if task_id == "TASK" else task_id, "inputResponses": given_responses}
        answer = await client.send(method, params)
        check_reply(answer.reply, answer.sent)
        assert (await client.get(mine))["status"] in ("input_required", "working", "completed", "cancelled")

    run(scenario, server)
