"""Which HTTP connection and which event loop a server runs on: `[server] speed`."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tornado.web import Application

from omnitornado.speed import is_installed
from omnitornado.speed.plain import PlainServer


class HttpServer(Protocol):
    """What there is to do with a server that answers."""

    request_callback: Any
    """The application that it serves."""

    def stop(self) -> None:
        """Take no new connection."""

    async def close_all_connections(self) -> None:
        """End those there are."""


def is_chosen(speed: str) -> bool:
    """Whether the extra is used: "auto" takes it where it is installed, "off" never."""
    return speed == "auto" and is_installed()


def find_loop_factory(speed: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """For `asyncio.Runner`; None for the standard loop."""
    if not is_chosen(speed):
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def open_server(
    application: Application,
    sockets: Sequence[socket.socket],
    *,
    speed: str,
    ssl_options: ssl.SSLContext | None,
    max_body: int,
    body_timeout: float,
    idle_timeout: float,
) -> HttpServer:
    """Answer on bound sockets. `max_body` in bytes, for handlers that set no limit; times in seconds."""
    if is_chosen(speed):
        from omnitornado.speed.limits import Limits
        from omnitornado.speed.server import SpeedServer

        limits = Limits(max_body=max_body, body_timeout=body_timeout, idle_timeout=idle_timeout)
        fast = SpeedServer(application, limits=limits, ssl_options=ssl_options)
        await fast.listen(sockets)
        return fast
    plain = PlainServer(
        application,
        ssl_options=ssl_options,
        max_body_size=max_body,
        body_timeout=body_timeout,
        idle_timeout=idle_timeout,
    )
    plain.add_sockets(sockets)
    return plain
