"""Our choice (RFC 9728 §3.1, RFC 8414 §3.1, OpenID Connect Discovery §4): where a client looks."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"
SERVER_METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


def split(url: str) -> SplitResult:
    """Raises: ValueError with the reason, for an address that no client can use."""
    if not url.isprintable() or " " in url or "\\" in url or len(url) > 2048:
        raise ValueError("it has characters that an address can't have, or is too long")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it must begin with https:// (or http:// on this machine)")
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("it must have a host name, and no user or password")
    if parts.port == 0 or "#" in url:
        raise ValueError("it must have no fragment, and a port that there can be")
    return parts


def is_usable(url: str) -> bool:
    """Whether it is an http or https address at all."""
    try:
        split(url)
    except ValueError:
        return False
    return True


def find_origin(url: str) -> str:
    parts = split(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(url: str) -> bool:
    """Whether the host is this machine, by its name."""
    host = split(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def list_protected_resource(url: str, named: str = "") -> tuple[str, ...]:
    """Where the protected-resource document may be: as the challenge names it, with the path, at the root."""
    origin, path = find_origin(url), split(url).path
    places = [named] if named else []
    places += [f"{origin}{PROTECTED_RESOURCE}{path if path != '/' else ''}", f"{origin}{PROTECTED_RESOURCE}"]
    return tuple(dict.fromkeys(places))


def list_server_metadata(issuer: str) -> tuple[str, ...]:
    """Where the authorization server's document may be: path inserted, OpenID's inserted, then appended."""
    origin, path = find_origin(issuer), split(issuer).path.rstrip("/")
    places = [f"{origin}{SERVER_METADATA}{path}", f"{origin}{OPENID}{path}", f"{origin}{path}{OPENID}"]
    return tuple(dict.fromkeys(places))


def list_variants(url: str) -> tuple[str, ...]:
    """Every variant that some client asks of a server whose own path is the pasted one."""
    origin, path = find_origin(url), split(url).path.rstrip("/")
    places = [f"{origin}{base}{end}" for base in (SERVER_METADATA, OPENID) for end in ("", path)]
    places.append(f"{origin}{path}{OPENID}")
    return tuple(dict.fromkeys(places))
