"""Implements: RFC 7662 §2 and §4, RFC 9449 §6.2: a resource server asks what a token is good for.

Each resource server has credentials of its own and learns of tokens for its own addresses alone: any other
token, whatever it is, is as one that never was, so that nobody can find out here what tokens there are or
carry one from one server to another. Refresh tokens are for no resource server.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

import msgspec

from omnitornado.oauth.basic import list_spellings, parse_basic
from omnitornado.oauth.client_proof import proving
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.people import People, is_machine
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import restrict
from omnitornado.oauth.secrets import digest, is_same_secret
from omnitornado.oauth.throttle import ClientThrottle
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import Store

AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post")
INACTIVE: Final = {"active": False}
NO_SECRET: Final = digest("")


class ResourceServer(msgspec.Struct, frozen=True):
    """Who may ask, and about tokens for which resources (paths of this server, or URLs)."""

    server_id: str
    secret_hash: bytes
    resources: tuple[str, ...]
    name: str = ""
    scope: tuple[str, ...] = ()
    """What requests to those of its resources need that are elsewhere."""


class IntrospectionRules(msgspec.Struct, frozen=True):
    """What an introspection request is answered by."""

    store: Store
    people: People
    resources: Sequence[ProtectedResource]
    servers: Mapping[str, ResourceServer]
    throttle: ClientThrottle = msgspec.field(default_factory=ClientThrottle)
    address: str = ""
    """Where the request comes from."""


class Introspection(msgspec.Struct, frozen=True):
    """The answer, and what the log says of it."""

    body: dict[str, Any]
    server_id: str
    grant: Grant | None = None


def build_resource_servers(servers: Iterable[ResourceServer]) -> Mapping[str, ResourceServer]:
    """By id."""
    return {server.server_id: server for server in servers}


async def introspect(
    parameters: Parameters, authorization: str | None, rules: IntrospectionRules, *, issuer: str, now: float
) -> Introspection:
    """Answer a request. Raises: OAuthError invalid_client, invalid_request, temporarily_unavailable (429).
    `token_type_hint` is not needed: only access tokens are told of.
    """
    parameters.check_unique()
    server = authenticate_server(parameters, authorization, rules, now=now)
    found = await rules.store.find_access(digest(parameters.require("token")), now=now)
    if found is None:
        return Introspection(body=dict(INACTIVE), server_id=server.server_id)
    access, grant = found
    body = build_response(access, grant, server, rules, issuer=issuer)
    if body["active"]:
        await rules.store.touch_grant(grant.grant_id, now=now)
    return Introspection(body=body, server_id=server.server_id, grant=grant if body["active"] else None)


def authenticate_server(
    parameters: Parameters, authorization: str | None, rules: IntrospectionRules, *, now: float
) -> ResourceServer:
    """The resource server that asks (RFC 7662 §2.1), by Basic or by post. Raises: OAuthError invalid_client,
    and temporarily_unavailable (429) where there were too many, the same for an unknown one and for a wrong
    secret; invalid_request where two ways are used at once.
    """
    if authorization is None:
        identifiers, secrets = [parameters.get("client_id") or ""], [parameters.get("client_secret") or ""]
    elif parameters.get("client_secret") is not None:
        raise OAuthError(
            code="invalid_request",
            description="use one way of client authentication",
            reason="client_two_methods",
        )
    else:
        identifier, secret = parse_basic(authorization)
        identifiers, secrets = [*list_spellings(identifier)], [*list_spellings(secret)]
    server = next((rules.servers[name] for name in identifiers if name in rules.servers), None)
    name = identifiers[0] if server is None else server.server_id
    with (
        concerning(client=None if server is None else name),
        proving("server " + name, rules.throttle, address=rules.address, is_chosen=True, now=now),
    ):
        return _check_secrets(server, secrets)


def _check_secrets(server: ResourceServer | None, secrets: Iterable[str]) -> ResourceServer:
    expected = NO_SECRET if server is None else server.secret_hash
    # Every candidate is compared, also for a name that nobody has, so that the time taken tells nothing.
    matches = [is_same_secret(secret, expected) for secret in secrets]
    if server is None or not any(matches):
        _refuse()
    return server


def build_response(
    access: AccessToken, grant: Grant, server: ResourceServer, rules: IntrospectionRules, *, issuer: str
) -> dict[str, Any]:
    """RFC 7662 §2.2. `aud` names those of the token's resources that are the asking server's."""
    paths = access.resources if access.resources is not None else grant.resources
    audience = [
        resource.build_url(issuer)
        for resource in rules.resources
        if resource.path in paths and resource.path in server.resources
    ]
    person = rules.people.find(grant.username)
    if not audience or person is None:
        return dict(INACTIVE)
    scope = restrict(grant.scope if access.scope is None else access.scope, person.scopes)
    body: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "sub": grant.username,
        "aud": audience[0] if len(audience) == 1 else audience,
        "client_id": grant.client_id,
        "token_type": "DPoP" if access.jkt else "Bearer",
        "exp": int(min(access.expires_at, grant.expires_at)),
    }
    if not is_machine(grant.username):
        body["username"] = grant.username
    if scope:
        body["scope"] = " ".join(scope)
    if access.jkt:
        body["cnf"] = {"jkt": access.jkt}
    return body


def _refuse() -> NoReturn:
    raise OAuthError(
        code="invalid_client",
        description="no resource server is known by this id and secret",
        reason="resource_server_unknown",
    )
