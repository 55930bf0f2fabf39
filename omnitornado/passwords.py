"""Passwords and their bcrypt hashes: the limits, hashing, and whether a hash is well formed.

bcrypt reads 72 bytes and no more: a longer password is refused, never cut.
"""

import base64
import hashlib
import re

import bcrypt

MAX_PASSWORD_BYTES = 72
MIN_ROUNDS = 4
DEFAULT_ROUNDS = 12
"""bcrypt's cost: the work is 2 to this power."""

_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)
_HASH = re.compile(rb"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")


def check_password(password: str) -> bytes:
    """The password's UTF-8 bytes, fit for bcrypt.

    Raises ValueError, which never quotes the password, when it is empty, has a NUL or takes over 72 bytes.
    """
    if not password:
        raise ValueError("the password is empty")
    try:
        encoded = password.encode()
    except UnicodeEncodeError:
        # Raised without the original error: that one carries the password.
        raise ValueError("the password is not valid Unicode text") from None
    if b"\0" in encoded:
        raise ValueError("the password has a NUL character, which bcrypt can't take")
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise ValueError(
            f"the password takes {len(encoded)} bytes, and bcrypt reads {MAX_PASSWORD_BYTES} at most"
        )
    return encoded


def hash_password(password: str, *, rounds: int = DEFAULT_ROUNDS, salted_by: str | None = None) -> bytes:
    """A bcrypt hash ("$2b$…", 60 bytes). Takes a quarter of a second at 12 rounds.

    `rounds` is bcrypt's cost, 4 to 31. The salt is fresh; with `salted_by`, a person's name, it is made of
    that, so that a plain password that stays the same has the same hash at each start. Such a hash is for
    memory: it is not kept. Raises ValueError for a password that `check_password` refuses.
    """
    salt = bcrypt.gensalt(rounds) if salted_by is None else _build_salt(salted_by, rounds)
    return bcrypt.hashpw(check_password(password), salt)


def _build_salt(name: str, rounds: int) -> bytes:
    raw = hashlib.sha256(b"omnitornado\0" + name.encode("utf-8", "surrogatepass")).digest()[:16]
    # bcrypt's base64 has the usual letters in another order, and no padding.
    letters = base64.b64encode(raw).rstrip(b"=").translate(_TO_BCRYPT)
    return b"$2b$%02d$" % rounds + letters


def check_hash(value: str | bytes) -> bytes:
    """The hash as bytes, if bcrypt can use it: $2a$, $2b$ or $2y$, cost 4 to 31, 22 + 31 characters.

    Raises ValueError, which never quotes the hash.
    """
    reason = "not a bcrypt hash ($2b$, two digits, $ and 53 characters); make one with hash-password"
    try:
        encoded = value.encode("ascii") if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise ValueError(reason) from None
    if not _HASH.fullmatch(encoded):
        raise ValueError(reason)
    try:
        # At the lowest cost: only the encoding is in question, and the hash's own cost may take hours.
        bcrypt.checkpw(b"-", encoded[:4] + b"04" + encoded[6:])
    except ValueError:
        raise ValueError(reason) from None
    return encoded
