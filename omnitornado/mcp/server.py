"""The author's object: a server with a name and what it offers.

Implements: MCP 2026-07-28 schema.ts (Implementation, ServerCapabilities), and earlier shapes of both.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar, Unpack, overload

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.registry import Registry
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.tools import Icon, Tool, ToolAnnotations, build_tool
from omnitornado.mcp.versions import ICONS_SINCE, TITLES_SINCE

F = TypeVar("F", bound=Callable[..., Any])


class ToolOptions(TypedDict, total=False):
    """What `tool` takes."""

    name: str | None
    title: str | None
    description: str | None
    annotations: ToolAnnotations | None
    icons: Sequence[Icon]
    scopes: Sequence[str]
    timeout: float | msgspec.UnsetType | None
    structured: bool


class MCPServer:
    """Holds tools; an endpoint serves it. Each registry tells the endpoint when it changes."""

    def __init__(
        self,
        name: str,
        *,
        title: str | None = None,
        version: str | None = None,
        instructions: str | None = None,
        icons: Sequence[Icon] = (),
        website_url: str | None = None,
    ) -> None:
        """
        Args:
            name: the server's name for programs.
            title: its name for people.
            version: your own version of it.
            instructions: for the model: what the server is good for and how to use it.
            icons: pictures for lists in a client.
            website_url: where people read about it.
        """
        if not name:
            raise ValueError("a server needs a name")
        self.name = name
        self.title = title
        self.version = version or "0"
        self.instructions = instructions
        self.icons = tuple(icons)
        self.website_url = website_url
        self.tools: Registry[Tool] = Registry("tools")

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(self, function: None = None, /, **options: Unpack[ToolOptions]) -> Callable[[F], F]: ...

    def tool(self, function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
        """Offer a function as a tool: `@mcp.tool()`. The function itself stays as it is.

        Args:
            name: in place of the function's name.
            title: for people.
            description: for the model, in place of the docstring.
            annotations: hints about its behaviour.
            icons: pictures for lists in a client.
            scopes: what the person must have allowed the client beyond the endpoint's own scope.
            timeout: seconds, or None for no limit; the endpoint's when left out.
            structured: False to return content alone, without an output schema.

        Raises:
            DeclarationError: the function can't be a tool as it is; the message names it and what to change.
        """
        if function is not None:
            self.add_tool(function, **options)
            return function

        def decorate(decorated: F) -> F:
            self.add_tool(decorated, **options)
            return decorated

        return decorate

    def add_tool(self, function: Callable[..., Any], **options: Unpack[ToolOptions]) -> Tool:
        """Offer a function as a tool, at any time; clients that listen are told. Options as for `tool`.

        Raises:
            DeclarationError: the function can't be a tool, or its name is taken.
        """
        tool = build_tool(function, **options)
        try:
            self.tools.add(tool)
        except ValueError as error:
            where = f"{function.__module__}.{getattr(function, '__qualname__', tool.name)}"
            raise DeclarationError(f"tool {where}: {error}") from None
        return tool

    def remove_tool(self, name: str) -> bool:
        """Stop offering a tool; clients that listen are told. False when it was unknown."""
        return self.tools.remove(name)

    def describe(self, version: str) -> Json:
        """`Implementation`, in the words of a revision."""
        described: Json = {"name": self.name, "version": self.version}
        if self.title is not None and version >= TITLES_SINCE:
            described["title"] = self.title
        if version >= ICONS_SINCE:
            if self.icons:
                described["icons"] = msgspec.to_builtins(self.icons)
            if self.website_url is not None:
                described["websiteUrl"] = self.website_url
        return described

    def build_capabilities(self) -> Json:
        """`ServerCapabilities`: the same in every revision so far."""
        return {"logging": {}, "tools": {"listChanged": True}}
