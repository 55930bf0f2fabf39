"""What a tool's return value becomes, and how it is listed, in each revision."""

import base64
import json
from typing import Any

import pytest
from mcp_samples import EVERY_VERSION, HANDSHAKE, STATELESS, Json, Wire, build_request, run

from omnitornado.mcp.content import Annotations, Audio, Content, EmbeddedResource, Image, ResourceLink, Text
from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.jsonrpc import JsonRpcError, encode
from omnitornado.mcp.registry import Registry
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tools import Tool, ToolAnnotations, ToolError, ToolResult, build_tool


def text(words: str) -> Json:
    return {"type": "text", "text": words}


IMAGE = {"type": "image", "data": base64.b64encode(b"png").decode(), "mimeType": "image/png"}
LINK = {"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain"}

VALUES: list[tuple[str, Any, list[Json]]] = [
    ("nothing", None, []),
    ("text", "hello", [text("hello")]),
    ("empty text", "", [text("")]),
    ("a lone surrogate", "a\ud800", [text("a?")]),
    ("a number", 1.5, [text("1.5")]),
    ("a dict", {"a": [1, None]}, [text('{"a":[1,null]}')]),
    ("a list of values", [1, "a"], [text('[1,"a"]')]),
    ("an empty list", [], [text("[]")]),
    ("an image", Image(b"png", "image/png"), [IMAGE]),
    ("audio", Audio(b"x", "audio/wav"), [{"type": "audio", "data": "eA==", "mimeType": "audio/wav"}]),
    ("a link", ResourceLink("file:///a", "a", mime_type="text/plain"), [LINK]),
    (
        "an embedded text",
        EmbeddedResource("file:///a", "words", "text/plain"),
        [{"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "words"}}],
    ),
    (
        "embedded bytes",
        EmbeddedResource("file:///a", b"x"),
        [{"type": "resource", "resource": {"uri": "file:///a", "blob": "eA=="}}],
    ),
    (
        "annotated text",
        Text(
            "a",
            annotations=Annotations(audience=("user",), priority=0.5, last_modified="2026-01-01T00:00:00Z"),
        ),
        [
            text("a")
            | {"annotations": {"audience": ["user"], "priority": 0.5, "lastModified": "2026-01-01T00:00:00Z"}}
        ],
    ),
    ("a mixed list", ["see", Image(b"png", "image/png"), {"a": 1}], [text("see"), IMAGE, text('{"a":1}')]),
    ("a result of one's own", ToolResult(["a", Text("b")]), [text("a"), text("b")]),
]


@pytest.mark.parametrize(("value", "blocks"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_a_return_value_becomes_content(value: Any, blocks: list[Json]) -> None:
    """Required by MCP 2026-07-28 server/tools (Tool Result); which value becomes what is our choice."""

    def function() -> Any: ...

    outcome = build_tool(function).build_outcome(value)
    assert json.loads(encode(outcome.blocks)) == blocks
    assert outcome.structured is None


def build_server() -> MCPServer:
    server = MCPServer("test", title="Test", version="1.2", icons=[Icon("https://example.com/i.png")])

    @server.tool(title="Numbers", icons=[Icon("https://example.com/n.png", "image/png", ("48x48",), "dark")])
    def numbers(count: int) -> list[int]:
        """Count.

        Args:
            count: How far.
        """
        return list(range(count))

    @server.tool(annotations=ToolAnnotations(read_only_hint=True, destructive_hint=False))
    def table() -> dict[str, int]:
        return {"a": 1}

    @server.tool()
    def greet() -> str:
        return "hello"

    @server.tool(structured=False)
    def plain() -> dict[str, int]:
        return {"a": 1}

    @server.tool()
    def link() -> ResourceLink:
        return ResourceLink("file:///a", "a", mime_type="text/plain")

    @server.tool()
    def blocks() -> list[Content]:
        return [Text("a")]

    @server.tool()
    def own() -> ToolResult:
        return ToolResult("no", is_error=True, meta={"example.com/x": 1})

    return server


STRUCTURED: list[tuple[str, Any, Any]] = [
    ("numbers", {"result": [0, 1]}, [0, 1]),
    ("table", {"a": 1}, {"a": 1}),
    ("greet", {"result": "hello"}, "hello"),
    ("plain", None, None),
    ("link", None, None),
    ("blocks", None, None),
]


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize(("name", "as_object", "as_any"), STRUCTURED, ids=[row[0] for row in STRUCTURED])
def test_structured_content_has_the_form_that_the_revision_knows(
    name: str, as_object: Any, as_any: Any, version: str
) -> None:
    """Required by schema.ts: none in 2025-03-26, objects until 2025-11-25, any value in 2026-07-28."""
    expected = {"2025-03-26": None, STATELESS: as_any}.get(version, as_object)

    async def scenario(wire: Wire) -> None:
        result = (await wire.call(name, {"count": 2} if name == "numbers" else {}, version=version)).result
        assert result["isError"] is False
        assert result.get("structuredContent") == expected
        assert ("structuredContent" in result) == (expected is not None)
        assert result["content"]

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_tools_are_listed_in_the_words_of_the_revision(version: str) -> None:
    """Required by schema.ts of each revision: members it doesn't know are left out."""
    server = build_server()
    listed = {tool.name: json.loads(encode(tool.describe(version))) for tool in server.tools.list_all()}
    numbers, table = listed["numbers"], listed["table"]
    assert numbers["description"] == "Count."
    assert numbers["inputSchema"]["properties"]["count"]["description"] == "How far."
    assert table["annotations"] == {"readOnlyHint": True, "destructiveHint": False}
    assert "outputSchema" not in listed["plain"]
    if version == "2025-03-26":
        assert set(numbers) == {"name", "description", "inputSchema", "annotations"}
        assert numbers["annotations"] == {"title": "Numbers"}
        return
    assert numbers["title"] == "Numbers"
    assert table["outputSchema"]["type"] == "object"
    assert numbers["outputSchema"]["type"] == ("array" if version == STATELESS else "object")
    icon = {"src": "https://example.com/n.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}
    assert numbers.get("icons") == (None if version == "2025-06-18" else [icon])


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_link_becomes_text_where_there_are_no_links(version: str) -> None:
    """Required by schema.ts of 2025-03-26 (links since 2025-06-18)."""

    async def scenario(wire: Wire) -> None:
        content = (await wire.call("link", version=version)).result["content"]
        assert content == ([text("a: file:///a")] if version == "2025-03-26" else [LINK])

    run(scenario, build_server())


def test_a_tool_may_put_its_result_together_itself() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.call("own")).result
        assert result["isError"] is True
        assert result["_meta"]["example.com/x"] == 1

    run(scenario, build_server())


def declared_wrongly() -> int:
    return "a"  # type: ignore[return-value]


def without_json() -> Any:
    return object()


def not_finite() -> float:
    return float("nan")


def surrogate_inside() -> list[str]:
    return ["\ud800"]


@pytest.mark.parametrize("function", [declared_wrongly, without_json, not_finite, surrogate_inside])
def test_a_result_that_breaks_its_own_schema_is_a_failure_of_the_tool(function: Any) -> None:
    """Required by MCP 2026-07-28 server/tools (Output Schema): structured results conform."""
    server = MCPServer("s")
    server.tool()(function)

    async def scenario(wire: Wire) -> None:
        result = (await wire.call(function.__name__)).result
        assert result["isError"] is True
        assert "structuredContent" not in result

    run(scenario, server, logged=1)


def boom() -> None:
    raise RuntimeError("password=hunter2")


def leave() -> None:
    raise SystemExit(3)


def stop_iterating() -> None:
    raise StopIteration


async def boom_later() -> None:
    raise KeyError("hunter2")


async def leave_later() -> None:
    raise SystemExit("hunter2")


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("function", [boom, leave, stop_iterating, boom_later, leave_later])
def test_an_exception_becomes_a_safe_message_with_a_reference_to_the_log(function: Any, version: str) -> None:
    """Required by MCP server/tools (Error Handling); that the details stay in the log is our choice."""
    server = MCPServer("s")
    server.tool()(function)
    messages = []

    async def scenario(wire: Wire) -> None:
        answer = await wire.call(function.__name__, version=version)
        assert answer.status == 200
        assert answer.result["isError"] is True
        messages.append(answer.text)

    (line,) = run(scenario, server, logged=1)
    (message,) = messages
    assert "hunter2" not in message
    reference = message.rsplit(" ", 1)[1].rstrip(".")
    assert f"reference {reference}" in line
    assert "Traceback" in line


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_tool_error_is_shown_to_the_model_as_it_is(version: str) -> None:
    """Required by MCP server/tools (Error Handling)."""
    server = MCPServer("s")

    @server.tool()
    async def book(day: str) -> str:
        raise ToolError(f"{day} is in the past.")

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("book", {"day": "Monday"}, version=version)
        assert answer.result["content"] == [text("Monday is in the past.")]
        assert answer.result["isError"] is True

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_bad_arguments_are_a_result_that_says_what_to_fix(version: str) -> None:
    """Required by MCP 2025-11-25 server/tools (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("numbers", {"count": "two", "more": 1}, version=version)
        assert answer.status == 200
        assert answer.result["isError"] is True
        assert answer.text.startswith("Invalid arguments for numbers: argument 'count': Expected `int`")

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_an_unknown_tool_is_a_protocol_error(version: str) -> None:
    """Required by MCP server/tools (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("missing", version=version)
        assert answer.code == -32602
        assert answer.status == (400 if version == STATELESS else 200)

    run(scenario, build_server())


@pytest.mark.parametrize("params", [{}, {"name": 5}, {"name": None}, {"name": "table", "arguments": []}])
def test_a_malformed_call_is_a_protocol_error(params: Json) -> None:
    """Required by MCP server/tools (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        assert (await wire.post(build_request("tools/call", params), session)).code == -32602

    run(scenario, build_server())


def test_a_list_is_cut_into_pages_that_survive_changes() -> None:
    """Required by MCP 2026-07-28 server/utilities/pagination and server/tools (deterministic order)."""

    def function() -> None: ...

    registry: Registry[Tool] = Registry("tools")
    for name in "abcde":
        registry.add(build_tool(function, name=name))
    first, cursor = registry.list_page({}, 2)
    assert [tool.name for tool in first] == ["a", "b"]
    registry.remove("a")
    second, cursor = registry.list_page({"cursor": cursor}, 2)
    assert [tool.name for tool in second] == ["c", "d"]
    third, end = registry.list_page({"cursor": cursor}, 2)
    assert [tool.name for tool in third] == ["e"]
    assert end is None
    registry.remove("d")
    for bad in (cursor, "", "!", "ä", 5, "Zm9v", ["x"]):
        with pytest.raises(JsonRpcError) as caught:
            registry.list_page({"cursor": bad}, 2)
        assert caught.value.code == -32602


@pytest.mark.parametrize("version", [HANDSHAKE[-1], STATELESS])
def test_pages_reach_the_client_in_both_eras(version: str) -> None:
    """Required by MCP 2026-07-28 server/utilities/pagination."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session() if version in HANDSHAKE else {}
        names: list[str] = []
        params: Json = {}
        while True:
            if version == STATELESS:
                result = (await wire.post_stateless("tools/list", params)).result
            else:
                result = (await wire.post(build_request("tools/list", params), session)).result
            names += [tool["name"] for tool in result["tools"]]
            if "nextCursor" not in result:
                break
            params = {"cursor": result["nextCursor"]}
        assert names == ["numbers", "table", "greet", "plain", "link", "blocks", "own"]

    run(scenario, build_server(), page_size=3)
