"""Implements: RFC 7591 §2 and §3: what a client says of itself when it registers, checked, and what is kept
of it.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from omnitornado.base64url import encode
from omnitornado.oauth.client import AUTH_METHODS, GRANT_TYPES
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.redirect_uri import parse_redirect_uri
from omnitornado.oauth.scope import parse_scope
from omnitornado.oauth.secrets import CLIENT_SECRET_PREFIX, TokenBytes, build_secret, digest
from omnitornado.store.records import Client

MAX_REDIRECT_URIS: Final = 32
MAX_NAME: Final = 200
MAX_TEXT: Final = 2048
URI_MEMBERS: Final = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
TEXT_MEMBERS: Final = ("software_id", "software_version")


def parse_registration(
    body: object, *, now: float, token_bytes: TokenBytes = secrets.token_bytes
) -> tuple[Client, str | None]:
    """A registration request's JSON to the client to keep, and its secret where it gets one.

    Grant and response types that this server does not know are left out, not refused: clients ask for
    everything that was ever advertised. Members that are not known are ignored (§2). Raises: OAuthError
    invalid_redirect_uri, invalid_client_metadata.
    """
    if not isinstance(body, dict):
        _refuse("the body must be a JSON object")
    redirect_uris = check_redirect_uris(body.get("redirect_uris"))
    method = check_auth_method(body.get("token_endpoint_auth_method"))
    secret = None if method == "none" else build_secret(CLIENT_SECRET_PREFIX, token_bytes=token_bytes)
    client = Client(
        client_id="omt_ci_" + encode(token_bytes(16)),
        secret_hash=None if secret is None else digest(secret),
        client_name=check_name(body.get("client_name"), redirect_uris),
        redirect_uris=redirect_uris,
        token_endpoint_auth_method=method,
        grant_types=check_types(body, "grant_types", GRANT_TYPES, "authorization_code"),
        issued_at=now,
        expires_at=None,
        metadata={
            "response_types": list(check_types(body, "response_types", ("code",), "code")),
            **check_optional(body),
        },
    )
    return client, secret


def build_registration_response(client: Client, secret: str | None) -> dict[str, Any]:
    """RFC 7591 §3.2.1: everything that was registered, as it was registered."""
    response: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.issued_at),
        "client_name": client.client_name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        **client.metadata,
    }
    if secret is not None:
        # 0: the secret does not expire (§3.2.1).
        response |= {"client_secret": secret, "client_secret_expires_at": 0}
    return response


def check_redirect_uris(value: object) -> tuple[str, ...]:
    """Raises: OAuthError invalid_redirect_uri (§3.2.2)."""
    if not isinstance(value, list) or not value:
        _refuse("redirect_uris must be a list with at least one address", code="invalid_redirect_uri")
    if len(value) > MAX_REDIRECT_URIS:
        _refuse(f"redirect_uris has more than {MAX_REDIRECT_URIS} entries", code="invalid_redirect_uri")
    for uri in value:
        if not isinstance(uri, str):
            _refuse("redirect_uris must be strings", code="invalid_redirect_uri")
        try:
            parse_redirect_uri(uri)
        except ValueError as error:
            _refuse(f"redirect_uri {error}", code="invalid_redirect_uri")
    return tuple(dict.fromkeys(value))


def check_auth_method(value: object) -> str:
    """Basic when left out (§2). A requested "none" is honoured: such a client can't keep a secret."""
    if value is None:
        return "client_secret_basic"
    if value not in AUTH_METHODS:
        _refuse(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    return str(value)


def check_types(body: Mapping[str, Any], name: str, known: tuple[str, ...], needed: str) -> tuple[str, ...]:
    """The known ones of what was asked for; `needed` must be among them. Left out, it stands alone (§2)."""
    value = body.get(name)
    if value is None:
        return (needed,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(f"{name} must be a list of strings")
    kept = tuple(item for item in dict.fromkeys(value) if item in known)
    if value and needed not in kept:
        _refuse(f"{name} must include {needed}")
    return kept or (needed,)


def check_name(value: object, redirect_uris: tuple[str, ...]) -> str:
    """The name a person will read. One that is missing is made from the redirect host."""
    if value is None or value == "":
        return parse_redirect_uri(redirect_uris[0]).shown_host
    if not isinstance(value, str):
        _refuse("client_name must be a string")
    name = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    if len(name) > MAX_NAME:
        _refuse(f"client_name has more than {MAX_NAME} characters")
    return name or parse_redirect_uri(redirect_uris[0]).shown_host


def check_optional(body: Mapping[str, Any]) -> dict[str, Any]:
    """The optional members of §2 that are kept and shown."""
    kept: dict[str, Any] = {}
    for name in URI_MEMBERS + TEXT_MEMBERS:
        value = body.get(name)
        if value is None or value == "":
            continue
        if not _is_text(value):
            _refuse(f"{name} must be a string of at most {MAX_TEXT} printable characters")
        if name in URI_MEMBERS and not _is_web_address(value):
            _refuse(f"{name} must be an http or https address")
        kept[name] = value
    if body.get("application_type") is not None:
        if body["application_type"] not in ("web", "native"):
            _refuse('application_type must be "web" or "native"')
        kept["application_type"] = body["application_type"]
    contacts = body.get("contacts")
    if contacts is not None:
        if not isinstance(contacts, list) or len(contacts) > 10 or not all(_is_text(c) for c in contacts):
            _refuse("contacts must be a list of at most 10 strings")
        kept["contacts"] = contacts
    return kept | _check_scope(body.get("scope"))


def _check_scope(value: object) -> dict[str, str]:
    """The scope it means to ask for: kept to be returned, but no limit (clients register what they happen to
    know then).
    """
    if value is None:
        return {}
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        _refuse("scope must be a string")
    try:
        scope = " ".join(parse_scope(value))
    except ValueError as error:
        _refuse(str(error))
    return {"scope": scope} if scope else {}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and value.isprintable()


def _refuse(description: str, *, code: str = "invalid_client_metadata") -> NoReturn:
    raise OAuthError(code=code, description=description)
