"""People and preset clients, from the configuration and from a program's arguments."""

import re
import secrets
from collections.abc import Collection
from typing import Any

from omnitornado.config import (
    ClientSettings,
    Config,
    ConfigError,
    IdentityProviderSettings,
    OidcSettings,
    ResourceServerSettings,
)
from omnitornado.net.web_address import parse_web_address
from omnitornado.oauth.client import OAuthClient, build_keys, build_preset
from omnitornado.oauth.identity_providers import IdentityProvider
from omnitornado.oauth.introspection import ResourceServer
from omnitornado.oauth.jose import MAX_INLINE_KEYS, JoseError, read_key_set
from omnitornado.oauth.secrets import digest
from omnitornado.serving.provider import build_admission


def check_accounts(config: Config) -> None:
    """What the configuration alone can't know. Raises: ConfigError."""
    check_clients(config)
    check_providers(config)
    check_resource_servers(config, {config.mcp.path, *config.mcp_paths})


def check_clients(config: Config) -> None:
    """Raises: ConfigError for a preset client's keys that could check nothing."""
    for client in config.clients:
        try:
            _check_client(client)
        except ValueError as error:
            raise ConfigError(str(error), source=config.source, key="[[clients]]") from None


def _check_client(client: ClientSettings) -> None:
    """Raises: ValueError."""
    try:
        if client.jwks is not None:
            read_key_set(client.jwks, max_keys=MAX_INLINE_KEYS)
        if client.jwks_uri is not None:
            parse_web_address(client.jwks_uri)
    except (JoseError, ValueError) as error:
        raise ValueError(f"keys of {client.client_id}: {error}") from None


def check_providers(config: Config) -> None:
    """Raises: ConfigError for an identity provider whose keys could check nothing, or that is to vouch for
    somebody whom nobody knows.
    """
    listed = {user.username for user in config.users}
    for provider in config.identity_providers:
        try:
            if provider.jwks is not None:
                read_key_set(provider.jwks)
            if provider.jwks_uri is not None:
                parse_web_address(provider.jwks_uri)
        except (JoseError, ValueError) as error:
            raise _build_provider_error(config, f"keys of {provider.name}: {error}") from None
        unknown = [name for name in provider.subjects.values() if name not in listed]
        if unknown and not config.login.validate_user:
            reason = f"subjects of {provider.name}: nobody in [[users]] is called {unknown[0]!r}"
            raise _build_provider_error(config, reason)


def _build_provider_error(config: Config, reason: str) -> ConfigError:
    return ConfigError(reason, source=config.source, key="[[identity_providers]]")


def check_resource_servers(config: Config, paths: Collection[str]) -> None:
    """Raises: ConfigError for a path that a resource server guards and this server does not protect."""
    for server in config.resource_servers:
        for resource in server.resources:
            if resource.startswith("/") and resource not in paths:
                reason = f"resources of {server.server_id}: nothing is served at {resource}"
                raise ConfigError(reason, source=config.source, key="[[resource_servers]]")


def build_resource_server(server: ResourceServerSettings) -> ResourceServer:
    return ResourceServer(
        server_id=server.server_id,
        secret_hash=digest(server.server_secret),
        resources=server.resources,
        name=server.name,
        scope=server.scope or (),
    )


def build_identity_provider(
    provider: IdentityProviderSettings, oidc: OidcSettings | None
) -> IdentityProvider:
    """`oidc`: where people sign in."""
    return IdentityProvider(
        name=provider.name,
        issuer=provider.issuer,
        jwks_uri=provider.jwks_uri,
        jwks=provider.jwks,
        clients=provider.clients,
        person_claim=provider.person_claim,
        admits_anyone=provider.people == "any",
        sign_in=build_admission(oidc) if provider.people == "login" and oidc is not None else None,
        subjects=provider.subjects,
        claims=provider.claims,
        scopes=provider.scopes,
        access_token_lifetime=provider.access_token_lifetime,
    )


def build_client_table(name: str) -> dict[str, Any]:
    """A preset client for a program that names none. Its id stays, its secret is this run's."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "omnitornado"
    return {"client_id": f"{label}-client", "client_secret": secrets.token_urlsafe(32), "client_name": name}


def build_user_table(username: str, password: str) -> dict[str, str]:
    """`password` may be a bcrypt hash."""
    is_hash = re.fullmatch(r"\$2[aby]\$\d\d\$.{53}", password) is not None
    return {"username": username, "password_hash" if is_hash else "password": password}


def build_oauth_client(client: ClientSettings) -> OAuthClient:
    return build_preset(
        client_id=client.client_id,
        client_secret=client.client_secret,
        client_name=client.client_name,
        redirect_uris=client.redirect_uris,
        token_endpoint_auth_method=None if client.either_secret_method else client.token_endpoint_auth_method,
        grant_types=client.grant_types,
        client_uri=client.client_uri,
        scope=client.scope,
        require_pushed_authorization_requests=client.require_pushed_authorization_requests,
        keys=build_keys(
            {
                "jwks": client.jwks,
                "jwks_uri": client.jwks_uri,
                "token_endpoint_auth_signing_alg": client.token_endpoint_auth_signing_alg,
            }
        ),
        dpop_bound_access_tokens=client.dpop_bound_access_tokens,
    )
