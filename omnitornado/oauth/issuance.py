"""Implements: RFC 6749 §5.1, RFC 9449 §5: what the grants share: the rules, the new tokens and the successful
response.
"""

import math
import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from omnitornado.base64url import encode
from omnitornado.oauth.client import Clients, OAuthClient
from omnitornado.oauth.dpop import Proofs
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.identity_providers import IdentityProviders
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.resource import ProtectedResource, check_resources
from omnitornado.oauth.scope import ScopePolicy, restrict
from omnitornado.oauth.secrets import (
    ACCESS_PREFIX,
    GRANT_ID_BYTES,
    TokenBytes,
    build_refresh_token,
    build_secret,
    digest,
)
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import Store

NO_SCOPES: Final = ScopePolicy(descriptions={}, default=())
REFRESH_GRACE: Final = 30.0
"""Seconds in which a rotated refresh token still gets its successor: clients refresh in parallel and retry.
"""


class TokenRules(msgspec.Struct, frozen=True):
    """What token requests are answered by. Lifetimes in seconds."""

    store: Store
    clients: Clients
    people: People
    resources: Sequence[ProtectedResource]
    proofs: Proofs
    access_token_lifetime: float
    refresh_token_lifetime: float
    """How long a client may stay away and still refresh."""
    refresh_token_absolute_lifetime: float | None = None
    """How long after the approval it may refresh at all; None for ever."""
    scopes: ScopePolicy = NO_SCOPES
    refresh_grace: float = REFRESH_GRACE
    providers: IdentityProviders | None = None
    """Who may vouch for people; None or empty for nobody."""
    token_bytes: TokenBytes = secrets.token_bytes
    jkt: str = ""
    """Thumbprint of the key that this one request has proven, to which its tokens are bound (RFC 9449 §5); ""
    for none: bearer tokens."""

    def find_grant_end(self, *, created_at: float, now: float, can_refresh: bool) -> float:
        """When a grant ends unless it is used again before: with the last token that is good at `now`."""
        if not can_refresh:
            return now + self.access_token_lifetime
        idle_end = now + max(self.refresh_token_lifetime, self.access_token_lifetime)
        return min(idle_end, self.find_absolute_end(created_at))

    def find_absolute_end(self, created_at: float) -> float:
        """When a grant ends whatever happens."""
        if self.refresh_token_absolute_lifetime is None:
            return math.inf
        return created_at + max(self.refresh_token_absolute_lifetime, self.access_token_lifetime)


class TokenResponse(msgspec.Struct, frozen=True):
    """A successful response, and what the log says of it."""

    body: dict[str, Any]
    grant: Grant
    reason: str
    dpop_nonce: str = ""
    """What it says in `DPoP-Nonce` (RFC 9449 §8.2); "" for nothing."""


class Approval(msgspec.Struct, frozen=True):
    """What a person has said yes to, or for them their identity provider, or the operator for a client that
    acts for itself. `redirect_uri` is "" where no code went anywhere.
    """

    username: str
    redirect_uri: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    can_refresh: bool = True
    """False where the client needs no refresh token to come back (RFC 6749 §4.4.3)."""
    provider: str = ""
    """The identity provider that vouched for the person; "" where they said yes here."""


class FirstTokens(msgspec.Struct, frozen=True):
    """The grant that an approval stands for and its first tokens; none counts before the store has it."""

    grant: Grant
    access_hash: bytes
    access: AccessToken
    body: dict[str, Any]
    """What the client is answered."""


