"""Implements: RFC 6749 §2: a client as the endpoints see it: preset, registered, or known by a document."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from omnitornado.oauth.inline_keys import InlineKeys
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.redirect_uri import is_same_redirect
from omnitornado.oauth.secrets import digest
from omnitornado.oauth.throttle import ClientThrottle, find_network
from omnitornado.store.records import Client
from omnitornado.store.transitions import Store

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_CREDENTIALS: Final = "client_credentials"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_TYPES: Final = ("authorization_code", "refresh_token", DEVICE_CODE)
"""What any client may use that registers for it."""
FIRST_GRANTS: Final = ("authorization_code", DEVICE_CODE)
"""Those of them that give a first token; a client needs one."""
CONFIGURED_GRANTS: Final = (CLIENT_CREDENTIALS, JWT_BEARER)
"""What a client may use if the operator says so: no person is asked there. It has to prove itself (RFC 6749
§4.4).
"""
PRESET_GRANTS: Final = ("authorization_code", "refresh_token")
"""What a preset client may use unless it is configured otherwise."""
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
DOCUMENT_PREFIX: Final = "https://"
"""What an id begins with that is the address of its client's own document. No registered one does."""
REQUIRES_PUSHED: Final = "require_pushed_authorization_requests"
"""The member of a client's metadata (RFC 9126 §6)."""
WITHOUT_SECRET: Final = frozenset({"private_key_jwt", "none"})
SIGNING_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""What a client may sign its assertion with (RFC 8414 §2)."""


class ClientKeys(msgspec.Struct, frozen=True):
    """A client's public keys: themselves, or where they are (RFC 7591 §2: never both)."""

    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    signing_alg: str | None = None
    """The one algorithm it uses; None for any of `SIGNING_ALGORITHMS`."""


class DocumentSource(enum.Enum):
    """Where a client's own document was read."""

    FETCHED = "fetched"
    """At its own address, now or at an earlier time."""
    SHIPPED = "shipped"
    """In the copy that came with this server: its address was not asked, or did not answer."""


class ClientOrigin(msgspec.Struct, frozen=True):
    """Who stands for a client that is known by its own document."""

    host: str
    source: DocumentSource


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
    keys: "ClientKeys | None" = None
    """What it signs its assertions with, for `private_key_jwt`."""
    origin: ClientOrigin | None = None
    """Set for a client that is known by its own document."""
    requires_pushed: bool = False
    """Whether it asks for authorization by pushed requests alone (RFC 9126 §6)."""
    dpop_bound_access_tokens: bool = False
    """Whether it always proves a key, and gets no token without (RFC 9449 §5.2)."""

    @property
    def is_confidential(self) -> bool:
        """Whether it has to prove itself; one that may use "none" as well doesn't."""
        return "none" not in self.auth_methods

    @property
    def is_verified(self) -> bool:
        """Whether its document came from its own domain, so that this domain stands for it. That says nothing
        of the name it gives itself.
        """
        return self.origin is not None and self.origin.source is DocumentSource.FETCHED

    def find_redirect(self, presented: str) -> str | None:
        """The registered redirect URI that `presented` is, or None."""
        return next((uri for uri in self.redirect_uris if is_same_redirect(uri, presented)), None)


