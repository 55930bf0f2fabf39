"""Implements: MCP 2026-07-28 basic/index (JSON Schema Usage): schemas that an author brings, instead of those
that follow from type hints.

Dialect 2020-12 unless `$schema` names 2019-09, draft-07, draft-06 or draft-04. A `$ref` to the network is
refused when the tool is declared, never followed. Depth, size and the steps of a regular expression are
bounded.
"""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import ArgumentError, DeclarationError, find_hints

MAX_DEPTH = 64
"""Levels of objects and arrays in a schema."""
MAX_VALUES = 20_000
"""Values in a schema, all levels together."""
MAX_BACKTRACKS = 100_000
"""Steps back of one regular expression on one value; beyond it the value counts as not matching."""
MAX_PROBLEMS = 10
"""What is said of a call's arguments at once."""
MAX_PROBLEM_LENGTH = 300
"""Characters: a problem quotes the value, which may be large."""

_DATA_KEYWORDS = frozenset({"const", "default", "enum", "examples"})


class Checker(msgspec.Struct, frozen=True):
    """A schema and its validator."""

    schema: Json
    validator: Any

    def find_problems(self, value: Any, noun: str) -> list[str]:
        """What is wrong with a value, a sentence each; `noun` names its parts: "argument"."""
        problems = []
        for error in self.validator.iter_errors(value):
            place = "/".join(map(str, error.instance_path))
            said = f"{noun} '{place}': {error.message}" if place else error.message
            problems.append(said[:MAX_PROBLEM_LENGTH])
            if len(problems) == MAX_PROBLEMS:
                break
        return problems


def build_checker(schema: Json, what: str) -> Checker:
    """Read a schema.

    Args:
        schema: a JSON value; a copy is kept.
        what: its name, for the error.

    Raises:
        DeclarationError: it is not valid in its dialect, is too large, or refers to something outside itself.
    """
    try:
        import jsonschema_rs
    except ImportError:
        raise DeclarationError(f"{what} needs the extra: pip install omnitornado[schemas]") from None
    copied = _copy(schema, what)
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_BACKTRACKS)
    try:
        validator = jsonschema_rs.validator_for(copied, retriever=_refuse, pattern_options=options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise DeclarationError(f"{what}: {str(error).partition(chr(10))[0]}") from None
    return Checker(copied, validator)


def _refuse(uri: str) -> Any:
    raise LookupError(f"{uri} is not part of the schema, and schemas are not fetched")


def _copy(schema: Json, what: str) -> Json:
    if not isinstance(schema, dict):
        raise DeclarationError(f"{what} must be an object")
    level: list[Any] = [schema]
    values, depth = 1, 0
    while level:
        level = [part for value in level for part in _list_parts(value)]
        values, depth = values + len(level), depth + 1
        if depth > MAX_DEPTH or values > MAX_VALUES:
            raise DeclarationError(f"{what} is larger than {MAX_DEPTH} levels or {MAX_VALUES} values")
    try:
        copied: Json = msgspec.json.decode(msgspec.json.encode(schema))
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{what} is not JSON: {error}") from None
    return copied


def _list_parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


class CheckedArguments(msgspec.Struct, frozen=True):
    """What a tool with a schema of its author's takes: one dictionary, checked."""

    checker: Checker
    name: str
    """Of the function's parameter that gets it."""
    context_names: tuple[str, ...]

    @property
    def schema(self) -> Json:
        return self.checker.schema

    def parse(self, arguments: Json) -> dict[str, Any]:
        """Check a call's arguments.

        Raises:
            ArgumentError: with what is wrong.
        """
        problems = self.checker.find_problems(arguments, "argument")
        if problems:
            raise ArgumentError("; ".join(problems))
        return {self.name: arguments}


def build_checked_arguments(
    function: Callable[..., Any], schema: Json, context_type: type
) -> CheckedArguments:
    """Arguments by an explicit schema.

    Raises:
        DeclarationError: a bad schema, one that isn't of type object, or a function that takes something
        else.
    """
    checker = build_checker(schema, "input_schema")
    if checker.schema.get("type") != "object":
        raise DeclarationError('input_schema must have "type": "object"')
    hints = find_hints(function)
    names: list[str] = []
    context_names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        is_context = context_type in (hint, *typing.get_args(hint))
        (context_names if is_context else names).append(parameter.name)
    if len(names) != 1:
        raise DeclarationError("with input_schema the function takes one parameter: the arguments as a dict")
    return CheckedArguments(checker, names[0], tuple(context_names))


class CheckedOutput(msgspec.Struct, frozen=True):
    """Structured output by a schema of its author's."""

    checker: Checker
    object_schema: Json
    """For revisions that know objects alone: the same, or the value under the key `result`."""
    wrapped: bool

    @property
    def schema(self) -> Json:
        return self.checker.schema

    def build_json(self, value: Any) -> bytes:
        """A return value as JSON, checked against the schema.

        Raises:
            ValueError: the function returned something else than it declares.
            TypeError: the value has no JSON form.
        """
        encoded = msgspec.json.encode(value)
        problems = self.checker.find_problems(msgspec.json.decode(encoded), "value")
        if problems:
            raise ValueError("; ".join(problems))
        return encoded


def build_checked_output(schema: Json) -> CheckedOutput:
    """Output by an explicit schema.

    Raises:
        DeclarationError: a bad schema.
    """
    checker = build_checker(schema, "output_schema")
    wrapped = checker.schema.get("type") != "object"
    return CheckedOutput(checker, _wrap(checker.schema) if wrapped else checker.schema, wrapped)


def _wrap(schema: Json) -> Json:
    inner = _move_references(schema)
    outer: Json = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    dialect = inner.pop("$schema", None)
    return outer if dialect is None else {"$schema": dialect, **outer}


def _move_references(value: Any) -> Any:
    """References from the root, one level further down; those of a part with its own `$id` stay right."""
    if isinstance(value, list):
        return [_move_references(item) for item in value]
    if not isinstance(value, dict) or "$id" in value:
        return value
    moved = {key: item if key in _DATA_KEYWORDS else _move_references(item) for key, item in value.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        moved["$ref"] = "#/properties/result" + reference[1:]
    return moved
