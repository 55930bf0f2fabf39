"""Implements: RFC 9110 §9.3 and §15.4 (redirects are never followed): a fetch of what strangers name.

What may be asked, and how (a guard against server-side request forgery):
1. https alone, and a host name (`web_address`). Proxies of the environment are not used. The one exception
   are origins on this machine that the operator named, for what is developed here: http, to loopback alone.
2. The name is resolved on a thread. Every address it has must be public (`public_address`), or nothing is
   asked.
3. The connection goes to one of exactly these addresses: what the name resolves to a moment later does not
   matter (DNS rebinding). TLS still checks the certificate against the name.
4. A redirect is an answer, not an instruction.
5. Everything ends: at `max_bytes`, and `timeout` seconds after it began. A bounded number is under way at
   once, to one host, and for one client's address.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import structs
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from omnitornado.net.fetched import Fetched, FetchError
from omnitornado.net.public_address import is_public_address
from omnitornado.net.resolver import Resolve, SocketAddress, SystemResolver
from omnitornado.net.web_address import (
    WebAddress,
    parse_any_address,
    parse_loopback_address,
    parse_web_address,
)

logger = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 32
MAX_PER_HOST: Final = 8
MAX_PER_ASKER: Final = 3
"""Fetches under way, and as many names being resolved, for one client's address."""
MAX_HEADERS: Final = 16 * 1024
SLACK: Final = 64 * 1024
"""Bytes read beyond the limit at the most, before it is noticed."""
MAX_ADDRESSES: Final = 8
"""Of one name, that are tried in turn."""
USER_AGENT: Final = "omnitornado"


