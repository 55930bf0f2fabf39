"""Requests byte by byte, for what no client library would send, and streams as they arrive."""

import asyncio
from types import TracebackType
from typing import Self


class Answer:
    """A response as it stood on the wire."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1]) if first.startswith("HTTP/1.1 ") else 0
        self.headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value


class Connection:
    """A connection to a local port."""

    def __init__(self, port: int, *, limit: int = 1 << 16) -> None:
        self._port = port
        self._limit = limit

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=self._limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_until(self, mark: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(mark), 3)

    async def read_end(self) -> bytes:
        """Everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 3)

    async def read_answer(self) -> Answer:
        """One response of known length, or until the end."""
        head = await self.read_until(b"\r\n\r\n")
        answer = Answer(head)
        length = answer.headers.get("content-length")
        if length is not None:
            body = await asyncio.wait_for(self.reader.readexactly(int(length)), 3)
        elif answer.status in (204, 304):
            body = b""
        else:
            body = await self.read_end()
        return Answer(head + body)


async def exchange(port: int, request: bytes) -> Answer:
    """Send bytes, read one answer. A connection that ends without one fails the test."""
    async with Connection(port) as connection:
        connection.send(request)
        return await connection.read_answer()


def build_request(line: str, port: int, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """A request whose headers are what the test wants and otherwise in order."""
    sent = {"Host": f"127.0.0.1:{port}"} | (headers or {})
    if body and "Transfer-Encoding" not in sent:
        sent = {"Content-Length": str(len(body))} | sent
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
