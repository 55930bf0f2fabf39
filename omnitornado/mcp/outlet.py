"""Implements: MCP 2026-07-28 basic/transports/streamable-http (Receiving Messages), MCP 2025-11-25
basic/transports (Sending Messages, 5 and 6): one JSON answer where nothing streams, an event stream where
something does.
"""

from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from omnitornado.mcp.event_stream import EventStream
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.inbound import Accept
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.streams import Outbound


class Outlet:
    """A POST's answer in the making. The first message that is sent makes it an event stream."""

    __slots__ = ("_build", "_closes_early", "_outbound", "_stream", "_takes_stream", "host")

    def __init__(self, outbound: Outbound, accept: Accept) -> None:
        self.host = outbound.host
        self._outbound = outbound
        self._takes_stream = accept.stream
        self._stream: EventStream | None = None
        self._build: Callable[[], EventStream] | None = None
        self._closes_early = False

    def prepare(
        self,
        build: Callable[[], EventStream],
        *,
        cancels_on_disconnect: bool,
        begins_early: bool = False,
        closes_early: bool = False,
    ) -> None:
        """Say how the answer would stream. Before any work starts.

        Args:
            build: makes the stream.
            cancels_on_disconnect: whether a client that leaves has cancelled its request.
            begins_early: whether it soon becomes a stream though there is nothing to say yet.
            closes_early: whether the client knows that a connection may end before its answer (SEP-1699).
        """
        self._outbound.cancels_on_disconnect = cancels_on_disconnect
        if self._takes_stream:
            self._build = build
            self._closes_early = closes_early
            self._outbound.begins_early = begins_early
            self._outbound.begin = self.begin

    @property
    def send(self) -> "Callable[[Json], Any] | None":
        """Sends a message; None for a client that takes no stream."""
        return None if self._build is None else self._send

    def watch_end(self, tell: Callable[[], None]) -> None:
        """Call `tell` when the stream's client has got the last of it, or has left."""
        if self._stream is not None and self._stream.reader is not None:
            self._stream.reader.on_close = (tell,)
        else:
            tell()

    def begin(self) -> EventStream | None:
        """Make the answer a stream, if it isn't one yet and can be."""
        if self._stream is None and self._build is not None:
            self._stream = self._build()
            self._outbound.open(self._stream.attach())
        return self._stream

    def close_connection(self, retry: float | None) -> bool:
        """End the connection and not the stream; False where the client could not come back. `retry` in
        seconds."""
        stream = self.begin() if self._closes_early else None
        if stream is None or stream.reader is None:
            return False
        stream.reader.end(None if retry is None else round(retry * 1000))
        return True

    def finish(self, reply: Reply) -> Reply:
        """The last word: on the stream if there is one, and if it does not go on by itself."""
        if self._stream is None or reply.is_open:
            return reply
        self._stream.finish(reply.body)
        return msgspec.structs.replace(reply, body=None)

    async def _send(self, message: Json) -> None:
        stream = self.begin()
        if stream is not None:
            await stream.send(message, key=_find_key(message))


def _find_key(message: Json) -> Hashable:
    """Of a request's progress the latest value is enough, once it piles up."""
    if message.get("method") != "notifications/progress":
        return None
    return ("progress", message["params"]["progressToken"])
