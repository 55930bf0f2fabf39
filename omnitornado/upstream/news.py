"""Implements: MCP 2025-11-25 server/utilities/logging, server/resources (Subscriptions), the list changes of
tools, prompts and resources: what a server behind us says unasked, to whom, and who wants to hear it.

A log message does not say which request it belongs to. As with questions it reaches a client only where it
can be no other's (`asking.py`). List changes and resource updates go to everyone whose server this is.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from omnitornado.mcp.jsonrpc import Json, build_notification
from omnitornado.mcp.log_levels import LOG_LEVELS, is_logged
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.streams import Change, Hub
from omnitornado.upstream.flight import Flight

LIST_CHANGES = {f"notifications/{kind}/list_changed": kind for kind in ("tools", "prompts", "resources")}
UPDATED = "notifications/resources/updated"
MESSAGE = "notifications/message"
MAX_MEMBERS = 1000
"""Sessions that are told what belongs to no request; beyond it those that came first hear no more of it."""


class News:
    """What one server behind us says to its clients."""

    def __init__(self, hub: Hub, audience: Hashable) -> None:
        self._hub = hub
        self._audience = audience
        self._members: dict[bytes, tuple[LiveSession, Hashable]] = {}

    def join(self, session: LiveSession, client: Hashable) -> bool:
        """A session of this server's; whether it is a new one."""
        if session.key in self._members:
            return False
        self._members[session.key] = (session, client)
        if len(self._members) > MAX_MEMBERS:
            del self._members[next(iter(self._members))]
        return True

    def leave(self, session: LiveSession) -> None:
        self._members.pop(session.key, None)

    def is_wanted(self, uri: str) -> bool:
        """Whether a session has subscribed to a resource."""
        return any(uri in session.subscriptions for session, _ in self._members.values())

    def take(self, method: str, params: Json, flights: Sequence[Flight]) -> None:
        """A notification has come, while these requests are under way."""
        if method in LIST_CHANGES:
            self._hub.tell(Change(LIST_CHANGES[method]), self._audience)
        elif method == UPDATED:
            uri = params.get("uri")
            if isinstance(uri, str):
                self._hub.tell(Change("resources", uri), self._audience)
        elif flights:
            self._tell_request(method, params, flights)
        else:
            self._tell_sessions(method, params)

    def _tell_request(self, method: str, params: Json, flights: Sequence[Flight]) -> None:
        if len({flight.caller for flight in flights}) > 1:
            return
        flight = flights[-1]
        level = params.get("level") if method == MESSAGE else None
        if method != MESSAGE or _is_logged(level, flight.exchange.log_level):
            flight.say(build_notification(method, params))

    def _tell_sessions(self, method: str, params: Json) -> None:
        if len({client for _, client in self._members.values()}) > 1:
            return
        level = params.get("level") if method == MESSAGE else None
        for session, _ in list(self._members.values()):
            if method != MESSAGE or _is_logged(level, session.log_level):
                self._hub.send(session.key, build_notification(method, params))


def _is_logged(level: Any, minimum: str | None) -> bool:
    return level in LOG_LEVELS and is_logged(level, minimum)
