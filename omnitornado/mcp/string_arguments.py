"""Arguments that travel as strings: of prompts, and the variables of resource templates.

Implements: MCP 2026-07-28 schema.ts (`GetPromptRequestParams.arguments`, `PromptArgument`). Our choice: a
parameter may be of any type that a string can spell: text, numbers, booleans, literals, enumerations, dates
and the like.
"""

from typing import Any

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import ArgumentError, Arguments, DeclarationError

_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})


def parse_strings(arguments: Arguments, values: dict[str, str]) -> dict[str, Any]:
    """Convert strings to what the function's parameters say.

    Raises:
        ArgumentError: with everything that is wrong.
    """
    try:
        return msgspec.structs.asdict(msgspec.convert(values, arguments.model, strict=False))
    except msgspec.ValidationError as error:
        raise ArgumentError("; ".join(arguments.find_problems(values, strict=False)) or str(error)) from None


def check_parameters(arguments: Arguments) -> None:
    """
    Raises:
        DeclarationError: a parameter of a type that no string spells.
    """
    for name in arguments.schema["properties"]:
        if not all(_is_scalar(one) for one in _list_alternatives(arguments, name)):
            raise DeclarationError(f"'{name}' must be of a type that a string can spell: it travels as one")


def find_choices(arguments: Arguments, name: str) -> list[str] | None:
    """What a parameter may be, where its type lists it (Literal, Enum, bool); None where it doesn't."""
    choices: list[str] = []
    for alternative in _list_alternatives(arguments, name):
        if "enum" in alternative:
            choices += [str(value) for value in alternative["enum"]]
        elif alternative.get("type") == "boolean":
            choices += ["true", "false"]
        elif alternative.get("type") != "null":
            return None
    return choices


def _list_alternatives(arguments: Arguments, name: str) -> list[Json]:
    alternatives: list[Json] = []
    waiting: list[Json] = [arguments.schema["properties"][name]]
    while waiting:
        schema = waiting.pop(0)
        if "$ref" in schema:
            waiting.append(arguments.schema["$defs"][schema["$ref"].removeprefix("#/$defs/")])
        elif "anyOf" in schema:
            waiting += schema["anyOf"]
        else:
            alternatives.append(schema)
    return alternatives


def _is_scalar(schema: Json) -> bool:
    return "enum" in schema or schema.get("type") in _SCALARS
