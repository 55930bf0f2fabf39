"""Implements: RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 8707 §2.2, RFC 9449 §10, OAuth 2.1 §4.1.3: an authorization
code for tokens.

A code is good once. Its replay is refused and ends the grant that was made from it (RFC 6749 §4.1.2).
"""

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.issuance import (
    Approval,
    TokenResponse,
    TokenRules,
    build_first_tokens,
    check_same_key,
    invalid_grant,
)
from omnitornado.oauth.pkce import check_verifier
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import AuthorizationCode
from omnitornado.store.transitions import CodeOutcome


async def redeem(
    parameters: Parameters, client: OAuthClient, rules: TokenRules, *, issuer: str, now: float
) -> TokenResponse:
    """Raises: OAuthError invalid_grant, invalid_request or invalid_target."""
    code_hash = digest(parameters.require("code"))
    code = await rules.store.find_code(code_hash, now=now)
    if code is None:
        raise invalid_grant("the code is unknown or expired", "code_unknown")
    with concerning(user=code.username):
        return await redeem_found(code_hash, code, parameters, client, rules, issuer=issuer, now=now)


async def redeem_found(
    code_hash: bytes,
    code: AuthorizationCode,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> TokenResponse:
    """Tokens for a living code. Raises: OAuthError invalid_grant, invalid_request or invalid_target."""
    check_code(code, parameters, client)
    check_same_key(code.dpop_jkt, rules)
    approval = Approval(
        username=code.username, redirect_uri=code.redirect_uri, scope=code.scope, resources=code.resources
    )
    first = build_first_tokens(approval, parameters, client, rules, issuer=issuer, now=now)
    outcome = await rules.store.redeem_code(code_hash, first.grant, first.access_hash, first.access, now=now)
    match outcome:
        case CodeOutcome.REDEEMED:
            return TokenResponse(body=first.body, grant=first.grant, reason="code_redeemed")
        case CodeOutcome.ALREADY_USED:
            raise invalid_grant("the code was used before; what it gave is revoked", "code_replayed")
        case CodeOutcome.MISSING:
            raise invalid_grant("the code is unknown or expired", "code_unknown")


def check_code(code: AuthorizationCode, parameters: Parameters, client: OAuthClient) -> None:
    """Raises: OAuthError. Nothing is used up yet: who can't prove to be the one the code was for can't spoil
    it.
    """
    if code.client_id != client.client_id:
        raise invalid_grant("the code was issued to another client", "code_other_client")
    redirect_uri = parameters.get("redirect_uri")
    # OAuth 2.1 §10.2: a 2.1 client leaves it out and PKCE does its work; one that sends it is held to it.
    if redirect_uri is not None and redirect_uri != code.redirect_uri:
        raise invalid_grant("redirect_uri differs from the authorization request's", "redirect_differs")
    check_verifier(parameters.get("code_verifier"), code.code_challenge)
