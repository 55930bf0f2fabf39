"""Implements: RFC 6749 §3.1.2, RFC 8252 §7 and §8.3, OAuth 2.1 §2.3: which addresses an answer may be sent to
at all.

The authority is taken apart here and not by `urllib`, which finds the host `::1` in
`http://[::1].example.com/`. The configuration and the protocol rooms both ask here.
"""

import functools
import ipaddress
import re
from typing import Final

import msgspec

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of RFC 8252 §7.3, and `localhost` that §8.3 discourages and every command-line client uses."""

# fmt: off
REFUSED_SCHEMES: Final = frozenset((
    "about", "blob", "cid", "data", "file", "filesystem", "jar", "javascript", "mhtml", "mid", "resource",
    "vbscript", "view-source", "wyciwyg", "chrome", "chrome-extension", "devtools", "edge",
    "moz-extension", "opera", "feed", "ftp", "ftps", "gopher", "irc", "ldap", "ldaps", "mailto", "news",
    "nfs", "nntp", "sftp", "sip", "sips", "sms", "smb", "ssh", "tel", "telnet", "urn", "ws", "wss",
    "intent", "localhost", "ms-msdt", "ms-officecmd", "ms-settings", "search", "search-ms", "shell",
))
# fmt: on
"""Schemes that run or show what they carry, that belong to the browser or the system, or that name no
application. (`localhost:8080/x` is an address that lacks its `http://`.)
"""

PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.\-]{1,63}")
MAX_LENGTH: Final = 2048
URI_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""RFC 3986 §2: reserved and unreserved without `#`, and the percent sign."""
URI_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?]*))?(?P<rest>.*)"
)
"""RFC 3986 appendix B, without the fragment."""
AUTHORITY: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*\.?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
"""RFC 3986 §3.2 for http and https: a host name or address as browsers take it (percent-encoding would name
another host than the one that is read), and a port.
"""


class RedirectUri(msgspec.Struct, frozen=True):
    """A syntactically fit redirect URI, taken apart."""

    uri: str
    scheme: str
    host: str
    port: int | None
    rest: str
    """Path and query, as given, byte for byte."""

    @property
    def is_loopback(self) -> bool:
        """Whether the answer goes to a program on the person's own computer, and so the port is free."""
        return self.scheme == "http" and self.host in LOOPBACK_HOSTS

    @property
    def is_private_scheme(self) -> bool:
        return self.scheme not in ("http", "https")

    @property
    def is_on_device(self) -> bool:
        """Whether the answer stays on the computer that the browser runs on."""
        return self.is_loopback or self.is_private_scheme

    @property
    def shown_host(self) -> str:
        """What a person should read as the place the answer goes to."""
        if self.is_loopback:
            return f"this computer ({self.host})"
        if self.is_private_scheme:
            return f"an app on this computer ({self.scheme}:)"
        return self.host if self.port is None else f"{self.host}:{self.port}"


@functools.lru_cache(maxsize=256)  # most clients come with one of a few; 512 KB at the most
def parse_redirect_uri(uri: str) -> RedirectUri:
    """Raises: ValueError with the reason in words, for an address that may not be a redirect URI."""
    if len(uri) > MAX_LENGTH:
        raise ValueError("is too long")
    if "#" in uri:
        raise ValueError("must not have a fragment (RFC 6749 §3.1.2)")
    if not URI_CHARACTERS.fullmatch(uri):
        raise ValueError("has characters that a URI can't have")
    parts = URI_PARTS.fullmatch(uri)
    if parts is None:
        raise ValueError("must be an absolute URI")
    scheme, authority, rest = parts["scheme"].lower(), parts["authority"], parts["rest"]
    if scheme in REFUSED_SCHEMES:
        raise ValueError(f"must not use the {scheme}: scheme")
    if authority is not None and "@" in authority:
        raise ValueError("must not have a user or password")
    if scheme in ("http", "https"):
        host, port = _parse_authority(authority or "")
        if scheme == "http" and host not in LOOPBACK_HOSTS:
            raise ValueError("must use https unless it is on this computer")
        return RedirectUri(uri=uri, scheme=scheme, host=host, port=port, rest=rest)
    if not PRIVATE_SCHEME.fullmatch(scheme):
        raise ValueError("has no usable scheme")
    return RedirectUri(uri=uri, scheme=scheme, host=(authority or "").lower(), port=None, rest=rest)


def _parse_authority(authority: str) -> tuple[str, int | None]:
    """Host in lower case and port. Raises: ValueError."""
    if not authority:
        raise ValueError("must have a host")
    match = AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("has a host or port that is malformed")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 0 < port < 65536:
        raise ValueError("has a port that there can't be")
    if match["address"] is not None:
        try:
            ipaddress.IPv6Address(match["address"])
        except ValueError:
            raise ValueError("has an IPv6 address that is malformed") from None
    return (match["address"] or match["name"]).lower(), port
