"""Implements: RFC 6749 §6, OAuth 2.1 §4.3, RFC 9449 §5, RFC 9700 §4.14.2: a refresh token for new tokens,
rotated each time.

A retry or a concurrent refresh within the grace gets the same successor. After it, an old token ends the
whole grant: somebody has a copy.
"""

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.issuance import (
    TokenResponse,
    TokenRules,
    build_token_body,
    check_granted_scope,
    check_person,
    check_same_key,
    invalid_grant,
)
from omnitornado.oauth.people import Person
from omnitornado.oauth.resource import find_resource
from omnitornado.oauth.scope import check_narrowed_scope, restrict
from omnitornado.oauth.secrets import (
    Successor,
    build_successor,
    digest,
    parse_refresh_token,
    seal,
)
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import RefreshOutcome, RefreshSuccessor


async def redeem(
    parameters: Parameters, client: OAuthClient, rules: TokenRules, *, issuer: str, now: float
) -> TokenResponse:
    """Raises: OAuthError invalid_grant or invalid_scope."""
    presented = parameters.require("refresh_token")
    grant = await find_own_grant(presented, client, rules, now=now)
    with concerning(user=grant.username, grant=grant.public_id):
        check_same_key(grant.jkt, rules)
        return await rotate(presented, grant, parameters, client, rules, issuer=issuer, now=now)


async def rotate(
    presented: str,
    grant: Grant,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> TokenResponse:
    """The next tokens of a living grant. Raises: OAuthError invalid_grant or invalid_scope."""
    person = check_person(grant.username, rules.people)
    presented_hash = digest(presented)
    access = build_access(parameters, presented_hash, grant, person, rules, issuer=issuer, now=now)
    successor = build_successor(token_bytes=rules.token_bytes)
    refresh_token, access_token = successor.build_tokens(grant.grant_id)
    sealed = seal(successor, under=presented)

    rotation = await rules.store.rotate_refresh(
        grant.grant_id,
        presented_hash,
        RefreshSuccessor(
            refresh_hash=digest(refresh_token),
            sealed_refresh=sealed.refresh,
            sealed_access=sealed.access,
            expires_at=rules.find_grant_end(created_at=grant.created_at, now=now, can_refresh=True),
        ),
        digest(access_token),
        access,
        client_id=client.client_id,
        grace=rules.refresh_grace,
        now=now,
    )
    match rotation.outcome, rotation.grant:
        case RefreshOutcome.ROTATED, Grant() as rotated:
            body = build_token_body(
                access_token,
                refresh_token,
                scope=restrict(access.scope or rotated.scope, person.scopes),
                expires_in=access.expires_at - now,
                jkt=access.jkt,
            )
            return TokenResponse(body=body, grant=rotated, reason="refresh_rotated")
        case RefreshOutcome.RETRIED, Grant() as current:
            return await build_retry_response(
                presented, access, access_token, current, person, rules, now=now
            )
        case RefreshOutcome.REUSED, _:
            raise invalid_grant("this refresh token was used before; the grant is revoked", "refresh_reused")
        case _:
            raise invalid_grant("the refresh token is unknown or expired", "refresh_unknown")


async def find_own_grant(presented: str, client: OAuthClient, rules: TokenRules, *, now: float) -> Grant:
    """Raises: OAuthError invalid_grant, the same for a grant that is gone and for another client's."""
    grant_id = parse_refresh_token(presented)
    grant = None if grant_id is None else await rules.store.find_grant(grant_id, now=now)
    if grant is None or grant.refresh_hash is None:
        raise invalid_grant("the refresh token is unknown or expired", "refresh_unknown")
    if grant.client_id != client.client_id:
        raise invalid_grant("the refresh token is unknown or expired", "refresh_other_client")
    if now >= rules.find_absolute_end(grant.created_at):
        # A lifetime that was shortened since: the grant's own end is later.
        await rules.store.revoke_grant(grant.grant_id)
        raise invalid_grant("the refresh token is unknown or expired", "refresh_too_old")
    return grant


def build_access(
    parameters: Parameters,
    presented_hash: bytes,
    grant: Grant,
    person: Person,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> AccessToken:
    """The new access token's record. Raises: OAuthError invalid_scope, or invalid_grant where the person may
    no longer grant any of the scopes.

    A `resource` that is not the grant's is passed over and the grant's inherited: Codex leaves it out or
    changes it here.
    """
    scope = None
    # An old token must reach the store, which ends its grant, whatever else is wrong with the request.
    in_grace = now - grant.rotated_at <= rules.refresh_grace
    if presented_hash in (grant.refresh_hash, grant.previous_hash if in_grace else None):
        narrowed = check_narrowed_scope(parameters.get("scope"), grant.scope, rules.scopes)
        check_granted_scope(narrowed, person)
        is_whole = narrowed is grant.scope or set(narrowed) == set(grant.scope)
        scope = None if is_whole else narrowed
    paths: tuple[str, ...] = ()
    if parameters.resources:
        named = (find_resource(url, rules.resources, issuer=issuer) for url in parameters.resources)
        paths = tuple(r.path for r in named if r is not None and r.path in grant.resources)
    return AccessToken(
        grant_id=grant.grant_id,
        expires_at=min(now + rules.access_token_lifetime, rules.find_absolute_end(grant.created_at)),
        scope=scope,
        resources=paths if paths and set(paths) != set(grant.resources) else None,
        jkt=rules.jkt,
    )


async def build_retry_response(
    presented: str,
    access: AccessToken,
    fresh_token: str,
    grant: Grant,
    person: Person,
    rules: TokenRules,
    *,
    now: float,
) -> TokenResponse:
    """The successor once more: the same refresh token, and the same access token while it lives and is bound
    as this request would have it, a fresh one otherwise.
    """
    successor = seal(Successor(grant.sealed_refresh, grant.sealed_access), under=presented)
    refresh_token, access_token = successor.build_tokens(grant.grant_id)
    found = await rules.store.find_access(digest(access_token), now=now)
    if found is not None and found[0].jkt == rules.jkt:
        access = found[0]
    elif await rules.store.issue_access(digest(fresh_token), access, now=now):
        access_token = fresh_token
    else:
        raise invalid_grant("the refresh token is unknown or expired", "refresh_unknown")
    body = build_token_body(
        access_token,
        refresh_token,
        scope=restrict(access.scope or grant.scope, person.scopes),
        expires_in=access.expires_at - now,
        jkt=access.jkt,
    )
    return TokenResponse(body=body, grant=grant, reason="refresh_retried")
