"""A real server for each test, and a log that must stay quiet."""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import bcrypt
import msgspec
import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from tornado.web import Application

from omnitornado.server import Server

from .browser import Browser
from .site import CLIENTS, Clock, Gate, Site, build_tools

PASSWORD_HASH = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()

StartSite = Callable[..., Awaitable[Site]]


class QuietLog(logging.Handler):
    """Collects warnings and worse; each must have been expected."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []
        self._expected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = repr(record.exc_info[1]) if record.exc_info else ""
        self.found.append(f"{record.levelname} {record.name} {record.getMessage()} {trace}")

    def expect(self, pattern: str) -> None:
        """One or more lines that match are in order, and there must be one."""
        self._expected.append(pattern)

    def check(self) -> None:
        surprises = [line for line in self.found if not any(re.search(p, line) for p in self._expected)]
        assert not surprises, f"unexpected in the log: {surprises}"
        missing = [p for p in self._expected if not any(re.search(p, line) for line in self.found)]
        assert not missing, f"not in the log: {missing}"


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[QuietLog]:
    """Fails a test that logs a warning or worse without having said so."""
    handler = QuietLog()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    handler.check()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start_site(io_loop: IOLoop, clock: Clock) -> Iterator[StartSite]:
    """Starts servers; each stops at the end of the test."""
    sites: list[Site] = []

    async def start(
        *,
        settings: dict[str, Any] | None = None,
        keep_alive: float = 15.0,
        write_timeout: float = 30.0,
        mcp: object = None,
        **options: Any,
    ) -> Site:
        tables = {"server": {"shutdown_grace": "0s"}, "mcp": {}} | (settings or {})
        gate = Gate()
        tools = build_tools(gate)
        chosen: dict[str, Any] = {
            "users": {"ada": PASSWORD_HASH, "bob": PASSWORD_HASH},
            "clients": CLIENTS,
            "port": 0,
            "store": None,
            "settings": tables,
            "clock": clock,
        }
        server = Server(tools if mcp is None else mcp, **(chosen | options))
        # The configuration knows whole seconds only.
        quick = msgspec.structs.replace(server.config.mcp, keep_alive=keep_alive, write_timeout=write_timeout)
        server.config = msgspec.structs.replace(server.config, mcp=quick)
        ready = await server.start()
        client = AsyncHTTPClient(force_instance=True, defaults={"request_timeout": 4.0})
        sites.append(Site(server, ready.local_url, client, clock, gate, tools))
        return sites[-1]

    yield start
    for site in sites:
        io_loop.run_sync(site.server.stop)
        site.client.close()


@pytest.fixture
def site(io_loop: IOLoop, start_site: StartSite) -> Site:
    """The server most tests use: loopback only, state in memory."""
    site: Site = io_loop.run_sync(start_site)
    return site


@pytest.fixture
def app(site: Site) -> Application:
    callback = site.server._http.request_callback
    assert isinstance(callback, Application)
    return callback


@pytest.fixture
def http_server(site: Site) -> Server:
    return site.server


@pytest.fixture
def base_url(site: Site) -> str:
    return site.url


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.open_browser()
