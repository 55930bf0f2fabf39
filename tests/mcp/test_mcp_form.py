"""Forms: from a type or a schema to what a client shows, and back."""

import datetime
import enum
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from omnitornado.mcp.form import find_form
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError


class Color(enum.Enum):
    RED = "#f00"
    DARK_GREEN = "#070"


class Plain(enum.Enum):
    b = "b"
    a = "a"


@dataclass
class Everything:
    text: str
    mail: Annotated[str, msgspec.Meta(extra_json_schema={"format": "email"}, description="Where to write")]
    whole: Annotated[int, msgspec.Meta(title="Age", ge=0, le=150)]
    color: Color
    colors: Annotated[list[Color], msgspec.Meta(min_length=1, max_length=2)]
    plain: Plain
    words: list[Literal["y", "x"]]
    day: datetime.date
    at: Annotated[datetime.datetime, msgspec.Meta(tz=True)] | None = None
    number: float = 9.5
    sure: bool = True
    legacy: Annotated[Literal["1", "2"], msgspec.Meta(extra_json_schema={"enumNames": ["One", "Two"]})] = "1"
    several: list[Plain] = field(default_factory=list)


def test_each_kind_of_field_has_its_schema() -> None:
    """Required by MCP 2026-07-28 client/elicitation (Requested Schema)."""
    titled = [{"const": "#f00", "title": "RED"}, {"const": "#070", "title": "DARK GREEN"}]
    assert find_form(Everything).schema == {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "mail": {"type": "string", "format": "email", "description": "Where to write"},
            "whole": {"type": "integer", "title": "Age", "minimum": 0, "maximum": 150},
            "color": {"type": "string", "oneOf": titled},
            "colors": {"type": "array", "items": {"anyOf": titled}, "minItems": 1, "maxItems": 2},
            "plain": {"type": "string", "enum": ["b", "a"]},
            "words": {"type": "array", "items": {"type": "string", "enum": ["y", "x"]}},
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "number": {"type": "number", "default": 9.5},
            "sure": {"type": "boolean", "default": True},
            "legacy": {"type": "string", "enum": ["1", "2"], "enumNames": ["One", "Two"], "default": "1"},
            "several": {"type": "array", "items": {"type": "string", "enum": ["b", "a"]}},
        },
        "required": ["text", "mail", "whole", "color", "colors", "plain", "words", "day"],
    }


def test_an_answer_comes_back_as_the_type() -> None:
    """Our choice; 3.0 is an integer to JSON Schema, and what was left out may come as null."""
    content = {
        "text": "t",
        "mail": "a@b.example",
        "whole": 3.0,
        "color": "#070",
        "colors": ["#f00"],
        "plain": "a",
        "words": ["x", "y"],
        "day": "2026-02-03",
        "at": None,
        "unknown": 1,
    }
    found = find_form(Everything).parse(content)
    assert found == Everything(
        text="t",
        mail="a@b.example",
        whole=3,
        color=Color.DARK_GREEN,
        colors=[Color.RED],
        plain=Plain.a,
        words=["x", "y"],
        day=datetime.date(2026, 2, 3),
    )
    assert type(found.whole) is int


class Typed(TypedDict, total=False):
    z: int
    a: str


class Struct(msgspec.Struct, rename="camel"):
    first_name: str
    last_name: str = ""


def test_fields_stand_in_the_order_of_their_declaration() -> None:
    """Our choice: a person reads them."""
    assert find_form(Typed).schema == {
        "type": "object",
        "properties": {"z": {"type": "integer"}, "a": {"type": "string"}},
    }
    assert list(find_form(Struct).schema["properties"]) == ["firstName", "lastName"]
    assert find_form(Struct).parse({"firstName": "Ada"}) == Struct("Ada")


