"""Implements: RFC 6749 §5.1: what the grants share: the rules, the new tokens and the successful response."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from omnitornado.oauth.client import Clients
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.people import People
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.store.records import Grant
from omnitornado.store.transitions import Store

REFRESH_GRACE: Final = 30.0
"""Seconds in which a rotated refresh token still gets its successor: clients refresh in parallel and retry.
"""


class TokenRules(msgspec.Struct, frozen=True):
    """What token requests are answered by. Lifetimes in seconds."""

    store: Store
    clients: Clients
    people: People
    resources: Sequence[ProtectedResource]
    access_token_lifetime: float
    refresh_token_lifetime: float
    refresh_grace: float = REFRESH_GRACE
    token_bytes: TokenBytes = secrets.token_bytes


class TokenResponse(msgspec.Struct, frozen=True):
    """A successful response, and what the log says of it."""

    body: dict[str, Any]
    grant: Grant
    reason: str


def build_token_body(
    access_token: str, refresh_token: str | None, *, scope: Sequence[str], expires_in: float
) -> dict[str, Any]:
    """RFC 6749 §5.1. `expires_in` and `scope` are always there: clients rely on both."""
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": max(int(expires_in), 0),
        "scope": " ".join(scope),
    }
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    return body


def check_person(username: str, people: People) -> None:
    """Raises: OAuthError invalid_grant when the person who granted it is no longer in the configuration."""
    if people.find(username) is None:
        raise invalid_grant("the person who approved this is gone", "person_unknown")


def invalid_grant(description: str, reason: str) -> OAuthError:
    """RFC 6749 §5.2: the code or refresh token is invalid, expired, revoked or another client's."""
    return OAuthError(code="invalid_grant", description=description, reason=reason)
