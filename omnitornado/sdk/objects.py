"""Which objects can be served beside our own `MCPServer`, told without importing what nobody asked for.

Our choice.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from omnitornado.sdk.asgi import App
from omnitornado.sdk.listing import ListedTool

ASGI_APPS: Final = frozenset({"Starlette", "FastAPI", "StarletteWithLifespan"})


class UnservableError(ValueError):
    """An object that looks like one we serve, and why it can't be."""


class Guest(Protocol):
    """A server object of somebody else's package, with what is asked of it here."""

    @property
    def name(self) -> str:
        """As the object calls itself."""

    def serve(self, *, path: str, max_body: int) -> AbstractAsyncContextManager[App]:
        """The object's own life: inside, its ASGI application answers at `path`. Entered once, and left in
        the same task. Raises what the object's lifespan raises.
        """

    def list_unserved_routes(self) -> list[str]:
        """Paths of routes that the object has beside its MCP endpoint."""

    def end_streams(self) -> None:
        """Let subscriptions end well: each is told that it is over."""

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        """The tools it has, with the scopes that they need; `identity`: who asks, as a connection scope has
        it, empty for nobody. Raises: ListingError, ScopeError, and what the
        object raises.
        """


def find_guest(found: object) -> Guest | None:
    """What serves `found`; None for an object of no known kind. Raises: UnservableError."""
    for cls in type(found).__mro__:
        package, name = cls.__module__.partition(".")[0], cls.__name__
        if (package, name) == ("fastmcp", "FastMCP"):
            from omnitornado.sdk.fastmcp import build_fastmcp_guest

            return build_fastmcp_guest(found)
        if package == "mcp" and name in ("MCPServer", "Server"):
            from omnitornado.sdk.official import build_official_guest

            return build_official_guest(found)
        if (package, name) == ("mcp", "FastMCP"):
            raise UnservableError("it belongs to version 1 of the MCP SDK; version 2 is needed (package mcp)")
        if name in ASGI_APPS:
            raise UnservableError("it is an ASGI application; name the MCPServer or FastMCP object itself")
    return None


def describe_type(found: Any) -> str:
    """`an object of type Widget`, `the class Widget`."""
    if isinstance(found, type):
        return f"the class {found.__name__}"
    return f"an object of type {type(found).__name__}"
