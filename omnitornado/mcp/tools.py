"""Implements: MCP 2026-07-28 server/tools (Tool, Tool Names, Tool Result), and earlier revisions' shapes.

Structured output: each revision gets what its schema has. 2026-07-28 takes any JSON value, and gets the
return value as it is; 2025-06-18 and 2025-11-25 take objects alone, and get other values as `{"result": …}`;
2025-03-26 has none. Objects (dict, TypedDict, dataclass, Struct) are the same everywhere.
"""

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from omnitornado.mcp.content import Content, build_blocks
from omnitornado.mcp.context import Context
from omnitornado.mcp.docstring import parse_docstring
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.param_headers import ParamHeader, parse_param_headers
from omnitornado.mcp.schema import (
    Arguments,
    DeclarationError,
    Output,
    build_arguments,
    build_output,
    find_hints,
)
from omnitornado.mcp.versions import ANY_STRUCTURED_SINCE, ICONS_SINCE, STRUCTURED_SINCE, TITLES_SINCE

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""`scope-token` (RFC 6749 §3.3)."""


class ToolError(Exception):
    """Raised by a tool: the message is shown to the model as it is."""


class Icon(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A picture for lists in a client (basic/index, icons)."""

    src: str
    """An https: or data: URI."""
    mime_type: str | None = None
    sizes: tuple[str, ...] = ()
    """"48x48", or "any"."""
    theme: Literal["light", "dark"] | None = None


class ToolAnnotations(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Hints about a tool's behaviour; clients use them to decide when to ask the person (schema.ts)."""

    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


class ToolResult(msgspec.Struct, frozen=True):
    """A result put together by the tool itself."""

    content: Any = None
    """Anything a tool may return: text, a block, a list of blocks, a value."""
    is_error: bool = False
    meta: Json | None = None
    """`_meta` of the result."""


class Outcome(msgspec.Struct, frozen=True):
    """What a call came to, before a revision gives it its shape."""

    blocks: list[Json]
    structured: msgspec.Raw | None = None
    is_error: bool = False
    meta: Json | None = None


class Tool(msgspec.Struct, frozen=True):
    """A function as it is offered."""

    name: str
    title: str | None
    description: str
    function: Callable[..., Any]
    is_async: bool
    arguments: Arguments
    output: Output | None
    annotations: ToolAnnotations | None
    icons: tuple[Icon, ...]
    scopes: frozenset[str]
    timeout: float | msgspec.UnsetType | None
    """Seconds; None for no limit; UNSET for the endpoint's."""
    param_headers: tuple[ParamHeader, ...]
    descriptions: dict[str, Json] = msgspec.field(default_factory=dict)
    """By revision; filled as they are asked for."""

    def describe(self, version: str) -> Json:
        """The tool's entry in `tools/list`, in the words of a revision."""
        if version not in self.descriptions:
            self.descriptions[version] = _describe(self, version)
        return self.descriptions[version]

    def build_outcome(self, value: Any) -> Outcome:
        """A return value as content and structured content.

        Raises:
            msgspec.ValidationError: the value is not of the type that the function declares.
            TypeError: it has no JSON form.
        """
        if isinstance(value, ToolResult):
            return Outcome(build_blocks(value.content), None, value.is_error, value.meta)
        if self.output is None:
            return Outcome(build_blocks(value))
        encoded = self.output.build_json(value)
        if isinstance(value, str):
            return Outcome(build_blocks(value), msgspec.Raw(encoded))
        # Clients older than structured content, and models, read the text (server/tools, Structured Content).
        return Outcome([{"type": "text", "text": encoded.decode("utf-8")}], msgspec.Raw(encoded))


def build_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    annotations: ToolAnnotations | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    timeout: float | msgspec.UnsetType | None = msgspec.UNSET,
    structured: bool = True,
) -> Tool:
    """Make a tool of a function; what is not given comes from its name, type hints and docstring.

    Raises:
        DeclarationError: with the function's name, its place and what to change.
    """
    try:
        text, parameters = parse_docstring(inspect.getdoc(function) or "")
        arguments = build_arguments(function, parameters, Context)
        return Tool(
            name=_check_name(name or str(getattr(function, "__name__", ""))),
            title=title,
            description=text if description is None else description,
            function=function,
            is_async=_check_kind(function),
            arguments=arguments,
            output=_find_output(function) if structured else None,
            annotations=annotations,
            icons=tuple(icons),
            scopes=_check_scopes(scopes),
            timeout=_check_timeout(timeout),
            param_headers=parse_param_headers(arguments.schema),
        )
    except (DeclarationError, ValueError) as error:
        raise DeclarationError(f"tool {_find_place(function)}: {error}") from None


