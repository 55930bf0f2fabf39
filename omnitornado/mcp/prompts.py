"""Implements: MCP 2026-07-28 server/prompts (Prompt, PromptMessage), and earlier revisions' shapes."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from omnitornado.mcp.content import Content, adapt_blocks, build_blocks
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
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import Arguments, DeclarationError, build_arguments
from omnitornado.mcp.string_arguments import check_parameters
from omnitornado.mcp.versions import ICONS_SINCE, META_SINCE, TITLES_SINCE


class Message(msgspec.Struct, frozen=True):
    """A message of a prompt: what is said, and who says it."""

    content: str | Content
    role: Literal["user", "assistant"] = "user"

    def __post_init__(self) -> None:
        if self.role not in ("user", "assistant"):
            raise ValueError('role is "user" or "assistant"')


class Prompt(msgspec.Struct, frozen=True):
    """A function as it is offered."""

    name: str
    title: str | None
    description: str
    function: Callable[..., Any]
    is_async: bool
    arguments: Arguments
    icons: tuple[Icon, ...]
    scopes: frozenset[str]
    timeout: float | msgspec.UnsetType | None
    """Seconds; None for no limit; UNSET for the endpoint's."""
    meta: Json | None

    @property
    def label(self) -> str:
        return f"prompt {self.name}"

    def describe(self, version: str) -> Json:
        """The prompt's entry in `prompts/list`, in the words of a revision."""
        entry: Json = {"name": self.name}
        if self.title is not None and version >= TITLES_SINCE:
            entry["title"] = self.title
        if self.description:
            entry["description"] = self.description
        if self.arguments.parameters:
            entry["arguments"] = [
                self._describe_argument(one.name, one.required, version) for one in self.arguments.parameters
            ]
        if self.icons and version >= ICONS_SINCE:
            entry["icons"] = msgspec.to_builtins(self.icons)
        if self.meta is not None and version >= META_SINCE:
            entry["_meta"] = self.meta
        return entry

    def _describe_argument(self, name: str, required: bool, version: str) -> Json:
        schema = self.arguments.schema["properties"][name]
        argument: Json = {"name": name}
        if "title" in schema and version >= TITLES_SINCE:
            argument["title"] = schema["title"]
        if "description" in schema:
            argument["description"] = schema["description"]
        argument["required"] = required
        return argument


def build_messages(value: Any, version: str) -> list[Json]:
    """What a return value becomes: messages, and anything else a message of the user's.

    Raises:
        TypeError: the value has no JSON form.
    """
    listed = isinstance(value, list | tuple)
    if listed and (not value or any(isinstance(item, Message | Content | str) for item in value)):
        return [message for item in value for message in build_messages(item, version)]
    role = "user"
    if isinstance(value, Message):
        role, value = value.role, value.content
    return [{"role": role, "content": block} for block in adapt_blocks(build_blocks(value), version)]


def build_prompt(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    timeout: float | msgspec.UnsetType | None = msgspec.UNSET,
    meta: Json | None = None,
) -> Prompt:
    """Make a prompt of a function; what is not given comes from its name, type hints and docstring.

    Raises:
        DeclarationError: with the function's name, its place and what to change.
    """
    try:
        text, parameters = parse_docstring(inspect.getdoc(function) or "")
        arguments = build_arguments(function, parameters, Context)
        check_parameters(arguments)
        return Prompt(
            name=find_name(function, name),
            title=title,
            description=text if description is None else description,
            function=function,
            is_async=is_async(function),
            arguments=arguments,
            icons=tuple(icons),
            scopes=check_scopes(scopes),
            timeout=check_timeout(timeout),
            meta=check_meta(meta),
        )
    except (DeclarationError, ValueError) as error:
        raise DeclarationError(f"prompt {find_place(function)}: {error}") from None
