"""Tools whose author brings the JSON Schema."""

import importlib
import sys
import time
from typing import Any

import pytest
from mcp_samples import EVERY_VERSION, STATELESS, Json, Wire, run

from omnitornado.mcp.context import Context
from omnitornado.mcp.json_schema import MAX_DEPTH, MAX_PROBLEM_LENGTH, build_checked_output, build_checker
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tools import ToolResult

Validator: Any = importlib.import_module("jsonschema").Draft202012Validator

INPUT: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"street": {"$anchor": "s", "type": "string", "minLength": 1}},
    "properties": {
        "phone": {"type": "string", "pattern": "^(?!0)[0-9]+$"},
        "email": {"type": "string"},
        "street": {"$ref": "#/$defs/street"},
        "count": {"type": "integer"},
        "region": {"type": "string", "x-mcp-header": "Region"},
    },
    "anyOf": [{"required": ["phone"]}, {"required": ["email"]}],
    "if": {"required": ["count"]},
    "then": {"required": ["street"]},
    "unevaluatedProperties": False,
}


def build_server() -> MCPServer:
    server = MCPServer("test")

    @server.tool(input_schema=INPUT)
    async def contact(context: Context, person: dict[str, Any]) -> str:
        """Note how somebody can be reached."""
        return f"{context.username}: {sorted(person)}"

    @server.tool(output_schema={"type": ["array", "null"], "items": {"type": "integer"}})
    def numbers(good: bool) -> list[Any]:
        return [1, 2] if good else ["a"]

    @server.tool(output_schema={"type": "object", "required": ["a"]})
    def own(kind: str) -> ToolResult:
        return {
            "both": ToolResult("said", structured={"a": 1}, meta={"example.com/x": 1}),
            "structured": ToolResult(structured={"a": 1}),
            "neither": ToolResult("said"),
            "wrong": ToolResult("said", structured={}),
            "error": ToolResult("no", is_error=True),
        }[kind]

    @server.tool()
    def free(value: Any) -> ToolResult:
        return ToolResult("said", structured=value)

    return server


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_schema_is_listed_as_it_was_given(version: str) -> None:
    """Required by MCP 2026-07-28 server/tools (Tool): the whole vocabulary survives."""

    async def scenario(wire: Wire) -> None:
        tools = (await wire.ask("tools/list", version=version)).result["tools"]
        assert tools[0]["inputSchema"] == INPUT
        assert tools[0]["description"] == "Note how somebody can be reached."

    run(scenario, build_server())


