"""Our choice: asks a server over the network, with a bound on time and size, and follows nothing by itself.

A public server's documents may name any address. Where the server is public, only public ones are asked,
checked on what the name resolves to and connected to just there: no document opens anybody's own network.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

from tornado.httpclient import HTTPError, HTTPRequest
from tornado.httputil import HTTPHeaders, parse_response_start_line
from tornado.netutil import Resolver
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from omnitornado.doctor.answers import MAX_BODY, Answer
from omnitornado.net.public_address import is_public_address

TIME_LIMIT: Final = 31.0
"""Seconds for one answer: a little more than the most patient client waits."""
CONNECT_LIMIT: Final = 10.0
FAMILIES: Final = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


class GuardedError(OSError):
    """A name that leads to no address that may be asked."""


class NameError_(OSError):  # noqa: N801, N818 - `NameError` is Python's own
    """A name that leads nowhere."""


class GuardedResolver(Resolver):
    """Resolves names; to public addresses alone once `is_guarded` is set."""

    def initialize(self) -> None:
        self.is_guarded = False

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        found = await resolve(host, port, family)
        allowed = [one for one in found if not self.is_guarded or is_public_address(one[1][0])]
        if not allowed:
            raise GuardedError("no public address")
        return allowed


async def resolve(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
    """Families and addresses of a name. Raises: NameError_."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameError_(f"{host} can't be resolved") from None
    return [(int(one[0]), one[4]) for one in found]


async def find_families(host: str, port: int) -> dict[str, bool]:
    """The families that the name has addresses in, and whether a connection to one came about."""
    addresses = await resolve(host, port)
    found: dict[str, bool] = {}
    for name, family in FAMILIES.items():
        targets = [address for one, address in addresses if one == family][:2]
        if targets:
            tried = [await can_connect(address[0], port) for address in targets]
            found[name] = any(tried)
    return found


async def can_connect(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


class Asker:
    """One HTTP client for a whole run."""

    def __init__(self, *, time_limit: float = TIME_LIMIT) -> None:
        self.resolver = GuardedResolver()
        self._time_limit = time_limit
        self._client = SimpleAsyncHTTPClient(
            force_instance=True, resolver=self.resolver, max_body_size=MAX_BODY, max_header_size=64 * 1024
        )
        self._kept: dict[str, Answer] = {}

    def close(self) -> None:
        self._client.close()

    async def find(self, url: str) -> Answer:
        """A GET whose answer is the same for every client; asked once."""
        if url not in self._kept:
            self._kept[url] = await self.ask("GET", url, {"Accept": "application/json"})
        return self._kept[url]

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One request; whatever goes wrong is in the answer."""
        started = time.monotonic()
        lines: list[str] = []
        head_at: list[float] = []

        def on_line(line: str) -> None:
            head_at[:] = [time.monotonic()]
            if len(lines) < 200:
                lines.append(line.rstrip("\r\n"))

        trouble, content = "", b""
        try:
            request = HTTPRequest(
                url,
                method,
                HTTPHeaders(dict(headers)),
                body,
                follow_redirects=False,
                header_callback=on_line,
                connect_timeout=CONNECT_LIMIT,
                request_timeout=self._time_limit,
                allow_nonstandard_methods=True,
                decompress_response=False,
                user_agent="omnitornado-doctor",
            )
            content = (await self._client.fetch(request, raise_error=False)).body or b""
        except Exception as error:
            # Whatever a hostile server does to the client's parser is a finding, not an end of the run.
            trouble = find_trouble(error)
        seconds = (head_at[0] if head_at else time.monotonic()) - started
        status, fields = read_head(lines)
        trouble = "" if status else trouble or "other"
        return Answer(method, url, status, fields, content, trouble, round(seconds, 3))


def read_head(lines: list[str]) -> tuple[int, tuple[tuple[str, str], ...]]:
    """The status and the fields of the last head that came; 0 where none did."""
    status, fields = 0, list[tuple[str, str]]()
    for line in lines:
        if line.startswith("HTTP/"):
            fields = []
            try:
                status = parse_response_start_line(line).code
            except Exception:
                status = 0
        elif ":" in line:
            name, _, value = line.partition(":")
            fields.append((name.strip().lower(), value.strip()))
    return status, tuple(fields)


def find_trouble(error: Exception) -> str:
    """The word for an error of the network."""
    if isinstance(error, GuardedError):
        return "guarded"
    if isinstance(error, NameError_ | socket.gaierror):
        return "name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, HTTPTimeoutError | TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, HTTPError) and error.code == 599 and "timeout" in str(error).lower():
        return "timeout"
    return "other"
