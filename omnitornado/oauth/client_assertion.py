"""Implements: RFC 7523 §2.2 and §3, RFC 7521 §4.2, OpenID Connect Core §9 (private_key_jwt): a client proves
itself by a token that it signed.

`aud` is this server alone, or the assertion could be passed on: as its issuer, which RFC 7523's revision
demands and an assertion that says it follows it (`typ` client-authentication+jwt) is held to. Others may name
the token endpoint, as RFC 7523 §3 has it, or the endpoint they go to: clients that are in use do.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from omnitornado.log import log_event
from omnitornado.net.fetched import FetchError
from omnitornado.oauth.client import SIGNING_ALGORITHMS, ClientKeys, Clients, OAuthClient
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.jose import (
    JoseError,
    Token,
    check_times,
    parse_token,
)
from omnitornado.store.transitions import UseOutcome

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
STRICT_TYPE: Final = "client-authentication+jwt"
AUDIENCE_PATHS: Final = ("/token", "/revoke", "/par", "/device_authorization")
"""Where clients authenticate. An assertion is good once: it matters little which of these it names."""
LEEWAY: Final = 30.0
"""Seconds for clocks that differ."""
MAX_LIFETIME: Final = 3600.0
"""Seconds an assertion may still be good for: so long its `jti` must be remembered."""
RETRY_AFTER: Final = 5


def parse_assertion(assertion_type: str | None, assertion: str | None) -> tuple[Token, str]:
    """The assertion taken apart, and the client id it names. Nothing is proven yet. Raises: OAuthError
    invalid_client.
    """
    if assertion_type != ASSERTION_TYPE or assertion is None:
        _refuse(
            "client_assertion_type must be that of a JWT, with a client_assertion", "client_assertion_type"
        )
    try:
        token = parse_token(assertion, algorithms=SIGNING_ALGORITHMS)
    except JoseError as error:
        _refuse(f"the client assertion can't be accepted: {error}", "client_assertion_malformed")
    client_id = token.claims.get("sub")
    if not isinstance(client_id, str) or token.claims.get("iss") != client_id:
        _refuse("iss and sub of a client assertion are both the client_id", "client_assertion_subject")
    return token, client_id


async def check_assertion(
    token: Token, client: OAuthClient, clients: Clients, *, issuer: str, now: float
) -> None:
    """Raises: OAuthError invalid_client; temporarily_unavailable where it can't be told now.

    A client that may come without any proof is let in where its keys can't be had: what it sends besides can
    make it no worse, and some hosts refuse to be asked by servers. What is proven wrong is refused to it too.
    """
    check_audience(token, issuer)
    try:
        good_until = check_times(token.claims, now=now, leeway=LEEWAY, max_lifetime=MAX_LIFETIME)
    except JoseError as error:
        _refuse(f"the client assertion can't be accepted: {error}", "client_assertion_time")
    try:
        await _check_signature(token, client.keys, clients, now=now)
    except FetchError as error:
        log_event(
            "client_keys.failed",
            client=client.client_id,
            reason=error.reason,
            detail=error,
            instead="none" if not client.is_confidential else None,
        )
        if client.is_confidential:
            raise OAuthError(
                code="temporarily_unavailable",
                description=f"the client's jwks_uri can't be used: {error}",
                reason=error.reason,
                retry_after=RETRY_AFTER,
            ) from None
        return
    await _use_up(token, client, clients, good_until=good_until, now=now)


def check_audience(token: Token, issuer: str) -> None:
    """Raises: OAuthError invalid_client."""
    audience = token.claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    # A final slash is what some URL types add to the issuer they read.
    accepted = {issuer, issuer + "/"}
    if token.typ != STRICT_TYPE:
        accepted |= {issuer + path for path in AUDIENCE_PATHS}
    if not isinstance(audience, str) or audience not in accepted:
        _refuse("aud of a client assertion must be this server's issuer alone", "client_assertion_audience")


async def _check_signature(token: Token, keys: ClientKeys | None, clients: Clients, *, now: float) -> None:
    """Raises: OAuthError invalid_client, FetchError."""
    if keys is None or keys.signing_alg not in (None, token.algorithm):
        _refuse("the client assertion is not signed as this client said", "client_assertion_algorithm")
    try:
        if keys.jwks_uri is None:
            await clients.inline_keys.verify(token, keys.jwks)
        elif clients.key_sets is not None:
            await clients.key_sets.verify(token, keys.jwks_uri, asker=clients.asker, now=now)
        else:
            raise JoseError("its keys can't be fetched here")
    except JoseError as error:
        _refuse(f"the client assertion can't be accepted: {error}", "client_assertion_signature")


async def _use_up(
    token: Token, client: OAuthClient, clients: Clients, *, good_until: float, now: float
) -> None:
    """RFC 7523 §3: each assertion is good once. One without a `jti` is told by what it says."""
    outcome = await clients.store.use_once(
        "client_assertion",
        client.client_id,
        find_identifier(token.claims, token),
        expires_at=good_until,
        now=now,
    )
    if outcome is UseOutcome.REPLAYED:
        _refuse("the client assertion has been used before", "client_assertion_replayed")
    if outcome is UseOutcome.FULL:
        raise OAuthError(
            code="temporarily_unavailable",
            description="too many client assertions; make them shorter-lived",
            reason="client_assertions_cap",
            retry_after=RETRY_AFTER,
        )


def find_identifier(claims: Mapping[str, Any], token: Token) -> str:
    """What names this assertion among all of its client's. Raises: OAuthError invalid_client."""
    identifier = claims.get("jti")
    if identifier is None:
        return "signed " + token.signed
    if not isinstance(identifier, str) or not identifier:
        _refuse("jti of a client assertion must be a string", "client_assertion_malformed")
    return "jti " + identifier


def _refuse(description: str, reason: str) -> NoReturn:
    raise OAuthError(code="invalid_client", description=description, reason=reason)
