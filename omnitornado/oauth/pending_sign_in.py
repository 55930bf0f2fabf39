"""Implements: OpenID Connect Core §3.1.2.1 (state, nonce), RFC 7636 §4.1, RFC 9700 §4.7.1 (state is bound to
the browser): what must be known again when a browser comes back from the provider.

It waits in a cookie of that browser alone, under a MAC with a key of the server's: so a restart does not
matter, nothing is kept for those who never come back, and nobody can make one up. The cookie's name has the
first part of `state`: people sign in in several tabs at once.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from typing import Final

import msgspec

from omnitornado.base64url import decode, encode
from omnitornado.oauth.secrets import TokenBytes

LIFETIME: Final = 600.0
"""Seconds a person may take at the provider."""
MAX_SEALED: Final = 3800
"""Characters: with its name and attributes a cookie has 4096 bytes (RFC 6265 §6.1)."""
STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
NAME_LENGTH: Final = 8


class TooLongError(Exception):
    """The page to go on to has too long an address to be kept in a cookie."""


class PendingSignIn(msgspec.Struct, frozen=True, array_like=True):
    """A browser that was sent to the provider."""

    state: str
    nonce: str
    code_verifier: str
    issuer: str
    """The provider's."""
    redirect_uri: str
    target: str
    """The page of this server to go on to."""
    expires_at: float

    @property
    def code_challenge(self) -> str:
        """RFC 7636 §4.2, S256."""
        return encode(hashlib.sha256(self.code_verifier.encode("ascii")).digest())


def build_pending(
    *,
    issuer: str,
    redirect_uri: str,
    target: str,
    now: float,
    token_bytes: TokenBytes = secrets.token_bytes,
) -> PendingSignIn:
    """One that begins now, with secrets of its own."""
    state, nonce, code_verifier = (encode(token_bytes(32)) for _ in range(3))
    return PendingSignIn(
        state=state,
        nonce=nonce,
        code_verifier=code_verifier,
        issuer=issuer,
        redirect_uri=redirect_uri,
        target=target,
        expires_at=now + LIFETIME,
    )


def find_cookie_suffix(state: str | None) -> str | None:
    """What tells the cookie of this `state` from others; None for a `state` that is none of ours."""
    return state[:NAME_LENGTH] if state is not None and STATE.fullmatch(state) else None


def seal_pending(pending: PendingSignIn, key: bytes) -> str:
    """The cookie's value. Raises: TooLongError."""
    body = zlib.compress(msgspec.json.encode(pending), 9)
    sealed = encode(_build_mac(body, key) + body)
    if len(sealed) > MAX_SEALED:
        raise TooLongError
    return sealed


def open_pending(sealed: str | None, state: str, key: bytes) -> PendingSignIn | None:
    """What was sealed for this `state`; None for anything else."""
    is_possible = sealed is not None and len(sealed) <= MAX_SEALED and STATE.fullmatch(state)
    raw = decode(sealed or "") if is_possible else None
    if raw is None or not hmac.compare_digest(raw[:32], _build_mac(raw[32:], key)):
        return None
    # Only what this server compressed comes as far as here.
    pending = msgspec.json.decode(zlib.decompress(raw[32:]), type=PendingSignIn)
    return pending if hmac.compare_digest(pending.state, state) else None


def _build_mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"omnitornado pending sign-in " + body, "sha256")
