"""What a session of the handshake era may have in other processes (`omnitornado/mcp/neighbours`).

Our choice. Where there is one process, there is nothing elsewhere.
"""

from typing import Protocol

from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.jsonrpc import Json, Notification, Response
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.streams import Change, Hub


class Links(Protocol):
    """The way to the other processes that serve the same endpoint."""

    async def resume(self, session: bytes, event_id: str) -> Reader | None:
        """The rest of a stream that another process has, or None. Raises: JsonRpcError, 400."""

    def tell_change(self, change: Change) -> None:
        """A list or a resource has changed here."""

    def send(self, session: bytes, message: Json) -> None:
        """A message for a session's own stream, wherever it is."""

    def pass_response(self, session: LiveSession, response: Response) -> None:
        """Nobody here has asked that."""

    def pass_notification(self, session: LiveSession, notification: Notification) -> None:
        """It is about nothing that is under way here."""

    def open_own(self, session: bytes) -> None:
        """A session's own stream is read here."""

    def close_own(self, session: bytes) -> None:
        """One is read no more here; there may be another."""

    def end(self, session: bytes) -> None:
        """A session is over."""


class NoLinks:
    """For a process that is alone."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def resume(self, session: bytes, event_id: str) -> Reader | None:
        return None

    def tell_change(self, change: Change) -> None:
        pass

    def send(self, session: bytes, message: Json) -> None:
        self._hub.send(session, message)

    def pass_response(self, session: LiveSession, response: Response) -> None:
        pass

    def pass_notification(self, session: LiveSession, notification: Notification) -> None:
        pass

    def open_own(self, session: bytes) -> None:
        pass

    def close_own(self, session: bytes) -> None:
        pass

    def end(self, session: bytes) -> None:
        pass
