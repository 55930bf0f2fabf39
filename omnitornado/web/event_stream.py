"""Server-sent events on a connection: written as they come, kept alive by comments, and cut when the client
does not read.

Implements: HTML Living Standard §9.2 (the format), MCP 2025-11-25 basic/transports and MCP 2026-07-28
basic/transports/streamable-http (keep-alive comments, `id`, `retry`). The time a client has to read is our
choice.
"""

import asyncio

from tornado.iostream import StreamClosedError

from omnitornado.mcp.event_stream import Event, Reader
from omnitornado.web.base import BaseHandler

KEEP_ALIVE = b": keep-alive\n\n"
SLICE = 65536
"""Bytes that a client must have taken within its time."""


class EventStreamHandler(BaseHandler):
    """A handler whose answer may be an event stream."""

    keep_alive: float = 15.0
    """Seconds between two signs of life."""
    write_timeout: float = 30.0
    """Seconds that a client has to read a slice."""

    is_streaming = False
    is_open = True
    _writing: asyncio.Lock | None = None

    async def drain(self, reader: Reader, *, is_checked: bool) -> None:
        """Pass on what a reader gives, until it ends or the client has left. Where `is_checked`, a token that
        ends, ends its stream."""
        try:
            while self.is_open:
                chunk = KEEP_ALIVE
                try:
                    async with asyncio.timeout(self.keep_alive):
                        events = await reader.receive()
                except TimeoutError:
                    pass
                else:
                    if events is None:
                        return
                    chunk = b"".join(map(build_event, events))
                if is_checked and not await self.is_still_authenticated():
                    return
                await self.write_chunk(chunk)
        finally:
            reader.detach()

    async def is_still_authenticated(self) -> bool:
        """Whether the token of a stream without an end is still good."""
        raise NotImplementedError

    async def write_chunk(self, chunk: bytes) -> None:
        """Send a part of an event stream, with the head before the first. Nothing happens once the client has
        left.
        """
        # One at a time: Tornado forgets who waits for a flush when the next one begins.
        self._writing = self._writing or asyncio.Lock()
        async with self._writing:
            if self.is_open and not self.is_streaming:
                self.begin_stream()
            for start in range(0, len(chunk) or 1, SLICE):
                if self.is_open:
                    await self._write_slice(chunk[start : start + SLICE])

    def begin_stream(self) -> None:
        """From here on the answer is an event stream."""
        self.is_streaming = True
        self.set_header("Content-Type", "text/event-stream")
        # nginx and others hold a stream back without it (streamable-http, Receiving Messages).
        self.set_header("X-Accel-Buffering", "no")

    async def _write_slice(self, part: bytes) -> None:
        self.write(part)
        try:
            async with asyncio.timeout(self.write_timeout):
                await self.flush()
        except StreamClosedError:
            self.is_open = False
        except TimeoutError:
            self.cut()

    async def finish_in_time(self) -> None:
        """Finish an answer that is too long to be left to the socket's buffer."""
        try:
            async with asyncio.timeout(self.write_timeout):
                await self.finish()
        except StreamClosedError:
            pass
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Close the connection: its client does not read."""
        self.is_open = False
        self.log("mcp.cut", reason="slow_reader")
        close = getattr(self.request.connection, "close", None)
        if close is not None:
            close()

    def on_finish(self) -> None:
        super().on_finish()
        self.is_open = False

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.is_open = False


def build_event(event: Event) -> bytes:
    """A server-sent event; one that only says when to come back has no data, and is none to the client."""
    lines = []
    if event.data:
        lines.append(b"event: message")
    if event.id is not None:
        lines.append(b"id: " + event.id.encode("ascii"))
    if event.retry is not None:
        lines.append(b"retry: %d" % event.retry)
    if event.data is not None:
        lines.append(b"data: " + event.data)
    return b"\n".join(lines) + b"\n\n" if lines else b""
