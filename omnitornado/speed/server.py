"""Our choice: sockets in, connections kept, everything ended. Has what `server.py` uses of Tornado's
`HTTPServer`.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence

from tornado.httputil import HTTPServerConnectionDelegate

from omnitornado.speed.limits import Limits
from omnitornado.speed.protocol import SpeedProtocol

SWEEP_INTERVAL = 1.0
"""Seconds between two looks at who has taken too long: one timer for all connections."""
CLOSE_PATIENCE = 1.0
"""Seconds that a reader has to take the rest of its answer when the server ends."""


class SpeedServer:
    """Serves a Tornado `Application` on the running loop. `clock` in seconds; the loop's if not given."""

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        ssl_options: ssl.SSLContext | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.request_callback = application
        """Named as Tornado's server names it."""
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.now = clock or self.loop.time
        self.done: asyncio.Future[None] = self.loop.create_future()
        """What a write gives that nobody has to wait for."""
        self.done.set_result(None)
        self.connections: set[SpeedProtocol] = set()
        self._empty = asyncio.Event()
        self.is_stopping = False
        self._ssl = ssl_options
        self._listening: list[asyncio.Server] = []
        self._timer = self.loop.call_later(SWEEP_INTERVAL, self._tick)

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Answer on these bound sockets, which are the server's from here on."""
        for one in sockets:
            server = await self.loop.create_server(lambda: SpeedProtocol(self), sock=one, ssl=self._ssl)
            self._listening.append(server)

    def stop(self) -> None:
        """Take no new connection. Those there are end with their next answer."""
        self.is_stopping = True
        for server in self._listening:
            server.close()

    async def close_all_connections(self) -> None:
        """End every connection, and wait until they have."""
        self._timer.cancel()
        for connection in list(self.connections):
            connection.close()
        if self.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), CLOSE_PATIENCE)
        for connection in list(self.connections):
            connection.abort()
        if self.connections:
            await self._empty.wait()

    def forget(self, connection: SpeedProtocol) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def sweep(self) -> None:
        """End the connections that have taken too long."""
        now = self.now()
        for connection in list(self.connections):
            connection.check_time(now)

    def _tick(self) -> None:
        self._timer = self.loop.call_later(SWEEP_INTERVAL, self._tick)
        self.sweep()
