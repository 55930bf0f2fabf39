"""Our choice: bytes sealed so that who has no key can neither read nor change them.

Encrypt-then-MAC: a keystream of SHAKE-256 over key and nonce, HMAC-SHA-256 over all of it, each with a key of
its own, derived for one purpose.
"""

import hashlib
import hmac

NONCE_BYTES = 16
TAG_BYTES = 32


def seal(key: bytes, data: bytes, nonce: bytes, *, purpose: bytes) -> bytes:
    """Data sealed under a key. `nonce`: `NONCE_BYTES` random bytes, used once."""
    body = nonce + _apply_keystream(key, nonce, data, purpose)
    return body + hmac.digest(_derive(key, purpose, b"mac"), body, "sha256")


def open_sealed(key: bytes, sealed: bytes, *, purpose: bytes) -> bytes | None:
    """What was sealed under this key for this purpose; None for anything else."""
    body, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    if len(body) < NONCE_BYTES:
        return None
    if not hmac.compare_digest(tag, hmac.digest(_derive(key, purpose, b"mac"), body, "sha256")):
        return None
    return _apply_keystream(key, body[:NONCE_BYTES], body[NONCE_BYTES:], purpose)


def _derive(key: bytes, purpose: bytes, use: bytes) -> bytes:
    return hmac.digest(key, b"omnitornado " + purpose + b" " + use, "sha256")


def _apply_keystream(key: bytes, nonce: bytes, data: bytes, purpose: bytes) -> bytes:
    stream = hashlib.shake_256(_derive(key, purpose, b"encrypt") + nonce).digest(len(data))
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")
