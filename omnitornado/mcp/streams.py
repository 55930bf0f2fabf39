"""Implements: MCP 2025-11-25 basic/transports (Listening for Messages, Multiple Connections),
MCP 2026-07-28 basic/patterns/subscriptions.

What a server says unasked: list changes, to the GET streams of sessions and to `subscriptions/listen`. A
change is worth one message however often it happens, so a slow reader costs a few bytes and never a growing
queue.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from omnitornado.mcp.jsonrpc import Json

CHANGED = {"tools": "notifications/tools/list_changed"}
"""Kind of registry to its notification."""

MAX_STREAMS_PER_SESSION = 8
"""The oldest is closed when a session opens one more."""


class Outbound(Protocol):
    """A POST's own way to its client, given by the web handler."""

    cancels_on_disconnect: bool
    """Set by the endpoint before any work starts: whether a client that leaves has cancelled its request."""

    async def send(self, message: Json) -> None:
        """Send a notification as an event of this request's stream; the first commits to text/event-stream.

        Drops the message when the client has left.
        """


class Listener:
    """A stream of notifications; the handler drains it with `receive` until None."""

    def __init__(
        self, kinds: frozenset[str], build: Callable[[str], Json], on_close: Callable[["Listener"], None]
    ) -> None:
        self.kinds = kinds
        self._build = build
        self._on_close = on_close
        self._changed: list[str] = []
        self._woken = asyncio.Event()
        self.closed = False

    def offer(self, kind: str) -> None:
        """Note a change, once."""
        if kind in self.kinds and kind not in self._changed:
            self._changed.append(kind)
            self._woken.set()

    async def receive(self) -> Json | None:
        """The next notification; None when the stream has ended. May be cancelled without loss."""
        while not self._changed:
            if self.closed:
                return None
            self._woken.clear()
            await self._woken.wait()
        return self._build(CHANGED[self._changed.pop(0)])

    def close(self) -> None:
        """End the stream. Called by the handler when the client leaves, and by the server."""
        if not self.closed:
            self.closed = True
            self._woken.set()
            self._on_close(self)


class Hub:
    """Every open listener, by the session or subscription it belongs to."""

    def __init__(self) -> None:
        self._groups: dict[object, list[Listener]] = {}

    def open(self, group: object, kinds: frozenset[str], build: Callable[[str], Json]) -> Listener:
        """A listener in a group: of a group's listeners, each message goes to one (the newest)."""
        listener = Listener(kinds, build, lambda closed: self._forget(group, closed))
        listeners = self._groups.setdefault(group, [])
        listeners.append(listener)
        if len(listeners) > MAX_STREAMS_PER_SESSION:
            listeners[0].close()
        return listener

    def tell(self, kind: str) -> None:
        """A list has changed."""
        for listeners in self._groups.values():
            listeners[-1].offer(kind)

    def close(self, group: object) -> None:
        """End a group's listeners."""
        for listener in list(self._groups.get(group, ())):
            listener.close()

    def close_all(self) -> None:
        """End them all."""
        for group in list(self._groups):
            self.close(group)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def _forget(self, group: object, listener: Listener) -> None:
        listeners = self._groups[group]
        listeners.remove(listener)
        if not listeners:
            del self._groups[group]
