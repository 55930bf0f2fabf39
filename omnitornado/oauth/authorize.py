"""Implements: RFC 6749 §3.1 and §4.1.1, OAuth 2.1 §4.1, RFC 9207 §2, RFC 8707 §2.1, RFC 9449 §10: the
authorization request.

`check_authorization_request` is the list of checks, in order. Until client and redirect URI are known to
belong together an error is a page for the person; after that it goes to the client.
"""

from collections.abc import Sequence

import msgspec

from omnitornado.oauth.client import Clients, OAuthClient, UnusableClientError
from omnitornado.oauth.errors import OAuthError, ValidatedRedirect, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.jose import is_thumbprint
from omnitornado.oauth.pkce import check_challenge
from omnitornado.oauth.redirect_uri import RedirectUri, build_redirect, is_same_redirect, parse_redirect_uri
from omnitornado.oauth.resource import ProtectedResource, check_resources
from omnitornado.oauth.scope import ScopePolicy, check_client_scope
from omnitornado.store.transitions import Store


class PushedName(msgspec.Struct, frozen=True):
    """What the store has a pushed request under, and when it was pushed."""

    key: bytes
    pushed_at: float


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """A request every check of which has passed."""

    client: OAuthClient
    redirect: ValidatedRedirect
    redirect_uri: RedirectUri
    redirect_uri_given: bool
    binds_redirect: bool
    """The client is preset without redirect URIs, and an approval binds it to this one."""
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    code_challenge: str
    prompt: frozenset[str]
    pushed: PushedName | None = None
    """Set where the client pushed it (RFC 9126): a code uses it up."""
    dpop_jkt: str = ""
    """Thumbprint of the key that the code is to be bound to; "" for none."""


class AuthorizationRules(msgspec.Struct, frozen=True):
    """What requests are checked against."""

    issuer: str
    clients: Clients
    store: Store
    scopes: ScopePolicy
    resources: Sequence[ProtectedResource]
    requires_pushed: bool = False
    """Whether every client must push its requests (RFC 9126 §5)."""


async def check_authorization_request(
    parameters: Parameters, rules: AuthorizationRules, *, now: float, pushed: PushedName | None = None
) -> AuthorizationRequest:
    """Of parameters from a browser, or, with `pushed`, of those that a client pushed. Raises: OAuthError,
    with `redirect` once there is a safe one.
    """
    parameters.check_unique("client_id", "redirect_uri", "state")
    client = await load_client(parameters, rules.clients, now=now)
    with concerning(client=client.client_id):
        request = await check_known_client(client, parameters, rules, is_pushed=pushed is not None)
        return msgspec.structs.replace(request, pushed=pushed)


async def check_known_client(
    client: OAuthClient, parameters: Parameters, rules: AuthorizationRules, *, is_pushed: bool
) -> AuthorizationRequest:
    """The rest of the list. Raises: OAuthError."""
    uri, binds = await check_redirect(parameters, client, rules.store)
    redirect = ValidatedRedirect(uri=uri.uri, state=parameters.get("state"), issuer=rules.issuer)
    try:
        parameters.check_unique(redirect=redirect)
        if not is_pushed:
            check_push_required(client, rules, redirect)
        reject_request_objects(parameters, redirect)
        return check_parameters(parameters, client, redirect, uri, rules, binds=binds)
    except OAuthError as error:
        if binds:
            # Nobody has approved this address: to send anything there would make an open redirector of us.
            error.redirect = None
        raise


def check_parameters(
    parameters: Parameters,
    client: OAuthClient,
    redirect: ValidatedRedirect,
    uri: RedirectUri,
    rules: AuthorizationRules,
    *,
    binds: bool,
) -> AuthorizationRequest:
    """What is left to check once there is an address to answer to. Raises: OAuthError."""
    check_response_type(parameters, redirect)
    check_response_mode(parameters, redirect)
    check_grant_type(client, redirect)
    resources = check_resources(parameters.resources, rules.resources, issuer=rules.issuer, redirect=redirect)
    return AuthorizationRequest(
        client=client,
        redirect=redirect,
        redirect_uri=uri,
        redirect_uri_given=parameters.get("redirect_uri") is not None,
        binds_redirect=binds,
        code_challenge=check_challenge(
            parameters.get("code_challenge"), parameters.get("code_challenge_method"), redirect=redirect
        ),
        scope=check_client_scope(
            parameters.get("scope"),
            client.scope,
            rules.scopes,
            [resource for resource in rules.resources if resource.path in resources],
            redirect=redirect,
        ),
        resources=resources,
        prompt=check_prompt(parameters, redirect),
        dpop_jkt=check_key_thumbprint(parameters, redirect),
    )


async def load_client(parameters: Parameters, clients: Clients, *, now: float) -> OAuthClient:
    """Raises: OAuthError invalid_request (a page with status 400: clients forget a stale registration on
    seeing it).
    """
    try:
        client = await clients.find(parameters.require("client_id"), now=now)
    except UnusableClientError as error:
        raise OAuthError(
            code="invalid_request",
            description=f"the app's own description can't be used: {error}",
            reason=error.reason,
        ) from None
    if client is None:
        raise OAuthError(
            code="invalid_request",
            description="this app is not known here; remove the connection in the app and add it again",
            reason="client_unknown",
        )
    return client


