"""Implements: OAuth Client ID Metadata Document §3, §4.1 and §6.2, RFC 7591 §2, RFC 9449 §5.2: what a client
says of itself in a document of its own, whose address is the client's id.

What this server does not know or take is left out, not refused: one document serves many servers. Refused is
what would make the client somebody else, or leave nothing to use.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from omnitornado.net.web_address import WebAddress, parse_web_address
from omnitornado.oauth.client import (
    GRANT_TYPES,
    JWT_BEARER,
    REQUIRES_PUSHED,
    SIGNING_ALGORITHMS,
    ClientKeys,
    ClientOrigin,
    DocumentSource,
    OAuthClient,
)
from omnitornado.oauth.client_metadata import clean_name
from omnitornado.oauth.jose import MAX_INLINE_KEYS, JoseError, read_key_set
from omnitornado.oauth.redirect_uri import parse_redirect_uri

MAX_URL: Final = 1024
MAX_NAME: Final = 200
MAX_REDIRECT_URIS: Final = 64
DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
METHODS: Final = ("private_key_jwt", "none")
"""No secret can be shared by way of a document (§4.1)."""


def check_document_url(url: str) -> WebAddress:
    """§3: what a client's id may look like. Raises: ValueError."""
    if len(url) > MAX_URL:
        raise ValueError("its address is too long")
    try:
        address = parse_web_address(url)
    except ValueError as error:
        raise ValueError(f"its address can't be asked: {error}") from None
    if address.path in ("", "/"):
        raise ValueError("its address has no path")
    if DOT_SEGMENT.search(address.path):
        raise ValueError("its address has a dot segment")
    return address


def parse_document(url: str, document: Mapping[str, Any], source: DocumentSource) -> OAuthClient:
    """The client that a document describes. Keys are read: `await jose.load()` first. Raises: ValueError."""
    address = check_document_url(url)
    if document.get("client_id") != url:
        # §4.1, by simple comparison: anyone may copy a document, but nobody can serve it at its own address.
        raise ValueError("its client_id is not the address it was fetched from")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise ValueError("it has a client_secret, which everybody could read there")
    keys = _find_keys(document, address)
    return OAuthClient(
        client_id=url,
        client_name=_find_name(document.get("client_name")) or address.host,
        redirect_uris=_find_redirect_uris(document.get("redirect_uris")),
        auth_methods=_find_methods(document, keys),
        grant_types=_find_grant_types(document.get("grant_types")),
        client_uri=_find_page(document.get("client_uri")),
        keys=keys,
        origin=ClientOrigin(host=address.host, source=source),
        requires_pushed=document.get(REQUIRES_PUSHED) is True,
        dpop_bound_access_tokens=document.get("dpop_bound_access_tokens") is True,
    )


def _find_name(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return clean_name(value)[:MAX_NAME]


def _find_redirect_uris(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("it has no redirect_uris")
    fit = tuple(dict.fromkeys(uri for uri in value[:MAX_REDIRECT_URIS] if _is_fit(uri)))
    if not fit:
        raise ValueError("none of its redirect_uris can be used here")
    return fit


def _is_fit(uri: object) -> bool:
    if not isinstance(uri, str):
        return False
    try:
        parse_redirect_uri(uri)
    except ValueError:
        return False
    return True


def _find_grant_types(value: object) -> tuple[str, ...]:
    """RFC 7591 §2: the authorization code alone, where none are named. An assertion of an identity provider's
    is of use to the client only where the operator lets it bring one.
    """
    if value is None:
        return ("authorization_code",)
    named = value if isinstance(value, list) else []
    known = tuple(grant for grant in (*GRANT_TYPES, JWT_BEARER) if grant in named)
    if not known:
        raise ValueError("none of its grant_types is known here")
    return known


def _find_methods(document: Mapping[str, Any], keys: ClientKeys | None) -> tuple[str, ...]:
    """The ways it may prove itself, of those it names. `token_endpoint_auth_methods_supported` is not RFC
    7591's, but is how a document that serves many servers offers several.
    """
    named = document.get("token_endpoint_auth_methods_supported")
    offered = [method for method in named if isinstance(method, str)] if isinstance(named, list) else []
    preferred = document.get("token_endpoint_auth_method")
    if preferred is None and not offered:
        return ("none",)
    usable = [m for m in METHODS if m == preferred or m in offered]
    if keys is None and "private_key_jwt" in usable:
        usable.remove("private_key_jwt")
        if not usable:
            raise ValueError("it is to sign, and has no keys of its own domain that can be used")
    if not usable:
        raise ValueError(f"it may authenticate by none of {', '.join(METHODS)}")
    return tuple(usable)


def _find_keys(document: Mapping[str, Any], address: WebAddress) -> ClientKeys | None:
    """Its keys, inline or at an address of the same host: a document speaks for its own domain alone."""
    algorithm = document.get("token_endpoint_auth_signing_alg")
    if algorithm is not None and algorithm not in SIGNING_ALGORITHMS:
        return None
    jwks, jwks_uri = document.get("jwks"), document.get("jwks_uri")
    try:
        if jwks is not None and jwks_uri is None:
            published = {"keys": [key.jwk for key in read_key_set(jwks, max_keys=MAX_INLINE_KEYS)]}
            return ClientKeys(jwks=published, signing_alg=algorithm)
        if isinstance(jwks_uri, str) and jwks is None and parse_web_address(jwks_uri).host == address.host:
            return ClientKeys(jwks_uri=jwks_uri, signing_alg=algorithm)
    except (JoseError, ValueError):
        return None
    return None


def _find_page(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_web_address(value).url
    except ValueError:
        return None
