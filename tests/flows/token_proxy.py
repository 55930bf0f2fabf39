"""A loopback proxy that adds a bearer token to each request, for programs that can't send one.

    MCP_TOKEN=… python tests/flows/token_proxy.py http://127.0.0.1:8080 [PORT]

It prints its own address and runs until it is stopped. Everything else goes through as it comes, in both
directions and at once: Host and Origin, streams, and the ends of connections. A request that has its own
Authorization header keeps it.
"""

import asyncio
import contextlib
import os
import re
import sys
from types import TracebackType
from urllib.parse import urlsplit

HEAD = 64 * 1024
CHUNK = 64 * 1024
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]+)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:.*chunked[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_AUTHORIZATION = re.compile(rb"^authorization:", re.IGNORECASE | re.MULTILINE)


class TokenProxy:
    """Listens on a free port of 127.0.0.1 while it is entered. `target` is an http origin."""

    def __init__(self, target: str, token: str, *, port: int = 0) -> None:
        self._target = urlsplit(target)
        self._token = token
        self._port = port
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "TokenProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=HEAD)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        """The origin to use in place of the target's."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(self._target.hostname, self._target.port or 80)
        answers = asyncio.create_task(_pump(upstream[0], writer))
        requests = asyncio.create_task(self._forward(reader, upstream[1]))
        try:
            # Whichever side ends first ends both: a client that leaves must be seen to leave.
            await asyncio.wait((answers, requests), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answers, requests):
                task.cancel()
            await asyncio.gather(answers, requests, return_exceptions=True)
            upstream[1].close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Request after request, each with the token."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if _AUTHORIZATION.search(head) is None:
                head = head[:-2] + f"Authorization: Bearer {self._token}\r\n\r\n".encode("ascii")
            writer.write(head)
            if _CHUNKED.search(head) is not None:
                await _forward_chunks(reader, writer)
            elif (length := _LENGTH.search(head)) is not None:
                await _forward_bytes(reader, writer, int(length[1]))
            await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _forward_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    while count:
        data = await reader.read(min(count, CHUNK))
        if not data:
            raise ConnectionResetError
        writer.write(data)
        await writer.drain()
        count -= len(data)


async def _forward_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = 1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        writer.write(line)
        await _forward_bytes(reader, writer, size)
        writer.write(await reader.readuntil(b"\r\n"))


async def main(target: str, token: str, port: int) -> None:
    async with TokenProxy(target, token, port=port) as proxy:
        print(proxy.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], os.environ["MCP_TOKEN"], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
