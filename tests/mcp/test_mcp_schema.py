"""What a function's type hints and docstring become."""

import datetime
import enum
import functools
import importlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import msgspec
import pytest
from mcp_samples import Json

from omnitornado.mcp.context import Context
from omnitornado.mcp.docstring import parse_docstring
from omnitornado.mcp.schema import ArgumentError, build_arguments, build_output
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tools import ToolAnnotations, build_tool

# The dialect's own checker, from a package that the tests' clients bring along; it has no type hints.
Validator: Any = importlib.import_module("jsonschema").Draft202012Validator


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


class Node(msgspec.Struct):
    """A tree."""

    value: int
    child: "Node | None" = None


class Partial(TypedDict, total=False):
    a: int


class Pair(NamedTuple):
    a: int
    b: str


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
POINT = {"title": "Point", "type": "object", "properties": {"x": INTEGER, "y": INTEGER | {"default": 0}}}

HINTS: list[tuple[Any, Json, list[Any], list[Any]]] = [
    (int, INTEGER, [1, -1, 3.0], ["1", 1.5, True, None]),
    (float, {"type": "number"}, [1, 1.5], ["1", True]),
    (str, STRING, ["", "ä"], [1, None]),
    (bool, {"type": "boolean"}, [True], [1, "true"]),
    (Any, {}, [1, None, {"a": []}], []),
    (list[int], {"type": "array", "items": INTEGER}, [[], [1]], [["a"], 1]),
    (list, {"type": "array"}, [[1, "a"]], [{}]),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}, [{"a": 1}], [{"a": "b"}, []]),
    (dict, {"type": "object"}, [{"a": []}], [[]]),
    (int | None, {"anyOf": [INTEGER, {"type": "null"}]}, [1, None], ["a"]),
    (Optional[str], {"anyOf": [STRING, {"type": "null"}]}, ["a", None], [1]),  # noqa: UP045
    (int | str, {"anyOf": [INTEGER, STRING]}, [1, "a"], [None, []]),
    (Literal["a", "b"], {"enum": ["a", "b"]}, ["a"], ["c", 1]),
    (Colour, {"$ref": "#/$defs/Colour"}, ["red"], ["green"]),
    (Point, {"$ref": "#/$defs/Point"}, [{"x": 1}, {"x": 1, "y": 2}], [{}, {"x": "a"}, 1]),
    (Node, {"$ref": "#/$defs/Node"}, [{"value": 1, "child": {"value": 2}}], [{"value": 1, "child": {}}]),
    (Partial, {"$ref": "#/$defs/Partial"}, [{}, {"a": 1}], [{"a": "b"}]),
    (Pair, {"$ref": "#/$defs/Pair"}, [[1, "a"]], [[1], {"a": 1}]),
    (tuple[int, ...], {"type": "array", "items": INTEGER}, [[1, 2]], [["a"]]),
    (datetime.datetime, STRING, ["2026-07-28T00:00:00Z"], ["soon", 5]),
    (uuid.UUID, {"type": "string", "format": "uuid"}, ["12345678-1234-5678-1234-567812345678"], ["x"]),
    (Annotated[int, msgspec.Meta(ge=1, le=3)], INTEGER | {"minimum": 1, "maximum": 3}, [1, 3], [0, 4]),
    (Annotated[str, msgspec.Meta(pattern="^a")], STRING | {"pattern": "^a"}, ["ab"], ["b"]),
    (Annotated[str, msgspec.Meta(description="Words.")], STRING | {"description": "Words."}, ["a"], [1]),
    (
        Annotated[str, msgspec.Meta(extra_json_schema={"x-mcp-header": "Region"})],
        STRING | {"x-mcp-header": "Region"},
        ["eu"],
        [1],
    ),
]


def with_hint(hint: Any) -> Callable[..., Any]:
    def function(p): ...  # type: ignore[no-untyped-def]

    function.__annotations__["p"] = hint
    return function


@pytest.mark.parametrize(("hint", "schema", "good", "bad"), HINTS, ids=[str(row[0]) for row in HINTS])
def test_a_type_hint_is_described_and_checked_alike(
    hint: Any, schema: Json, good: list[Any], bad: list[Any]
) -> None:
    """Required by MCP 2026-07-28 server/tools (inputSchema) and its "validate all tool inputs"."""
    arguments = build_arguments(with_hint(hint), {}, Context)
    assert arguments.schema["type"] == "object"
    assert arguments.schema["additionalProperties"] is False
    assert arguments.schema["required"] == ["p"]
    assert arguments.schema["properties"] == {"p": schema}
    Validator.check_schema(arguments.schema)
    checker = Validator(arguments.schema)
    for value in good:
        assert checker.is_valid({"p": value})
        arguments.parse({"p": value})
    for value in bad:
        with pytest.raises(ArgumentError, match="'p'"):
            arguments.parse({"p": value})


