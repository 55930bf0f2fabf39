"""Implements: RFC 6749 §3.2, RFC 9449 §5: the token endpoint, which finds the client and its key, and hands
over to the grant's own module.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from omnitornado.oauth import (
    grant_authorization_code,
    grant_client_credentials,
    grant_device_code,
    grant_jwt_bearer,
    grant_refresh_token,
)
from omnitornado.oauth.client import CLIENT_CREDENTIALS, DEVICE_CODE, JWT_BEARER, OAuthClient
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.dpop import Proof
from omnitornado.oauth.dpop_client import check_client_proof, telling_nonce
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.issuance import TokenResponse, TokenRules

GRANTS: Final[dict[str, Callable[..., Awaitable[TokenResponse]]]] = {
    "authorization_code": grant_authorization_code.redeem,
    "refresh_token": grant_refresh_token.redeem,
    DEVICE_CODE: grant_device_code.redeem,
    CLIENT_CREDENTIALS: grant_client_credentials.redeem,
    JWT_BEARER: grant_jwt_bearer.redeem,
}


async def redeem_token_request(
    parameters: Parameters,
    authorization: str | None,
    rules: TokenRules,
    *,
    request: ProofRequest,
    issuer: str,
    now: float,
) -> TokenResponse:
    """Answer a token request. Raises: OAuthError (RFC 6749 §5.2, RFC 9449 §5)."""
    parameters.check_unique()
    client = await authenticate_client(parameters, authorization, rules.clients, issuer=issuer, now=now)
    with concerning(client=client.client_id):
        redeem = find_grant_type(parameters.require("grant_type"), client)
        proof = await find_proof(request, client, rules, now=now)
        if proof is None:
            return await redeem(parameters, client, rules, issuer=issuer, now=now)
        bound = msgspec.structs.replace(rules, jkt=proof.jkt)
        with telling_nonce(proof):
            response = await redeem(parameters, client, bound, issuer=issuer, now=now)
        return msgspec.structs.replace(response, dpop_nonce=proof.dpop_nonce)


async def find_proof(
    request: ProofRequest, client: OAuthClient, rules: TokenRules, *, now: float
) -> Proof | None:
    """The proof that came with a token request; None where none came and none is needed. Raises: OAuthError
    invalid_dpop_proof, use_dpop_nonce.
    """
    if request.headers or rules.proofs.policy.required or client.dpop_bound_access_tokens:
        return await check_client_proof(request, rules.proofs, now=now)
    return None


def find_grant_type(grant_type: str, client: OAuthClient) -> Callable[..., Awaitable[TokenResponse]]:
    """Raises: OAuthError unsupported_grant_type, unauthorized_client."""
    redeem = GRANTS.get(grant_type)
    if redeem is None:
        raise OAuthError(
            code="unsupported_grant_type",
            description=f"grant_type must be one of {', '.join(GRANTS)}",
            reason="grant_type_unsupported",
        )
    if grant_type not in client.grant_types:
        raise OAuthError(
            code="unauthorized_client",
            description=f"this client may not use {grant_type}",
            reason="grant_type_not_registered",
        )
    return redeem
