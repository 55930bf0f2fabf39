"""Implements: RFC 6749 §2.3.1 and RFC 7617 §2: an identifier and a secret in an Authorization header."""

import base64
import binascii
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import unquote, unquote_plus

from omnitornado.oauth.errors import OAuthError


def parse_basic(authorization: str) -> tuple[str, str]:
    """Identifier and secret, as they stand there. Raises: OAuthError invalid_client."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        _refuse("unsupported client authentication scheme", "client_auth_scheme")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        _refuse("malformed Basic credentials", "client_basic_malformed")
    identifier, separator, secret = text.partition(":")
    if not separator:
        _refuse("malformed Basic credentials", "client_basic_malformed")
    return identifier, secret


def list_spellings(text: str) -> Iterable[str]:
    """What one half may stand for: RFC 6749 §2.3.1 form-encodes both; clients percent-encode them or send
    them raw.
    """
    return dict.fromkeys((unquote_plus(text), unquote(text), text))


def _refuse(description: str, reason: str) -> NoReturn:
    raise OAuthError(code="invalid_client", description=description, reason=reason)
