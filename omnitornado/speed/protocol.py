"""Implements: RFC 9112 §9, the receiving side: one connection, its requests one after the other.

A request's bytes go to its delegate as they come, and wait where the delegate asks for that. The next request
begins when the answer before it is whole: answers keep the order of requests, and what a client sends ahead
is held back by TCP once `read_ahead` is full.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError

from omnitornado.speed.body import ChunkedBody, SizedBody
from omnitornado.speed.connection import Peer, SpeedConnection, build_refusal
from omnitornado.speed.head import (
    HEAD_END,
    LINE_END,
    HeadError,
    check_partial,
    parse_head,
    skip_empty_lines,
)

if TYPE_CHECKING:
    from omnitornado.speed.server import SpeedServer

app_log = logging.getLogger("tornado.application")
gen_log = logging.getLogger("tornado.general")


class SpeedProtocol(asyncio.Protocol):
    """Belongs to one `SpeedServer`, whose sweep calls `check_time`."""

    __slots__ = (
        "_body_timeout",
        "_buffer",
        "_current",
        "_deadline",
        "_is_advancing",
        "_is_lingering",
        "_is_reading_paused",
        "_is_waiting",
        "_lingered",
        "_peer",
        "_server",
        "_stalled_since",
        "_stalled_size",
        "_transport",
        "_writers",
        "is_lost",
    )

    _transport: asyncio.Transport

    def __init__(self, server: "SpeedServer") -> None:
        self._server = server
        self._buffer = b""
        self._current: SpeedConnection | None = None
        self._deadline = math.inf
        self._body_timeout: float | None = None
        self._is_advancing = False
        self._is_waiting = False
        """The delegate has something to do before it takes more of the request."""
        self._is_reading_paused = False
        self._is_lingering = False
        self._lingered = 0
        self._writers: list[asyncio.Future[None]] | None = None
        """Who waits for the reader; None while nobody has to."""
        self._stalled_since, self._stalled_size = math.inf, 0
        self.is_lost = False

    @property
    def is_stopping(self) -> bool:
        return self._server.is_stopping

    # From the event loop

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(self._server.limits.write_buffer)
        address = transport.get_extra_info("peername")
        remote_ip = address[0] if isinstance(address, tuple) and address else "0.0.0.0"  # noqa: S104 - as Tornado
        self._peer = Peer(remote_ip, "https" if transport.get_extra_info("ssl_object") else "http")
        self._deadline = self._server.now() + self._server.limits.head_timeout
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            self._discard(data)
            return
        if not self._buffer and self._current is None:
            self._deadline = self._server.now() + self._server.limits.head_timeout
        self._buffer = self._buffer + data if self._buffer else data
        self._advance()

    def eof_received(self) -> bool:
        """A client that closes its half counts as gone: nothing tells it from one that has left."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self._server.forget(self)
        self._buffer = b""
        self._lose_current()
        for writer in self._writers or ():
            if not writer.done():
                writer.set_exception(StreamClosedError(error))
                writer.exception()  # not every writer waits
        self._writers = None

    def pause_writing(self) -> None:
        self._writers = []
        self._stalled_since, self._stalled_size = self._server.now(), self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        writers, self._writers = self._writers, None
        self._stalled_since = math.inf
        for writer in writers or ():
            if not writer.done():
                writer.set_result(None)
        self._advance()

    # The request

    def _advance(self) -> None:
        """Go on until something has to come first: bytes, the delegate, the end of the answer, the reader."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while not self._is_waiting and not self._is_lingering and not self.is_lost and self._step():
                pass
        except Exception as error:
            self._fail(error)
        finally:
            self._is_advancing = False
        self._adjust_reading()

    def _step(self) -> bool:
        """One step; False when it can't be done yet."""
        current = self._current
        if current is None:
            return bool(self._buffer) and self._writers is None and self._begin_request()
        if current.is_delivered:
            return False
        if current.is_read:
            current.is_delivered = True
            self._deadline = math.inf
            current.delegate.finish()
            return True
        if current.body is None:
            self._begin_body(current)
        return bool(self._buffer) and self._read_body(current)

    def _begin_request(self) -> bool:
        limits = self._server.limits
        if self._buffer[0] in LINE_END:
            self._buffer = skip_empty_lines(self._buffer)
            if self._buffer in (b"", b"\r"):
                return False
        end = self._buffer.find(HEAD_END)
        if end < 0 or end > limits.max_head:
            check_partial(self._buffer, limits)
            return False
        head = parse_head(self._buffer[: end + 4], limits)
        self._buffer = self._buffer[end + 4 :]
        self._deadline = math.inf
        self._body_timeout = limits.body_timeout
        current = SpeedConnection(self, head, self._peer, limits.max_body)
        current.delegate = self._server.request_callback.start_request(self, current)
        waits = current.delegate.headers_received(head.start_line, head.headers)
        # Only now: a delegate that refuses the head hears nothing of its end.
        self._current = None if current.is_finished else current
        if waits is not None:
            self._wait(waits)
        elif 0 < head.length <= min(len(self._buffer), current.max_body) and self._current is not None:
            self._take_whole_body(current)
        return True

    def _take_whole_body(self, current: SpeedConnection) -> None:
        """It has come with its head, as most do: nothing to time, to frame, or to wait for."""
        length = current.head.length
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        current.is_read = True
        waits = current.delegate.data_received(body)
        if waits is not None:
            self._wait(waits)

    def _begin_body(self, current: SpeedConnection) -> None:
        """The handler has seen the head and may have set limits."""
        head = current.head
        if head.length > current.max_body:
            raise HeadError(413, "Content-Length too long")
        current.body = ChunkedBody(current.max_body) if head.is_chunked else SizedBody(head.length)
        self._deadline = math.inf if self._body_timeout is None else self._server.now() + self._body_timeout
        if head.expects_continue and not self._buffer:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self, current: SpeedConnection) -> bool:
        assert current.body is not None  # noqa: S101 - for the type checker: begun above
        piece, rest = current.body.take(self._buffer)
        has_moved = len(rest) < len(self._buffer)
        self._buffer = rest
        current.is_read = current.body.is_complete
        if piece:
            waits = current.delegate.data_received(piece)
            if waits is not None:
                self._wait(waits)
        return has_moved

    def _wait(self, waits: Awaitable[None]) -> None:
        """Take no further step before the delegate is ready."""
        future = asyncio.ensure_future(waits)
        if future.done():
            future.result()
        else:
            self._is_waiting = True
            future.add_done_callback(self._go_on)

    def _go_on(self, future: "asyncio.Future[None]") -> None:
        self._is_waiting = False
        if self.is_lost:
            return
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self._fail(error)
        else:
            self._advance()

    def set_body_timeout(self, timeout: float | None) -> None:
        """For the request under way alone, in seconds."""
        self._body_timeout = timeout

    # The answer

    def write(self, data: bytes) -> "asyncio.Future[None]":
        """Send; what comes back is done once the reader has room again."""
        if self.is_lost or self._transport.is_closing():
            closed: asyncio.Future[None] = self._server.loop.create_future()
            closed.set_exception(StreamClosedError())
            closed.exception()
            return closed
        self._transport.write(data)
        if self._writers is None:
            return self._server.done
        writer: asyncio.Future[None] = self._server.loop.create_future()
        self._writers.append(writer)
        return writer

    def end_answer(self, connection: SpeedConnection) -> None:
        """An answer is whole: on to the next request, or to the end."""
        if self.is_lost:
            return
        self._current = None
        connection.release()
        if not connection.is_read or not connection.keeps_alive:
            self._close()
            return
        limits = self._server.limits
        self._deadline = self._server.now() + (limits.head_timeout if self._buffer else limits.idle_timeout)
        if self._buffer or self._is_reading_paused:
            # Not from within the handler's last words.
            self._server.loop.call_soon(self._advance)

    # The end

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, (HeadError, HTTPInputError)):
            self._refuse(error)
        else:
            app_log.error("Uncaught exception", exc_info=error)
            self.abort()

    def _refuse(self, error: Exception) -> None:
        """Nothing can be made of the rest of the connection."""
        gen_log.info("Malformed HTTP message from %s: %s", self._peer, error)
        current = self._current
        if current is None or not current.has_begun:
            self.write(build_refusal(error.status if isinstance(error, HeadError) else 400))
        self._close()

    def _close(self) -> None:
        """Send what is written, and end. A client that still sends is heard out for a while."""
        self._lose_current()
        if self._is_lingering or self.is_lost:
            return
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self._is_lingering = True
        self._buffer = b""
        self._deadline = self._server.now() + self._server.limits.linger
        self._stalled_size = self._transport.get_write_buffer_size() + 1
        self._transport.write_eof()
        self._resume_reading()

    def _discard(self, data: bytes) -> None:
        self._lingered += len(data)
        if self._lingered > self._server.limits.max_lingered:
            self.abort()

    def close(self) -> None:
        """End it now; what is written is still sent."""
        self._lose_current()
        self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._lose_current()
        self._transport.abort()

    def _lose_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            try:
                current.lose()
            except Exception:
                app_log.error("Uncaught exception", exc_info=True)

    def check_time(self, now: float) -> None:
        """Called every second or so: end what has taken too long."""
        if now >= self._deadline:
            self._run_out(now)
        elif now >= self._stalled_since + self._server.limits.idle_timeout:
            self._stalled_since = now
            self._check_reader()

    def _run_out(self, now: float) -> None:
        if self._is_lingering and self._transport.get_write_buffer_size():
            self._deadline = now + self._server.limits.idle_timeout
            self._check_reader()
        elif not self._is_lingering and (self._buffer or self._current is not None):
            self._refuse(HeadError(408, "the request did not come in time"))
        else:
            self.close()

    def _check_reader(self) -> None:
        """Give up a reader that has taken nothing since the last look."""
        size = self._transport.get_write_buffer_size()
        if size >= self._stalled_size:
            self.abort()
        self._stalled_size = size

    # Reading

    def _adjust_reading(self) -> None:
        """Stop reading while too much waits, and go on when it no longer does."""
        if self.is_lost or self._is_lingering:
            return
        # A head may be as long as it may be: it must come whole, and is bounded by its own limit.
        is_held_up = self._current is not None or self._writers is not None
        if not is_held_up or len(self._buffer) <= self._server.limits.read_ahead:
            self._resume_reading()
        elif not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused:
            self._is_reading_paused = False
            self._transport.resume_reading()