class GuardedFetch:
    """Fetches, guarded as the module says. `fetch` is the callable that others are given."""

    def __init__(
        self,
        *,
        trusted_hosts: Collection[str] = (),
        refused_hosts: Collection[str] = (),
        loopback_origins: Collection[str] = (),
        resolve: Resolve | None = None,
        is_allowed: Callable[[str], bool] = is_public_address,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Args: trusted_hosts: names that may have any address: the operator's own, behind the same wall.
        refused_hosts: names that are never asked: this server's own, or one request could make the next.
        loopback_origins: origins such as http://localhost:3000 that may be asked without TLS.
        resolve: finds a name's addresses; default: the system's resolver, on threads. is_allowed: whether an
        address may be asked. tls: default: the system's certificates, checked.
        """
        self._trusted_hosts = frozenset(trusted_hosts)
        self._refused_hosts = frozenset(refused_hosts)
        self._loopback_origins = frozenset(parse_loopback_address(url).origin for url in loopback_origins)
        self._resolve = resolve or SystemResolver().resolve
        self._is_allowed = is_allowed
        self._tls = tls
        self._under_way: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._names: Counter[str] = Counter()

    async def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout: float = 5.0,  # noqa: ASYNC109 - the one limit for all of its parts
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        asker: str = "",
    ) -> Fetched:
        """One request; a good answer and a bad one are both answers. Raises: FetchError.

        `timeout` in seconds, from here to the end of the body. `asker`: the client's address on whose behalf;
        "" for this server's own, which is not counted by asker.
        """
        address = self._parse_address(url)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        with self._count(address.host, asker):
            try:
                async with asyncio.timeout_at(deadline):
                    addresses = await self._find_addresses(address, asker)
            except TimeoutError:
                raise FetchError("its name was not resolved in time", reason="fetch_timeout") from None
            if self._tls is None and address.scheme == "https":
                # On a thread, and not before somebody needs it: it reads the system's certificates.
                self._tls = await asyncio.to_thread(ssl.create_default_context)
            request = self._build_request(address, method, headers, body, deadline - loop.time())
            response, received = await _Exchange(addresses, max_bytes).run(request)
            return _build_fetched(url, response, received)

    def _parse_address(self, url: str) -> WebAddress:
        """An address that may be asked, as far as can be told from it alone. Raises: FetchError."""
        try:
            address = parse_any_address(url)
            if address.scheme == "http" and address.origin not in self._loopback_origins:
                parse_web_address(url)  # which says why not
        except ValueError as error:
            raise FetchError(str(error), reason="fetch_url") from None
        if address.scheme == "https" and address.host in self._refused_hosts:
            raise FetchError("it is this server itself", reason="fetch_own")
        return address

    @contextmanager
    def _count(self, host: str, asker: str) -> Iterator[None]:
        """Raises: FetchError where too many are under way."""
        if (
            self._under_way.total() >= MAX_AT_ONCE
            or self._under_way[host] >= MAX_PER_HOST
            or (asker and self._asked[asker] >= MAX_PER_ASKER)
        ):
            raise FetchError("too much is being fetched already", reason="fetch_busy", is_own=True)
        self._under_way[host] += 1
        self._asked[asker] += 1
        try:
            yield
        finally:
            _count_down(self._under_way, host)
            _count_down(self._asked, asker)

    async def _resolve_name(self, address: WebAddress, asker: str) -> Sequence[SocketAddress]:
        """Counted until the name is resolved, also where nobody waits for that any more: dead names take far
        longer than a fetch may, and one asker must not have all that can be resolved at once. Raises:
        OSError, FetchError.
        """
        if asker and self._names[asker] >= MAX_PER_ASKER:
            raise FetchError("too many names are being resolved already", reason="fetch_busy", is_own=True)
        self._names[asker] += 1

        def end(done: "asyncio.Future[Sequence[SocketAddress]]") -> None:
            _count_down(self._names, asker)
            if not done.cancelled():
                done.exception()  # whoever waited has it

        resolving = asyncio.ensure_future(self._resolve(address.host, address.port))
        resolving.add_done_callback(end)
        return await asyncio.shield(resolving)

    async def _find_addresses(self, address: WebAddress, asker: str) -> Sequence[SocketAddress]:
        """The host's addresses, every one of which may be asked. Raises: FetchError."""
        if address.scheme == "http":
            return await self._find_loopback(address, asker)
        try:
            addresses = await self._resolve_name(address, asker)
        except OSError as error:
            raise FetchError(
                f"its name can't be resolved: {error.strerror or error}", reason="fetch_name"
            ) from None
        if not addresses:
            raise FetchError("its name has no address", reason="fetch_name")
        if address.host not in self._trusted_hosts:
            for _, (ip, *_) in addresses:
                if not self._is_allowed(ip):
                    raise FetchError(
                        "its name leads to an address that is not public", reason="fetch_address"
                    )
        return addresses[:MAX_ADDRESSES]

    async def _find_loopback(self, address: WebAddress, asker: str) -> Sequence[SocketAddress]:
        """Raises: FetchError, where this machine calls another one localhost, too."""
        try:
            addresses = await self._resolve_name(
                structs.replace(address, host=address.host.strip("[]")), asker
            )
        except OSError:
            addresses = ()
        if not addresses or not all(ipaddress.ip_address(ip).is_loopback for _, (ip, *_) in addresses):
            raise FetchError("its name does not lead to this machine", reason="fetch_address")
        return addresses[:MAX_ADDRESSES]

    def _build_request(
        self,
        address: WebAddress,
        method: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        seconds: float,
    ) -> HTTPRequest:
        sent = {"Accept": "application/json", "Accept-Encoding": "identity"}
        return HTTPRequest(
            # What was checked is what is asked: the name as the resolver below is asked for it.
            f"{address.scheme}://{address.host}:{address.port}{address.path or '/'}{address.query}",
            method=method,
            headers={**sent, "Host": _build_host(address), **(headers or {})},
            body=body,
            follow_redirects=False,
            decompress_response=False,
            connect_timeout=max(seconds, 0.001),
            request_timeout=max(seconds, 0.001),
            ssl_options=self._tls,
            user_agent=USER_AGENT,
        )


def _count_down(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _build_host(address: WebAddress) -> str:
    return address.origin.partition("://")[2]


class _Exchange:
    """One request and its answer, with a client of its own: its limits are the exchange's."""

    def __init__(self, addresses: Sequence[SocketAddress], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._received = bytearray()
        self._told = 0
        self._client = SimpleAsyncHTTPClient(
            force_instance=True,
            resolver=PinnedResolver(addresses=addresses),
            max_clients=1,
            max_header_size=MAX_HEADERS,
            max_body_size=max_bytes + SLACK,
            max_buffer_size=max(max_bytes + SLACK, MAX_HEADERS),
        )

    async def run(self, request: HTTPRequest) -> tuple[HTTPResponse, bytes]:
        """The answer and its body. Raises: FetchError."""
        request.header_callback = self._note_header
        request.streaming_callback = self._received.extend
        answer = self._client.fetch(request, raise_error=False)
        # A caller may go away before the answer comes: Tornado must not be left with one for nobody, which it
        # logs, nor may an error that nobody waits for be.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            response = await asyncio.shield(answer)
        except Exception as error:
            # More than its own errors: Tornado lets some of what a parser meets in garbage through as it is.
            raise self._build_error(error) from None
        finally:
            self._client.close()
        self._check_size()
        return response, bytes(self._received)

    def _note_header(self, line: str) -> None:
        name, _, value = line.partition(":")
        length = value.strip()[:20]
        if name.strip().lower() == "content-length" and length.isascii() and length.isdigit():
            self._told = int(length)

    def _check_size(self) -> None:
        if max(self._told, len(self._received)) > self._max_bytes:
            raise FetchError(f"the answer is longer than {self._max_bytes} bytes", reason="fetch_too_large")

    def _build_error(self, error: BaseException | None) -> FetchError:
        """What went wrong, in words of ours: an exception's own could hold what the other side wrote."""
        try:
            self._check_size()
        except FetchError as too_large:
            return too_large
        if isinstance(error, HTTPTimeoutError | TimeoutError):
            return FetchError("it did not answer in time", reason="fetch_timeout")
        if isinstance(error, ssl.SSLError):
            problem = getattr(error, "verify_message", "") or error.reason or "TLS failed"
            return FetchError(f"it can't be reached by TLS: {problem}", reason="fetch_tls")
        if isinstance(error, OSError) and error.strerror:
            return FetchError(f"it can't be reached: {error.strerror}", reason="fetch_failed")
        logger.debug("a fetch failed: %s", type(error).__name__)
        return FetchError("it gave no whole answer", reason="fetch_failed")


def _build_fetched(url: str, response: HTTPResponse, body: bytes) -> Fetched:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is compressed, which was not asked for", reason="fetch_encoded")
    return Fetched(url=url, status=response.code, headers=headers, body=body)


class PinnedResolver(Resolver):
    """Knows the answer already: the addresses that were checked."""

    def initialize(self, addresses: Sequence[SocketAddress] = ()) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[SocketAddress]:
        return list(self._addresses)
