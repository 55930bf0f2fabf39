"""Implements: RFC 6749 §10.10 and RFC 9700 §4.14: opaque secrets, kept as digests, and the sealing of a
successor.

Every code, token and client secret is 256 random bits. SHA-256 without salt or stretching is right for those:
there is nothing to guess. Passwords are not among them (bcrypt, `oauth/login.py`).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from omnitornado.base64url import decode, encode

TokenBytes = Callable[[int], bytes]
"""Where randomness comes from: `secrets.token_bytes`, or a test's own."""

SECRET_BYTES: Final = 32
GRANT_ID_BYTES: Final = 16

ACCESS_PREFIX: Final = "omt_at_"
REFRESH_PREFIX: Final = "omt_rt_"
CODE_PREFIX: Final = "omt_ac_"
CLIENT_SECRET_PREFIX: Final = "omt_cs_"  # noqa: S105 - what a secret scanner looks for, not a secret

REGISTRATION_PREFIX: Final = "omt_ra_"
DEVICE_PREFIX: Final = "omt_dc_"


def build_secret(prefix: str, *, token_bytes: TokenBytes = secrets.token_bytes) -> str:
    """A new opaque secret of 256 random bits. The prefix lets a secret scanner recognise a leak."""
    return prefix + encode(token_bytes(SECRET_BYTES))


def digest(secret: str) -> bytes:
    """What the store keeps instead of the secret: SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_same_secret(secret: str, expected_hash: bytes) -> bool:
    """Constant-time comparison of a presented secret with a kept digest."""
    return hmac.compare_digest(digest(secret), expected_hash)


def build_refresh_token(grant_id: bytes, *, token_bytes: TokenBytes = secrets.token_bytes) -> str:
    """A refresh token that names its grant, so that an old one is recognised without being kept."""
    return REFRESH_PREFIX + encode(grant_id + token_bytes(SECRET_BYTES))


def parse_refresh_token(token: str) -> bytes | None:
    """The grant id in a refresh token; None for anything that has not its shape."""
    if not token.startswith(REFRESH_PREFIX):
        return None
    raw = decode(token[len(REFRESH_PREFIX) :])
    if raw is None or len(raw) != GRANT_ID_BYTES + SECRET_BYTES:
        return None
    return raw[:GRANT_ID_BYTES]


class Successor(NamedTuple):
    """What a refresh token is followed by: the random bytes of the next one and of its access token, 32 each.
    Sealed, it looks the same.
    """

    refresh: bytes
    access: bytes

    def build_tokens(self, grant_id: bytes) -> tuple[str, str]:
        """The refresh token and the access token."""
        return REFRESH_PREFIX + encode(grant_id + self.refresh), ACCESS_PREFIX + encode(self.access)


def build_successor(*, token_bytes: TokenBytes = secrets.token_bytes) -> Successor:
    """New random bytes for both."""
    return _split(token_bytes(2 * SECRET_BYTES))


def seal(successor: Successor, *, under: str) -> Successor:
    """`successor` sealed so that only a holder of the refresh token `under` can open it; doing it again opens
    it.

    XOR with HMAC-SHA512 keyed by `under`, whose 256 random bits are ever followed by one successor: a
    one-time pad of 64 bytes that the disk alone does not give away.
    """
    raw = successor.refresh + successor.access
    pad = hmac.digest(under.encode("ascii"), b"omnitornado successor", "sha512")[: len(raw)]
    return _split((int.from_bytes(raw) ^ int.from_bytes(pad)).to_bytes(len(raw)))


def _split(raw: bytes) -> Successor:
    return Successor(raw[:SECRET_BYTES], raw[SECRET_BYTES:])
