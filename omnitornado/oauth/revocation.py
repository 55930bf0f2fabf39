"""Implements: RFC 7009 §2: a client gives a token back.

A refresh token ends its grant and every access token with it; an access token ends alone (§2.1). What is
unknown counts as revoked (§2.2).
"""

from omnitornado.oauth.client import Clients
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.errors import OAuthError
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
) -> str:
    """The reason for the log. Raises: OAuthError. `token_type_hint` is not needed: a token's shape tells what
    it is.
    """
    parameters.check_unique()
    client = await authenticate_client(parameters, authorization, clients, issuer=issuer, now=now)
    token = parameters.require("token")
    grant_id = parse_refresh_token(token)
    if grant_id is not None:
        grant = await store.find_grant(grant_id, now=now)
        if grant is None:
            return "token_unknown"
        _check_own(grant, client.client_id)
        await store.revoke_grant(grant_id)
        return "grant_revoked"
    found = await store.find_access(digest(token), now=now)
    if found is None:
        return "token_unknown"
    _check_own(found[1], client.client_id)
    await store.revoke_access(digest(token))
    return "access_token_revoked"


def _check_own(grant: Grant, client_id: str) -> None:
    """§2.1: a token that was issued to another client is refused."""
    if grant.client_id != client_id:
        raise OAuthError(
            code="invalid_grant",
            description="the token was issued to another client",
            reason="token_other_client",
        )
