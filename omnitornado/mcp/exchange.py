"""One request on its way through a method, and the shape of what comes back.

Our choice: an era module makes the exchange, looks the method up in its table, and gives the result its
revision's shape. A method knows its parameters and the feature behind it, and nothing of HTTP.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from omnitornado.mcp.calls import Send, ToolRunner
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError, Request, RequestId
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.streams import Hub


class Reply(msgspec.Struct, frozen=True):
    """What the web handler answers."""

    status: int
    body: bytes | None = None
    """JSON; None for an empty body. With events sent already: the last event, or none at all."""
    headers: dict[str, str] = {}
    stream: bool = False
    """The client takes nothing but text/event-stream: send the body as an event, whatever happened before."""
    required_scopes: frozenset[str] = frozenset()
    """With a 403: every scope that the tools need, for the `insufficient_scope` challenge (RFC 6750 §3.1)."""


class Services(msgspec.Struct, frozen=True):
    """What methods work with."""

    server: MCPServer
    runner: ToolRunner
    hub: Hub
    page_size: int


class Exchange(msgspec.Struct, frozen=True):
    """A request, who sent it, and how to talk back while it is worked on."""

    request: Request
    principal: Principal
    version: str
    headers: Mapping[str, str]
    send: Send | None
    """None for a client that takes no event stream."""
    progress_token: RequestId | None = None
    log_level: str | None = None
    owner: Any = None
    """The live session of the handshake era."""

    @property
    def params(self) -> Json:
        return self.request.params

    def get_object(self, name: str) -> Json:
        """A parameter that is an object, or absent.

        Raises:
            JsonRpcError: -32602.
        """
        value = self.params.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise JsonRpcError(code=INVALID_PARAMS, message=f"Invalid params: {name} must be an object")
        return value

    def get_string(self, name: str) -> str:
        """A parameter that is a string.

        Raises:
            JsonRpcError: -32602.
        """
        value = self.params.get(name)
        if not isinstance(value, str):
            raise JsonRpcError(code=INVALID_PARAMS, message=f"Invalid params: {name} must be a string")
        return value


Method: TypeAlias = Callable[[Services, Exchange], Awaitable[Json]]
"""A handler of a method table. Raises JsonRpcError."""
