"""`MCPServer` and the low-level `Server` of the official Python SDK (package mcp, version 2).

Our choice. The SDK's session manager is an ASGI application by itself: the routes, the authentication and the
Host check that its Starlette application puts around it are this server's work here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import ListenHandler
from mcp.server.transport_security import TransportSecuritySettings

from omnitornado.sdk.asgi import App
from omnitornado.sdk.listing import ListedTool, list_tools
from omnitornado.sdk.objects import UnservableError

LISTEN: Final = "subscriptions/listen"


class OfficialGuest:
    """Either kind: both have `streamable_http_app`, and the session manager after it."""

    def __init__(self, server: "MCPServer[Any] | Server[Any]") -> None:
        self._server = server
        self._routes: list[str] = []
        self._manager: StreamableHTTPSessionManager | None = None

    @property
    def name(self) -> str:
        return self._server.name

    @asynccontextmanager
    async def serve(self, *, path: str, max_body: int) -> AsyncIterator[App]:
        starlette = self._server.streamable_http_app(
            streamable_http_path=path,
            max_request_body_size=max_body,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._routes = [getattr(route, "path", "") for route in starlette.routes]
        self._routes.remove(path)
        manager = self._manager = self._server.session_manager
        async with manager.run():
            yield AuthContextMiddleware(manager.handle_request)

    def list_unserved_routes(self) -> list[str]:
        return self._routes

    def end_streams(self) -> None:
        if self._manager is not None:
            end_subscriptions(self._manager.app)

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        return await list_tools(app, path, identity)


def end_subscriptions(server: Server[Any]) -> None:
    """Each `subscriptions/listen` gets its result (MCP 2026-07-28 basic/patterns/subscriptions)."""
    entry = server.get_request_handler(LISTEN)
    if entry is not None and isinstance(entry.handler, ListenHandler):
        entry.handler.close()


def build_official_guest(found: object) -> OfficialGuest:
    """Raises: UnservableError."""
    if isinstance(found, MCPServer):
        if found.settings.auth is not None:
            raise UnservableError(
                "it has a login of its own (auth=…): leave that out, this server is its login"
            )
        return OfficialGuest(found)
    if isinstance(found, Server):
        return OfficialGuest(found)
    raise UnservableError("it belongs to another version of the MCP SDK; version 2 is needed (package mcp)")
