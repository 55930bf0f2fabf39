"""A load generator for one request, repeated: raw sockets, keep-alive, a fixed number of answers.

Each connection has one request under way. An answer must be a 200 with a Content-Length (or chunked and
short); anything else ends the run.
"""

import select
import socket
import time
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 "
PATIENCE = 30.0
"""Seconds without any answer after which a run is given up."""


class WrongAnswerError(Exception):
    """The server said something else than the run expects."""


@dataclass
class Connection:
    """One keep-alive connection, and what has come of the answer under way."""

    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def take_answer(self) -> bytes | None:
        """The body of a whole answer, or None as long as there is more to come."""
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = bytes(self.buffer[:head_end]).lower()
        if not head.startswith(OK.lower()):
            raise WrongAnswerError(bytes(self.buffer[:2000]).decode("latin-1"))
        length_at = head.find(b"\r\ncontent-length:")
        if length_at < 0:
            return self._take_chunked(head_end + 4)
        end = head_end + 4 + int(head[length_at + 17 :].split(b"\r\n", 1)[0])
        return self._take(head_end + 4, end) if len(self.buffer) >= end else None

    def _take_chunked(self, start: int) -> bytes | None:
        end = self.buffer.find(b"0\r\n\r\n", start)
        return None if end < 0 else self._take(start, end + 5)

    def _take(self, start: int, end: int) -> bytes:
        body = bytes(self.buffer[start:end])
        del self.buffer[:end]
        return body


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def run_load(port: int, request: bytes, *, count: int, connections: int) -> tuple[float, bytes]:
    """Send `count` requests over `connections` connections.

    Returns: seconds it took, and the last answer's body. Raises: WrongAnswerError, TimeoutError.
    """
    poll = select.epoll()
    opened = {}
    for _ in range(min(connections, count)):
        connection = Connection(connect(port))
        opened[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    begun = answered = usual = 0
    body = b""
    started = time.perf_counter()
    try:
        for connection in opened.values():
            connection.socket.send(request)
            begun += 1
        while answered < count:
            events = poll.poll(PATIENCE)
            if not events:
                raise TimeoutError(f"no answer in {PATIENCE} s after {answered} of {count}")
            for number, _ in events:
                connection = opened[number]
                data = connection.socket.recv(65536)
                # The same answer each time, and so the same length: a look at its status is enough. What the
                # generator spares itself it takes from no server: the cores may share what is in them.
                if connection.buffer or len(data) != usual or not data.startswith(OK):
                    if not data:
                        raise WrongAnswerError("the server closed a connection")
                    connection.buffer += data
                    length = len(connection.buffer)
                    answer = connection.take_answer()
                    if answer is None:
                        continue
                    body, usual = answer, length
                answered += 1
                if begun < count:
                    connection.socket.send(request)
                    begun += 1
        return time.perf_counter() - started, body
    finally:
        poll.close()
        for connection in opened.values():
            connection.socket.close()