class UnusableClientError(Exception):
    """A client that can't be used now, though its id says where it is described. `str()` says why, for who is
    to put it right; `reason` is for the log. `is_passing`: it may be another time.
    """

    def __init__(self, detail: str, *, reason: str, is_passing: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.is_passing = is_passing


class Documents(Protocol):
    """Clients by the address of their own document: `client_documents.ClientDocuments`."""

    async def find(self, url: str, *, asker: str, now: float) -> OAuthClient:
        """`asker`: the address on whose behalf. Raises: UnusableClientError."""
        ...


class Clients:
    """Every client: those of the configuration, those known by their own document, those of the store."""

    def __init__(
        self,
        presets: Iterable[OAuthClient],
        store: Store,
        *,
        key_sets: RemoteKeySets | None = None,
        documents: Documents | None = None,
    ) -> None:
        """Args: key_sets: fetches the keys of clients that name an address for them; None: those can't
        authenticate. documents: finds clients whose id is the address of their document; None: there are
        none.
        """
        self._presets: Mapping[str, OAuthClient] = {client.client_id: client for client in presets}
        self.store = store
        self.key_sets = key_sets
        self.inline_keys = InlineKeys()
        self.throttle = ClientThrottle()
        self._documents = documents
        self.asker = ""
        """The address on whose behalf other hosts are asked; a network, where it is IPv6."""

    @property
    def presets(self) -> Sequence[OAuthClient]:
        return tuple(self._presets.values())

    @property
    def has_machines(self) -> bool:
        """Whether a client may act for itself."""
        return any(CLIENT_CREDENTIALS in client.grant_types for client in self._presets.values())

    @property
    def takes_documents(self) -> bool:
        return self._documents is not None

    def asked_by(self, address: str) -> "Clients":
        """The same clients, for requests from one address: what is fetched for it is limited."""
        clients = Clients.__new__(Clients)  # as copy.copy, at a tenth of its cost: each token request asks
        vars(clients).update(vars(self))
        clients.asker = find_network(address)
        return clients

    async def find(self, client_id: str, *, now: float) -> OAuthClient | None:
        """The client, or None when unknown or lapsed. Raises: UnusableClientError."""
        preset = self._presets.get(client_id)
        if preset is not None:
            return preset
        if self._documents is not None and client_id.startswith(DOCUMENT_PREFIX):
            return await self._documents.find(client_id, asker=self.asker, now=now)
        record = await self.store.find_client(client_id, now=now)
        return None if record is None else _from_record(record)


def build_preset(
    *,
    client_id: str,
    client_secret: str | None,
    client_name: str = "",
    redirect_uris: Iterable[str] = (),
    token_endpoint_auth_method: str | None = None,
    grant_types: Iterable[str] = PRESET_GRANTS,
    client_uri: str | None = None,
    scope: Iterable[str] | None = None,
    keys: ClientKeys | None = None,
    require_pushed_authorization_requests: bool = False,
    dpop_bound_access_tokens: bool = False,
) -> OAuthClient:
    """A preset client. Where no method is named, what it has decides: with a secret Basic and post are both
    good, with keys it signs. With "none" a secret counts for nothing, and the client is a public one.

    Raises: ValueError for a public one that is to have a grant of `CONFIGURED_GRANTS`.
    """
    if token_endpoint_auth_method in WITHOUT_SECRET:
        client_secret = None
    if token_endpoint_auth_method is not None:
        methods: tuple[str, ...] = (token_endpoint_auth_method,)
    else:
        methods = ("client_secret_basic", "client_secret_post") if client_secret is not None else ()
        methods += ("private_key_jwt",) if keys is not None else ()
    grants = tuple(grant_types)
    if methods in ((), ("none",)) and not set(grants).isdisjoint(CONFIGURED_GRANTS):
        raise ValueError(f"{client_id} has to prove itself to use {', '.join(CONFIGURED_GRANTS)}")
    return OAuthClient(
        client_id=client_id,
        client_name=client_name or client_id,
        redirect_uris=tuple(redirect_uris),
        auth_methods=methods or ("none",),
        grant_types=grants,
        secret_hash=None if client_secret is None else digest(client_secret),
        is_preset=True,
        client_uri=client_uri,
        scope=None if scope is None else tuple(scope),
        keys=keys,
        requires_pushed=require_pushed_authorization_requests,
        dpop_bound_access_tokens=dpop_bound_access_tokens,
    )


def build_keys(metadata: Mapping[str, Any]) -> ClientKeys | None:
    """The keys that checked client metadata (RFC 7591 §2) names; None for none."""
    jwks, jwks_uri = metadata.get("jwks"), metadata.get("jwks_uri")
    if jwks is None and jwks_uri is None:
        return None
    return ClientKeys(
        jwks=jwks, jwks_uri=jwks_uri, signing_alg=metadata.get("token_endpoint_auth_signing_alg")
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
        keys=build_keys(metadata),
        requires_pushed=metadata.get(REQUIRES_PUSHED) is True,
        dpop_bound_access_tokens=metadata.get("dpop_bound_access_tokens") is True,
    )
