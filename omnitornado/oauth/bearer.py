"""Implements: RFC 6750 §2.1 and §3, RFC 9449 §7, RFC 9728 §5.1, RFC 8707 §2: access tokens at a protected
resource, checked on every request: bearer tokens, and those that are bound to a key.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from omnitornado.oauth.dpop import ALGORITHMS, ProofError, Proofs
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.errors import ProtocolError, concerning
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import restrict
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import Store

B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750 §2.1 b64token."""

BEARER: Final = "Bearer"
DPOP: Final = "DPoP"
SCHEMES: Final = {scheme.lower(): scheme for scheme in (BEARER, DPOP)}

STATUS: Final = {
    None: 401,
    "invalid_request": 400,
    "invalid_token": 401,
    "insufficient_scope": 403,
    # RFC 9449 §7.1 and §9
    "invalid_dpop_proof": 401,
    "use_dpop_nonce": 401,
    "temporarily_unavailable": 503,
}
"""RFC 6750 §3.1; None where no credentials came, and then no error code is told."""


class BearerError(ProtocolError):
    """A request without a token that is good for it. `scope` is what the challenge asks for, `scheme` what
    the request came with.
    """

    def __init__(
        self,
        *,
        code: str | None,
        description: str,
        reason: str,
        scope: Iterable[str] = (),
        scheme: str = BEARER,
        dpop_nonce: str = "",
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.reason = reason
        self.scope = tuple(scope)
        self.scheme = scheme
        self.dpop_nonce = dpop_nonce
        self.status = STATUS[code]


class Bearer(msgspec.Struct, frozen=True):
    """Who a good token speaks for."""

    username: str
    client_id: str
    client_name: str
    scope: tuple[str, ...]
    grant_id: bytes
    expires_at: float
    grant_name: str = ""
    """The grant's name, which may be shown."""
    jkt: str = ""
    """The thumbprint of the key that the token is bound to, which the request has proven; "" for none."""
    dpop_nonce: str = ""
    """What the answer is to say in `DPoP-Nonce`; "" for nothing."""

    @property
    def scheme(self) -> str:
        """The one its token comes under."""
        return DPOP if self.jkt else BEARER


async def check_bearer(
    authorization: str | None,
    resource: ProtectedResource,
    store: Store,
    people: People,
    *,
    proofs: Proofs,
    request: ProofRequest,
    proven: str = "",
    now: float,
) -> Bearer:
    """The token's identity. `proven`: the key that this very request, still under way, has proven before.
    Raises: BearerError: absent, malformed, unknown, expired, revoked, another resource's, bound to a key that
    is not proven.
    """
    scheme, token = parse_authorization(authorization)
    try:
        bearer = await _find_bearer(token, resource, store, people, now=now)
        with concerning(client=bearer.client_id, user=bearer.username, grant=bearer.grant_name):
            check_scheme(bearer, scheme, proofs)
            if not bearer.jkt or bearer.jkt == proven:
                return bearer
            return await check_possession(token, bearer, proofs, request, now=now)
    except BearerError as error:
        error.scheme = scheme
        raise


async def _find_bearer(
    token: str, resource: ProtectedResource, store: Store, people: People, *, now: float
) -> Bearer:
    found = await store.find_access(digest(token), now=now)
    if found is None:
        raise BearerError(
            code="invalid_token",
            description="the access token is unknown, expired or revoked",
            reason="token_unknown",
        )
    access, grant = found
    try:
        return build_bearer(access, grant, people.find(grant.username), resource)
    except BearerError as error:
        error.concern(client=grant.client_id, user=grant.username, grant=grant.public_id)
        raise


def build_bearer(
    access: AccessToken, grant: Grant, person: Person | None, resource: ProtectedResource
) -> Bearer:
    """Who a living token of a living grant speaks for at a resource. `person` is the grant's; None for one
    who is gone. Raises: BearerError.
    """
    if resource.path not in (access.resources if access.resources is not None else grant.resources):
        raise BearerError(
            code="invalid_token",
            description="the access token is for another resource",
            reason="token_audience",
        )
    if person is None:
        raise BearerError(
            code="invalid_token",
            description="the access token is unknown, expired or revoked",
            reason="person_unknown",
        )
    scope = grant.scope if access.scope is None else access.scope
    bearer = Bearer(
        username=grant.username,
        client_id=grant.client_id,
        client_name=grant.client_name,
        scope=restrict(scope, person.scopes),
        grant_id=grant.grant_id,
        expires_at=access.expires_at,
        grant_name=grant.public_id,
        jkt=access.jkt,
    )
    check_scope(bearer, resource.scope)
    return bearer


def check_scheme(bearer: Bearer, scheme: str, proofs: Proofs) -> None:
    """RFC 9449 §7.1 and §7.2: a token comes under the scheme it was issued for, or whoever stole one that is
    bound would use it without the key. Raises: BearerError.
    """
    if bearer.scheme != scheme:
        raise BearerError(
            code="invalid_token",
            description="the access token is bound to a key and needs a DPoP proof"
            if bearer.jkt
            else "the access token is not bound to a key; send it as a bearer token",
            reason="token_without_proof" if bearer.jkt else "token_unbound",
        )
    if proofs.policy.required and not bearer.jkt:
        raise BearerError(
            code="invalid_token",
            description="an access token that is bound to a key is needed",
            reason="token_unbound",
        )


async def check_possession(
    token: str, bearer: Bearer, proofs: Proofs, request: ProofRequest, *, now: float
) -> Bearer:
    """The same, once the request has proven the token's key (RFC 9449 §4.3). Raises: BearerError."""
    try:
        proof = await proofs.check(
            request,
            needs_nonce=proofs.policy.resource_nonces,
            access_token=token,
            jkt=bearer.jkt,
            now=now,
        )
    except ProofError as error:
        raise BearerError(
            code=error.code,
            description=error.description,
            reason=error.reason,
            dpop_nonce=error.dpop_nonce,
        ) from None
    return msgspec.structs.replace(bearer, dpop_nonce=proof.dpop_nonce)


def parse_authorization(authorization: str | None) -> tuple[str, str]:
    """The scheme and the token in an Authorization header. Raises: BearerError."""
    name, _, token = (authorization or "").strip().partition(" ")
    scheme = SCHEMES.get(name.lower())
    if scheme is None:
        # Also for another scheme: to this resource such a request carries no credentials (§3).
        raise BearerError(code=None, description="an access token is needed", reason="token_absent")
    token = token.strip()
    if not B64TOKEN.fullmatch(token):
        raise BearerError(
            code="invalid_token",
            description="the access token is malformed",
            reason="token_malformed",
            scheme=scheme,
        )
    return scheme, token


def check_scope(bearer: Bearer, needed: Collection[str]) -> None:
    """Raises: BearerError insufficient_scope that names everything the request needs, not only what is
    lacking.
    """
    if not set(needed) <= set(bearer.scope):
        raise BearerError(
            code="insufficient_scope",
            description="the access token lacks a scope",
            reason="scope_insufficient",
            scope=needed,
            scheme=bearer.scheme,
        )


def build_challenges(error: BearerError, resource: ProtectedResource, proofs: Proofs, *, issuer: str) -> str:
    """The WWW-Authenticate header (RFC 6750 §3, RFC 9449 §7.1): the challenge that says everything, for the
    scheme the request came with, and where that was Bearer, one that says that DPoP may be used as well.

    In one header, for some clients see one alone, the first or the last; Bearer comes first, for some read no
    further. A DPoP error stands alone: some take a nonce from there only.
    """
    if proofs.policy.required or error.scheme == DPOP:
        return build_challenge(error, resource, issuer=issuer, scheme=DPOP)
    return f'{build_challenge(error, resource, issuer=issuer)}, {DPOP} algs="{" ".join(ALGORITHMS)}"'


def build_challenge(
    error: BearerError, resource: ProtectedResource, *, issuer: str, scheme: str = BEARER
) -> str:
    """One challenge, with `resource_metadata` (RFC 9728 §5.1) and `scope`."""
    parts: dict[str, str] = {}
    if error.code is not None:
        parts |= {"error": error.code, "error_description": error.description}
    scope = error.scope or resource.scope
    if scope:
        parts["scope"] = " ".join(scope)
    parts["resource_metadata"] = resource.build_metadata_url(issuer)
    if scheme == DPOP:
        parts["algs"] = " ".join(ALGORITHMS)
    return f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