async def check_redirect(
    parameters: Parameters, client: OAuthClient, store: Store
) -> tuple[RedirectUri, bool]:
    """The redirect URI to answer to, and whether an approval would bind it. Raises: OAuthError."""
    presented = parameters.get("redirect_uri")
    if client.redirect_uris:
        return _check_registered_redirect(presented, client), False
    if "authorization_code" not in client.grant_types:
        raise _wrong_redirect("this app signs in with a code at /device", "grant_type_not_registered")
    if not client.is_confidential or not client.is_preset:
        # Anyone can pose as a public client: with no address to hold it to, nothing would be left to check.
        raise _wrong_redirect("this app has no redirect address", "redirect_unregistered")
    binding = await store.find_redirect_binding(client.client_id)
    if presented is None:
        raise _wrong_redirect("redirect_uri is missing", "redirect_missing")
    try:
        uri = parse_redirect_uri(presented)
    except ValueError as error:
        raise _wrong_redirect(f"redirect_uri {error}", "redirect_unfit") from None
    if binding is not None and not is_same_redirect(binding.redirect_uri, presented):
        raise _wrong_redirect(
            "this app is bound to another redirect address since its first approval", "redirect_bound"
        )
    return uri, binding is None


def _check_registered_redirect(presented: str | None, client: OAuthClient) -> RedirectUri:
    if presented is None:
        if len(client.redirect_uris) != 1:
            raise _wrong_redirect("redirect_uri is missing", "redirect_missing")
        presented = client.redirect_uris[0]
    elif client.find_redirect(presented) is None:
        raise _wrong_redirect("redirect_uri is not one this app registered", "redirect_mismatch")
    try:
        return parse_redirect_uri(presented)
    except ValueError as error:
        # A client's that a program made by itself: the configuration and registrations are checked before.
        raise _wrong_redirect(f"redirect_uri {error}", "redirect_unfit") from None


def _wrong_redirect(description: str, reason: str) -> OAuthError:
    return OAuthError(code="invalid_request", description=description, reason=reason)


def reject_request_objects(parameters: Parameters, redirect: ValidatedRedirect) -> None:
    """OpenID Connect Core §3.1.2.6 names the errors for what is not supported."""
    for name in ("request", "request_uri"):
        if parameters.get(name) is not None:
            raise OAuthError(
                code=f"{name}_not_supported",
                description=f"{name} is not supported",
                reason="request_object",
                redirect=redirect,
            )


def check_push_required(client: OAuthClient, rules: AuthorizationRules, redirect: ValidatedRedirect) -> None:
    """RFC 9126 §5 and §6. Raises: OAuthError invalid_request."""
    if rules.requires_pushed or client.requires_pushed:
        raise OAuthError(
            code="invalid_request",
            description="the authorization request must be pushed first (RFC 9126)",
            reason="push_required",
            redirect=redirect,
        )


def check_response_type(parameters: Parameters, redirect: ValidatedRedirect) -> None:
    """Raises: OAuthError unsupported_response_type for anything but the authorization code."""
    response_type = parameters.get("response_type")
    if response_type is None:
        raise OAuthError(
            code="invalid_request",
            description="response_type is missing",
            reason="response_type_missing",
            redirect=redirect,
        )
    if response_type != "code":
        raise OAuthError(
            code="unsupported_response_type",
            description="response_type must be code",
            reason="response_type",
            redirect=redirect,
        )


def check_response_mode(parameters: Parameters, redirect: ValidatedRedirect) -> None:
    if parameters.get("response_mode") not in (None, "query"):
        raise OAuthError(
            code="invalid_request",
            description="response_mode must be query",
            reason="response_mode",
            redirect=redirect,
        )


def check_grant_type(client: OAuthClient, redirect: ValidatedRedirect) -> None:
    if "authorization_code" not in client.grant_types:
        raise OAuthError(
            code="unauthorized_client",
            description="this client may not use the authorization code grant",
            reason="grant_type_not_registered",
            redirect=redirect,
        )


def check_prompt(parameters: Parameters, redirect: ValidatedRedirect) -> frozenset[str]:
    """OpenID Connect Core §3.1.2.1 `prompt`, which MCP clients send: unknown values are ignored."""
    prompt = frozenset((parameters.get("prompt") or "").split())
    if "none" in prompt and len(prompt) > 1:
        raise OAuthError(
            code="invalid_request",
            description="prompt=none goes with no other value",
            reason="prompt_none",
            redirect=redirect,
        )
    return prompt


def check_key_thumbprint(parameters: Parameters, redirect: ValidatedRedirect) -> str:
    """RFC 9449 §10 `dpop_jkt`; "" where there is none. Raises: OAuthError invalid_request."""
    thumbprint = parameters.get("dpop_jkt")
    if thumbprint is None:
        return ""
    if not is_thumbprint(thumbprint):
        raise OAuthError(
            code="invalid_request",
            description="dpop_jkt is not the SHA-256 thumbprint of a key",
            reason="dpop_jkt",
            redirect=redirect,
        )
    return thumbprint


def build_success_url(redirect: ValidatedRedirect, code: str) -> str:
    """RFC 6749 §4.1.2 with `iss` (RFC 9207 §2)."""
    return _build_url(redirect, {"code": code})


def build_error_url(redirect: ValidatedRedirect, error: OAuthError) -> str:
    """RFC 6749 §4.1.2.1 with `iss` (RFC 9207 §2)."""
    return _build_url(redirect, error.build_body())


def _build_url(redirect: ValidatedRedirect, parameters: dict[str, str]) -> str:
    if redirect.state is not None:
        parameters["state"] = redirect.state
    return build_redirect(redirect.uri, parameters | {"iss": redirect.issuer})
