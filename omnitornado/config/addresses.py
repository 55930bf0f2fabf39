"""Hosts, origins, networks and paths of the configuration.

Implements: RFC 8252 §7, RFC 8414 §2 (the issuer), RFC 6454 §4 (origins) as far as writing them down goes.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from omnitornado.config.kinds import Kind, expect_string, show
from omnitornado.net.redirect_address import parse_redirect_uri

RESERVED_SEGMENTS = frozenset(
    {
        ".well-known",
        "account",
        "authorize",
        "consent",
        "device",
        "device_authorization",
        "favicon.ico",
        "healthz",
        "introspect",
        "login",
        "logout",
        "metrics",
        "omnitornado",
        "par",
        "register",
        "revoke",
        "robots.txt",
        "token",
    }
)
"""First segments of the paths that the server answers itself; no MCP endpoint may stand under them."""

EDITOR_SCHEMES = frozenset({"cursor", "kiro", "vscode", "vscode-insiders", "windsurf", "zed"})
"""Private-use schemes in the field without the dot that RFC 8252 §7.1 asks for."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_CUSTOM_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._-]+(?::[0-9]{1,5})?")
_MCP_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]{1,2048}")


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address (an IPv6 one with or without brackets) is this machine itself.

    True for localhost and the names under it (RFC 6761 §6.3), 127.0.0.0/8 and ::1.
    """
    name = host.lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _normalise_host(host: str) -> str:
    """A bare host in lower case, an address in its shortest form. Raises ValueError."""
    name = host.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.split(".")
    if not name.isascii():
        raise ValueError(f"write {show(host)} in its ASCII form (xn--…)")
    # A name whose last label is a number would be read as an IPv4 address by some programs.
    if len(name) > 253 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{show(host)} is not a host name or an address")
    return name


def _parse_host(value: object) -> str:
    host = expect_string(value, HOST.label)
    if not host:
        raise ValueError('a host is needed: "127.0.0.1" for this machine alone, "0.0.0.0" for every network')
    if "://" in host:
        raise ValueError("a host alone is needed here, not a URL: [server] public_url takes that")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return _normalise_host(host)


HOST = Kind("a host name or an address", _parse_host)


def _parse_host_name(value: object) -> str:
    host = expect_string(value, HOST_NAME.label)
    name = _normalise_host(host) if host else ""
    if not name or _is_address(name):
        raise ValueError(f"expected {HOST_NAME.label}, found {show(host)}")
    return name


HOST_NAME = Kind("a host name, not an address", _parse_host_name)


def _parse_host_pattern(value: object) -> str:
    pattern = expect_string(value, HOST_PATTERN.label)
    is_wide = pattern.startswith("*.")
    try:
        name = _parse_host_name(pattern.removeprefix("*."))
    except ValueError:
        raise ValueError(f"expected {HOST_PATTERN.label}, found {show(pattern)}") from None
    return f"*.{name}" if is_wide else name


HOST_PATTERN = Kind('a host name, or "*." and one for every host under it', _parse_host_pattern)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _split_origin(url: str) -> SplitResult:
    """An http or https origin, taken apart: no path, query, fragment or user. Raises ValueError."""
    if not _URI.fullmatch(url.replace("#", "")):
        raise ValueError("not a URL: it has characters that a URL can't have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL: its host or port is malformed") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError('expected a URL that starts with "https://" (or "http://" on loopback)')
    if "@" in parts.netloc:
        # The part before the @ may be a password: it is not repeated.
        raise ValueError("a user or password in the URL is not allowed")
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        raise ValueError("the URL needs a host, and a port over 0 if it names one")
    if "?" in url or "#" in url:
        raise ValueError("an origin only is needed: a query or a fragment is not allowed")
    if parts.path not in ("", "/"):
        raise ValueError(f"an origin only is needed: the path {show(parts.path)} is not allowed")
    return parts


def _build_origin(parts: SplitResult) -> str:
    """`scheme://host[:port]` in lower case, without the scheme's own port, as browsers write it."""
    host = _normalise_host(parts.hostname or "")
    shown = f"[{host}]" if ":" in host else host
    is_default = parts.port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" if is_default else f"{parts.scheme}://{shown}:{parts.port}"


def _parse_public_url(value: object) -> str:
    url = expect_string(value, PUBLIC_URL.label)
    if not url:
        return ""
    parts = _split_origin(url)
    host = parts.hostname or ""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        raise ValueError(f"{host} is an address to listen on; clients need the name they reach the server by")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise ValueError("https is required unless the host is loopback (OAuth 2.1 §1.5)")
    return _build_origin(parts)


