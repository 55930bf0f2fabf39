"""Rules across the keys of one table, or across tables; each raises MismatchError at the key to change."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omnitornado.config.accounts import CLIENT_CREDENTIALS, JWT_BEARER, ClientSettings, UserSettings
from omnitornado.config.addresses import is_loopback_host
from omnitornado.config.errors import MismatchError
from omnitornado.config.settings import ServerSettings
from omnitornado.passwords import hash_password


def check_server(server: ServerSettings) -> None:
    """The address that clients use is known, and the TLS files fit it and each other."""
    if not server.public_url and not is_loopback_host(server.host):
        raise MismatchError(
            "public_url",
            f'needed because host "{server.host}" is not loopback: the https:// address that clients use',
        )
    certificate, private_key = server.tls_certificate, server.tls_private_key
    if certificate is None and private_key is None:
        return
    if certificate is None:
        raise MismatchError("tls_certificate", "needed because tls_private_key is set: both or neither")
    if private_key is None:
        raise MismatchError("tls_private_key", "needed because tls_certificate is set: both or neither")
    if server.public_url.startswith("http://"):
        raise MismatchError("public_url", "https:// is needed because tls_certificate is set")
    _check_readable("tls_certificate", certificate)
    _check_readable("tls_private_key", private_key)
    _check_pair(certificate, private_key)


def _check_readable(key: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise MismatchError(key, f"can't read {path}: {error.strerror}") from None


def _check_pair(certificate: Path, private_key: Path) -> None:
    """The files are PEM, belong together, and ask for no passphrase: nobody is there to type one."""
    import ssl  # Most configurations name no certificate, and loading OpenSSL takes time.

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, private_key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not a PEM certificate and its key without a passphrase"
        raise MismatchError("tls_certificate", f"can't be used with tls_private_key: {reason}") from None


def is_on_loopback(server: ServerSettings) -> bool:
    """Whether only this machine reaches the server: host and public URL, if there is one, are loopback."""
    public_host = urlsplit(server.public_url).hostname
    return is_loopback_host(server.host) and (public_host is None or is_loopback_host(public_host))


def build_user(
    values: dict[str, Any], *, is_local: bool, rounds: int, is_checked_elsewhere: bool
) -> UserSettings:
    """A person with a hash, never a password.

    `is_local`: only this machine reaches the server. `rounds`: bcrypt's cost. `is_checked_elsewhere`: who has
    no password here is known to `[login] validate_user`, to `[login.oidc]`, or to an identity provider.
    """
    password = values.pop("password")
    if password is None and values["password_hash"] is None and not is_checked_elsewhere:
        raise MismatchError("password_hash", "needed: make one with python -m omnitornado hash-password")
    if password is not None:
        if values["password_hash"] is not None:
            raise MismatchError(
                "password", "password and password_hash are both set: keep password_hash alone"
            )
        if not is_local:
            raise MismatchError(
                "password",
                "accepted only while [server] host and public_url are loopback: put a password_hash here, "
                "from python -m omnitornado hash-password",
            )
        values["password_hash"] = hash_password(password, rounds=rounds, salted_by=values["username"])
    return UserSettings(**values)


def build_client(values: dict[str, Any]) -> ClientSettings:
    """A client whose secret, keys, method, grants and redirect URIs fit together."""
    method, has_secret = values["token_endpoint_auth_method"], values["client_secret"] is not None
    has_keys = _check_keys(values)
    _check_method(method, has_secret=has_secret, has_keys=has_keys)
    grants = values["grant_types"]
    if "authorization_code" in grants and not values["redirect_uris"] and not has_secret and not has_keys:
        raise MismatchError(
            "redirect_uris",
            "needed: only a client with a client_secret or keys may leave them to the first approval",
        )
    _check_grants(grants, is_public=not has_secret and not has_keys)
    found = "client_secret_basic" if has_secret else "private_key_jwt" if has_keys else "none"
    values["token_endpoint_auth_method"] = method or found
    values["client_name"] = values["client_name"] or values["client_id"]
    return ClientSettings(**values, either_secret_method=has_secret and method is None)


def _check_grants(grants: Collection[str], *, is_public: bool) -> None:
    """One of them gives the first token, and where no person is asked, the client proves itself."""
    if set(grants) <= {"refresh_token"}:
        raise MismatchError("grant_types", '"refresh_token" alone gives no first token: name another beside')
    alone = next((grant for grant in (CLIENT_CREDENTIALS, JWT_BEARER) if grant in grants), None)
    if is_public and alone is not None:
        raise MismatchError("grant_types", f'"{alone}" needs a client_secret or keys: no person is asked')


def check_assertion_grants(grants: Collection[str], *, has_providers: bool) -> None:
    """An assertion is worth something where there is somebody who may sign it."""
    if JWT_BEARER in grants and not has_providers:
        raise MismatchError("grant_types", f'"{JWT_BEARER}" needs [[identity_providers]]')


def _check_method(method: str | None, *, has_secret: bool, has_keys: bool) -> None:
    """The client has what its method needs, and nothing that no one would ever check."""
    name = "token_endpoint_auth_method"
    if has_secret and has_keys:
        raise MismatchError("client_secret", "a client has a client_secret or keys, not both")
    if has_secret and method in ("none", "private_key_jwt"):
        raise MismatchError(name, f'"{method}" would never check the client_secret')
    if has_keys and method not in (None, "private_key_jwt"):
        raise MismatchError(name, f'"{method}" would never use the keys')
    if method == "private_key_jwt" and not has_keys:
        raise MismatchError(name, f'"{method}" needs jwks or jwks_uri')
    if method in ("client_secret_basic", "client_secret_post") and not has_secret:
        raise MismatchError(name, f'"{method}" needs a client_secret')


def _check_keys(values: dict[str, Any]) -> bool:
    """Whether the client has keys: in one place (RFC 7591 §2)."""
    has_set, has_address = values["jwks"] is not None, values["jwks_uri"] is not None
    if has_set and has_address:
        raise MismatchError("jwks_uri", "jwks and jwks_uri are both set: keep one")
    if values["token_endpoint_auth_signing_alg"] is not None and not has_set and not has_address:
        raise MismatchError("token_endpoint_auth_signing_alg", "needs jwks or jwks_uri")
    return has_set or has_address


def find_duplicate(names: Iterable[str]) -> int | None:
    """The position of the first name that stood before, or None."""
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            return position
        seen.add(name)
    return None


def check_file_place(path: Path | None) -> None:
    """The folder that a file of the server's goes to exists and takes files."""
    if path is None:
        return
    if path.is_dir():
        raise MismatchError("path", f"{path} is a folder: the name of a file is needed")
    if not path.parent.is_dir():
        raise MismatchError("path", f"the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise MismatchError("path", f"the folder {path.parent} can't be written to")


def check_resources(resources: Iterable[str], server: ServerSettings) -> None:
    """What a resource server guards elsewhere is not at this server's own address: there a path names it."""
    if server.public_url and any(
        resource == server.public_url or resource.startswith(server.public_url + "/")
        for resource in resources
    ):
        raise MismatchError("resources", "an address of this server is named by its path alone")
