"""Implements: RFC 9112 §6 and §9, the answering side: one request's connection, as
Tornado's handlers see it.
"""

import asyncio
from collections.abc import Callable
from http.client import responses
from typing import TYPE_CHECKING

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)

from omnitornado.speed.body import Body
from omnitornado.speed.head import Head

if TYPE_CHECKING:
    from omnitornado.speed.protocol import SpeedProtocol


class Peer:
    """Who is at the other end: what `HTTPServerRequest` reads off its connection."""

    __slots__ = ("protocol", "remote_ip")

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.remote_ip = remote_ip
        self.protocol = protocol

    def __str__(self) -> str:
        return self.remote_ip


class SpeedConnection(HTTPConnection):
    """The way back for one request; `max_body` in bytes, until its handler says otherwise."""

    __slots__ = (
        "_close_callback",
        "_is_chunking",
        "_owed",
        "_protocol",
        "body",
        "context",
        "delegate",
        "has_begun",
        "head",
        "is_delivered",
        "is_finished",
        "is_read",
        "keeps_alive",
        "max_body",
    )

    delegate: HTTPMessageDelegate

    def __init__(self, protocol: "SpeedProtocol", head: Head, context: Peer, max_body: int) -> None:
        self.context = context
        self.head = head
        self.max_body = max_body
        self.keeps_alive = head.keeps_alive
        self.is_read = head.length == 0 and not head.is_chunked
        """Whether the request has come whole."""
        self.is_delivered = False
        """Whether its delegate knows that."""
        self.body: Body | None = None
        """None before it is the body's turn."""
        self.has_begun = False
        """Whether anything of the answer has been sent."""
        self.is_finished = False
        self._protocol = protocol
        self._close_callback: Callable[[], None] | None = None
        self._is_chunking = False
        self._owed: int | None = None
        """Bytes of the answer's body that its Content-Length still promises."""

    # For the handler

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call this, once, when the client leaves before the answer is whole."""
        self._close_callback = callback

    def close(self) -> None:
        """End the connection, whatever is under way."""
        self._protocol.abort()

    def set_max_body_size(self, max_body_size: int) -> None:
        """The limit for this request alone, in bytes."""
        self.max_body = max_body_size

    def set_body_timeout(self, timeout: float | None) -> None:
        """The limit for this request alone, in seconds."""
        self._protocol.set_body_timeout(timeout)

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        """Send the head of the answer and, in the same packet, the first part of its body.

        Raises: ValueError for CR or LF in a header; HTTPOutputError for more than Content-Length.
        """
        assert isinstance(start_line, ResponseStartLine)  # noqa: S101 - Tornado's signature has both
        self._frame(start_line.code, headers)
        lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}"]
        lines += [f"{name}: {value}" for name, value in headers.get_all()]
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
            raise ValueError("Illegal characters (CR or LF) in header")
        data = text.encode("latin-1") + b"\r\n\r\n"
        if chunk:
            data += self._format(chunk)
        self.has_begun = True
        return self._protocol.write(data)

    def write_whole(self, head: bytes, body: bytes) -> bool:
        """Send an answer whose head is ready and says how long the body is. False, and nothing is sent, where
        the connection has something to add to the head.
        """
        request = self.head.start_line
        if (
            self.has_begun
            or self.is_finished
            or not self.keeps_alive
            or self._protocol.is_stopping
            or request.version != "HTTP/1.1"
            or request.method == "HEAD"
        ):
            return False
        self.has_begun = self.is_finished = True
        self._close_callback = None
        self._protocol.write(head + body)
        self._protocol.end_answer(self)
        return True

    def _frame(self, code: int, headers: HTTPHeaders) -> None:
        """Settle how the client finds the end of the answer (RFC 9112 §6.3)."""
        request = self.head.start_line
        is_current = request.version == "HTTP/1.1"
        has_body = request.method != "HEAD" and code not in (204, 304) and code >= 200
        if "Content-Length" in headers:
            self._owed = int(headers["Content-Length"]) if has_body else 0
        elif has_body and is_current:
            self._is_chunking = True
            headers["Transfer-Encoding"] = "chunked"
        elif has_body:
            self.keeps_alive = False  # HTTP/1.0 knows no chunks: the end of the connection is the end
        else:
            self._owed = 0
        if not self.keeps_alive or self._protocol.is_stopping or self._says_close(headers):
            self.keeps_alive = False
            headers["Connection"] = "close"
        elif not is_current:
            headers["Connection"] = "keep-alive"

    def _says_close(self, headers: HTTPHeaders) -> bool:
        return "Connection" in headers and headers["Connection"].lower() == "close"

    def _format(self, chunk: bytes) -> bytes:
        if self._owed is not None:
            self._owed -= len(chunk)
            if self._owed < 0:
                self._protocol.abort()
                raise HTTPOutputError("Tried to write more data than Content-Length")
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._is_chunking else chunk

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        """Send a further part of the body."""
        # An empty chunk would be the last one.
        return self._protocol.write(self._format(chunk) if chunk else b"")

    def finish(self) -> None:
        """The answer is whole. Raises: HTTPOutputError for less than Content-Length."""
        if self.is_finished:
            return  # the client has left meanwhile
        if self._owed and not self._protocol.is_lost:
            self._protocol.abort()
            raise HTTPOutputError(f"Tried to write {self._owed} bytes less than Content-Length")
        if self._is_chunking:
            self._protocol.write(b"0\r\n\r\n")
        self.is_finished = True
        self._close_callback = None
        self._protocol.end_answer(self)

    # For the protocol

    def release(self) -> None:
        """Let the delegate go: handler and connection hold each other, and would wait for the collector."""
        del self.delegate

    def lose(self) -> None:
        """The client has left, or is made to: tell whoever works on its request, once."""
        if self.is_finished:
            return
        self.is_finished = True
        callback, self._close_callback = self._close_callback, None
        delegate = self.delegate
        self.release()
        if not self.is_delivered:
            delegate.on_connection_close()
        elif callback is not None:
            callback()


def build_refusal(status: int) -> bytes:
    """An answer that no handler gives."""
    start_line = f"HTTP/1.1 {status} {responses.get(status, 'Error')}\r\n"
    return start_line.encode("ascii") + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
