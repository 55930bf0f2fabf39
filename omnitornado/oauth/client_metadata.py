"""Implements: RFC 7591 §2 and §3: what a client says of itself when it registers, checked, and what is kept
of it.

`application_type` and what follows from it is OpenID Connect Dynamic Client Registration's (§2), with the
addresses that RFC 8252 §7 gives native applications.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import msgspec

from omnitornado.base64url import encode
from omnitornado.net.web_address import parse_web_address
from omnitornado.oauth.client import (
    AUTH_METHODS,
    FIRST_GRANTS,
    GRANT_TYPES,
    REQUIRES_PUSHED,
    SIGNING_ALGORITHMS,
    WITHOUT_SECRET,
)
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.jose import MAX_INLINE_KEYS, JoseError, read_key_set
from omnitornado.oauth.redirect_uri import LOOPBACK_HOSTS, parse_redirect_uri
from omnitornado.oauth.scope import parse_scope
from omnitornado.oauth.secrets import CLIENT_SECRET_PREFIX, TokenBytes, build_secret, digest
from omnitornado.store.records import Client

MAX_REDIRECT_URIS: Final = 32
MAX_NAME: Final = 200
BLANK: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters, by Unicode, that show nothing (Hangul fillers, the Braille blank): a name of these is none."""
MAX_TEXT: Final = 2048
URI_MEMBERS: Final = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
TEXT_MEMBERS: Final = ("software_id", "software_version")


JWS_COMPACT: Final = re.compile(r"[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*")
"""RFC 7515 §7.1: the form a software statement has."""


class ClientMetadata(msgspec.Struct, frozen=True):
    """What a client said of itself, checked, with the defaults filled in."""

    client_name: str
    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    grant_types: tuple[str, ...]
    others: dict[str, Any]
    """The other members that are kept and returned."""


def parse_metadata(body: object) -> ClientMetadata:
    """Client metadata, of a registration or of an update of one.

    Grant and response types that this server does not know are left out, not refused: clients ask for
    everything that was ever advertised. Members that are not known are ignored (§2). Raises: OAuthError
    invalid_redirect_uri, invalid_client_metadata, invalid_software_statement, unapproved_software_statement.
    """
    if not isinstance(body, dict):
        _refuse("the body must be a JSON object")
    check_software_statement(body.get("software_statement"))
    grant_types = check_grant_types(body.get("grant_types"))
    redirect_uris = check_redirect_uris(body.get("redirect_uris"), grant_types)
    method = check_auth_method(body.get("token_endpoint_auth_method"))
    return ClientMetadata(
        client_name=check_name(body.get("client_name"), redirect_uris),
        redirect_uris=redirect_uris,
        token_endpoint_auth_method=method,
        grant_types=grant_types,
        others={
            "response_types": list(check_response_types(body.get("response_types"), grant_types)),
            **check_application_type(body.get("application_type"), redirect_uris),
            **check_optional(body),
            **check_keys(body, method),
        },
    )


def parse_registration(
    body: object, *, now: float, token_bytes: TokenBytes = secrets.token_bytes
) -> tuple[Client, str | None]:
    """A registration request's JSON to the client to keep, and its secret where it gets one. Raises:
    OAuthError, as `parse_metadata`.
    """
    metadata = parse_metadata(body)
    secret = issue_client_secret(metadata, token_bytes=token_bytes)
    client = Client(
        client_id="omt_ci_" + encode(token_bytes(16)),
        secret_hash=None if secret is None else digest(secret),
        client_name=metadata.client_name,
        redirect_uris=metadata.redirect_uris,
        token_endpoint_auth_method=metadata.token_endpoint_auth_method,
        grant_types=metadata.grant_types,
        issued_at=now,
        expires_at=None,
        metadata=metadata.others,
    )
    return client, secret


def issue_client_secret(metadata: ClientMetadata, *, token_bytes: TokenBytes) -> str | None:
    """A secret, where the client's method uses one."""
    if metadata.token_endpoint_auth_method in WITHOUT_SECRET:
        return None
    return build_secret(CLIENT_SECRET_PREFIX, token_bytes=token_bytes)


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


def check_redirect_uris(value: object, grant_types: Sequence[str]) -> tuple[str, ...]:
    """Needed where a grant answers by redirect (§2). Raises: OAuthError invalid_redirect_uri (§3.2.2)."""
    if not value and value in (None, []) and "authorization_code" not in grant_types:
        return ()
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


def check_application_type(value: object, redirect_uris: tuple[str, ...]) -> dict[str, str]:
    """A web application is answered at https addresses of other hosts than the person's own computer.

    A native one may have any fit address: loopback, its own scheme, or https that the system hands to it (RFC
    8252 §7). Left out, nothing follows: most clients on the person's computer name no type, and the default
    "web" would turn them away.
    """
    if value is None:
        return {}
    if value not in ("web", "native"):
        _refuse('application_type must be "web" or "native"')
    if value == "web":
        for uri in map(parse_redirect_uri, redirect_uris):
            if uri.scheme != "https" or uri.host in LOOPBACK_HOSTS:
                _refuse(
                    "redirect_uris of a web application must be https and not on this computer; an "
                    "application on the person's computer registers with application_type native",
                    code="invalid_redirect_uri",
                )
    return {"application_type": str(value)}


