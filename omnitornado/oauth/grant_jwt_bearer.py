"""Implements: MCP extension io.modelcontextprotocol/enterprise-managed-authorization §5 and §7.2.1, RFC 7523
§2.1: an identity provider's assertion for an access token for the person it is about.

The provider has decided that this client may act for this person, so nobody is asked here. What can be had is
what all agree on: the assertion, the request, the client, the provider and the person. There is no refresh
token: the client brings another assertion, and a person who is removed there gets no further token here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.id_jag import (
    RETRY_AFTER,
    Assertion,
    check_assertion,
    check_identifier,
    check_key,
    refuse,
)
from omnitornado.oauth.identity_providers import IdentityProvider
from omnitornado.oauth.issuance import (
    Approval,
    TokenResponse,
    TokenRules,
    build_first_tokens,
    check_confidential,
)
from omnitornado.oauth.people import People, Person, fold_email, name_provided
from omnitornado.oauth.provider import ProviderError
from omnitornado.oauth.provider_people import AdmissionRules
from omnitornado.oauth.resource import ProtectedResource, check_resources, find_resource
from omnitornado.oauth.scope import IGNORED, ScopePolicy, check_requested_scope, restrict
from omnitornado.store.transitions import UseOutcome


async def redeem(
    parameters: Parameters, client: OAuthClient, rules: TokenRules, *, issuer: str, now: float
) -> TokenResponse:
    """Raises: OAuthError invalid_grant, invalid_scope, invalid_target, unauthorized_client."""
    check_confidential(client)
    compact = parameters.require("assertion")
    if rules.providers is None:
        raise refuse("is from nobody who is trusted here", "assertion_issuer")
    assertion = await check_assertion(compact, client, rules.providers, issuer=issuer, now=now)
    check_key(assertion.claims, rules.jkt)
    person = find_person(assertion.provider, assertion.claims, rules.people)
    with concerning(user=person.username):
        return await redeem_for(person, assertion, parameters, client, rules, issuer=issuer, now=now)


async def redeem_for(
    person: Person,
    assertion: Assertion,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> TokenResponse:
    """Raises: OAuthError."""
    provider = assertion.provider
    resources = find_resources(assertion.claims, parameters, rules.resources, issuer=issuer)
    approval = Approval(
        username=person.username,
        redirect_uri="",
        scope=find_scope(assertion, parameters, client, rules, resources),
        resources=tuple(resource.path for resource in resources),
        can_refresh=False,
        provider=provider.name,
    )
    lifetime = min(provider.access_token_lifetime or rules.access_token_lifetime, rules.access_token_lifetime)
    short = msgspec.structs.replace(rules, access_token_lifetime=lifetime)
    first = build_first_tokens(approval, parameters, client, short, issuer=issuer, now=now)
    # Last: what was refused for another reason may be brought again, once that is mended.
    await use_up(assertion, rules, now=now)
    await rules.store.issue_grant(first.grant, first.access_hash, first.access, now=now)
    return TokenResponse(body=first.body, grant=first.grant, reason="assertion_redeemed")


def find_person(provider: IdentityProvider, claims: Mapping[str, Any], people: People) -> Person:
    """Whom an assertion is about. Raises: OAuthError invalid_grant for nobody who is known here."""
    if provider.sign_in is not None:
        return find_signed_in(provider.sign_in, claims, people)
    name = check_identifier(claims, provider.person_claim)
    is_email = provider.person_claim == "email"
    if is_email and claims.get("email_verified", True) is not True:
        raise refuse("has an e-mail address that is not verified", "assertion_email")
    if name in provider.subjects:
        person = people.find(provider.subjects[name])
    elif provider.admits_anyone:
        # Never one of the configuration: whoever chooses names at the provider would choose among those.
        person = people.find(name_provided(provider.name, fold_email(name) if is_email else name))
    else:
        person = people.find_listed(name, is_email=is_email)
    if person is None:
        raise refuse("is about nobody who is known here", "person_unknown")
    return person


def find_signed_in(rules: AdmissionRules, claims: Mapping[str, Any], people: People) -> Person:
    """Whoever would be let in through the provider's sign-in page, under the name that they have there.
    Raises: OAuthError invalid_grant.
    """
    try:
        username = people.find_provider_name(rules.find_name(claims))
    except ProviderError:
        raise refuse("has no usable claim that names the person", "assertion_malformed") from None
    person = people.find(username)
    if person is None or not (people.is_listed(username) or rules.let_in(claims)):
        raise refuse("is about nobody who is known here", "person_unknown")
    return person


def find_resources(
    claims: Mapping[str, Any],
    parameters: Parameters,
    resources: Sequence[ProtectedResource],
    *,
    issuer: str,
) -> list[ProtectedResource]:
    """§7.6.2: those the assertion is for, each of which has to be one of this server's; where it names none,
    those of the request. Raises: OAuthError invalid_grant, invalid_target.
    """
    claimed = claims.get("resource")
    if claimed is None:
        paths = check_resources(parameters.resources, resources, issuer=issuer)
        return [resource for resource in resources if resource.path in paths]
    found = []
    for url in claimed if isinstance(claimed, list) and claimed else [claimed]:
        resource = find_resource(url, resources, issuer=issuer) if isinstance(url, str) else None
        if resource is None:
            raise refuse("is for a resource that is not this server's", "assertion_resource")
        found.append(resource)
    return list(dict.fromkeys(found))


def find_scope(
    assertion: Assertion,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    resources: Sequence[ProtectedResource],
) -> tuple[str, ...]:
    """§7.2.1: what the assertion gives and the request asks for, within what the client may ask for and the
    provider may give. What the person may have is taken off where the token is made. Raises: OAuthError
    invalid_grant, invalid_scope.
    """
    given = find_given_scope(assertion.claims, rules.scopes)
    asked = parameters.get("scope")
    if given is None or asked is not None:
        requested = check_requested_scope(asked, rules.scopes, resources, redirect=None)
        given = requested if given is None else restrict(requested, given)
    scope = restrict(restrict(given, client.scope), assertion.provider.scopes)
    if not scope and any(resource.scope for resource in resources):
        raise OAuthError(
            code="invalid_scope",
            description="the assertion, the request and the client have no scope in common",
            reason="scope_not_given",
        )
    return scope


def find_given_scope(claims: Mapping[str, Any], policy: ScopePolicy) -> tuple[str, ...] | None:
    """The scopes that an assertion gives, with all they imply; None where it doesn't say. Raises: OAuthError
    invalid_grant for one that does not exist here (§7.6.2).
    """
    claimed = claims.get("scope")
    if claimed is None:
        return None
    tokens = claimed.split(" ") if isinstance(claimed, str) else [""]
    given = [token for token in tokens if token in policy.descriptions]
    if not isinstance(claimed, str) or not {*tokens, ""} - {""} <= {*given, *IGNORED}:
        raise refuse("gives a scope that does not exist here", "assertion_scope")
    return policy.expand(given)


async def use_up(assertion: Assertion, rules: TokenRules, *, now: float) -> None:
    """§7.4.2: each assertion is good once. Raises: OAuthError."""
    outcome = await rules.store.use_once(
        "id_jag",
        f"{assertion.provider.issuer} {assertion.subject}",
        assertion.identifier,
        expires_at=assertion.good_until,
        now=now,
    )
    if outcome is UseOutcome.REPLAYED:
        raise refuse("has been used before; get another one", "assertion_replayed")
    if outcome is UseOutcome.FULL:
        raise OAuthError(
            code="temporarily_unavailable",
            description="too many assertions; make them shorter-lived",
            reason="assertions_cap",
            retry_after=RETRY_AFTER,
        )
