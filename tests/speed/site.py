"""A Tornado application on either connection, whose handlers tell what happened to them, and raw clients."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import uvloop
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from omnitornado.speed.limits import Limits
from omnitornado.speed.plain import PlainServer
from omnitornado.speed.protocol import SpeedProtocol
from omnitornado.speed.server import SpeedServer

PATIENCE = 5.0
"""Seconds until a test gives up on what happens at once."""


@dataclass
class Diary:
    """What the handlers have seen."""

    begun: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """What `/wait` waits for."""
    written: int = 0
    """Parts of `/flood` that the connection has taken."""


class Handler(RequestHandler):
    """Answers what it was sent."""

    def initialize(self, diary: Diary) -> None:
        self.diary = diary
        diary.begun.append(self.request.path)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.diary.left.append(self.request.path)

    def get(self) -> Awaitable[None] | None:
        self.write(self.request.path)
        return None

    def post(self) -> None:
        self.diary.bodies.append(self.request.body)
        self.write(self.request.body)


class WaitHandler(Handler):
    """Answers once the gate is open."""

    async def get(self) -> None:
        await self.diary.gate.wait()
        self.write("waited")


class EmptyHandler(Handler):
    """Answers without a body."""

    def get(self) -> None:
        self.set_status(int(self.get_query_argument("status")))

    head = get


class PartsHandler(Handler):
    """An answer of unknown length, in three parts."""

    async def get(self) -> None:
        for part in ("one", "two", "three"):
            self.write(part)
            await self.flush()


class FloodHandler(Handler):
    """An answer without an end."""

    async def get(self) -> None:
        while True:
            self.write(b"x" * 65536)
            await self.flush()
            self.diary.written += 1


class LengthHandler(Handler):
    """Says one length and writes another."""

    def get(self) -> None:
        self.set_header("Content-Length", "5")
        self.write(b"x" * int(self.get_query_argument("wrote")))


@stream_request_body
class StreamHandler(Handler):
    """Asked before the body; takes it as it comes."""

    async def prepare(self) -> None:
        self.received = b""
        if self.get_query_argument("gated", ""):
            await self.diary.gate.wait()
        if self.get_query_argument("refused", ""):
            self.set_status(403)
            self.finish("no")
        if limit := self.get_query_argument("limit", ""):
            self.request.connection.set_max_body_size(int(limit))  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        self.received += chunk

    def post(self) -> None:
        self.diary.bodies.append(self.received)
        self.write(self.received)

    def get(self) -> None:
        self.write("streamed")


def build_application(diary: Diary) -> Application:
    arguments = {"diary": diary}
    handlers: list[Any] = [
        ("/wait", WaitHandler, arguments),
        ("/empty", EmptyHandler, arguments),
        ("/parts", PartsHandler, arguments),
        ("/flood", FloodHandler, arguments),
        ("/length", LengthHandler, arguments),
        ("/stream", StreamHandler, arguments),
        ("/.*", Handler, arguments),
    ]
    return Application(handlers, log_function=lambda handler: None)


class Site:
    """A server on a free port. `kind` is "tornado" or "speed"."""

    def __init__(self, kind: str, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self.kind = kind
        self.diary = Diary()
        self.time = 1000.0
        self._limits = limits
        self._tls = tls
        self.server: Any = None

    async def __aenter__(self) -> Self:
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        application = build_application(self.diary)
        if self.kind == "speed":
            self.server = SpeedServer(
                application, limits=self._limits, ssl_options=self._tls, clock=lambda: self.time
            )
            await self.server.listen(sockets)
        else:
            self.server = PlainServer(
                application,
                max_body_size=self._limits.max_body,
                max_header_size=self._limits.max_head,
                idle_timeout=self._limits.idle_timeout,
                body_timeout=self._limits.body_timeout,
                clock=lambda: self.time,
            )
            self.server.add_sockets(sockets)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        await asyncio.wait_for(self.server.close_all_connections(), PATIENCE)

    @property
    def connection(self) -> SpeedProtocol:
        """The only connection there is."""
        (found,) = self.server.connections
        assert isinstance(found, SpeedProtocol)
        return found

    def pass_time(self, seconds: float) -> None:
        """Let time pass and the sweep come by."""
        self.time += seconds
        self.server.sweep()

    async def open(self, **options: Any) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        return Client(reader, writer)

    async def exchange(self, data: bytes) -> bytes:
        """Send, and read until the server closes."""
        client = await self.open()
        client.send(data)
        answer = await client.read_end()
        client.close()
        return answer


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_end(self) -> bytes:
        """Everything until the server closes; a reset ends it too."""
        data = b""
        try:
            while part := await asyncio.wait_for(self.reader.read(65536), PATIENCE):
                data += part
        except ConnectionResetError:
            pass
        return data

    async def read_until(self, mark: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(mark), PATIENCE)

    async def read_answer(self) -> tuple[bytes, bytes]:
        """Head and body of one answer with Content-Length."""
        head = await self.read_until(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        return head, await asyncio.wait_for(self.reader.readexactly(length), PATIENCE)

    def close(self) -> None:
        self.writer.close()


async def until(is_so: Callable[[], object]) -> None:
    """Return once it is so; the loop does everything else first."""

    async def look() -> None:
        while not is_so():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0)

    await asyncio.wait_for(look(), PATIENCE)


Scenario = Callable[[Site], Awaitable[None]]


def run(kind: str, scenario: Scenario, *, tls: ssl.SSLContext | None = None, **limits: Any) -> None:
    """Run a scenario against a server of its own; on the fast connection once for each event loop."""

    async def main() -> None:
        async with Site(kind, Limits(**limits), tls) as site:
            await scenario(site)

    for factory in (None, uvloop.new_event_loop) if kind == "speed" else (None,):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
