"""Implements: RFC 6749 §10.10 and RFC 9700 §4.14: opaque secrets, kept as digests, and the sealing of a
successor.

Every code, token and client secret is 256 random bits. SHA-256 without salt or stretching is right for those:
there is nothing to guess. Passwords are not among them (bcrypt, `oauth/login.py`).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

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


def seal(token: str, *, under: str, purpose: str) -> bytes:
    """`token` sealed so that only a holder of the token `under` can open it.

    XOR with HMAC-SHA512 output keyed by `under`, a secret of 256 random bits that ever seals one value for
    each purpose: a one-time pad that the disk alone does not give away. At most 128 bytes.
    """
    raw = token.encode("ascii")
    pad = _build_pad(under, purpose)
    if len(raw) > len(pad):
        raise ValueError("a sealed token is at most 128 bytes")
    return bytes(a ^ b for a, b in zip(raw, pad, strict=False))


def unseal(sealed: bytes, *, under: str, purpose: str) -> str:
    """The inverse of `seal`."""
    return bytes(a ^ b for a, b in zip(sealed, _build_pad(under, purpose), strict=False)).decode("latin-1")


def _build_pad(under: str, purpose: str) -> bytes:
    key = under.encode("ascii")
    return b"".join(
        hmac.digest(key, f"omnitornado {purpose} {block}".encode(), "sha512") for block in range(2)
    )
