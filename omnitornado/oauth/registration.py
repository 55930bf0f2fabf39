"""Implements: RFC 7591 §3 and RFC 7592 §2 and §3: a client registers itself, and later reads, changes and
deletes its registration.

The registration access token is kept as its digest. An update puts a new one in its place, and the old one is
good for nothing from then on; a read repeats the one it came with. A client secret is told once, when it is
issued: a later answer leaves it out, which says that it has not changed (RFC 7592 §3).
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import msgspec

from omnitornado.oauth import jose
from omnitornado.oauth.client import WITHOUT_SECRET
from omnitornado.oauth.client_metadata import (
    build_registration_response,
    issue_client_secret,
    parse_metadata,
    parse_registration,
)
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.secrets import REGISTRATION_PREFIX, TokenBytes, build_secret, digest, is_same_secret
from omnitornado.store.records import Client
from omnitornado.store.transitions import Store

SERVER_MEMBERS: Final = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
"""RFC 7592 §2.2: what an update must not contain."""


class RegistrationRules(msgspec.Struct, frozen=True):
    """What registrations are checked against. `unused_lifetime`: seconds after which one that never got a
    grant lapses, None for never. `initial_token_hashes`: digests of the tokens, one of which is needed to
    register; none: anyone may.
    """

    store: Store
    unused_lifetime: float | None = None
    initial_token_hashes: Sequence[bytes] = ()
    token_bytes: TokenBytes = secrets.token_bytes


class Registration(msgspec.Struct, frozen=True):
    """A registration, with what is told of it only now."""

    client: Client
    token: str
    """The registration access token."""
    secret: str | None = None

    def build_response(self, issuer: str) -> dict[str, Any]:
        """RFC 7592 §3, with the members of RFC 7591 §3.2.1."""
        return {
            **build_registration_response(self.client, self.secret),
            "registration_client_uri": f"{issuer}/register/{self.client.client_id}",
            "registration_access_token": self.token,
        }


def check_initial_access(authorization: str | None, rules: RegistrationRules) -> None:
    """RFC 7591 §3: who may register. Raises: OAuthError invalid_token."""
    if not rules.initial_token_hashes:
        return
    presented = digest(_parse_bearer(authorization, "initial_token_missing"))
    matches = [hmac.compare_digest(presented, known) for known in rules.initial_token_hashes]
    if not any(matches):
        _refuse_token("the initial access token is unknown", "initial_token_unknown")


async def register(
    body: object, rules: RegistrationRules, *, now: float
) -> tuple[Registration, tuple[str, ...]]:
    """The new registration, and the ids that made room for it. Raises: OAuthError (RFC 7591 §3.2.2)."""
    await _load_jose(body)
    client, secret = parse_registration(body, now=now, token_bytes=rules.token_bytes)
    token = build_secret(REGISTRATION_PREFIX, token_bytes=rules.token_bytes)
    client = msgspec.structs.replace(
        client,
        expires_at=None if rules.unused_lifetime is None else now + rules.unused_lifetime,
        registration_hash=digest(token),
    )
    dropped = await rules.store.register_client(client)
    return Registration(client, token, secret), dropped


async def find_registration(
    client_id: str, authorization: str | None, rules: RegistrationRules, *, now: float
) -> Registration:
    """RFC 7592 §2.1. Raises: OAuthError invalid_token, the same for a client that is unknown and for a token
    that is not its own.
    """
    token = _parse_bearer(authorization, "registration_token_missing")
    client = await rules.store.find_client(client_id, now=now)
    if client is None or client.registration_hash is None:
        _refuse_registration()
    if not is_same_secret(token, client.registration_hash):
        _refuse_registration()
    return Registration(client, token)


async def update_registration(
    registration: Registration, body: object, rules: RegistrationRules, *, now: float
) -> Registration:
    """RFC 7592 §2.2: the whole is replaced; what is left out is as if it had never been said. Raises:
    OAuthError invalid_request for what an update may not say, otherwise as for a registration.
    """
    known = registration.client
    await _load_jose(body)
    metadata = parse_metadata(body)
    assert isinstance(body, dict)  # noqa: S101 - for the type checker: anything else was refused
    secret = check_identity(body, known)
    secret_hash = known.secret_hash
    if metadata.token_endpoint_auth_method in WITHOUT_SECRET:
        secret, secret_hash = None, None
    elif secret_hash is None:
        secret = issue_client_secret(metadata, token_bytes=rules.token_bytes)
        secret_hash = None if secret is None else digest(secret)
    token = build_secret(REGISTRATION_PREFIX, token_bytes=rules.token_bytes)
    changed = msgspec.structs.replace(
        known,
        secret_hash=secret_hash,
        client_name=metadata.client_name,
        redirect_uris=metadata.redirect_uris,
        token_endpoint_auth_method=metadata.token_endpoint_auth_method,
        grant_types=metadata.grant_types,
        metadata=metadata.others,
        registration_hash=digest(token),
    )
    kept = await rules.store.update_client(changed, digest(registration.token), now=now)
    if kept is None:
        # Another update, or a deletion, came in between.
        _refuse_registration()
    return Registration(kept, token, secret)


def check_identity(body: dict[str, Any], known: Client) -> str | None:
    """The client names itself, and can't choose what the server assigns (RFC 7592 §2.2). The secret, if it
    said its own. Raises: OAuthError invalid_request.
    """
    found = [name for name in SERVER_MEMBERS if body.get(name) is not None]
    if found:
        _refuse_update(f"an update must not contain {found[0]}", "update_server_member")
    if body.get("client_id") != known.client_id:
        _refuse_update("client_id must be this registration's", "update_client_id")
    secret = body.get("client_secret")
    if secret is None:
        return None
    if (
        known.secret_hash is None
        or not isinstance(secret, str)
        or not is_same_secret(secret, known.secret_hash)
    ):
        _refuse_update("client_secret must be the current one, or left out", "update_client_secret")
    return secret


async def delete_registration(registration: Registration, rules: RegistrationRules, *, now: float) -> int:
    """RFC 7592 §2.3: how many grants ended with it. Raises: OAuthError invalid_token."""
    ended = await rules.store.delete_client(
        registration.client.client_id, digest(registration.token), now=now
    )
    if ended is None:
        _refuse_registration()
    return ended


async def _load_jose(body: object) -> None:
    """Reading keys takes a library that is loaded at first use: on a thread, not under the parser."""
    if isinstance(body, dict) and "jwks" in body:
        await jose.load()


def _parse_bearer(authorization: str | None, reason: str) -> str:
    """RFC 6750 §2.1."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        _refuse_token("a bearer token is needed here", reason)
    return token.strip()


def _refuse_registration() -> NoReturn:
    _refuse_token("no registration is known by this address and token", "registration_token_unknown")


def _refuse_token(description: str, reason: str) -> NoReturn:
    raise OAuthError(code="invalid_token", description=description, reason=reason)


def _refuse_update(description: str, reason: str) -> NoReturn:
    raise OAuthError(code="invalid_request", description=description, reason=reason)
