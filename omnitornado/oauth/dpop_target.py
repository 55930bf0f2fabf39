"""Implements: RFC 9449 §4.3 (checks 8 and 9), RFC 3986 §6.2.2 and §6.2.3: the request that a proof is for,
and whether an address means it.

The address is the one by which the client reaches this server: its issuer, whatever name a proxy asks it by,
and the request's path. A name that a request brings along decides nothing, or a proof made for another server
could be used here.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from omnitornado.oauth.redirect_uri import LOOPBACK_HOSTS
from omnitornado.oauth.resource import DEFAULT_PORTS

MAX_URL: Final = 2048
PRINTABLE: Final = re.compile(r"[!-~]+")
ESCAPED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")

Target = tuple[str, str, int, str]
"""Scheme, host, port and path, each in its one spelling."""


class ProofRequest(msgspec.Struct, frozen=True):
    """A request as its proof has to describe it."""

    headers: Sequence[str]
    """Each `DPoP` header that came."""
    method: str
    issuer: str
    """Who this server is to the request."""
    path: str


def is_target(claims: dict[str, Any], request: ProofRequest) -> bool:
    """Whether `htm` and `htu` are this request's method and address."""
    htm, htu = claims.get("htm"), claims.get("htu")
    if htm != request.method or not isinstance(htu, str):
        return False
    named, expected = parse_target(htu), parse_target(request.issuer + request.path)
    if named is None or expected is None:
        return False
    # localhost, 127.0.0.1 and [::1] are the same server (our choice, for loopback issuers).
    both_loopback = named[1] in LOOPBACK_HOSTS and expected[1] in LOOPBACK_HOSTS
    return named == expected or (both_loopback and (named[0], *named[2:]) == (expected[0], *expected[2:]))


def find_place(request: ProofRequest) -> str:
    """What a request goes to, the same for all spellings that `is_target` takes for the same: what was used
    there must not be good at the next one.
    """
    target = parse_target(request.issuer + request.path)
    return request.path if target is None else target[3]


def parse_target(url: str) -> Target | None:
    """An address without its query and fragment, which do not count (§4.3), nor does a final slash; None for
    what is no address of a web server.
    """
    if len(url) > MAX_URL or not PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    path = _drop_dots(ESCAPED.sub(_respell, parts.path))
    return parts.scheme, parts.hostname, DEFAULT_PORTS[parts.scheme] if port is None else port, path


def _respell(escaped: re.Match[str]) -> str:
    """RFC 3986 §6.2.2.1 and §6.2.2.2."""
    character = chr(int(escaped[0][1:], 16))
    return character if UNRESERVED.fullmatch(character) else escaped[0].upper()


def _drop_dots(path: str) -> str:
    """RFC 3986 §5.2.4."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept).rstrip("/")
