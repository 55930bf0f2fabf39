"""Implements: MCP 2026-07-28 basic/transports/streamable-http (Custom Headers from Tool Parameters),
server/tools (x-mcp-header).

A parameter whose schema carries `x-mcp-header` is mirrored by the client into `Mcp-Param-{name}`, so that
proxies can route on it. The server's part: declare only what is allowed, and refuse a call whose header and
argument differ.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from omnitornado.mcp.inbound import build_header_mismatch, decode_header_value
from omnitornado.mcp.jsonrpc import MAX_SAFE_INTEGER, Json

KEYWORD = "x-mcp-header"
PREFIX = "mcp-param-"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""`token` (RFC 9110 §5.6.2)."""
_DECIMAL = re.compile(r"-?[0-9]+(\.0*)?")

_SCHEMAS = (
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
)
_MORE_SCHEMAS = ("then", "unevaluatedItems", "unevaluatedProperties")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMA_MAPS = ("$defs", "definitions", "dependentSchemas", "patternProperties")


def param_header(name: str) -> msgspec.Meta:
    """Have clients mirror a parameter into `Mcp-Param-{name}`: `Annotated[str, param_header("Region")]`."""
    return msgspec.Meta(extra_json_schema={KEYWORD: name})


class ParamHeader(msgspec.Struct, frozen=True):
    """A parameter that is mirrored: its path in the arguments, its header's name, its JSON type."""

    path: tuple[str, ...]
    name: str
    type: str


def parse_param_headers(schema: Json) -> tuple[ParamHeader, ...]:
    """The mirrored parameters of an input schema.

    Raises:
        ValueError: a declaration that clients must refuse; it would hide the tool from them.
    """
    found: dict[str, ParamHeader] = {}
    for path, subschema in _walk((), schema):
        if KEYWORD not in subschema:
            continue
        header = _parse_declaration(path, subschema)
        if header.name.lower() in found:
            raise ValueError(f"{KEYWORD} {header.name!r} is used twice")
        found[header.name.lower()] = header
    return tuple(found.values())


def _parse_declaration(path: tuple[str, ...] | None, subschema: Json) -> ParamHeader:
    name, kind = subschema[KEYWORD], subschema.get("type")
    if not path:
        raise ValueError(f"{KEYWORD} must stand on a property that only `properties` lead to")
    if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{KEYWORD} {name!r} is not an HTTP field-name token")
    if kind not in ("string", "integer", "boolean"):
        raise ValueError(f"{KEYWORD} {name!r} needs a parameter of type string, integer or boolean")
    return ParamHeader(path, name, kind)


def _walk(path: tuple[str, ...] | None, schema: Any) -> Iterator[tuple[tuple[str, ...] | None, Json]]:
    """Each subschema with its chain of `properties`; None for the path once anything else was crossed."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for name, subschema in schema.get("properties", {}).items():
        yield from _walk(None if path is None else (*path, name), subschema)
    for keyword in (*_SCHEMAS, *_MORE_SCHEMAS):
        yield from _walk(None, schema.get(keyword))
    for keyword in _SCHEMA_LISTS:
        for subschema in schema.get(keyword, ()):
            yield from _walk(None, subschema)
    for keyword in _SCHEMA_MAPS:
        for subschema in schema.get(keyword, {}).values():
            yield from _walk(None, subschema)


def check_param_headers(
    declared: tuple[ParamHeader, ...], arguments: Json, headers: Mapping[str, str]
) -> None:
    """Compare each mirrored argument with its header.

    A header for an argument that is absent is refused as well: a proxy may have routed on a value that the
    call never carried.

    Raises:
        JsonRpcError: -32020.
    """
    for header in declared:
        name = f"Mcp-Param-{header.name}"
        given, value = headers.get(PREFIX + header.name.lower()), _find_value(arguments, header.path)
        if value is None:
            if given is not None:
                raise build_header_mismatch(f"{name} header is given without the argument")
        elif given is None:
            raise build_header_mismatch(f"{name} header is missing")
        elif not _matches(header, value, decode_header_value(given, name)):
            raise build_header_mismatch(f"{name} header does not match the argument")


def _find_value(arguments: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        arguments = arguments.get(key) if isinstance(arguments, dict) else None
    return arguments


def _matches(header: ParamHeader, value: Any, given: str) -> bool:
    """Whether a header says what the argument does; an argument of the wrong type gets its answer later."""
    if isinstance(value, bool):
        return given == ("true" if value else "false")
    if isinstance(value, int | float):
        if _DECIMAL.fullmatch(given) is None:
            return given == str(value) and header.type != "integer"
        # 42 and 42.0 are the same integer (Server Validation); outside 2^53 no two readers agree on one.
        return abs(value) <= MAX_SAFE_INTEGER and len(given) <= 32 and int(given.partition(".")[0]) == value
    return bool(given == value)
