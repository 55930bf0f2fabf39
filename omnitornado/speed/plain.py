"""Tornado's own server, with one timer for all connections.

Our choice: Tornado starts and stops two timers for each request, one for the head and one for the body, each
with a future and one with a task of its own. A look once a second at who has taken too long costs nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

SWEEP_INTERVAL: Final = 1.0
"""Seconds between two looks."""


class PlainServer(HTTPServer):
    """As `HTTPServer`. In seconds: `idle_timeout`, until the head of the next request has come,
    `body_timeout`, until its body has, and `clock`; the loop's if not given.
    """

    def initialize(  # type: ignore[override]
        self,
        *args: Any,
        idle_timeout: float,
        body_timeout: float,
        clock: Callable[[], float] | None = None,
        **settings: Any,
    ) -> None:
        super().initialize(*args, **settings)
        # Without this a connection has a timer of its own for each head.
        self.conn_params.header_timeout = None
        self._idle_timeout = idle_timeout
        self._body_timeout = body_timeout
        self._deadlines: dict[object, float] = {}
        self._loop = asyncio.get_running_loop()
        self._now = clock or self._loop.time
        self._timer = self._loop.call_later(SWEEP_INTERVAL, self._tick)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        self._deadlines[server_conn] = self._now() + self._idle_timeout
        return TimedDelegate(self, server_conn, super().start_request(server_conn, request_conn))

    def on_close(self, server_conn: object) -> None:
        self._deadlines.pop(server_conn, None)
        super().on_close(server_conn)

    async def close_all_connections(self) -> None:
        self._timer.cancel()
        await super().close_all_connections()

    def sweep(self) -> None:
        """Close the connections that have taken too long."""
        now = self._now()
        for connection in [one for one, deadline in self._deadlines.items() if now >= deadline]:
            del self._deadlines[connection]
            assert isinstance(connection, HTTP1ServerConnection)  # noqa: S101 - Tornado passes them as objects
            connection.stream.close()

    def expect_body(self, connection: object) -> None:
        """A head has come."""
        self._deadlines[connection] = self._now() + self._body_timeout

    def expect_nothing(self, connection: object) -> None:
        """The request has come whole: its handler may take its time."""
        self._deadlines.pop(connection, None)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(SWEEP_INTERVAL, self._tick)
        self.sweep()


class TimedDelegate(HTTPMessageDelegate):
    """Tells the server what a connection is waiting for."""

    __slots__ = ("_connection", "_delegate", "_server")

    def __init__(self, server: PlainServer, connection: object, delegate: HTTPMessageDelegate) -> None:
        self._server = server
        self._connection = connection
        self._delegate = delegate

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._server.expect_body(self._connection)
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._server.expect_nothing(self._connection)
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
