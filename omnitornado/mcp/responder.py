"""What answers the methods of an endpoint: an `MCPServer` of our own (`server_responder.py`), or a server
behind us (`omnitornado/upstream`).

Our choice. The eras know how a request comes in, what may stream, and how an answer leaves; whoever answers
knows its methods, and nothing of HTTP, sessions or their streams.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from omnitornado.mcp.exchange import Exchange
from omnitornado.mcp.inbound import Envelope
from omnitornado.mcp.jsonrpc import Json, Request
from omnitornado.mcp.live_task import TaskView
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.streams import Hub

Answer: TypeAlias = Callable[[Exchange], Awaitable[Json]]
"""A method: a request to its result. Raises JsonRpcError, CallCancelledError, CallSuspendedError."""


class Introduction(msgspec.Struct, frozen=True):
    """What a server says of itself to a client that connects."""

    capabilities: Json
    """ServerCapabilities, in the words of the client's revision."""
    server_info: Json
    """Implementation, likewise."""
    instructions: str | None = None


class Listening(msgspec.Struct, frozen=True):
    """What a stream of changes hears of."""

    filters: Mapping[str, str]
    """Member of `subscriptions/listen`'s filter to the kind of list."""
    uris: Mapping[str, None]
    tasks: Sequence[TaskView] = ()
    on_end: Callable[[], None] | None = None
    """Called when nobody hears of it any more."""


class Responder(Protocol):
    """Answers the methods of one endpoint. Belongs to its event loop."""

    def attach(self, hub: Hub) -> None:
        """From here on changes are told to this hub. Once."""

    def find_in_session(self, method: str) -> Answer | None:
        """A method of the handshake era."""

    def find_stateless(self, method: str) -> Answer | None:
        """A method of the stateless era."""

    def find_needed_scopes(self, request: Request) -> frozenset[str]:
        """What a request needs beyond the endpoint's own scope."""

    def takes_task(self, request: Request) -> bool:
        """Whether a `tools/call` may become a task of ours."""

    async def introduce(
        self, principal: Principal, version: str, session: LiveSession | None
    ) -> Introduction:
        """What a client is told that connects; `session` is the one that it opens, if it opens one.

        Raises:
            JsonRpcError: there is nobody to introduce.
        """

    def describe(self, principal: Principal, version: str) -> Json:
        """Implementation: who has answered this person's request."""

    def find_lists(self, principal: Principal, version: str) -> frozenset[str]:
        """The kinds of lists that there are, and that may change."""

    async def prepare_listening(
        self, listening: Listening, request: Request, envelope: Envelope, principal: Principal
    ) -> Listening:
        """Of what a client wants to hear of, that which there is.

        Raises:
            JsonRpcError: -32602, -32021.
        """

    def find_audience(self, principal: Principal, session: bytes | None) -> Hashable:
        """Whose changes a stream hears: those that the hub is told for the same audience."""

    def forget(self, session: LiveSession) -> None:
        """A session has ended."""

    def end_streams(self) -> None:
        """The server stops; calls in flight go on for a while."""

    async def close(self) -> None:
        """The server has stopped: nothing is answered any more."""
