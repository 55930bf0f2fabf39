"""One request on its way through a method, and the shape of what comes back.

Our choice: an era module makes the exchange, looks the method up in its table, and gives the result its
revision's shape. A method knows its parameters and the feature behind it, and nothing of HTTP.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import msgspec

from omnitornado.mcp.call import Call, Send
from omnitornado.mcp.calls import ToolRunner
from omnitornado.mcp.context import Context
from omnitornado.mcp.conversation import Asker
from omnitornado.mcp.host import Host
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError, Request, RequestId
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.request_state import CallState
from omnitornado.mcp.resources import ResourceContent
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tasks import Tasks

ReadNested: TypeAlias = Callable[[Call, Context, str], Awaitable[tuple[ResourceContent, ...]]]


class Reply(msgspec.Struct, frozen=True):
    """What the web handler answers."""

    status: int
    body: bytes | None = None
    """JSON; None for an empty body. With events sent already: the last event, or none at all."""
    headers: Mapping[str, str] = {}
    stream: bool = False
    """The client takes nothing but text/event-stream: send the body as an event, whatever happened before."""
    is_open: bool = False
    """The answer is a stream that goes on without anybody working on it."""
    required_scopes: frozenset[str] = frozenset()
    """With a 403: every scope that the tools need, for the `insufficient_scope` challenge (RFC 6750 §3.1)."""


class Services(msgspec.Struct, frozen=True):
    """What methods work with."""

    server: MCPServer
    runner: ToolRunner
    page_size: int
    tasks: Tasks


class Round(msgspec.Struct, frozen=True):
    """Where a call of the stateless era stands that may be answered with questions (basic/patterns/mrtr)."""

    state: CallState | None
    """What earlier rounds have come to."""
    responses: Json
    """What the client answers now."""
    start: Callable[[], CallState]
    """Makes the state of a call that has none."""


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
    build_asker: Callable[[Call], Asker] | None = None
    """How a call asks the client; None for a method that can't."""
    close_stream: Callable[[float | None], bool] | None = None
    capabilities: Mapping[str, Any] = {}
    """What the client declares with the request: stateless era alone."""
    round: Round | None = None
    """None for a method that may not ask, and in the handshake era."""
    read: ReadNested | None = None
    """Reads a resource within a call."""
    host: Host | None = None
    """Where a function of the author's may run in the request's own task."""

    @property
    def params(self) -> Json:
        return self.request.params

    @property
    def is_continued(self) -> bool:
        """Whether it brings the state of an earlier round."""
        return self.round is not None and self.round.state is not None

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

    def get_strings(self, name: str) -> dict[str, str]:
        """A parameter that is an object of strings, or absent.

        Raises:
            JsonRpcError: -32602.
        """
        value = self.get_object(name)
        for key, item in value.items():
            if not isinstance(item, str):
                message = f"Invalid params: {name}.{key[:128]} must be a string"
                raise JsonRpcError(code=INVALID_PARAMS, message=message)
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

    def build_context(self, call: Call) -> Context:
        """What a function of the author's sees of this request."""
        return Context(
            principal=self.principal,
            protocol_version=self.version,
            delivery=call,
            progress_token=self.progress_token,
            log_level=self.log_level,
            asker=None if self.build_asker is None else self.build_asker(call),
            close_stream=self.close_stream,
            read=None if self.read is None else partial(self.read, call),
        )


Method: TypeAlias = Callable[[Services, Exchange], Awaitable[Json]]
"""A handler of a method table. Raises JsonRpcError."""

CallMethod: TypeAlias = Callable[[Services, Exchange, Call], Awaitable[Json]]
"""A handler that runs a function of the author's. Raises JsonRpcError, CallCancelledError."""
