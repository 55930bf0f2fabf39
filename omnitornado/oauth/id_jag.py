"""Implements: MCP extension io.modelcontextprotocol/enterprise-managed-authorization §4.3, §5.1, §7.4 and
§7.6, RFC 7523 §3, RFC 8725 §3.11: an identity assertion authorization grant (ID-JAG) of a configured identity
provider, checked.

It lets one client act for one person at this server. `check_assertion` is the list of checks, in order:
nothing is looked up elsewhere before all that can be told from the assertion itself is in order.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omnitornado.log import log_event
from omnitornado.net.fetched import FetchError
from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.identity_providers import ALGORITHMS, IdentityProvider, IdentityProviders
from omnitornado.oauth.jose import JoseError, Token, check_times, parse_token

TYPE: Final = "oauth-id-jag+jwt"
GRANT_PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"
LEEWAY: Final = 30.0
"""Seconds for clocks that differ."""
MAX_LIFETIME: Final = 3600.0
"""Seconds that one may still be good for: so long its `jti` must be remembered."""
MAX_IDENTIFIER: Final = 255
"""Characters of a subject (OpenID Connect Core §2), and of a `jti`."""
RETRY_AFTER: Final = 5


class Assertion(msgspec.Struct, frozen=True):
    """One that is believed."""

    provider: IdentityProvider
    claims: Mapping[str, Any]
    subject: str
    identifier: str
    """Its `jti`."""
    good_until: float


async def check_assertion(
    compact: str, client: OAuthClient, providers: IdentityProviders, *, issuer: str, now: float
) -> Assertion:
    """`issuer`: this server. Raises: OAuthError invalid_grant, unauthorized_client; temporarily_unavailable
    where it can't be told now.
    """
    try:
        token = parse_token(compact, algorithms=ALGORITHMS)
    except JoseError as error:
        raise refuse(f"can't be accepted: {error}", "assertion_malformed") from None
    # First: an ID token or an access token of the same provider's says other things by the same names.
    if token.typ != TYPE:
        raise refuse(f"must have the typ {TYPE}", "assertion_type")
    provider = providers.find(token.claims.get("iss"))
    if provider is None:
        raise refuse("is from nobody who is trusted here", "assertion_issuer")
    check_client(token.claims, provider, client)
    check_audience(token.claims, issuer)
    subject, identifier = (check_identifier(token.claims, name) for name in ("sub", "jti"))
    check_understood(token.claims, provider)
    good_until = check_lifetime(token.claims, now=now)
    await check_signature(token, provider, providers, now=now)
    check_claims(token.claims, provider)
    return Assertion(
        provider=provider,
        claims=token.claims,
        subject=subject,
        identifier=identifier,
        good_until=good_until,
    )


def check_client(claims: Mapping[str, Any], provider: IdentityProvider, client: OAuthClient) -> None:
    """§5.1: it was made for the client that brings it, and the operator lets this one. Raises: OAuthError."""
    if claims.get("client_id") != client.client_id:
        raise refuse("was issued to another client", "assertion_other_client")
    if client.client_id not in provider.clients and (provider.clients or not client.is_preset):
        raise OAuthError(
            code="unauthorized_client",
            description="this client may not bring assertions of this identity provider",
            reason="assertion_client",
        )


def check_audience(claims: Mapping[str, Any], issuer: str) -> None:
    """§7.6.2: for this server's issuer and nobody else. Raises: OAuthError."""
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    # A final slash is what some URL types add to the issuer they read.
    if not isinstance(audience, str) or audience not in (issuer, issuer + "/"):
        raise refuse("must be for this server's issuer alone, by its aud", "assertion_audience")


def check_identifier(claims: Mapping[str, Any], name: str) -> str:
    """A claim that names somebody or something. Raises: OAuthError."""
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_IDENTIFIER or not value.isprintable():
        raise refuse(f"has no usable {name}", "assertion_malformed")
    return value


def check_understood(claims: Mapping[str, Any], provider: IdentityProvider) -> None:
    """What narrows it has to be understood, or more would be given than was meant. Raises: OAuthError."""
    if claims.get("authorization_details"):
        raise refuse("has authorization_details, which are not understood here", "assertion_details")
    # The issuer's tenants may each have a subject of the same name.
    if "tenant" in claims and "tenant" not in provider.claims:
        raise refuse("is of a tenant, and none is configured", "assertion_tenant")


def check_key(claims: Mapping[str, Any], jkt: str) -> None:
    """RFC 7800 §3.1 and RFC 9449 §6.1: one that is bound to a key is good with a proof by that key alone, as
    its thumbprint `jkt` says ("" for none); and one that is bound in another way can't be checked. Raises:
    OAuthError.
    """
    if "cnf" in claims and (not jkt or claims["cnf"] != {"jkt": jkt}):
        raise refuse("is bound to a key that the request does not prove", "assertion_bound")


def check_lifetime(claims: Mapping[str, Any], *, now: float) -> float:
    """Until when it would be taken, the leeway included (§7.4.2). Raises: OAuthError."""
    try:
        if claims.get("iat") is None:
            raise JoseError("iat is missing")
        return check_times(claims, now=now, leeway=LEEWAY, max_lifetime=MAX_LIFETIME)
    except JoseError as error:
        raise refuse(f"can't be accepted: {error}", "assertion_time") from None


async def check_signature(
    token: Token, provider: IdentityProvider, providers: IdentityProviders, *, now: float
) -> None:
    """§7.4.1. Raises: OAuthError."""
    try:
        await providers.verify(token, provider, now=now)
    except JoseError as error:
        raise refuse(f"can't be accepted: {error}", "assertion_signature") from None
    except FetchError as error:
        log_event("provider_keys.failed", provider=provider.name, reason=error.reason, detail=error)
        raise OAuthError(
            code="temporarily_unavailable",
            description="the identity provider's keys can't be had now",
            reason=error.reason,
            retry_after=RETRY_AFTER,
        ) from None


def check_claims(claims: Mapping[str, Any], provider: IdentityProvider) -> None:
    """What the operator wants to be claimed besides. Raises: OAuthError."""
    for name, wanted in provider.claims.items():
        if not any(_is_same(one, wanted) for one in _list(claims.get(name))):
            raise refuse("lacks a claim that is asked for here", "assertion_claim")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_same(value: object, wanted: object) -> bool:
    """1 is not true, and neither is "1"."""
    return type(value) is type(wanted) and value == wanted


def refuse(what: str, reason: str) -> OAuthError:
    """RFC 7521 §4.1.1: an assertion that is not valid is an invalid grant."""
    return OAuthError(code="invalid_grant", description=f"the assertion {what}", reason=reason)