def test_named_types_stand_in_defs() -> None:
    """Our choice: 2020-12 `$defs`."""
    schema = build_arguments(with_hint(list[Point]), {}, Context).schema
    assert schema["properties"]["p"] == {"type": "array", "items": {"$ref": "#/$defs/Point"}}
    assert schema["$defs"] == {"Point": POINT | {"required": ["x"]}}


def test_defaults_make_arguments_optional_and_stand_in_the_schema() -> None:
    """Our choice."""

    def function(
        a: int,
        b: int = 2,
        c: str | None = None,
        d: list[int] = [1],  # noqa: B006
        e: Colour = Colour.RED,
        f: str = None,  # type: ignore[assignment]  # noqa: RUF013
        *,
        g: bool,
    ) -> None: ...

    arguments = build_arguments(function, {}, Context)
    assert list(arguments.schema["properties"]) == ["a", "b", "c", "d", "e", "f", "g"]
    assert arguments.schema["required"] == ["a", "g"]
    defaults = {name: schema.get("default", "-") for name, schema in arguments.schema["properties"].items()}
    assert defaults == {"a": "-", "b": 2, "c": None, "d": [1], "e": "red", "f": None, "g": "-"}
    values = arguments.parse({"a": 1, "g": True})
    assert values == {"a": 1, "b": 2, "c": None, "d": [1], "e": Colour.RED, "f": None, "g": True}
    values["d"].append(2)
    assert arguments.parse({"a": 1, "g": True, "f": None})["d"] == [1]


def test_a_function_without_arguments_takes_an_empty_object() -> None:
    """Required by MCP 2026-07-28 server/tools (Tool); `properties` is for clients that insist on it."""

    def function() -> None: ...

    arguments = build_arguments(function, {}, Context)
    assert arguments.schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert arguments.parse({}) == {}


def test_everything_wrong_with_a_call_is_said_at_once() -> None:
    """Required by MCP 2025-11-25 server/tools (Error Handling): actionable for the model."""

    def function(a: int, b: str, c: Point) -> None: ...

    with pytest.raises(ArgumentError) as caught:
        build_arguments(function, {}, Context).parse({"a": "x", "c": {"x": "y"}, "d": 1})
    message = str(caught.value)
    assert "'a': Expected `int`, got `str`" in message
    assert "'b' is required" in message
    assert "'c': Expected `int`, got `str` - at `$.x`" in message
    assert "'d' is unknown (known: a, b, c)" in message


def test_the_context_is_injected_and_no_argument() -> None:
    """Our choice."""

    def function(a: int, where: Context, maybe: Context | None = None) -> None: ...

    arguments = build_arguments(function, {}, Context)
    assert list(arguments.schema["properties"]) == ["a"]
    assert arguments.context_names == ("where", "maybe")
    with pytest.raises(ArgumentError, match="'where' is unknown"):
        arguments.parse({"a": 1, "where": {}})


DOCSTRINGS = {
    "Google": """Do it.

Longer words: with a colon.

Args:
    a: The first
        of two.
    b (int, optional): The second: with a colon.

Returns:
    Something.
""",
    "NumPy": """Do it.

Longer words: with a colon.

Parameters
----------
a : int
    The first
    of two.
b : int, optional
    The second: with a colon.

Returns
-------
Something.
""",
    "Sphinx": """Do it.

Longer words: with a colon.

:param a: The first
    of two.
:type a: int
:param int b: The second: with a colon.
:returns: Something.
""",
}


@pytest.mark.parametrize("text", DOCSTRINGS.values(), ids=DOCSTRINGS.keys())
def test_parameter_descriptions_move_from_the_docstring_to_the_schema(text: str) -> None:
    """Our choice: the three styles that are in use."""
    description, parameters = parse_docstring(text)
    assert parameters == {"a": "The first of two.", "b": "The second: with a colon."}
    assert description.startswith("Do it.\n\nLonger words: with a colon.")
    assert "Something." in description
    assert "The first" not in description


def test_a_plain_docstring_stays_as_it_is() -> None:
    """Our choice."""
    text = "Do it.\n\nParameters matter: a lot.\n\n    Example: x\n"
    assert parse_docstring(text) == (text.strip(), {})


def test_an_annotation_describes_better_than_the_docstring() -> None:
    """Our choice."""

    def function(a: Annotated[int, msgspec.Meta(description="From the hint.")], b: int) -> None:
        """Do it.

        Args:
            a: From the docstring.
            b: Of b.
        """

    properties = build_tool(function).arguments.schema["properties"]
    assert properties["a"]["description"] == "From the hint."
    assert properties["b"]["description"] == "Of b."


OUTPUTS: list[tuple[Any, Json, bool]] = [
    (int, INTEGER, True),
    (str, STRING, True),
    (list[int], {"type": "array", "items": INTEGER}, True),
    (int | None, {"anyOf": [INTEGER, {"type": "null"}]}, True),
    (Pair, build_output(Pair).schema, True),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}, False),
    (Point, POINT | {"required": ["x"]}, False),
    (Partial, {"title": "Partial", "type": "object", "properties": {"a": INTEGER}, "required": []}, False),
]


