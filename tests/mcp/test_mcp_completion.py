"""Completions of prompt arguments and template variables."""

import enum
import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from mcp_samples import EVERY_VERSION, STATELESS, Json, Wire, run

from omnitornado.mcp.completion import Completion, build_completion
from omnitornado.mcp.context import Context
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


def build_server() -> MCPServer:
    server = MCPServer("test")

    @server.prompt()
    def review(
        framework: str,
        language: Literal["python", "PHP", "typescript"] | None = None,
        level: Level = Level.ONE,
        strict: bool = False,
        free: str = "",
    ) -> str:
        return ""

    @server.resource("repo://{owner}/{+path}")
    def repository(owner: str, path: str) -> str:
        return ""

    @server.completion("ref/prompt", "review", "framework")
    async def complete_framework(value: str, arguments: dict[str, str], context: Context) -> list[str]:
        known = {"python": ["flask", "tornado"], "": ["any"]}[arguments.get("language", "")]
        return [f"{one} for {context.username}" for one in known if one.startswith(value)]

    @server.completion("ref/resource", "repo://{owner}/{+path}", "owner")
    def complete_owner(value: str) -> Iterator[str]:
        return (f"{value}{number}" for number in range(250))

    @server.completion("ref/resource", "repo://{owner}/{+path}", "path")
    def complete_path(value: str) -> list[str]:
        raise RuntimeError("hunter2")

    return server


def ask_prompt(argument: str, value: str, **more: Any) -> Json:
    reference = {"type": "ref/prompt", "name": "review"}
    return {"ref": reference, "argument": {"name": argument, "value": value}, **more}