def check_software_statement(value: object) -> None:
    """No issuer of software statements is trusted here, and taking the client's word in place of one that it
    sent could register it as something else than was signed (§2.3).
    """
    if value is None:
        return
    if not isinstance(value, str) or not JWS_COMPACT.fullmatch(value):
        _refuse("software_statement is not a signed JWT", code="invalid_software_statement")
    _refuse(
        "this server accepts no software statements; register without one",
        code="unapproved_software_statement",
    )


def check_auth_method(value: object) -> str:
    """Basic when left out (§2). A requested "none" is honoured: such a client can't keep a secret."""
    if value is None:
        return "client_secret_basic"
    if value not in AUTH_METHODS:
        _refuse(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    return str(value)


def check_keys(body: Mapping[str, Any], method: str) -> dict[str, Any]:
    """The client's public keys, or where they are, and what it signs with: for `private_key_jwt`, which needs
    them. With any other method they would never be used, and are left out.
    """
    if method != "private_key_jwt":
        return {}
    jwks, jwks_uri = body.get("jwks"), body.get("jwks_uri")
    if (jwks is None) == (jwks_uri is None):
        _refuse("private_key_jwt needs the client's public keys: one of jwks and jwks_uri")
    kept = {"jwks_uri": check_jwks_uri(jwks_uri)} if jwks is None else {"jwks": check_key_set(jwks)}
    algorithm = body.get("token_endpoint_auth_signing_alg")
    if algorithm is None:
        return kept
    if algorithm not in SIGNING_ALGORITHMS:
        _refuse(f"token_endpoint_auth_signing_alg must be one of {', '.join(SIGNING_ALGORITHMS)}")
    return kept | {"token_endpoint_auth_signing_alg": algorithm}


def check_key_set(jwks: object) -> dict[str, Any]:
    """Raises: OAuthError invalid_client_metadata."""
    try:
        keys = read_key_set(jwks, max_keys=MAX_INLINE_KEYS)
    except JoseError as error:
        _refuse(f"jwks: {error}")
    return {"keys": [key.jwk for key in keys]}


def check_jwks_uri(jwks_uri: object) -> str:
    """Raises: OAuthError invalid_client_metadata."""
    if not isinstance(jwks_uri, str):
        _refuse("jwks_uri must be a string")
    try:
        return parse_web_address(jwks_uri).url
    except ValueError as error:
        _refuse(f"jwks_uri: {error}")


def check_grant_types(value: object) -> tuple[str, ...]:
    """The known ones of what was asked for; the authorization code where it is left out (§2)."""
    if value is None:
        return ("authorization_code",)
    kept = tuple(item for item in _parse_strings(value, "grant_types") if item in GRANT_TYPES)
    if value and not set(kept) & set(FIRST_GRANTS):
        _refuse(f"grant_types must include {' or '.join(FIRST_GRANTS)}")
    return kept or ("authorization_code",)


def check_response_types(value: object, grant_types: Sequence[str]) -> tuple[str, ...]:
    """§2.1: `code` goes with the authorization code, and no other response type and grant belong together."""
    asked = () if value is None else _parse_strings(value, "response_types")
    if "authorization_code" not in grant_types:
        return ()
    if asked and "code" not in asked:
        _refuse("response_types must include code")
    return ("code",)


def _parse_strings(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(f"{name} must be a list of strings")
    return tuple(dict.fromkeys(value))


def clean_name(text: str) -> str:
    """One line that can be seen: without control and direction characters, and letters that are blank."""
    return " ".join("".join(c if c.isprintable() and c not in BLANK else " " for c in text).split())


def check_name(value: object, redirect_uris: tuple[str, ...]) -> str:
    """The name a person will read. One that is missing is made from the redirect host."""
    fallback = parse_redirect_uri(redirect_uris[0]).shown_host if redirect_uris else "Unnamed device"
    if value is None or value == "":
        return fallback
    if not isinstance(value, str):
        _refuse("client_name must be a string")
    name = clean_name(value)
    if len(name) > MAX_NAME:
        _refuse(f"client_name has more than {MAX_NAME} characters")
    return name or fallback


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
    contacts = body.get("contacts")
    if contacts is not None:
        if not isinstance(contacts, list) or len(contacts) > 10 or not all(_is_text(c) for c in contacts):
            _refuse("contacts must be a list of at most 10 strings")
        kept["contacts"] = contacts
    return (
        kept
        | _check_scope(body.get("scope"))
        | _check_requires_pushed(body.get(REQUIRES_PUSHED))
        | _check_bound(body.get("dpop_bound_access_tokens"))
    )


def _check_requires_pushed(value: object) -> dict[str, bool]:
    """RFC 9126 §6: false is the default, and as good as left out."""
    if value is not None and not isinstance(value, bool):
        _refuse(f"{REQUIRES_PUSHED} must be true or false")
    return {REQUIRES_PUSHED: True} if value else {}


def _check_bound(value: object) -> dict[str, bool]:
    """RFC 9449 §5.2: whether the client always proves a key."""
    if value is None:
        return {}
    if not isinstance(value, bool):
        _refuse("dpop_bound_access_tokens must be true or false")
    return {"dpop_bound_access_tokens": value}


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
