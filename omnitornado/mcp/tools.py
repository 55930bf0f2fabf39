"""Implements: MCP 2026-07-28 server/tools (Tool, Tool Names, Tool Result), and earlier revisions' shapes.

Structured output: each revision gets what its schema has. 2026-07-28 takes any JSON value, and gets the
return value as it is; 2025-06-18 and 2025-11-25 take objects alone, and get other values as `{"result": …}`;
2025-03-26 has none. Objects (dict, TypedDict, dataclass, Struct) are the same everywhere.
"""

import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from omnitornado.mcp.content import Content, build_blocks, build_text, clean_text
from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import (
    Icon,
    check_meta,
    check_scopes,
    check_timeout,
    find_name,
    find_place,
    is_async,
)
from omnitornado.mcp.docstring import parse_docstring
from omnitornado.mcp.json_schema import (
    CheckedArguments,
    CheckedOutput,
    build_checked_arguments,
    build_checked_output,
)
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
from omnitornado.mcp.task_support import TaskSupport, find_task_support
from omnitornado.mcp.tool_error import ToolError as ToolError
from omnitornado.mcp.versions import (
    ANY_STRUCTURED_SINCE,
    ICONS_SINCE,
    META_SINCE,
    STRUCTURED_SINCE,
    TITLES_SINCE,
)


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
    structured: Any = msgspec.UNSET
    """Structured content beside the content: any JSON value."""


class Outcome(msgspec.Struct, frozen=True):
    """What a call came to, before a revision gives it its shape."""

    blocks: list[Json]
    structured: msgspec.Raw | None = None
    wrapped: bool = False
    """Whether revisions that know objects alone get the structured content under the key `result`."""
    is_error: bool = False
    meta: Json | None = None


class Tool(msgspec.Struct, frozen=True):
    """A function as it is offered."""

    name: str
    title: str | None
    description: str
    function: Callable[..., Any]
    is_async: bool
    arguments: Arguments | CheckedArguments
    output: Output | CheckedOutput | None
    annotations: ToolAnnotations | None
    icons: tuple[Icon, ...]
    scopes: frozenset[str]
    timeout: float | msgspec.UnsetType | None
    """Seconds; None for no limit; UNSET for the endpoint's."""
    param_headers: tuple[ParamHeader, ...]
    meta: Json | None = None
    task: TaskSupport | None = None
    """None for a tool whose calls are never tasks."""
    descriptions: dict[str, Json] = msgspec.field(default_factory=dict)
    """By revision; filled as they are asked for."""

    @property
    def label(self) -> str:
        return f"tool {self.name}"

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
            return _build_own(self, value)
        if self.output is None:
            return Outcome(build_blocks(value))
        encoded = self.output.build_json(value)
        # Clients older than structured content, and models, read the text (server/tools, Structured Content).
        text = clean_text(value) if isinstance(value, str) else encoded.decode("utf-8")
        return Outcome([{"type": "text", "text": text}], msgspec.Raw(encoded), self.output.wrapped)


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
    input_schema: Json | None = None,
    output_schema: Json | None = None,
    meta: Json | None = None,
    task: bool | TaskSupport = False,
) -> Tool:
    """Make a tool of a function; what is not given comes from its name, type hints and docstring.

    Raises:
        DeclarationError: with the function's name, its place and what to change.
    """
    try:
        text, parameters = parse_docstring(inspect.getdoc(function) or "")
        arguments: Arguments | CheckedArguments
        if input_schema is None:
            arguments = build_arguments(function, parameters, Context)
        else:
            arguments = build_checked_arguments(function, input_schema, Context)
        return Tool(
            name=find_name(function, name),
            title=title,
            description=text if description is None else description,
            function=function,
            is_async=is_async(function),
            arguments=arguments,
            output=_find_output(function, output_schema) if structured else None,
            annotations=annotations,
            icons=tuple(icons),
            scopes=check_scopes(scopes),
            timeout=check_timeout(timeout),
            param_headers=parse_param_headers(arguments.schema),
            meta=check_meta(meta),
            task=find_task_support(task),
        )
    except (DeclarationError, ValueError) as error:
        raise DeclarationError(f"tool {find_place(function)}: {error}") from None


def _build_own(tool: Tool, result: ToolResult) -> Outcome:
    """A result that the tool put together itself."""
    if result.structured is msgspec.UNSET:
        if tool.output is not None and not result.is_error:
            raise TypeError("a tool with an output schema must return structured content (server/tools)")
        return Outcome(build_blocks(result.content), None, False, result.is_error, result.meta)
    if tool.output is not None and not result.is_error:
        encoded, wrapped = tool.output.build_json(result.structured), tool.output.wrapped
    else:
        encoded = msgspec.json.encode(result.structured)
        wrapped = not encoded.startswith(b"{")
    blocks = build_blocks(result.content) or [build_text(encoded.decode("utf-8"))]
    return Outcome(blocks, msgspec.Raw(encoded), wrapped, result.is_error, result.meta)


def _find_output(function: Callable[..., Any], schema: Json | None) -> Output | CheckedOutput | None:
    if schema is not None:
        return build_checked_output(schema)
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
    if tool.meta is not None and version >= META_SINCE:
        entry["_meta"] = tool.meta
    return entry


def build_call_result(outcome: Outcome, version: str, blocks: list[Json]) -> Json:
    """`CallToolResult`, without what belongs to an era."""
    result: Json = {"content": blocks, "isError": outcome.is_error}
    if outcome.structured is not None and version >= STRUCTURED_SINCE:
        wrap = outcome.wrapped and version < ANY_STRUCTURED_SINCE
        result["structuredContent"] = {"result": outcome.structured} if wrap else outcome.structured
    if outcome.meta is not None:
        result["_meta"] = outcome.meta
    return result