def build_first_tokens(
    approval: Approval,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> FirstTokens:
    """What an approval becomes at the token endpoint. Raises: OAuthError invalid_grant, invalid_target."""
    resources = check_subset(parameters, approval.resources, rules, issuer)
    scope = check_granted_scope(approval.scope, check_person(approval.username, rules.people))
    grant, refresh_token = build_grant(approval, client, rules, now=now)
    access_token = build_secret(ACCESS_PREFIX, token_bytes=rules.token_bytes)
    access = AccessToken(
        grant_id=grant.grant_id,
        expires_at=min(now + rules.access_token_lifetime, grant.expires_at),
        resources=resources,
        jkt=rules.jkt,
    )
    body = build_token_body(
        access_token, refresh_token, scope=scope, expires_in=access.expires_at - now, jkt=rules.jkt
    )
    return FirstTokens(grant=grant, access_hash=digest(access_token), access=access, body=body)


def build_grant(
    approval: Approval, client: OAuthClient, rules: TokenRules, *, now: float
) -> tuple[Grant, str | None]:
    """The grant an approval stands for, and its refresh token if the client may have one."""
    grant_id = rules.token_bytes(GRANT_ID_BYTES)
    refresh_token = None
    if approval.can_refresh and "refresh_token" in client.grant_types:
        refresh_token = build_refresh_token(grant_id, token_bytes=rules.token_bytes)
    grant = Grant(
        grant_id=grant_id,
        client_id=client.client_id,
        client_name=client.client_name,
        username=approval.username,
        redirect_uri=approval.redirect_uri,
        scope=approval.scope,
        resources=approval.resources,
        created_at=now,
        last_used_at=now,
        expires_at=rules.find_grant_end(created_at=now, now=now, can_refresh=refresh_token is not None),
        refresh_hash=None if refresh_token is None else digest(refresh_token),
        public_id=encode(rules.token_bytes(9)),
        # A confidential client's are bound to its credentials, and it may change its key (RFC 9449 §5).
        jkt="" if client.is_confidential else rules.jkt,
        provider=approval.provider,
    )
    return grant, refresh_token


def build_token_body(
    access_token: str, refresh_token: str | None, *, scope: Sequence[str], expires_in: float, jkt: str
) -> dict[str, Any]:
    """RFC 6749 §5.1. `expires_in` and `scope` are always there, for clients rely on both; where there is no
    scope at all the member would break §3.3 and is left out.
    """
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "DPoP" if jkt else "Bearer",
        "expires_in": max(int(expires_in), 0),
    }
    if scope:
        body["scope"] = " ".join(scope)
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    return body


def check_confidential(client: OAuthClient) -> None:
    """RFC 6749 §4.4: where no person is asked, only for clients that prove themselves. Raises: OAuthError
    unauthorized_client.
    """
    if not client.is_confidential:
        raise OAuthError(
            code="unauthorized_client",
            description="this grant is for clients that prove themselves",
            reason="client_public",
        )


def check_person(username: str, people: People) -> Person:
    """The person who granted it. Raises: OAuthError invalid_grant when they are no longer in the
    configuration.
    """
    person = people.find(username)
    if person is None:
        raise invalid_grant("the person who approved this is gone", "person_unknown")
    return person


def check_granted_scope(scope: tuple[str, ...], person: Person) -> tuple[str, ...]:
    """The granted scopes that the person may still grant: what the token is good for, and so what the
    response must name (RFC 6749 §3.3). Raises: OAuthError invalid_grant when none is left.
    """
    kept = restrict(scope, person.scopes)
    if scope and not kept:
        raise invalid_grant("the person may not grant any of these scopes any more", "scope_not_allowed")
    return kept


def check_subset(
    parameters: Parameters, granted: Sequence[str], rules: TokenRules, issuer: str
) -> tuple[str, ...] | None:
    """The resources for the access token (RFC 8707 §2.2): None, all that were granted, when none is named.
    Raises: OAuthError invalid_target.
    """
    if not parameters.resources:
        return None
    asked = check_resources(parameters.resources, rules.resources, issuer=issuer)
    if not set(asked) <= set(granted):
        raise OAuthError(
            code="invalid_target",
            description="resource was not part of the authorization request",
            reason="resource_widened",
        )
    return None if set(asked) == set(granted) else asked


def check_same_key(bound: str, rules: TokenRules) -> None:
    """RFC 9449 §5 and §10: a code or refresh token that is bound to a key is good with a proof by that key
    alone. Raises: OAuthError invalid_dpop_proof, invalid_grant. Nothing is used up by who hasn't got the key.
    """
    if bound and not rules.jkt:
        raise OAuthError(
            code="invalid_dpop_proof", description="a DPoP proof is needed", reason="dpop_missing"
        )
    if bound and bound != rules.jkt:
        raise invalid_grant("it is bound to another DPoP key", "dpop_key_differs")


def invalid_grant(description: str, reason: str) -> OAuthError:
    """RFC 6749 §5.2: the code or refresh token is invalid, expired, revoked or another client's."""
    return OAuthError(code="invalid_grant", description=description, reason=reason)
