"""Kinds of values that are secret, or name who holds one. No error here quotes a value."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from omnitornado.config.kinds import Kind, expect_string, text
from omnitornado.passwords import check_hash, check_password

_PRINTABLE_ASCII = re.compile(r"[\x20-\x7E]*")
_CLIENT_ID = re.compile(r"[\x21-\x7E]{1,256}")
_BEARER_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_DIGEST = re.compile(r"sha256:([0-9A-Fa-f]{64})")
MIN_SECRET_LENGTH = 8
MIN_TOKEN_LENGTH = 16

RESERVED_NAMES = ("client:", "idp:")
"""What the names begin with that the server itself gives to those who are no people of `[[users]]`."""

_NAME = text("1 to 128 characters on one line", shortest=1)


def _parse_username(value: object) -> str:
    username: str = _NAME.parse(value)
    if unicodedata.normalize("NFKC", username).strip().casefold().startswith(RESERVED_NAMES):
        raise ValueError(f"names that begin with {' or '.join(RESERVED_NAMES)} are the server's own")
    return username


USERNAME = Kind(_NAME.label, _parse_username)


def _parse_password(value: object) -> str:
    password = expect_string(value)
    check_password(password)
    return password


PASSWORD = Kind("a string of 1 to 72 bytes", _parse_password)


def _parse_password_hash(value: object) -> bytes:
    return check_hash(expect_string(value, "a bcrypt hash"))


PASSWORD_HASH = Kind("a bcrypt hash", _parse_password_hash)


def _parse_client_id(value: object) -> str:
    client_id = expect_string(value)
    if not _CLIENT_ID.fullmatch(client_id):
        raise ValueError("a client id is 1 to 256 printable ASCII characters without spaces")
    return client_id


CLIENT_ID = Kind("1 to 256 printable ASCII characters without spaces", _parse_client_id)


def _parse_client_secret(value: object) -> str:
    secret = expect_string(value)
    if not _PRINTABLE_ASCII.fullmatch(secret):
        raise ValueError("a client secret is printable ASCII (RFC 6749 appendix A.2)")
    if not MIN_SECRET_LENGTH <= len(secret) <= 512:
        raise ValueError(f"a client secret has {MIN_SECRET_LENGTH} to 512 characters, this one {len(secret)}")
    return secret


CLIENT_SECRET = Kind("8 to 512 printable ASCII characters", _parse_client_secret)


def _parse_provider_secret(value: object) -> str:
    """Whatever the provider made up: its strength is the provider's affair."""
    secret = expect_string(value)
    if not secret or len(secret) > 1024 or not _PRINTABLE_ASCII.fullmatch(secret):
        raise ValueError("a client secret is 1 to 1024 printable ASCII characters (RFC 6749 appendix A.2)")
    return secret


PROVIDER_SECRET = Kind("1 to 1024 printable ASCII characters", _parse_provider_secret)


def _parse_initial_access_token(value: object) -> bytes:
    """The token's SHA-256."""
    token = expect_string(value)
    written = _DIGEST.fullmatch(token)
    if written is not None:
        return bytes.fromhex(written[1])
    if not _BEARER_TOKEN.fullmatch(token):
        raise ValueError("a token has letters, digits and - . _ ~ + / alone (RFC 6750 §2.1)")
    if not MIN_TOKEN_LENGTH <= len(token) <= 512:
        raise ValueError(f"a token has {MIN_TOKEN_LENGTH} to 512 characters, this one {len(token)}")
    return hashlib.sha256(token.encode()).digest()


INITIAL_ACCESS_TOKEN = Kind(
    '"sha256:" and 64 hexadecimal digits, or a token of 16 to 512 characters', _parse_initial_access_token
)


def _parse_jwks(value: object) -> dict[str, Any]:
    """A key set as a table, or as the JSON text that tools print. What is in its keys is checked at start."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("the text is not JSON") from None
    if not isinstance(value, Mapping) or not isinstance(value.get("keys"), list):
        raise ValueError('expected a key set: {"keys": [ … ]} (RFC 7517 §5)')
    return dict(value)


JWKS = Kind("a key set (RFC 7517 §5), as a table or as JSON text", _parse_jwks)
