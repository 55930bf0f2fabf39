"""The sockets a server listens on, and its certificate."""

import socket
import ssl
from typing import Final

from tornado.netutil import bind_sockets

from omnitornado.config import Config, build_key_error
from omnitornado.log import log_event

LOOPBACK_TWIN: Final = {"127.0.0.1": "::1", "::1": "127.0.0.1"}


def bind(config: Config) -> list[socket.socket]:
    """Bound sockets, the configured one first. Raises: ConfigError."""
    server = config.server
    try:
        sockets = bind_sockets(server.port, server.host)
    except OSError as error:
        reason = f"can't listen on {server.host} port {server.port}: {error.strerror or error}"
        raise build_key_error(config, "server", "port", reason) from None
    twin = LOOPBACK_TWIN.get(server.host)
    if twin is not None:
        # To clients localhost is both of them. The other one is a convenience: its absence is no error.
        try:
            sockets += bind_sockets(sockets[0].getsockname()[1], twin)
        except OSError:
            log_event("server.loopback_twin", reason="not_bound", host=twin)
    return sockets


def close_sockets(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def build_ssl(config: Config) -> ssl.SSLContext | None:
    """None where HTTP is served."""
    if config.server.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.server.tls_certificate, config.server.tls_private_key)
    return context
