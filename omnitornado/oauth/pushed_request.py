"""Implements: RFC 9126 §2 to §4 and §7, RFC 9101 §6.3, RFC 9449 §10.1: a client tells its authorization
request to the server itself, and sends the browser with no more than the request's name.

What is pushed is checked as if a browser had brought it, and again when one comes with its name: a client, a
scope or a resource may be gone by then. A name is 256 random bits, good for its client alone and until a code
answers it, so that who reloads the login page, or takes the address to another browser, can go on.
"""

import secrets
from typing import Final
from urllib.parse import urlencode

import msgspec

from omnitornado.oauth.authorize import (
    AuthorizationRequest,
    AuthorizationRules,
    PushedName,
    check_authorization_request,
    check_known_client,
)
from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.client_auth import CREDENTIALS, authenticate_client
from omnitornado.oauth.dpop import Proof, Proofs
from omnitornado.oauth.dpop_client import check_client_proof, telling_nonce
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.oauth.secrets import TokenBytes, build_secret, digest
from omnitornado.store.records import PushedRequest
from omnitornado.store.transitions import Store

URI_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
"""RFC 9126 §2.2: no client has a request of its own under such an address."""
SECRET_PREFIX: Final = "omt_pr_"  # noqa: S105 - what a secret scanner looks for, not a secret
PRESET: Final = "preset"
"""What the requests of the operator's own clients are counted as."""
MAX_QUERY: Final = 8 * 1024
"""Bytes of a request that is kept. A browser could not bring much more either."""


class PushRules(msgspec.Struct, frozen=True):
    """`lifetime` in seconds: how long a person has from the push to their approval."""

    lifetime: float = 600.0
    token_bytes: TokenBytes = secrets.token_bytes


class Push(msgspec.Struct, frozen=True):
    """A request that was kept, and its name, which is told only now."""

    request: AuthorizationRequest
    request_uri: str
    lifetime: float

    def build_response(self) -> dict[str, str | int]:
        """RFC 9126 §2.2."""
        return {"request_uri": self.request_uri, "expires_in": max(int(self.lifetime), 1)}


class CheckedPush(msgspec.Struct, frozen=True):
    """A request of a client that has proven itself, and the query it stands for. Nothing is kept of it."""

    request: AuthorizationRequest
    query: str
    dpop_nonce: str = ""
    """What the answer says in `DPoP-Nonce`; "" for nothing."""


async def check_push(
    parameters: Parameters,
    authorization: str | None,
    rules: AuthorizationRules,
    *,
    proofs: Proofs,
    request: ProofRequest,
    now: float,
) -> CheckedPush:
    """Raises: OAuthError, as at the token endpoint (RFC 6749 §5.2, RFC 9449 §5) or as at the authorization
    endpoint (§4.1.2.1).
    """
    parameters.check_unique()
    client = await authenticate_client(parameters, authorization, rules.clients, issuer=rules.issuer, now=now)
    with concerning(client=client.client_id):
        if parameters.get("request_uri") is not None:
            raise OAuthError(  # RFC 9126 §2.1
                code="invalid_request",
                description="request_uri has no place in a pushed request",
                reason="request_uri_pushed",
            )
        proof = await check_client_proof(request, proofs, now=now) if request.headers else None
        with telling_nonce(proof):
            query = build_query(parameters, client.client_id, **find_binding(parameters, proof))
            checked = await check_known_client(client, parse_parameters(query), rules, is_pushed=True)
    return CheckedPush(request=checked, query=query, dpop_nonce="" if proof is None else proof.dpop_nonce)


def find_binding(parameters: Parameters, proof: Proof | None) -> dict[str, str]:
    """RFC 9449 §10.1: a proof binds the code to its key, as `dpop_jkt` would; both have to mean the same.
    Raises: OAuthError invalid_request.
    """
    if proof is None:
        return {}
    if parameters.get("dpop_jkt") not in (None, proof.jkt):
        raise OAuthError(
            code="invalid_request",
            description="dpop_jkt is not the thumbprint of the DPoP proof's key",
            reason="dpop_key_differs",
        )
    return {"dpop_jkt": proof.jkt}


def build_query(parameters: Parameters, client_id: str, **binding: str) -> str:
    """The request as a browser would bring it. Raises: OAuthError invalid_request (413, RFC 9126 §2.3)."""
    own = {name: value for name, value in parameters.values.items() if name not in CREDENTIALS} | binding
    pairs = [*(own | {"client_id": client_id}).items(), *(("resource", url) for url in parameters.resources)]
    query = urlencode(pairs)
    if len(query) > MAX_QUERY:
        raise OAuthError(
            code="invalid_request",
            description=f"the request is longer than {MAX_QUERY} bytes",
            reason="push_too_long",
            status=413,
        )
    return query


async def keep_push(
    request: AuthorizationRequest, query: str, store: Store, rules: PushRules, *, now: float
) -> Push:
    """Give a checked request its name."""
    secret = build_secret(SECRET_PREFIX, token_bytes=rules.token_bytes)
    record = PushedRequest(
        client_id=request.client.client_id,
        query=query,
        pushed_at=now,
        expires_at=now + rules.lifetime,
        party=PRESET if is_operators(request.client) else "",
    )
    await store.push_request(digest(secret), record, now=now)
    return Push(request=request, request_uri=URI_PREFIX + secret, lifetime=rules.lifetime)


def is_operators(client: OAuthClient) -> bool:
    """Whether the operator set it up, and it has proven itself: strangers can't push in its name."""
    return client.is_preset and client.is_confidential


async def load_authorization_request(
    parameters: Parameters, rules: AuthorizationRules, *, now: float
) -> AuthorizationRequest:
    """The request that a browser brought, or whose name it brought. Beside a name only `client_id` counts
    (RFC 9101 §6.3). Raises: OAuthError, as `check_authorization_request`; invalid_request_uri, to be shown as
    a page, for a name that is not good: there is no address that could be believed then.
    """
    parameters.check_unique("client_id", "request_uri")
    name = parameters.get("request_uri")
    if name is None or not name.startswith(URI_PREFIX):
        return await check_authorization_request(parameters, rules, now=now)
    client_id = parameters.require("client_id")
    key = digest(name.removeprefix(URI_PREFIX))
    with concerning(client=client_id):
        found = await rules.store.find_pushed(key, now=now)
        if found is None:
            raise build_gone("request_uri_unknown")
        if found.client_id != client_id:
            raise build_gone("request_uri_other_client")
    pushed = PushedName(key=key, pushed_at=found.pushed_at)
    return await check_authorization_request(parse_parameters(found.query), rules, now=now, pushed=pushed)


def build_gone(reason: str) -> OAuthError:
    """RFC 9101 §7: the same whatever is wrong with it, so that nothing can be found out."""
    return OAuthError(
        code="invalid_request_uri",
        description="this request has expired, or was answered already; start again in the app",
        reason=reason,
    )