def ask_template(argument: str, value: str, uri: str = "repo://{owner}/{+path}") -> Json:
    return {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": argument, "value": value}}


SUGGESTED: list[tuple[str, Json, Json]] = [
    ("a function", ask_prompt("framework", ""), {"values": ["any for ann"], "total": 1}),
    ("none that fits", ask_prompt("framework", "x"), {"values": [], "total": 0}),
    ("a literal", ask_prompt("language", ""), {"values": ["PHP", "python", "typescript"], "total": 3}),
    ("any case", ask_prompt("language", "p"), {"values": ["PHP", "python", "typescript"], "total": 3}),
    ("the beginning", ask_prompt("language", "Type"), {"values": ["typescript"], "total": 1}),
    ("the middle", ask_prompt("language", "script"), {"values": ["typescript"], "total": 1}),
    ("an enumeration", ask_prompt("level", ""), {"values": ["1", "2"], "total": 2}),
    ("a boolean", ask_prompt("strict", "t"), {"values": ["true"], "total": 1}),
    ("free text", ask_prompt("free", "a"), {"values": [], "total": 0}),
    (
        "a template, at most 100",
        ask_template("owner", "a"),
        {"values": [f"a{number}" for number in range(100)], "total": 250, "hasMore": True},
    ),
    (
        "a URI of the template's",
        ask_template("owner", "b", uri="repo://ann/x"),
        {"values": [f"b{number}" for number in range(100)], "total": 250, "hasMore": True},
    ),
]


@pytest.mark.parametrize(("name", "params", "expected"), SUGGESTED)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_values_are_suggested(version: str, name: str, params: Json, expected: Json) -> None:
    """Required by server/utilities/completion of each revision; what matches is our choice."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("completion/complete", params, version=version)).result
        assert result["completion"] == {"hasMore": False} | expected

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_settled_arguments_reach_the_function(version: str) -> None:
    """Required by server/utilities/completion: `context` since 2025-06-18."""

    async def scenario(wire: Wire) -> None:
        params = ask_prompt("framework", "f", context={"arguments": {"language": "python"}})
        result = (await wire.ask("completion/complete", params, version=version)).result
        expected = [] if version == "2025-03-26" else ["flask for ann"]
        assert result["completion"]["values"] == expected

    run(scenario, build_server())


INVALID: list[tuple[str, Json]] = [
    ("no reference", {"argument": {"name": "a", "value": ""}}),
    ("an unknown kind", {"ref": {"type": "ref/tool", "name": "x"}, "argument": {"name": "a", "value": ""}}),
    ("no name", {"ref": {"type": "ref/prompt"}, "argument": {"name": "a", "value": ""}}),
    ("an unknown prompt", ask_prompt("framework", "") | {"ref": {"type": "ref/prompt", "name": "x"}}),
    ("an unknown template", ask_template("owner", "", uri="x://y")),
    ("an unknown argument", ask_prompt("nothing", "")),
    ("no argument", {"ref": {"type": "ref/prompt", "name": "review"}}),
    ("no value", {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "framework"}}),
    ("a value that is no string", ask_prompt("framework", 1)),  # type: ignore[arg-type]
    ("a context that is none", ask_prompt("framework", "", context=[])),
    ("settled arguments that are none", ask_prompt("framework", "", context={"arguments": {"a": 1}})),
    ("a list of settled arguments", ask_prompt("framework", "", context={"arguments": ["a"]})),
]


@pytest.mark.parametrize("params", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
def test_a_wrong_request_is_invalid_params(params: Json) -> None:
    """Required by server/utilities/completion (Error Handling): -32602."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("completion/complete", params)
        assert (answer.code, answer.status) == (-32602, 400)

    run(scenario, build_server())


def test_a_failing_function_is_an_error_in_safe_words() -> None:
    """Required by server/utilities/completion (Error Handling): -32603."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("completion/complete", ask_template("path", "a"))
        assert (answer.code, answer.status) == (-32603, 200)
        assert "hunter2" not in json.dumps(answer.body)

    run(scenario, build_server(), logged=1)


BUILT: list[tuple[Any, Json]] = [
    (None, {"values": [], "total": 0, "hasMore": False}),
    (("a", "b"), {"values": ["a", "b"], "total": 2, "hasMore": False}),
    (Completion(["a"], total=150), {"values": ["a"], "total": 150, "hasMore": True}),
    (Completion(["a"], has_more=True), {"values": ["a"], "total": 1, "hasMore": True}),
    (Completion(["a"], total=0), {"values": ["a"], "total": 1, "hasMore": False}),
    (Completion(["a"] * 101, has_more=False), {"values": ["a"] * 100, "total": 101, "hasMore": True}),
    (["\ud800"], {"values": ["?"], "total": 1, "hasMore": False}),
]


@pytest.mark.parametrize(("value", "built"), BUILT)
def test_a_return_value_becomes_a_completion(value: Any, built: Json) -> None:
    """Required by schema.ts (CompleteResult): at most 100 values."""
    assert build_completion(value) == built


@pytest.mark.parametrize("value", ["text", b"bytes", 7, [1], [None]])
def test_a_completion_of_anything_but_strings_is_refused(value: Any) -> None:
    """Our choice: a single string would be taken apart into letters."""
    with pytest.raises(TypeError):
        build_completion(value)


def complete(value: str) -> list[str]:
    return []


def without_value() -> list[str]:
    return []


def with_more(value: str, other: str) -> list[str]:
    return []


WRONG: list[tuple[Any, tuple[str, str, str]]] = [
    (complete, ("ref/prompt", "nothing", "framework")),
    (complete, ("ref/prompt", "review", "nothing")),
    (complete, ("ref/resource", "review", "framework")),
    (complete, ("ref/resource", "repo://{owner}", "owner")),
    (complete, ("ref/prompt", "review", "framework")),
    (without_value, ("ref/prompt", "review", "free")),
    (with_more, ("ref/prompt", "review", "free")),
]


@pytest.mark.parametrize(("function", "target"), WRONG)
def test_a_completion_declared_wrongly_is_named_at_import(function: Any, target: Any) -> None:
    """Our choice: also one for an argument that doesn't exist, or has one already."""
    with pytest.raises(DeclarationError, match=rf"^complet\w+ \S*{function.__name__} \(line \d+\): "):
        build_server().completion(*target)(function)


def test_a_removed_prompt_is_completed_no_more() -> None:
    """Required by server/utilities/completion (Error Handling)."""
    server = build_server()
    server.remove_prompt("review")

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("completion/complete", ask_prompt("framework", ""), version=STATELESS)
        assert answer.code == -32602

    run(scenario, server)
