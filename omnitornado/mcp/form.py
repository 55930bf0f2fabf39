"""Implements: MCP 2026-07-28 client/elicitation (Requested Schema, Response Actions): what is asked for, and
how the answer is read.

A form comes from a type with fields (dataclass, Struct, TypedDict), from the type of a single value, or as a
JSON schema. Choices are `Literal`s and enums; an enum whose names differ from its values shows the names.
What a type can't say goes into `Annotated[…, msgspec.Meta(…)]`.
"""

import functools
from typing import Any, Generic, TypeVar

import msgspec

from omnitornado.mcp.form_schema import VALUE, adapt_field, build_form_schema, check_content, check_form
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.versions import ENUM_TITLES_SINCE

T = TypeVar("T")


class Form(msgspec.Struct, Generic[T], frozen=True):
    """What is asked for, and how its answer is read."""

    schema: Json
    hint: Any = None
    """The type of the answer; None for a form that came as a schema."""
    is_single: bool = False

    def build_schema(self, version: str) -> Json:
        """The schema in the words of a revision.

        Raises:
            ValueError: the revision has no lists of choices.
        """
        if version >= ENUM_TITLES_SINCE:
            return self.schema
        fields = {name: adapt_field(name, field) for name, field in self.schema["properties"].items()}
        return {**self.schema, "properties": fields}

    def parse(self, content: Any) -> T:
        """The person's answer as the form's type, or as the dictionary it is.

        Raises:
            ValueError: it does not fit; the message says where.
        """
        if not isinstance(content, dict):
            raise ValueError("content must be an object")
        content = {name: value for name, value in content.items() if value is not None}
        check_content(self.schema, content)
        if self.hint is None:
            return content  # type: ignore[no-any-return]
        value = _build_integers(content.get(VALUE) if self.is_single else content)
        try:
            return msgspec.convert(value, self.hint)  # type: ignore[no-any-return]
        except msgspec.ValidationError as error:
            raise ValueError(f"content: {error}") from None


def find_form(what: Any) -> Form[Any]:
    """The form for a type or a schema.

    Raises:
        DeclarationError: it is not flat, or has something that no form can ask for.
    """
    if isinstance(what, dict):
        return Form(check_form(what))
    try:
        return _find_form(what)
    except TypeError as error:
        if isinstance(error, DeclarationError):
            raise
        return _build_form(what)  # a type that can't be hashed


def _build_form(hint: Any) -> Form[Any]:
    schema, is_single = build_form_schema(hint)
    return Form(schema, hint, is_single)


_find_form = functools.lru_cache(maxsize=256)(_build_form)


def _build_integers(value: Any) -> Any:
    # To JSON Schema 3.0 is an integer (2020-12 validation §6.1.1), and JavaScript has one kind of number.
    if isinstance(value, dict):
        return {key: _build_integers(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
