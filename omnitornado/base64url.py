"""Implements: RFC 4648 §5, base64url, without padding and with one spelling alone. A leaf."""

import base64
import binascii


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The inverse of `encode`; None for anything that `encode` would not have written."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    return raw if encode(raw) == text else None