@pytest.mark.parametrize(("hint", "schema", "wrapped"), OUTPUTS, ids=[str(row[0]) for row in OUTPUTS])
def test_an_output_schema_is_the_type_itself_or_wrapped_for_revisions_with_objects_alone(
    hint: Any, schema: Json, wrapped: bool
) -> None:
    """Required by schema.ts: 2025-11-25 and earlier want type object, 2026-07-28 takes any."""
    output = build_output(hint)
    assert output.schema == schema
    assert output.wrapped is wrapped
    assert output.object_schema["type"] == "object"
    if wrapped:
        assert output.object_schema["properties"] == {"result": schema}
    Validator.check_schema(output.object_schema)


def test_a_recursive_output_keeps_its_definition() -> None:
    """Required by JSON Schema 2020-12 §8.2.3.1: each `$ref` resolves."""
    output = build_output(Node)
    assert output.schema["type"] == "object"
    Validator(output.schema).validate({"value": 1, "child": {"value": 2, "child": None}})
    assert not Validator(output.schema).is_valid({"value": 1, "child": {"value": "x"}})
    assert "Node" in build_output(list[Node]).object_schema["$defs"]


def generator(a: int) -> Any:
    yield a


async def async_generator(a: int) -> Any:
    yield a


def starred(*args: int) -> None: ...
def double_starred(**more: int) -> None: ...
def positional(a: int, /) -> None: ...
def unannotated(a) -> None: ...  # type: ignore[no-untyped-def]
def unknown_name(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def unsupported(a: complex) -> None: ...
def unsupported_inside(a: list[Callable[[], int]]) -> None: ...
def two_objects(a: Point | Node) -> None: ...
def unsupported_default(a: Any = object()) -> None: ...  # noqa: B008
def unsupported_return(a: int) -> object: ...
def header_on_a_float(a: Annotated[float, msgspec.Meta(extra_json_schema={"x-mcp-header": "A"})]) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        generator,
        async_generator,
        starred,
        double_starred,
        positional,
        unannotated,
        unknown_name,
        unsupported,
        unsupported_inside,
        two_objects,
        unsupported_default,
        unsupported_return,
        header_on_a_float,
    ],
)
def test_a_function_that_cannot_be_a_tool_is_named_at_import(function: Callable[..., Any]) -> None:
    """Our choice: an author learns of a mistake before a client does."""
    with pytest.raises(TypeError, match=rf"test_mcp_schema\.{function.__name__} \(line \d+\)"):
        MCPServer("s").tool()(function)


def fine(a: int) -> int:
    return a


@pytest.mark.parametrize(
    "options",
    [
        {"name": "has space"},
        {"name": "x" * 129},
        {"name": "ä"},
        {"scopes": "mcp"},
        {"scopes": ["a b"]},
        {"scopes": [""]},
        {"timeout": 0},
        {"timeout": -1.5},
        {"timeout": float("nan")},
    ],
)
def test_options_that_cannot_work_are_refused_at_import(options: dict[str, Any]) -> None:
    """Our choice; names by MCP 2026-07-28 server/tools (Tool Names)."""
    with pytest.raises(TypeError, match="fine"):
        build_tool(fine, **options)


def test_a_name_can_be_taken_once() -> None:
    """Required by MCP 2026-07-28 server/tools: a name identifies one tool."""
    server = MCPServer("s")
    server.tool()(fine)
    with pytest.raises(TypeError, match=r"fine.*taken"):
        server.tool()(fine)
    server.tool(name="other")(fine)
    with pytest.raises(TypeError, match="give name="):
        server.tool()(lambda: None)


def test_the_decorator_leaves_the_function_alone_with_or_without_parentheses() -> None:
    """Our choice."""
    server = MCPServer("s")

    @server.tool
    def one(a: int) -> int:
        return a

    @server.tool(title="Two", annotations=ToolAnnotations(read_only_hint=True))
    def two(a: int) -> int:
        return a

    assert (one(1), two(2)) == (1, 2)
    assert [tool.name for tool in server.tools.list_all()] == ["one", "two"]


class Multiplier:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, a: int) -> int:
        """Multiply."""
        return a * self.factor

    def method(self, a: int) -> int:
        return a * self.factor


def test_methods_partials_and_callable_objects_can_be_tools() -> None:
    """Our choice."""

    def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    for function, arguments in (
        (Multiplier(3), {"a": 2}),
        (Multiplier(3).method, {"a": 2}),
        (functools.partial(power, exponent=2), {"base": 2}),
    ):
        tool = build_tool(function, name="t")
        values = tool.arguments.parse(arguments)
        assert tool.function(**values) in (6, 4)