def _find_place(function: Callable[..., Any]) -> str:
    inner = inspect.unwrap(function)
    where = f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return where if code is None else f"{where} (line {code.co_firstlineno})"


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise DeclarationError(f"the name {name!r} must be 1 to 128 of A-Z a-z 0-9 _ - . (give name=)")
    return name


def _check_kind(function: Callable[..., Any]) -> bool:
    candidates = (function, type(function).__call__)
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in candidates):
        raise DeclarationError(
            "a generator can't be a tool; report steps with Context.progress and return once"
        )
    return any(inspect.iscoroutinefunction(one) for one in candidates)


def _check_scopes(scopes: Sequence[str]) -> frozenset[str]:
    if isinstance(scopes, str):
        raise DeclarationError("scopes is a list of scope names, not one string")
    for scope in scopes:
        if _SCOPE.fullmatch(scope) is None:
            raise DeclarationError(f"the scope {scope!r} is no scope token (RFC 6749 §3.3)")
    return frozenset(scopes)


def _check_timeout(timeout: float | msgspec.UnsetType | None) -> float | msgspec.UnsetType | None:
    if isinstance(timeout, int | float) and not timeout > 0:
        raise DeclarationError("timeout is a number of seconds above 0, or None for no limit")
    return timeout


def _find_output(function: Callable[..., Any]) -> Output | None:
    hint = find_hints(function).get("return", Any)
    if hint in (Any, None, type(None)) or _is_content(hint):
        return None
    try:
        return build_output(hint)
    except DeclarationError as error:
        raise DeclarationError(f"its return type: {error}; or say structured=False") from None


def _is_content(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, Content | ToolResult):
        return True
    return any(_is_content(part) for part in typing.get_args(hint))


def _describe(tool: Tool, version: str) -> Json:
    entry: Json = {"name": tool.name}
    annotations = msgspec.to_builtins(tool.annotations) if tool.annotations is not None else {}
    if tool.title is not None and version >= TITLES_SINCE:
        entry["title"] = tool.title
    elif tool.title is not None:
        annotations = {"title": tool.title} | annotations
    if tool.description:
        entry["description"] = tool.description
    entry["inputSchema"] = tool.arguments.schema
    if annotations:
        entry["annotations"] = annotations
    if tool.output is not None and version >= ANY_STRUCTURED_SINCE:
        entry["outputSchema"] = tool.output.schema
    elif tool.output is not None and version >= STRUCTURED_SINCE:
        entry["outputSchema"] = tool.output.object_schema
    if tool.icons and version >= ICONS_SINCE:
        entry["icons"] = msgspec.to_builtins(tool.icons)
    return entry


def build_call_result(tool: Tool, outcome: Outcome, version: str, blocks: list[Json]) -> Json:
    """`CallToolResult`, without what belongs to an era."""
    result: Json = {"content": blocks, "isError": outcome.is_error}
    if outcome.structured is not None and version >= STRUCTURED_SINCE and tool.output is not None:
        wrap = tool.output.wrapped and version < ANY_STRUCTURED_SINCE
        result["structuredContent"] = {"result": outcome.structured} if wrap else outcome.structured
    if outcome.meta is not None:
        result["_meta"] = outcome.meta
    return result
