"""`FastMCP` of fastmcp (version 4).

Our choice. Its Starlette application is served whole, for its middleware carries each request to the tools.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, AuthContext
from fastmcp.server.providers import Provider
from fastmcp.tools import Tool
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.lowlevel import Server

from omnitornado.sdk.asgi import App
from omnitornado.sdk.listing import ListedTool, check_scopes, list_tools, read_tool
from omnitornado.sdk.objects import UnservableError
from omnitornado.sdk.official import end_subscriptions


class FastMCPGuest:
    """A `FastMCP`, with everything mounted in it."""

    def __init__(self, server: FastMCP[Any]) -> None:
        self._server = server
        self._routes: list[str] = []
        self._lowlevel: Server[Any] | None = None

    @property
    def name(self) -> str:
        return self._server.name

    @asynccontextmanager
    async def serve(self, *, path: str, max_body: int) -> AsyncIterator[App]:
        starlette = self._server.http_app(path=path, host_origin_protection=False)
        self._routes = [getattr(route, "path", "") for route in starlette.routes]
        self._routes.remove(path)
        async with starlette.lifespan(starlette):
            for route in starlette.routes:
                manager = getattr(getattr(route, "endpoint", None), "session_manager", None)
                self._lowlevel = getattr(manager, "app", self._lowlevel)
            yield AuthContextMiddleware(starlette)

    def list_unserved_routes(self) -> list[str]:
        return self._routes

    def end_streams(self) -> None:
        if self._lowlevel is not None:
            end_subscriptions(self._lowlevel)

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        # Not by the protocol: to nobody it shows no tool that has checks, and no check.
        found: dict[str, ListedTool] = {}
        for tool in await Provider.list_tools(self._server):
            listed = read_tool(tool.to_mcp_tool().model_dump(mode="json", by_alias=True))
            scopes = listed.scopes | find_checked_scopes(tool)
            found.setdefault(tool.name, msgspec.structs.replace(listed, scopes=scopes))
        # What middleware, say, shows to some people alone is seen by the protocol only.
        for shown in await list_tools(app, path, identity) if identity else ():
            found.setdefault(shown.name, shown)
        return list(found.values())


def find_checked_scopes(tool: Tool) -> frozenset[str]:
    """What `auth=require_scopes(…)` and its like miss in a token that has no scope."""
    checks = tool.auth if isinstance(tool.auth, list) else [tool.auth]
    context = AuthContext(token=AccessToken(token="", client_id="", scopes=[]), component=tool)
    missing: set[str] = set()
    for check in checks:
        find_missing = getattr(check, "missing_scopes", None)
        if find_missing is not None:
            missing |= find_missing(context)
    return check_scopes(sorted(missing))


def build_fastmcp_guest(found: object) -> FastMCPGuest:
    """Raises: UnservableError."""
    if not isinstance(found, FastMCP) or not hasattr(found, "http_app"):
        raise UnservableError("it belongs to another version of fastmcp; version 4 is needed")
    if found.auth is not None:
        raise UnservableError("it has a login of its own (auth=…): leave that out, this server is its login")
    return FastMCPGuest(found)