ARGUMENTS: list[tuple[Json, str]] = [
    ({"phone": "12"}, ""),
    ({"email": "a", "count": 3.0, "street": "b"}, ""),
    ({}, "is not valid under any of the schemas"),
    ({"phone": "0"}, "argument 'phone': \"0\" does not match"),
    ({"phone": "1", "street": ""}, "argument 'street'"),
    ({"phone": "1", "count": 1}, '"street" is a required property'),
    ({"phone": "1", "count": "1", "street": "a"}, "argument 'count': \"1\" is not of type"),
    ({"phone": "1", "more": 1}, "('more' was unexpected)"),
    ({"phone": 1, "email": 2}, "argument 'email': 2 is not of type \"string\""),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_arguments_are_checked_against_the_schema(version: str, arguments: Json, words: str) -> None:
    """Required by MCP 2026-07-28 server/tools (Security Considerations): inputs are validated."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("contact", arguments, version=version)
        assert answer.result["isError"] == bool(words)
        if words:
            assert answer.text.startswith("Invalid arguments for contact: ")
            assert words in answer.text
        else:
            assert answer.text == f"ann: {sorted(arguments)}"

    run(scenario, build_server())


def test_a_header_parameter_of_the_schema_is_compared() -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http (Server Validation)."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("contact", {"phone": "1", "region": "eu"})).code == -32020

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_structured_content_keeps_to_its_schema(version: str) -> None:
    """Required by server/tools (Output Schema): since 2025-06-18 objects, since 2026-07-28 any JSON value."""

    async def scenario(wire: Wire) -> None:
        listed = (await wire.ask("tools/list", version=version)).result["tools"][1]
        good = (await wire.call("numbers", {"good": True}, version=version)).result
        assert good["content"] == [{"type": "text", "text": "[1,2]"}]
        if version == "2025-03-26":
            assert "outputSchema" not in listed
            assert "structuredContent" not in good
        elif version < STATELESS:
            assert listed["outputSchema"]["type"] == "object"
            assert good["structuredContent"] == {"result": [1, 2]}
            Validator(listed["outputSchema"]).validate(good["structuredContent"])
        else:
            assert good["structuredContent"] == [1, 2]
        bad = (await wire.call("numbers", {"good": False}, version=version)).result
        assert bad["isError"] is True
        assert "structuredContent" not in bad

    run(scenario, build_server(), logged=1)


OWN: list[tuple[str, str, Any, bool]] = [
    ("both", "said", {"a": 1}, False),
    ("structured", '{"a":1}', {"a": 1}, False),
    ("error", "no", None, True),
]


@pytest.mark.parametrize(("kind", "text", "structured", "is_error"), OWN)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_result_of_ones_own_may_be_structured(
    version: str, kind: str, text: str, structured: Any, is_error: bool
) -> None:
    """Required by server/tools (Structured Content)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("own", {"kind": kind}, version=version)
        assert answer.text == text
        assert answer.result["isError"] is is_error
        expected = None if version == "2025-03-26" else structured
        assert answer.result.get("structuredContent") == expected

    run(scenario, build_server())


@pytest.mark.parametrize("kind", ["neither", "wrong"])
def test_a_result_that_breaks_its_schema_is_an_error(kind: str) -> None:
    """Required by server/tools (Output Schema): servers must provide results that conform."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("own", {"kind": kind})).result["isError"] is True

    run(scenario, build_server(), logged=1)


@pytest.mark.parametrize("value", [None, 1, "a", [1], {"a": 1}, True])
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_structured_content_without_a_schema_is_any_value(version: str, value: Any) -> None:
    """Required by schema.ts (CallToolResult): before 2026-07-28 an object."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.call("free", {"value": value}, version=version)).result
        if version == STATELESS or (version > "2025-03-26" and isinstance(value, dict)):
            assert result["structuredContent"] == value
        elif version > "2025-03-26":
            assert result["structuredContent"] == {"result": value}
        else:
            assert "structuredContent" not in result

    run(scenario, build_server())


WRAPPED: list[tuple[Json, Any, Any]] = [
    ({"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}, [1], ["a"]),
    ({"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]}, [[None]], [1]),
    (
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"$ref": "#/prefixItems/0"}},
        [1, 2],
        ["a"],
    ),
    ({"$defs": {"n": {"$anchor": "n", "type": "integer"}}, "$ref": "#n"}, 1, "a"),
    ({"enum": [{"$ref": "#/x"}]}, {"$ref": "#/x"}, 1),
    ({"$id": "https://example.com/s", "$defs": {"n": {"type": "null"}}, "$ref": "#/$defs/n"}, None, 1),
]


@pytest.mark.parametrize(("schema", "good", "bad"), WRAPPED)
def test_a_wrapped_schema_says_the_same_one_level_further_down(schema: Json, good: Any, bad: Any) -> None:
    """Required by JSON Schema 2020-12 §8.2.3.1: references resolve from where they stand."""
    output = build_checked_output(schema)
    assert output.wrapped
    Validator.check_schema(output.object_schema)
    validator = Validator(output.object_schema)
    assert validator.is_valid({"result": good})
    assert not validator.is_valid({"result": bad})
    assert not output.checker.find_problems(good, "value")
    assert output.checker.find_problems(bad, "value")


def nest(depth: int) -> Json:
    schema: Json = {}
    for _ in range(depth):
        schema = {"not": schema}
    return {"type": "object", "properties": {"a": schema}}


def takes_dict(person: dict[str, Any]) -> str:
    return ""


def takes_two(a: int, b: int) -> str:
    return ""


def takes_none() -> str:
    return ""


WRONG: list[tuple[Any, Any, str]] = [
    (takes_dict, {"type": "string"}, "must have"),
    (takes_dict, {}, "must have"),
    (takes_dict, [], "must be an object"),
    (takes_dict, {"type": "object", "properties": {"a": {"type": "text"}}}, "input_schema: "),
    (takes_dict, {"type": "object", "properties": []}, "input_schema: "),
    (takes_dict, {"type": "object", "$ref": "http://127.0.0.1:9/x"}, "schemas are not fetched"),
    (takes_dict, {"type": "object", "$ref": "file:///etc/passwd"}, "schemas are not fetched"),
    (takes_dict, {"type": "object", "$id": "https://example.com/a", "$ref": "b"}, "schemas are not fetched"),
    (takes_dict, {"type": "object", "$ref": "#/$defs/none"}, "does not exist"),
    (takes_dict, {"type": "object", "$schema": "https://example.com/dialect"}, "Unknown"),
    (takes_dict, {"type": "object", "default": object()}, "not JSON"),
    (takes_dict, nest(MAX_DEPTH), "larger than"),
    (takes_dict, {"type": "object", "examples": list(range(30_000))}, "larger than"),
    (
        takes_dict,
        {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        "x-mcp-header",
    ),
    (takes_two, {"type": "object"}, "one parameter"),
    (takes_none, {"type": "object"}, "one parameter"),
]


@pytest.mark.parametrize(("function", "schema", "words"), WRONG)
def test_a_schema_that_cannot_be_used_is_named_at_import(function: Any, schema: Any, words: str) -> None:
    """Required by MCP 2026-07-28 basic/index (JSON Schema Usage); that it is said at import is our choice."""
    with pytest.raises(DeclarationError, match=rf"^tool \S*{function.__name__} \(line \d+\): ") as caught:
        MCPServer("test").tool(input_schema=schema)(function)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "dialect", ["http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#"]
)
def test_an_older_dialect_is_kept_to(dialect: str) -> None:
    """Required by MCP 2026-07-28 basic/index (Schema Dialect)."""
    checker = build_checker({"$schema": dialect, "type": "array", "items": [{"type": "integer"}]}, "schema")
    assert not checker.find_problems([1, "a"], "value")
    assert checker.find_problems(["a"], "value")


def test_a_schema_is_bounded_in_time_and_words() -> None:
    """Required by MCP 2026-07-28 basic/index (Composition-Keyword Resource Use)."""
    checker = build_checker(
        {"type": "array", "items": {"type": "string", "pattern": "^(a|a)*(?=b)$"}}, "schema"
    )
    began = time.process_time()
    assert checker.find_problems(["a" * 5000] * 20, "value")
    assert time.process_time() - began < 2
    problems = checker.find_problems([list(range(1000))] * 20, "value")
    assert len(problems) == 10
    assert all(len(problem) <= MAX_PROBLEM_LENGTH for problem in problems)


def test_a_schema_is_its_own_copy() -> None:
    """Our choice: what the author changes later is not what was checked."""
    schema: Json = {"type": "object", "properties": {}}
    tool = MCPServer("test").add_tool(takes_dict, input_schema=schema)
    schema["properties"]["a"] = 1
    assert tool.describe(STATELESS)["inputSchema"] == {"type": "object", "properties": {}}


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: the library is loaded only where a schema is brought."""
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    server = MCPServer("test")
    server.tool()(takes_none)
    with pytest.raises(DeclarationError, match=r"omnitornado\[schemas\]"):
        server.add_tool(takes_dict, input_schema={"type": "object"})