PUBLIC_URL = Kind('an origin such as "https://mcp.example.com"; "" on loopback', _parse_public_url)


def _parse_browser_origin(value: object) -> str:
    origin = expect_string(value, ORIGIN.label)
    if origin in ("*", "null"):
        raise ValueError(f'"{origin}" is not allowed: name each origin, as "https://app.example.com"')
    scheme = origin.partition("://")[0].lower()
    if scheme in _DEFAULT_PORTS:
        return _build_origin(_split_origin(origin))
    if not _CUSTOM_ORIGIN.fullmatch(origin):
        raise ValueError(f"expected {ORIGIN.label}")
    return origin


ORIGIN = Kind('an origin such as "https://app.example.com"', _parse_browser_origin)


def _parse_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    network = expect_string(value, NETWORK.label)
    try:
        return ipaddress.ip_network(network)
    except ValueError:
        raise ValueError(f"expected {NETWORK.label}, found {show(network)}") from None


NETWORK = Kind('an address or a network such as "10.0.0.0/8" (no bits set after the prefix)', _parse_network)


def _parse_mcp_path(value: object) -> str:
    path = expect_string(value, MCP_PATH.label)
    if not path.startswith("/"):
        raise ValueError(f'a path starts with "/", found {show(path)}')
    if path == "/":
        raise ValueError('"/" is the start page: give the endpoint a name, as "/mcp"')
    if path.endswith("/"):
        raise ValueError(f"a path has no final slash, found {show(path)}")
    segments = path[1:].split("/")
    if not _MCP_PATH.fullmatch(path) or {".", ".."} & set(segments):
        raise ValueError(f"a path has letters, digits and - . _ ~ between its slashes, found {show(path)}")
    if segments[0] in RESERVED_SEGMENTS or ".well-known" in segments:
        raise ValueError(f"{show(path)} belongs to the server's own paths")
    return path


MCP_PATH = Kind('a path such as "/mcp"', _parse_mcp_path)


def _parse_redirect_uri(value: object) -> str:
    uri = expect_string(value, REDIRECT_URI.label)
    try:
        parsed = parse_redirect_uri(uri)
    except ValueError as error:
        # The part before an @ may be a password: it is not repeated.
        raise ValueError(f"{'the address' if '@' in uri else show(uri)} {error}") from None
    if parsed.is_private_scheme and "." not in parsed.scheme and parsed.scheme not in EDITOR_SCHEMES:
        # An app that registers itself may have any; here it is likelier that somebody mistyped "https".
        raise ValueError(
            f'the scheme "{parsed.scheme}:" is not allowed: https, http on loopback, or an application\'s '
            "own scheme with a dot in it (RFC 8252 §7.1)"
        )
    return uri


REDIRECT_URI = Kind("a redirect URI", _parse_redirect_uri)


def _parse_web_address(value: object) -> str | None:
    url = expect_string(value, WEB_ADDRESS.label)
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not a URL") from None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or "@" in parts.netloc
        or not _URI.fullmatch(url)
    ):
        raise ValueError(f"expected {WEB_ADDRESS.label}")
    return url


WEB_ADDRESS = Kind("the https:// or http:// address of a page", _parse_web_address)


def _parse_resource(value: object) -> str:
    """RFC 8707 §2: an absolute URI without a fragment; here without a query and a final slash too."""
    resource = expect_string(value, RESOURCE.label)
    if resource.startswith("/"):
        return str(MCP_PATH.parse(resource))
    if not _URI.fullmatch(resource) or "?" in resource:
        raise ValueError(f"expected {RESOURCE.label}, without a query or a fragment")
    try:
        parts = urlsplit(resource)
        origin = parts._replace(path="").geturl()
    except ValueError:
        raise ValueError("not a URL: its host or port is malformed") from None
    origin = _build_origin(_split_origin(origin))
    if origin.startswith("http:") and not is_loopback_host(parts.hostname or ""):
        raise ValueError("https is required unless the host is loopback")
    return origin + parts.path.rstrip("/")


RESOURCE = Kind(
    'a path such as "/mcp", or an address such as "https://files.example.com/mcp"', _parse_resource
)


def _parse_jwks_uri(value: object) -> str | None:
    url = _parse_web_address(value)
    if url is not None and not url.startswith("https://"):
        raise ValueError(f"expected {JWKS_URI.label}")
    return url


JWKS_URI = Kind("the https:// address of a key set", _parse_jwks_uri)
