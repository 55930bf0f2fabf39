"""Implements: MCP 2026-07-28 server/tools (inputSchema, outputSchema), basic/index (JSON Schema Usage).

JSON Schema 2020-12 and validation from a function's type hints, by msgspec: what the schema says is what is
checked.
"""

import copy
import inspect
import types
import typing
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from omnitornado.mcp.jsonrpc import Json


class DeclarationError(TypeError):
    """A function can't be offered as it is declared. The message names the function and what to change."""


class ArgumentError(Exception):
    """A call's arguments don't fit; the message tells the model what to fix."""


class Parameter(msgspec.Struct, frozen=True):
    """One argument of a function: its name, its type, and whether it may be left out."""

    name: str
    type: Any
    required: bool


class Arguments(msgspec.Struct, frozen=True):
    """What a function takes: described by `schema`, checked by `model`."""

    schema: Json
    model: type[msgspec.Struct]
    parameters: tuple[Parameter, ...]
    context_names: tuple[str, ...] = ()
    """Parameters that get the call's context; no part of the schema."""

    def parse(self, arguments: Json) -> dict[str, Any]:
        """Check and convert a call's arguments.

        Raises:
            ArgumentError: with everything that is wrong, not only the first thing.
        """
        try:
            return msgspec.structs.asdict(msgspec.convert(arguments, self.model))
        except msgspec.ValidationError as error:
            return self._parse_again(arguments, error)

    def _parse_again(self, arguments: Json, error: msgspec.ValidationError) -> dict[str, Any]:
        # To JSON Schema 3.0 is an integer (2020-12 validation §6.1.1); msgspec wants it written as 3.
        whole = {name: _build_integers(value) for name, value in arguments.items()}
        problems = self.find_problems(whole)
        if problems:
            raise ArgumentError("; ".join(problems)) from None
        try:
            return msgspec.structs.asdict(msgspec.convert(whole, self.model))
        except msgspec.ValidationError:
            raise ArgumentError(str(error)) from None

    def find_problems(self, arguments: Json, *, strict: bool = True) -> list[str]:
        """What is wrong with a call's arguments, each in a sentence. Not strict: strings may spell other
        types.
        """
        problems = []
        for parameter in self.parameters:
            if parameter.name in arguments:
                try:
                    msgspec.convert(arguments[parameter.name], parameter.type, strict=strict)
                except msgspec.ValidationError as error:
                    problems.append(f"argument '{parameter.name}': {error}")
            elif parameter.required:
                problems.append(f"argument '{parameter.name}' is required")
        known = [parameter.name for parameter in self.parameters]
        for name in arguments:
            if name not in known:
                problems.append(f"argument '{name}' is unknown (known: {', '.join(known) or 'none'})")
        return problems


def _build_integers(value: Any) -> Any:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is list:
        return [_build_integers(item) for item in value]
    if type(value) is dict:
        return {key: _build_integers(item) for key, item in value.items()}
    return value


def build_arguments(
    function: Callable[..., Any], descriptions: dict[str, str], context_type: type
) -> Arguments:
    """Read a function's signature.

    Raises:
        DeclarationError: `*args`, `**kwargs`, positional-only or unannotated parameters, unsupported types.
    """
    hints = find_hints(function)
    parameters, fields, defaults = [], [], {}
    context_names = []
    for parameter in inspect.signature(function).parameters.values():
        hint = _find_hint(parameter, hints)
        if context_type in (hint, *typing.get_args(hint)):
            context_names.append(parameter.name)
            continue
        required = parameter.default is parameter.empty
        parameters.append(Parameter(parameter.name, hint, required))
        fields.append(
            (parameter.name, hint) if required else (parameter.name, hint, _find_default(parameter))
        )
        if not required:
            defaults[parameter.name] = parameter.default
    model = _define(function, fields)
    schema = _build_input_schema(model)
    _describe(schema["properties"], descriptions, defaults)
    return Arguments(schema, model, tuple(parameters), tuple(context_names))