@pytest.mark.parametrize(
    ("hint", "expected", "given", "value"),
    [
        (int, {"type": "integer"}, 3.0, 3),
        (bool, {"type": "boolean"}, False, False),
        (str, {"type": "string"}, "x", "x"),
        (Literal["b", "a"], {"type": "string", "enum": ["b", "a"]}, "a", "a"),
        (list[Plain], {"type": "array", "items": {"type": "string", "enum": ["b", "a"]}}, ["a"], [Plain.a]),
        (Annotated[int, msgspec.Meta(ge=1)], {"type": "integer", "minimum": 1}, 1, 1),
    ],
)
def test_a_single_value_is_a_form_of_one_field(hint: Any, expected: Json, given: Any, value: Any) -> None:
    """Our choice."""
    form = find_form(hint)
    assert form.schema == {"type": "object", "properties": {"value": expected}, "required": ["value"]}
    assert form.parse({"value": given}) == value


def test_a_single_value_that_may_be_left_out_is_none() -> None:
    """Our choice."""
    form = find_form(str | None)
    assert "required" not in form.schema
    assert form.parse({}) is None
    assert form.parse({"value": "x"}) == "x"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "object"),
        ({}, "content.text is missing"),
        ({"text": 1}, "content.text"),
        ({"text": "abcdef"}, "content.text"),
        ({"text": "a", "whole": 1.5}, "content.whole"),
        ({"text": "a", "whole": True}, "content.whole"),
        ({"text": "a", "whole": 10}, "content.whole"),
        ({"text": "a", "pick": "c"}, "content.pick"),
        ({"text": "a", "picks": ["c"]}, "content.picks"),
        ({"text": "a", "picks": []}, "content.picks"),
        ({"text": "a", "picks": "a"}, "content.picks"),
        ({"text": "a", "sure": "yes"}, "content.sure"),
        ({"text": "a", "number": "1"}, "content.number"),
        ({"text": "a", "code": "12"}, "content.code"),
    ],
)
def test_an_answer_is_held_against_a_schema(content: Any, words: str) -> None:
    """Required by MCP 2026-07-28 client/elicitation (Form Mode Security): validate what comes."""
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 5},
            "whole": {"type": "integer", "maximum": 9},
            "number": {"type": "number"},
            "pick": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
            "picks": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["a"]}},
            "sure": {"type": "boolean"},
            "code": {"type": "string", "pattern": "^[a-z]+$"},
        },
        "required": ["text"],
    }
    form = find_form(schema)
    assert form.schema is schema
    assert form.parse({"text": "a", "whole": 2.0, "extra": 1}) == {"text": "a", "whole": 2, "extra": 1}
    with pytest.raises(ValueError, match=words):
        form.parse(content)


def test_an_answer_that_only_the_type_can_refuse_is_refused() -> None:
    """Our choice: a date that is none has the right JSON type."""
    with pytest.raises(ValueError, match="content"):
        find_form(datetime.date).parse({"value": "yesterday"})


class Nested(TypedDict):
    inner: Typed


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (list[int], "list of choices"),
        (list[str], "list of choices"),
        (str | int, "one type"),
        (Nested, "'inner' is none"),
        (Any, "'value' is none"),
        (bytes, "contentEncoding"),
        (Literal[1, 2], "choices are texts"),
        (Annotated[int, msgspec.Meta(gt=1)], "exclusiveMinimum"),
        (object(), "."),
        ({}, "properties"),
        ({"type": "string"}, "properties"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "'a' is none"),
        ({"type": "object", "properties": {"a": True}}, "'a' is none"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "list of choices"),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "hostname"}}}, "format"),
        ({"type": "object", "properties": {"a": {"type": "string", "not": {}}}}, "not"),
    ],
)
def test_what_no_form_can_ask_for_is_refused(what: Any, words: str) -> None:
    """Required by MCP 2026-07-28 client/elicitation (Requested Schema): flat, and of these kinds."""
    with pytest.raises(DeclarationError, match=words):
        find_form(what)


def test_titles_stand_beside_the_values_in_2025_06_18() -> None:
    """Required by MCP 2025-06-18 client/elicitation (EnumSchema with enumNames)."""
    form = find_form(Color)
    assert form.build_schema("2025-06-18")["properties"]["value"] == {
        "type": "string",
        "title": "Color",
        "enum": ["#f00", "#070"],
        "enumNames": ["RED", "DARK GREEN"],
    }
    assert form.build_schema("2025-11-25") is form.schema
    with pytest.raises(ValueError, match="lists of choices"):
        find_form(list[Color]).build_schema("2025-06-18")
