"""Implements: MCP 2026-07-28 client/elicitation (Requested Schema), and earlier revisions' shapes of choices.

A form is flat: texts, numbers, yes or no, choices.
"""

import enum
import re
import typing
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError, build_schema

VALUE = "value"
"""The field of a form that asks for a single value."""

_FORMATS = frozenset({"email", "uri", "date", "date-time"})
_KEYWORDS: Mapping[object, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "enum", "enumNames", "oneOf"}),
    "number": frozenset({"minimum", "maximum"}),
    "integer": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "array": frozenset({"minItems", "maxItems", "items"}),
}
_COMMON = frozenset({"type", "title", "description", "default"})


def build_form_schema(hint: Any) -> tuple[Json, bool]:
    """The schema of a form for a type, and whether it asks for a single value.

    Raises:
        DeclarationError: it is not flat, or has something that no form can ask for.
    """
    schema = build_schema(hint)
    is_single = schema.get("type") != "object"
    definitions = schema.pop("$defs", {})
    if is_single:
        schema = {"properties": {VALUE: schema}, "required": [VALUE]}
    fields: dict[str, Json] = {}
    required = set(schema.get("required", ()))
    hints = {} if is_single else typing.get_type_hints(hint, include_extras=True)
    properties = schema.get("properties", {})
    # In the order of their declaration, which is how a person reads them: a TypedDict's come sorted.
    for name in [
        *(one for one in hints if one in properties),
        *(one for one in properties if one not in hints),
    ]:
        choice = _find_choice(hint if is_single else hints.get(name))
        fields[name], is_optional = _flatten(name, properties[name], definitions, choice)
        if is_optional:
            required.discard(name)
    flat: Json = {"type": "object", "properties": fields}
    if required:
        flat["required"] = [name for name in fields if name in required]
    return check_form(flat), is_single


def _flatten(name: str, field: Json, definitions: Json, choice: list[tuple[Any, str]]) -> tuple[Json, bool]:
    """A field without references; and whether it may be null, which a form says by leaving it out."""
    field = _resolve(field, definitions)
    is_optional = False
    if "anyOf" in field:
        options = [_resolve(one, definitions) for one in field["anyOf"] if one.get("type") != "null"]
        is_optional = len(options) < len(field["anyOf"])
        if len(options) != 1:
            raise DeclarationError(f"a form's field has one type: '{name}' has several")
        field = {key: value for key, value in field.items() if key != "anyOf"} | options[0]
        if field.get("default", msgspec.UNSET) is None:
            del field["default"]
    if "enum" in field:
        field = _build_choice(field, choice)
    if field.get("type") == "array":
        field = dict(field)
        items = _resolve(field.get("items", {}), definitions)
        field["items"] = _build_items(_build_choice(items, choice) if "enum" in items else items)
    if field.get("format") not in (None, *_FORMATS):
        field = {key: value for key, value in field.items() if key != "format"}
    return field, is_optional


def _resolve(field: Json, definitions: Json) -> Json:
    reference = field.get("$ref", "").removeprefix("#/$defs/")
    if not reference:
        return field
    siblings = {key: value for key, value in field.items() if key != "$ref"}
    definition = {key: value for key, value in definitions[reference].items() if key != "title"}
    return {**definition, **siblings}  # a class's name is no label


def _build_choice(field: Json, choice: list[tuple[Any, str]]) -> Json:
    """A choice of texts. Titles that say no more than the values are left out."""
    values = [value for value, _ in choice if value in field["enum"]] or field["enum"]
    rest = {key: value for key, value in field.items() if key != "enum"}
    titles = dict(choice)
    if all(titles.get(value, value) == value for value in values):
        return {"type": "string", "enum": values, **rest}
    return {"type": "string", "oneOf": [{"const": one, "title": titles[one]} for one in values], **rest}


def _build_items(items: Json) -> Json:
    # A list's items offer their choices as `anyOf` (client/elicitation, Enum Schema).
    return {"anyOf": items["oneOf"]} if "oneOf" in items else items


def _find_choice(hint: Any) -> list[tuple[Any, str]]:
    """Values to choose from and their titles, in the order they are declared in; none for other types."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [(member.value, member.name.replace("_", " ")) for member in hint]
    if typing.get_origin(hint) is Literal:
        return [(value, str(value)) for value in typing.get_args(hint)]
    return next((found for part in typing.get_args(hint) if (found := _find_choice(part))), [])


def check_form(schema: Json) -> Json:
    """A schema that clients can show as a form.

    Raises:
        DeclarationError: with the field's name.
    """
    fields = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(fields, dict):
        raise DeclarationError('a form\'s schema has "type": "object" and "properties"')
    for name, field in fields.items():
        kind = field.get("type") if isinstance(field, dict) else None
        if kind not in _KEYWORDS:
            raise DeclarationError(f"a form has texts, numbers, yes or no, and choices; '{name}' is none")
        unknown = set(field) - _KEYWORDS[kind] - _COMMON
        if unknown:
            raise DeclarationError(f"a form's field '{name}' can't have {', '.join(sorted(unknown))}")
        if kind == "array" and not _find_choices(field.get("items", {})):
            raise DeclarationError(f"a form's list is a list of choices; '{name}' is another one")
        if not all(isinstance(choice, str) for choice in _find_choices(field.get("items", field))):
            raise DeclarationError(f"a form's choices are texts; those of '{name}' are not")
        if field.get("format") not in (None, *_FORMATS):
            known = ", ".join(sorted(_FORMATS))
            raise DeclarationError(f"a form's field '{name}' has a format that is none of {known}")
    return schema


def _find_choices(field: Json) -> list[Any]:
    """The values to choose from; none for a field that is no choice."""
    titled = field.get("oneOf") or field.get("anyOf") or ()
    return [one["const"] for one in titled] or list(field.get("enum", ()))


def adapt_field(name: str, field: Json) -> Json:
    """A field in the words of 2025-06-18: titles stand beside the values.

    Raises:
        ValueError: the revision has no lists of choices.
    """
    if field["type"] == "array":
        raise ValueError(f"this client's revision has no lists of choices, which '{name}' asks for")
    if "oneOf" not in field:
        return field
    rest = {key: value for key, value in field.items() if key != "oneOf"}
    names = [one.get("title", one["const"]) for one in field["oneOf"]]
    return {**rest, "enum": _find_choices(field), "enumNames": names}


def check_content(schema: Json, content: Json) -> None:
    """Hold an answer against the form's schema.

    Raises:
        ValueError: it does not fit; the message says where.
    """
    for name in schema.get("required", ()):
        if name not in content:
            raise ValueError(f"content.{name} is missing")
    for name, value in content.items():
        field = schema["properties"].get(name)
        if field is not None and not _fits(field, value):
            raise ValueError(f"content.{name} is not what was asked for")


def _fits(field: Json, value: Any) -> bool:
    kind = field["type"]
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "array":
        choices = _find_choices(field["items"])
        return isinstance(value, list) and all(one in choices for one in value) and _has_length(field, value)
    if kind == "string":
        choices = _find_choices(field)
        if not isinstance(value, str) or (choices and value not in choices) or not _has_length(field, value):
            return False
        return "pattern" not in field or re.search(field["pattern"], value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "integer" and value != int(value):
        return False
    return bool(field.get("minimum", value) <= value <= field.get("maximum", value))


def _has_length(field: Json, value: str | list[Any]) -> bool:
    unit = "Items" if isinstance(value, list) else "Length"
    return bool(field.get(f"min{unit}", 0) <= len(value) <= field.get(f"max{unit}", len(value)))
