"""Implements: RFC 6750 §2.1 and §3, RFC 9728 §5.1, RFC 8707 §2: bearer tokens at a protected resource,
checked on every request.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from omnitornado.oauth.errors import ProtocolError
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import restrict
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import Store

B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750 §2.1 b64token."""

STATUS: Final = {None: 401, "invalid_request": 400, "invalid_token": 401, "insufficient_scope": 403}
"""RFC 6750 §3.1; None where no credentials came, and then no error code is told."""


class BearerError(ProtocolError):
    """A request without a token that is good for it. `scope` is what the challenge asks for."""

    def __init__(self, *, code: str | None, description: str, reason: str, scope: Iterable[str] = ()) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.reason = reason
        self.scope = tuple(scope)
        self.status = STATUS[code]


class Bearer(msgspec.Struct, frozen=True):
    """Who a good token speaks for."""

    username: str
    client_id: str
    client_name: str
    scope: tuple[str, ...]
    grant_id: bytes
    expires_at: float
    grant_name: str = ""
    """The grant's name, which may be shown."""


async def check_bearer(
    authorization: str | None, resource: ProtectedResource, store: Store, people: People, *, now: float
) -> Bearer:
    """The token's identity. Raises: BearerError: absent, malformed, unknown, expired, revoked, another
    resource's.
    """
    token = parse_authorization(authorization)
    found = await store.find_access(digest(token), now=now)
    if found is None:
        raise BearerError(
            code="invalid_token",
            description="the access token is unknown, expired or revoked",
            reason="token_unknown",
        )
    access, grant = found
    try:
        return build_bearer(access, grant, people.find(grant.username), resource)
    except BearerError as error:
        error.concern(client=grant.client_id, user=grant.username, grant=grant.public_id)
        raise


def build_bearer(
    access: AccessToken, grant: Grant, person: Person | None, resource: ProtectedResource
) -> Bearer:
    """Who a living token of a living grant speaks for at a resource. `person` is the grant's; None for one
    who is gone. Raises: BearerError.
    """
    if resource.path not in (access.resources if access.resources is not None else grant.resources):
        raise BearerError(
            code="invalid_token",
            description="the access token is for another resource",
            reason="token_audience",
        )
    if person is None:
        raise BearerError(
            code="invalid_token",
            description="the access token is unknown, expired or revoked",
            reason="person_unknown",
        )
    scope = grant.scope if access.scope is None else access.scope
    bearer = Bearer(
        username=grant.username,
        client_id=grant.client_id,
        client_name=grant.client_name,
        scope=restrict(scope, person.scopes),
        grant_id=grant.grant_id,
        expires_at=access.expires_at,
        grant_name=grant.public_id,
    )
    check_scope(bearer, resource.scope)
    return bearer


def parse_authorization(authorization: str | None) -> str:
    """The token in an Authorization header. Raises: BearerError."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer":
        # Also for another scheme: to this resource such a request carries no credentials (§3).
        raise BearerError(code=None, description="an access token is needed", reason="token_absent")
    token = token.strip()
    if not B64TOKEN.fullmatch(token):
        raise BearerError(
            code="invalid_token", description="the access token is malformed", reason="token_malformed"
        )
    return token


def check_scope(bearer: Bearer, needed: Collection[str]) -> None:
    """Raises: BearerError insufficient_scope that names everything the request needs, not only what is
    lacking.
    """
    if not set(needed) <= set(bearer.scope):
        raise BearerError(
            code="insufficient_scope",
            description="the access token lacks a scope",
            reason="scope_insufficient",
            scope=needed,
        )


def build_challenge(error: BearerError, resource: ProtectedResource, *, issuer: str) -> str:
    """The WWW-Authenticate header (RFC 6750 §3) with `resource_metadata` (RFC 9728 §5.1) and `scope`."""
    parts: dict[str, str] = {}
    if error.code is not None:
        parts |= {"error": error.code, "error_description": error.description}
    scope = error.scope or resource.scope
    if scope:
        parts["scope"] = " ".join(scope)
    parts["resource_metadata"] = resource.build_metadata_url(issuer)
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
