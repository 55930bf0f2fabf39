"""Implements: RFC 8707 §2, RFC 9728 §1.2 and §3.1: protected resources, and which one an address means.

A resource is known by its path at this server. Its URL depends on the name the client used (loopback has
three), its path does not. One elsewhere, which asks about tokens at the introspection endpoint, is known by
its whole URL.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from omnitornado.oauth.errors import OAuthError, ValidatedRedirect
from omnitornado.oauth.redirect_uri import LOOPBACK_HOSTS

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class ProtectedResource(msgspec.Struct, frozen=True):
    """A path guarded by bearer tokens, or an address elsewhere that is."""

    path: str
    """Of the URL; the whole URL where it is not this server's."""
    name: str
    scope: tuple[str, ...]
    """What every request to it needs: named in challenges and in the metadata, and no more than that."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another server guards it."""
        return not self.path.startswith("/")

    def build_url(self, issuer: str) -> str:
        """Its resource identifier (RFC 9728 §1.2): exactly what a person pastes into a client."""
        return self.path if self.is_elsewhere else issuer + self.path

    def build_metadata_url(self, issuer: str) -> str:
        """RFC 9728 §3.1: the well-known part goes between host and path."""
        return f"{issuer}/.well-known/oauth-protected-resource{self.path}"


def find_resource(
    url: str, resources: Sequence[ProtectedResource], *, issuer: str
) -> ProtectedResource | None:
    """The resource `url` names, with scheme and host case-folded and a final slash ignored; None when it is
    none of ours.

    The origin alone stands for the server's own endpoint where there is just one.
    """
    origin, path = _split(url)
    if origin is None:
        return None
    own = [resource for resource in resources if not resource.is_elsewhere]
    if _is_same_origin(origin, _split(issuer)[0]):
        if not path and len(own) == 1:
            return own[0]
        return next((resource for resource in own if resource.path.rstrip("/") == path), None)
    elsewhere = (resource for resource in resources if resource.is_elsewhere)
    return next((resource for resource in elsewhere if _split(resource.path) == (origin, path)), None)


def check_resources(
    urls: Sequence[str],
    resources: Sequence[ProtectedResource],
    *,
    issuer: str,
    redirect: ValidatedRedirect | None = None,
) -> tuple[str, ...]:
    """The paths that `urls` name; every path of this server when there are none (that is what a client means
    that sends no `resource`).

    Raises: OAuthError invalid_target (RFC 8707 §2).
    """
    found: dict[str, None] = {}
    for url in urls:
        resource = find_resource(url, resources, issuer=issuer)
        if resource is None:
            raise OAuthError(
                code="invalid_target",
                description="resource is not one this server protects",
                reason="resource_unknown",
                redirect=redirect,
            )
        found[resource.path] = None
    return tuple(found) or tuple(resource.path for resource in resources if not resource.is_elsewhere)


Origin = tuple[str, str, int | None]


def _split(url: str) -> tuple[Origin | None, str]:
    """Origin and path without a final slash. No origin for anything with a query, a fragment or a user."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, ""
    if not parts.hostname or parts.query or parts.username is not None or "#" in url:
        return None, ""
    scheme = parts.scheme.lower()
    port = DEFAULT_PORTS.get(scheme) if port is None else port
    return (scheme, parts.hostname.lower(), port), parts.path.rstrip("/")


def _is_same_origin(a: Origin, b: Origin | None) -> bool:
    if b is None:
        return False
    # localhost, 127.0.0.1 and [::1] are the same server (our choice, for loopback issuers).
    both_loopback = a[1] in LOOPBACK_HOSTS and b[1] in LOOPBACK_HOSTS
    return a == b or (both_loopback and (a[0], a[2]) == (b[0], b[2]))
