"""Implements: RFC 6749 §2: a client as the endpoints see it, preset or registered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from omnitornado.oauth.redirect_uri import is_same_redirect
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import Client
from omnitornado.store.transitions import Store

GRANT_TYPES: Final = ("authorization_code", "refresh_token")
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")


class OAuthClient(msgspec.Struct, frozen=True):
    """A client, wherever it is kept."""

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...]
    auth_methods: tuple[str, ...]
    """The ways it may authenticate at the token endpoint."""
    grant_types: tuple[str, ...]
    secret_hash: bytes | None = None
    is_preset: bool = False
    """Set up by the operator: its name can be trusted."""
    client_uri: str | None = None
    scope: tuple[str, ...] | None = None
    """What a preset client may ask for; None for every scope. A registered one is not held to what it named.
    """

    @property
    def is_confidential(self) -> bool:
        return self.secret_hash is not None

    def find_redirect(self, presented: str) -> str | None:
        """The registered redirect URI that `presented` is, or None."""
        return next((uri for uri in self.redirect_uris if is_same_redirect(uri, presented)), None)


class Clients:
    """Every client: those of the configuration, then those of the store."""

    def __init__(self, presets: Iterable[OAuthClient], store: Store) -> None:
        self._presets: Mapping[str, OAuthClient] = {client.client_id: client for client in presets}
        self._store = store

    @property
    def presets(self) -> Sequence[OAuthClient]:
        return tuple(self._presets.values())

    async def find(self, client_id: str, *, now: float) -> OAuthClient | None:
        """The client, or None when unknown or lapsed."""
        preset = self._presets.get(client_id)
        if preset is not None:
            return preset
        record = await self._store.find_client(client_id, now=now)
        return None if record is None else _from_record(record)


def build_preset(
    *,
    client_id: str,
    client_secret: str | None,
    client_name: str = "",
    redirect_uris: Iterable[str] = (),
    token_endpoint_auth_method: str | None = None,
    grant_types: Iterable[str] = GRANT_TYPES,
    client_uri: str | None = None,
    scope: Iterable[str] | None = None,
) -> OAuthClient:
    """A preset client. With a secret and no method named, Basic and post are both good; with "none" the
    secret counts for nothing, and the client is a public one.
    """
    if token_endpoint_auth_method == "none":  # noqa: S105 - a method's name
        client_secret = None
    if client_secret is None:
        methods: tuple[str, ...] = ("none",)
    elif token_endpoint_auth_method is None:
        methods = ("client_secret_basic", "client_secret_post")
    else:
        methods = (token_endpoint_auth_method,)
    return OAuthClient(
        client_id=client_id,
        client_name=client_name or client_id,
        redirect_uris=tuple(redirect_uris),
        auth_methods=methods,
        grant_types=tuple(grant_types),
        secret_hash=None if client_secret is None else digest(client_secret),
        is_preset=True,
        client_uri=client_uri,
        scope=None if scope is None else tuple(scope),
    )


def _from_record(record: Client) -> OAuthClient:
    metadata: dict[str, Any] = record.metadata
    uri = metadata.get("client_uri")
    return OAuthClient(
        client_id=record.client_id,
        client_name=record.client_name,
        redirect_uris=record.redirect_uris,
        auth_methods=(record.token_endpoint_auth_method,),
        grant_types=record.grant_types,
        secret_hash=record.secret_hash,
        client_uri=uri if isinstance(uri, str) else None,
    )
