"""Implements: RFC 6749 §4.1.1 (the owner's decision), RFC 8252 §8.6, RFC 9700 §4.1.3: when to ask, and what
an approval does.
"""

import secrets
from typing import Final

import msgspec

from omnitornado.oauth.authorize import AuthorizationRequest
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.people import Person
from omnitornado.oauth.pushed_request import build_gone
from omnitornado.oauth.scope import restrict
from omnitornado.oauth.secrets import CODE_PREFIX, TokenBytes, build_secret, digest
from omnitornado.store.records import AuthorizationCode, Consent, RedirectBinding
from omnitornado.store.transitions import IssueOutcome, Store

NO_RESOURCE: Final = ("",)
"""Where a library's user protects nothing by a path."""


BY_HAND_LIFETIME: Final = 300.0
"""Seconds a code has at least that a person carries to another computer. PKCE binds it to the app that asked,
and RFC 6749 §4.1.2 allows ten minutes.
"""


class ConsentGone(Exception):  # noqa: N818 - it reads as what happened
    """What the person approved before does not cover the request any more: they must be asked."""


class ConsentRules(msgspec.Struct, frozen=True):
    """`code_lifetime` in seconds."""

    store: Store
    code_lifetime: float
    token_bytes: TokenBytes = secrets.token_bytes

    def find_lifetime(self, *, by_hand: bool) -> float:
        """How long a code lives, in seconds."""
        return max(self.code_lifetime, BY_HAND_LIFETIME) if by_hand else self.code_lifetime


def check_grantable(request: AuthorizationRequest, person: Person) -> tuple[str, ...]:
    """The scopes this person can give of those asked for. Raises: OAuthError access_denied when there are
    none.
    """
    scope = restrict(request.scope, person.scopes)
    if request.scope and not scope:
        raise OAuthError(
            code="access_denied",
            description="this person may not grant any of these scopes",
            reason="scope_not_allowed",
            redirect=request.redirect,
        )
    return scope


def can_remember(request: AuthorizationRequest) -> bool:
    """Only a client whose identity can't be forged is remembered: preset, and either with a secret or
    answered at an https address.

    RFC 8252 §8.6: any program can pose as a public client at a loopback or private-use address.
    """
    return request.client.is_preset and (
        request.client.is_confidential or request.redirect_uri.scheme == "https"
    )


def find_consent_address(request: AuthorizationRequest) -> str:
    """The redirect URI a consent is remembered for: as registered, so that a loopback port may change."""
    return request.client.find_redirect(request.redirect.uri) or request.redirect.uri


async def needs_consent(
    request: AuthorizationRequest, person: Person, scope: tuple[str, ...], store: Store
) -> bool:
    """Whether the person must be asked (again)."""
    if "consent" in request.prompt or request.binds_redirect or not can_remember(request):
        return True
    return not await store.has_consent(
        username=person.username,
        client_id=request.client.client_id,
        redirect_uri=find_consent_address(request),
        resources=request.resources or NO_RESOURCE,
        scope=scope,
    )


async def approve(
    request: AuthorizationRequest,
    person: Person,
    scope: tuple[str, ...],
    rules: ConsentRules,
    *,
    now: float,
    by_hand: bool = False,
    is_unasked: bool = False,
) -> str:
    """Issue the code, remember the approval where that is safe, bind the redirect where that is due, and use
    up the request where it was pushed: all at once. `by_hand`: a person will carry it to the app.
    `is_unasked`: nobody was asked, because of what the person approved before.

    Raises: ConsentGone if they took that back meanwhile; OAuthError, to be shown as a page: invalid_request
    if another approval has bound the client elsewhere meanwhile, invalid_request_uri if another code has
    answered the request.
    """
    code = build_secret(CODE_PREFIX, token_bytes=rules.token_bytes)
    record = AuthorizationCode(
        client_id=request.client.client_id,
        username=person.username,
        redirect_uri=request.redirect.uri,
        redirect_uri_given=request.redirect_uri_given,
        scope=scope,
        resources=request.resources,
        code_challenge=request.code_challenge,
        expires_at=now + rules.find_lifetime(by_hand=by_hand),
        dpop_jkt=request.dpop_jkt,
    )
    outcome = await rules.store.issue_code(
        digest(code),
        record,
        bind_redirect=_build_binding(request, person, now) if request.binds_redirect else None,
        remember=_build_consents(request, person, scope, now) if can_remember(request) else (),
        is_unasked=is_unasked,
        pushed=None if request.pushed is None else request.pushed.key,
    )
    _check_outcome(outcome)
    return code


def _check_outcome(outcome: IssueOutcome) -> None:
    if outcome is IssueOutcome.CONSENT_GONE:
        raise ConsentGone
    if outcome is IssueOutcome.REQUEST_GONE:
        raise build_gone("request_uri_used")
    if outcome is IssueOutcome.BOUND_ELSEWHERE:
        raise OAuthError(
            code="invalid_request",
            description="this app is bound to another redirect address since its first approval",
            reason="redirect_bound",
        )


def _build_binding(request: AuthorizationRequest, person: Person, now: float) -> RedirectBinding:
    return RedirectBinding(
        client_id=request.client.client_id,
        redirect_uri=request.redirect.uri,
        username=person.username,
        bound_at=now,
    )


def _build_consents(
    request: AuthorizationRequest, person: Person, scope: tuple[str, ...], now: float
) -> list[Consent]:
    """One for each resource: what was approved for one says nothing about another."""
    return [
        Consent(
            username=person.username,
            client_id=request.client.client_id,
            redirect_uri=find_consent_address(request),
            scope=scope,
            granted_at=now,
            resource=resource,
        )
        for resource in request.resources or NO_RESOURCE
    ]
