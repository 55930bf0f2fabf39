"""Implements: RFC 7009 §2: a client gives a token back.

A refresh token ends its grant and every access token with it; an access token ends alone (§2.1). What is
unknown counts as revoked (§2.2).
"""

import msgspec

from omnitornado.oauth.client import Clients, OAuthClient
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.secrets import digest, parse_refresh_token
from omnitornado.store.records import Grant
from omnitornado.store.transitions import Store


async def revoke_token(
    parameters: Parameters,
    authorization: str | None,
    clients: Clients,
    store: Store,
    *,
    issuer: str,
    now: float,
) -> "Revocation":
    """What was done. Raises: OAuthError. `token_type_hint` is not needed: its shape tells what it is."""
    parameters.check_unique()
    client = await authenticate_client(parameters, authorization, clients, issuer=issuer, now=now)
    with concerning(client=client.client_id):
        return await revoke_own_token(parameters, client, store, now=now)


class Revocation(msgspec.Struct, frozen=True):
    """What was done, for the log."""

    reason: str
    client_id: str
    grant: Grant | None = None


async def revoke_own_token(
    parameters: Parameters, client: OAuthClient, store: Store, *, now: float
) -> Revocation:
    """Raises: OAuthError."""
    token = parameters.require("token")
    grant_id = parse_refresh_token(token)
    if grant_id is not None:
        grant = await store.find_grant(grant_id, now=now)
        if grant is None:
            return Revocation(reason="token_unknown", client_id=client.client_id)
        _check_own(grant, client.client_id)
        await store.revoke_grant(grant_id)
        return Revocation(reason="grant_revoked", client_id=client.client_id, grant=grant)
    found = await store.find_access(digest(token), now=now)
    if found is None:
        return Revocation(reason="token_unknown", client_id=client.client_id)
    _check_own(found[1], client.client_id)
    await store.revoke_access(digest(token))
    return Revocation(reason="access_token_revoked", client_id=client.client_id, grant=found[1])


def _check_own(grant: Grant, client_id: str) -> None:
    """§2.1: a token that was issued to another client is refused."""
    if grant.client_id != client_id:
        raise OAuthError(
            code="invalid_grant",
            description="the token was issued to another client",
            reason="token_other_client",
        )