def find_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The resolved type hints of a function, a partial, a method or an object with `__call__`.

    Raises:
        DeclarationError: a hint names something that its module doesn't know.
    """
    while isinstance(function, partial):
        function = function.func
    if not isinstance(function, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise DeclarationError(f"its type hints can't be resolved: {error}") from None


def _find_hint(parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DeclarationError(f"*{parameter.name}: variable arguments have no schema; name each argument")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise DeclarationError(f"'{parameter.name}' is positional-only; arguments are passed by name")
    if parameter.name not in hints:
        raise DeclarationError(f"'{parameter.name}' has no type hint")
    hint = hints[parameter.name]
    if parameter.default is None and hint is not Any:
        return hint | None if isinstance(hint, type) else typing.Optional[hint]  # noqa: UP045
    return hint


def _find_default(parameter: inspect.Parameter) -> Any:
    if isinstance(parameter.default, list | dict | set | bytearray):
        return msgspec.field(default_factory=partial(copy.deepcopy, parameter.default))
    return parameter.default


def _define(function: Callable[..., Any], fields: list[Any]) -> type[msgspec.Struct]:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        return msgspec.defstruct(
            f"{name}_arguments", fields, forbid_unknown_fields=True, kw_only=True, module=function.__module__
        )
    except (TypeError, ValueError) as error:
        raise DeclarationError(str(error)) from None


def build_schema(hint: Any) -> Json:
    """The JSON Schema of a type; a named type stands at the root itself, not behind a `$ref`.

    Raises:
        DeclarationError: a type that has no JSON form.
    """
    try:
        (root,), definitions = msgspec.json.schema_components([hint])
        msgspec.json.Decoder(hint)
    except (TypeError, ValueError) as error:
        raise DeclarationError(" ".join(str(error).split())) from None
    reference = root.get("$ref", "").removeprefix("#/$defs/")
    if reference:
        siblings = {key: value for key, value in root.items() if key != "$ref"}
        root = definitions[reference] | siblings
        if not _mentions(definitions, reference):
            del definitions[reference]
    schema = dict(root)
    if definitions:
        schema["$defs"] = definitions
    return schema


def _mentions(value: Any, reference: str) -> bool:
    if isinstance(value, dict):
        if value.get("$ref") == f"#/$defs/{reference}":
            return True
        return any(_mentions(item, reference) for item in value.values())
    return isinstance(value, list) and any(_mentions(item, reference) for item in value)


def _build_input_schema(model: type[msgspec.Struct]) -> Json:
    schema = build_schema(model)
    del schema["title"]
    if not schema["required"]:
        del schema["required"]  # empty: not allowed by the oldest dialects some clients still check with
    return schema


def _describe(properties: Json, descriptions: dict[str, str], defaults: dict[str, Any]) -> None:
    for name, schema in properties.items():
        if name in descriptions:
            schema.setdefault("description", descriptions[name])
        if name in defaults and "default" not in schema:
            try:
                schema["default"] = msgspec.to_builtins(defaults[name])
            except TypeError:
                raise DeclarationError(f"the default of '{name}' has no JSON form") from None


class Output(msgspec.Struct, frozen=True):
    """What a function returns as structured content."""

    schema: Json
    object_schema: Json
    """For revisions that know objects alone: the same, or the value under the key `result`."""
    wrapped: bool
    """Whether `object_schema` needs the wrapping."""
    decoder: msgspec.json.Decoder[Any]

    def build_json(self, value: Any) -> bytes:
        """A return value as JSON, checked against the schema in the form the client gets it.

        Raises:
            msgspec.ValidationError: the function returned something else than it declares.
            TypeError: the value has no JSON form.
        """
        encoded = msgspec.json.encode(value)
        self.decoder.decode(encoded)
        return encoded


def build_output(hint: Any) -> Output:
    """Structured output from a return annotation.

    Raises:
        DeclarationError: a type that has no JSON form.
    """
    schema = build_schema(hint)
    wrapped = schema.get("type") != "object"
    return Output(schema, _wrap(schema) if wrapped else schema, wrapped, msgspec.json.Decoder(hint))


def _wrap(schema: Json) -> Json:
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped: Json = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return wrapped
