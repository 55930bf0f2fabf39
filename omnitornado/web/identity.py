"""Our choice ([server] public_url): who this server says it is, and to whom."""

import functools
import re
from typing import Final

import msgspec

from omnitornado.oauth.redirect_uri import LOOPBACK_HOSTS
from omnitornado.oauth.resource import DEFAULT_PORTS

HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.\-]+)(?::(?P<port>[0-9]{1,5}))?")
MAX_PORT: Final = 65535


@functools.lru_cache(maxsize=64)
def find_loopback_issuer(scheme: str, host_header: str) -> str | None:
    """The issuer by the loopback name that a client used; None for any other name."""
    match = HOST.fullmatch(host_header)
    name = match["name"].lower() if match else ""
    if match is None or name.strip("[]") not in LOOPBACK_HOSTS:
        return None
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    if port > MAX_PORT:
        return None
    return f"{scheme}://{name}" + ("" if port == DEFAULT_PORTS[scheme] else f":{port}")


class Identity(msgspec.Struct, frozen=True):
    """With `public_url`, that is the issuer whatever `Host` says. Without it the server is loopback only: it
    takes the loopback name the client used, and no other (a page whose name was rebound to 127.0.0.1 still
    sends its own name).
    """

    public_url: str
    """The issuer, without a final slash; "" for loopback only."""
    scheme: str
    host: str
    port: int
    """Where it listens."""

    def find_issuer(self, host_header: str | None, scheme: str | None = None) -> str | None:
        """The issuer for a request with this `Host`; None when the request must be refused.

        `scheme`: what a trusted proxy was asked by, where that is not what it asks this server by.
        """
        scheme = scheme or self.scheme
        if self.public_url:
            return self.public_url
        return self.local_url if host_header is None else find_loopback_issuer(scheme, host_header)

    @property
    def local_url(self) -> str:
        """How to reach it from this computer."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        if name in ("0.0.0.0", "[::]"):  # noqa: S104 - compared, not bound
            name = "127.0.0.1"
        is_default = self.port == DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{name}" if is_default else f"{self.scheme}://{name}:{self.port}"

    @property
    def issuer(self) -> str:
        """The name to print: the public one, or the local one."""
        return self.public_url or self.local_url

    def is_own_origin(self, origin: str, issuer: str) -> bool:
        """Whether a browser's `Origin` is this server itself; by each loopback name, on the same port."""
        if origin == issuer:
            return True
        scheme, _, host = issuer.partition("://")
        port = re.search(r":[0-9]+$", host)
        names = () if self.public_url else ("localhost", "127.0.0.1", "[::1]")
        return origin in {f"{scheme}://{name}{port[0] if port else ''}" for name in names}
