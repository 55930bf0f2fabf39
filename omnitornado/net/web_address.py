"""Implements: RFC 9110 §4.2.2 (https), RFC 3986 §3.2 (authority): the addresses that this server may ask.

Strict on purpose: what two programs could read differently (a user part, a backslash, an IPv4 address in
octal or as one number) is refused, so that the host that is checked is the host that is asked.
"""

import re
from typing import Final

import msgspec

MAX_URL: Final = 2048
URL: Final = re.compile(
    r"https://(?P<host>[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9\-._~:@!$&'()*+,;=%/]*)?(?P<query>\?[A-Za-z0-9\-._~:@!$&'()*+,;=%/?\[\]]*)?"
)
LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that some programs take for (the end of) an IPv4 address: `2130706433`, `0x7f.1`, `127.1`."""


LOOPBACK: Final = re.compile(
    r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9\-._~:@!$&'()*+,;=%/]*)?(?P<query>\?[A-Za-z0-9\-._~:@!$&'()*+,;=%/?\[\]]*)?"
)


class WebAddress(msgspec.Struct, frozen=True):
    """An address, taken apart."""

    url: str
    host: str
    """A DNS name, in lower case and without a final dot; on loopback, `LOOPBACK`'s."""
    port: int
    path: str
    query: str
    scheme: str = "https"

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, without the scheme's own port (RFC 6454 §6.1)."""
        is_default = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{self.host}" if is_default else f"{self.scheme}://{self.host}:{self.port}"


def parse_web_address(url: str) -> WebAddress:
    """Raises: ValueError with the reason in words, for an address that this server never asks."""
    if len(url) > MAX_URL:
        raise ValueError("it is too long")
    match = URL.fullmatch(url)
    if match is None:
        raise ValueError(
            "it must be an https address with a host name, and have no user, password or fragment"
        )
    host = check_host(match["host"])
    port = int(match["port"] or 443)
    if not 0 < port < 65536:
        raise ValueError("it has a port that there can't be")
    return WebAddress(url=url, host=host, port=port, path=match["path"] or "", query=match["query"] or "")


def parse_loopback_address(url: str) -> WebAddress:
    """An address of this machine's own, without TLS: for what is developed here. Raises: ValueError."""
    match = LOOPBACK.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None or not 0 < int(match["port"] or 80) < 65536:
        raise ValueError("it must be an https address with a host name, or http on loopback")
    return WebAddress(
        url=url,
        host=match["host"],
        port=int(match["port"] or 80),
        path=match["path"] or "",
        query=match["query"] or "",
        scheme="http",
    )


def parse_any_address(url: str) -> WebAddress:
    """One of the two. Whether the latter may be asked is for the fetch to know. Raises: ValueError."""
    return parse_loopback_address(url) if url.startswith("http:") else parse_web_address(url)


def check_host(host: str) -> str:
    """A DNS name in lower case, without a final dot. Raises: ValueError; for an IP address too."""
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if not all(LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        raise ValueError("its host is not a name")
    if NUMERIC.fullmatch(labels[-1]):
        raise ValueError("its host must be a name, not an IP address")
    return name
