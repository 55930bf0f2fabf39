"""Implements: RFC 6749 §3.1.2, RFC 8252 §7 and §8.3, OAuth 2.1 §2.3: which redirect URIs are fit, and when
two are the same.

Comparison is exact, byte for byte, with the one exception of RFC 8252 §7.3: on a loopback host the port is
free.
"""

import re
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import msgspec

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of RFC 8252 §7.3, and `localhost` that §8.3 discourages and every command-line client uses."""

REFUSED_SCHEMES: Final = frozenset(
    {
        "javascript",
        "data",
        "file",
        "vbscript",
        "blob",
        "about",
        "filesystem",
        "ws",
        "wss",
        "ftp",
        "mailto",
        "view-source",
    }
)
"""Schemes that run or show what they carry, or that name no application."""

PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.\-]{1,63}")
MAX_LENGTH: Final = 2048
URI_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""RFC 3986 §2: reserved and unreserved without `#`, and the percent sign."""


class RedirectUri(msgspec.Struct, frozen=True):
    """A syntactically fit redirect URI, taken apart."""

    uri: str
    scheme: str
    host: str
    port: int | None
    rest: str
    """Path and query, as given."""

    @property
    def is_loopback(self) -> bool:
        """Whether the answer goes to a program on the person's own computer, and so the port is free."""
        return self.scheme == "http" and self.host in LOOPBACK_HOSTS

    @property
    def is_private_scheme(self) -> bool:
        return self.scheme not in ("http", "https")

    @property
    def shown_host(self) -> str:
        """What a person should read as the place the answer goes to."""
        if self.is_loopback:
            return f"this computer ({self.host})"
        if self.is_private_scheme:
            return f"an app on this computer ({self.scheme}:)"
        return self.host if self.port is None else f"{self.host}:{self.port}"


def parse_redirect_uri(uri: str) -> RedirectUri:
    """Raises: ValueError with the reason in words, for an address that may not be a redirect URI."""
    if len(uri) > MAX_LENGTH:
        raise ValueError("is too long")
    if "#" in uri:
        raise ValueError("must not have a fragment (RFC 6749 §3.1.2)")
    if not URI_CHARACTERS.fullmatch(uri):
        raise ValueError("has characters that a URI can't have")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URI") from None
    scheme = parts.scheme.lower()
    _check_scheme(scheme, parts)
    rest = urlunsplit(("", "", parts.path, parts.query, ""))
    return RedirectUri(uri=uri, scheme=scheme, host=parts.hostname or "", port=port, rest=rest)


def _check_scheme(scheme: str, parts: SplitResult) -> None:
    if not scheme:
        raise ValueError("must be an absolute URI")
    if scheme in REFUSED_SCHEMES:
        raise ValueError(f"must not use the {scheme}: scheme")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not have a user or password")
    if scheme in ("http", "https"):
        if not parts.hostname:
            raise ValueError("must have a host")
        if scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise ValueError("must use https unless it is on this computer")
    elif not PRIVATE_SCHEME.fullmatch(scheme):
        raise ValueError("has no usable scheme")


def is_same_redirect(registered: str, presented: str) -> bool:
    """Whether `presented` is `registered`: identical, or both loopback and alike but for the port (RFC 8252
    §7.3).
    """
    if registered == presented:
        return True
    try:
        a, b = parse_redirect_uri(registered), parse_redirect_uri(presented)
    except ValueError:
        return False
    return a.is_loopback and b.is_loopback and (a.host, a.rest) == (b.host, b.rest)


def build_redirect(uri: str, parameters: dict[str, str]) -> str:
    """`uri` with `parameters` added to its query, and not a byte of it changed (RFC 6749 §4.1.2)."""
    joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return uri + joint + urlencode(parameters)
