"""Implements: RFC 6749 §3.1.2 and §4.1.2, RFC 8252 §7.3, OAuth 2.1 §2.3: when two redirect URIs are the
same, and the address of an answer.

Comparison is exact, byte for byte, with the one exception of RFC 8252 §7.3: on a loopback host the port is
free. Which addresses are fit at all is `net/redirect_address.py`'s to say.
"""

import re
from urllib.parse import urlencode

from omnitornado.net.redirect_address import LOOPBACK_HOSTS, RedirectUri, parse_redirect_uri


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
    return a.is_loopback and b.is_loopback and _drop_port(a) == _drop_port(b)


def _drop_port(redirect: RedirectUri) -> str:
    """A loopback URI without its port and otherwise as it was written, to the host's case."""
    before = redirect.uri[: len(redirect.uri) - len(redirect.rest)]
    return re.sub(r":[0-9]+$", "", before) + redirect.rest


def build_redirect(uri: str, parameters: dict[str, str]) -> str:
    """`uri` with `parameters` added to its query, and not a byte of it changed (RFC 6749 §4.1.2)."""
    _, mark, query = uri.partition("?")
    joint = "?" if not mark else "&" if query and not query.endswith("&") else ""
    return uri + joint + urlencode(parameters)


__all__ = ["LOOPBACK_HOSTS", "RedirectUri", "build_redirect", "is_same_redirect", "parse_redirect_uri"]
