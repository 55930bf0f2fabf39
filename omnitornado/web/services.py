"""What the handlers share. `app.py` builds it; nothing here decides anything."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
from tornado.httputil import HTTPServerRequest
from tornado.template import Loader

from omnitornado.audit import AuditLog
from omnitornado.base64url import encode
from omnitornado.net import Network, find_client_scheme
from omnitornado.net.fetched import Fetch
from omnitornado.oauth.authorize import AuthorizationRules
from omnitornado.oauth.browser_session import BrowserSessions
from omnitornado.oauth.client import Clients
from omnitornado.oauth.consent import ConsentRules
from omnitornado.oauth.device import DeviceRules
from omnitornado.oauth.dpop import Proofs
from omnitornado.oauth.dpop_target import ProofRequest
from omnitornado.oauth.introspection import IntrospectionRules
from omnitornado.oauth.issuance import TokenRules
from omnitornado.oauth.login import SignIn
from omnitornado.oauth.people import People
from omnitornado.oauth.provider_sign_in import ProviderSignIn
from omnitornado.oauth.pushed_request import PushRules
from omnitornado.oauth.registration import RegistrationRules
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import ScopePolicy
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.oauth.throttle import RateLimit, UserCodeThrottle
from omnitornado.store.transitions import Store
from omnitornado.web.identity import Identity
from omnitornado.web.in_flight import InFlight
from omnitornado.web.refusals import Refusals


@dataclass(frozen=True)
class ScopeTool:
    """A tool as the consent page shows it."""

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class MountHealth:
    """How a server behind us is."""

    name: str
    path: str
    children: int
    """Processes that run."""
    failure: str | None = None
    """Why the last one that should have started, or gone on, did not; None while all is well."""

    @property
    def state(self) -> str:
        """In a word."""
        return "ok" if self.failure is None else "failing"


FindTools: TypeAlias = Callable[[str], Sequence[ScopeTool] | Awaitable[Sequence[ScopeTool]]]
"""The tools behind a scope; plain or async."""


def build_request_ids() -> Iterator[str]:
    """One after the other: no two of a process are the same, and those of two processes begin differently."""
    return map(f"{encode(secrets.token_bytes(6))}-{{:x}}".format, itertools.count(1))


@dataclass(frozen=True, kw_only=True)
class Services:
    """The one set of services of a server."""

    identity: Callable[[], Identity]
    """Who the server is: a function, because the port is known only once it listens."""
    server_name: str
    store: Store
    clients: Clients
    people: People
    sign_in: SignIn
    sessions: BrowserSessions
    scopes: ScopePolicy
    resources: Sequence[ProtectedResource]
    proofs: Proofs
    tokens: TokenRules
    consents: ConsentRules
    registration: RegistrationRules
    introspection: IntrospectionRules
    devices: DeviceRules
    templates: Loader
    fetch: Fetch
    """Asks another host, guarded."""
    provider: ProviderSignIn | None = None
    """Signs people in through an OpenID provider."""
    provider_requests: RateLimit = field(default_factory=lambda: RateLimit(60))
    """Browsers that are sent to the provider, or come back from it."""
    has_password_form: bool = True
    audit: AuditLog | None = None
    refusals: Refusals = field(default_factory=Refusals)
    """What keeps refusals from filling the audit log."""
    can_register: bool = True
    registrations: RateLimit = field(default_factory=lambda: RateLimit(60))
    can_use_devices: bool = True
    can_push: bool = True
    """Whether clients may push their authorization requests."""
    must_push: bool = False
    """Whether all of them must."""
    pushes: PushRules = PushRules()  # noqa: RUF009 - frozen
    push_rate: RateLimit = field(default_factory=lambda: RateLimit(60))
    device_requests: RateLimit = field(default_factory=lambda: RateLimit(30))
    user_codes: UserCodeThrottle = field(default_factory=UserCodeThrottle)
    allowed_origins: frozenset[str] = frozenset()
    trusted_proxies: Sequence[Network] = ()
    in_flight: InFlight = field(default_factory=InFlight)
    find_tools: FindTools = lambda scope: ()
    find_health: Callable[[], Sequence[MountHealth]] = tuple
    """Of the servers behind us."""
    request_ids: Iterator[str] = field(default_factory=build_request_ids)
    """What names each request in the log."""
    clock: Callable[[], float] = time.time
    token_bytes: TokenBytes = secrets.token_bytes

    def find_issuer(self, request: HTTPServerRequest) -> str | None:
        """Who this server is to a request; None for a `Host` that is not its own."""
        return self.identity().find_issuer(request.headers.get("Host"), self._find_proxied_scheme(request))

    def find_scheme(self, request: HTTPServerRequest) -> str:
        """How a client has reached this server: by a trusted proxy's word, or by the connection itself."""
        return self._find_proxied_scheme(request) or request.protocol

    def _find_proxied_scheme(self, request: HTTPServerRequest) -> str | None:
        if not self.trusted_proxies:
            return None
        return find_client_scheme(
            request.remote_ip or "", request.headers.get("X-Forwarded-Proto"), self.trusted_proxies
        )

    def build_proof_request(self, request: HTTPServerRequest, issuer: str) -> ProofRequest:
        """What a DPoP proof that comes with this request has to be for."""
        return ProofRequest(
            headers=request.headers.get_list("DPoP"),
            method=str(request.method),
            issuer=issuer,
            path=request.path,
        )

    def build_token_rules(self, address: str) -> TokenRules:
        """What a token request from this address is answered by."""
        return msgspec.structs.replace(self.tokens, clients=self.clients.asked_by(address))

    def build_introspection_rules(self, address: str) -> IntrospectionRules:
        """What an introspection request from this address is answered by."""
        return msgspec.structs.replace(self.introspection, address=address)

    def build_authorization_rules(self, issuer: str, address: str) -> AuthorizationRules:
        """What an authorization request under this issuer, from this address, is checked against."""
        return AuthorizationRules(
            issuer=issuer,
            clients=self.clients.asked_by(address),
            store=self.store,
            scopes=self.scopes,
            resources=self.resources,
            requires_pushed=self.must_push,
        )
