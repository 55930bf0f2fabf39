"""The only wiring: the services, and ROUTES, the one table of URL, handler and specification.

`AuthorizationServer` is the OAuth half, for any Tornado application; `server.Server` adds the MCP endpoint
and the process around it.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace
from tornado.routing import URLSpec
from tornado.template import Loader
from tornado.web import RequestHandler

from omnitornado.audit import AuditLog
from omnitornado.net.fetched import Fetch
from omnitornado.net.guarded_fetch import GuardedFetch
from omnitornado.oauth.browser_session import BrowserSessions
from omnitornado.oauth.client import CLIENT_CREDENTIALS, Clients, OAuthClient
from omnitornado.oauth.client_documents import DocumentRules, build_documents
from omnitornado.oauth.consent import ConsentRules
from omnitornado.oauth.device import DeviceRules
from omnitornado.oauth.dpop import DpopPolicy, Proofs
from omnitornado.oauth.identity_providers import IdentityProvider, IdentityProviders
from omnitornado.oauth.introspection import IntrospectionRules, ResourceServer, build_resource_servers
from omnitornado.oauth.issuance import REFRESH_GRACE, TokenRules
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.login import SignIn, ValidateUser
from omnitornado.oauth.people import People, Person, ProviderPeople, name_machine
from omnitornado.oauth.provider_sign_in import ProviderLogin, ProviderSignIn
from omnitornado.oauth.pushed_request import PushRules
from omnitornado.oauth.redirect_uri import LOOPBACK_HOSTS
from omnitornado.oauth.registration import RegistrationRules
from omnitornado.oauth.resource import DEFAULT_PORTS, ProtectedResource
from omnitornado.oauth.scope import ScopePolicy
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.oauth.shared_counts import Counter, SharedCounts
from omnitornado.oauth.throttle import RateLimit
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.transitions import RunningStore
from omnitornado.web.account import AccountHandler
from omnitornado.web.authorize import AuthorizeHandler
from omnitornado.web.consent import ConsentHandler
from omnitornado.web.device import DeviceAuthorizationHandler, DeviceHandler
from omnitornado.web.guard import H, guard_handler
from omnitornado.web.health import HealthHandler
from omnitornado.web.home import HomeHandler, NotFoundHandler, StaticHandler
from omnitornado.web.identity import Identity
from omnitornado.web.introspect import IntrospectHandler
from omnitornado.web.login import LoginHandler, LogoutHandler
from omnitornado.web.mcp import McpHandler
from omnitornado.web.metadata import ResourceMetadataHandler, ServerMetadataHandler
from omnitornado.web.provider import ProviderCallbackHandler, ProviderDepartureHandler
from omnitornado.web.pushed_request import PushedRequestHandler
from omnitornado.web.register import ClientConfigurationHandler, RegisterHandler
from omnitornado.web.revoke import RevokeHandler
from omnitornado.web.services import FindTools, MountHealth, Services
from omnitornado.web.token import TokenHandler


class Route(msgspec.Struct, frozen=True):
    """A line of ROUTES. `path` is a regular expression for Tornado; `shown` is what a person reads."""

    path: str
    handler: type[RequestHandler]
    specification: str
    shown: str
    is_oauth: bool = True
    """Whether it belongs to the authorization server, and so to `AuthorizationServer` too."""


WELL_KNOWN: Final = r"/\.well-known"

ROUTES: Final = (
    Route(
        WELL_KNOWN + r"/oauth-authorization-server(/.*)?",
        ServerMetadataHandler,
        "RFC 8414 §3",
        "/.well-known/oauth-authorization-server[/path]",
    ),
    Route(
        WELL_KNOWN + r"/openid-configuration(/.*)?",
        ServerMetadataHandler,
        "RFC 8414 §5",
        "/.well-known/openid-configuration[/path]",
    ),
    Route(
        r"(/.+)" + WELL_KNOWN + "/openid-configuration",
        ServerMetadataHandler,
        "OpenID Connect Discovery §4",
        "/path/.well-known/openid-configuration",
    ),
    Route(
        r"(/.+)" + WELL_KNOWN + "/oauth-authorization-server",
        ServerMetadataHandler,
        "our choice",
        "/path/.well-known/oauth-authorization-server",
    ),
    Route(
        WELL_KNOWN + r"/oauth-protected-resource(/.*)?",
        ResourceMetadataHandler,
        "RFC 9728 §3",
        "/.well-known/oauth-protected-resource[/path]",
    ),
    Route(
        r"(/.+)" + WELL_KNOWN + "/oauth-protected-resource",
        ResourceMetadataHandler,
        "our choice",
        "/path/.well-known/oauth-protected-resource",
    ),
    Route("/authorize", AuthorizeHandler, "RFC 6749 §3.1, OAuth 2.1 §3.1, RFC 9207", "/authorize"),
    Route("/par", PushedRequestHandler, "RFC 9126 §2, RFC 9449 §10.1", "/par"),
    Route("/consent", ConsentHandler, "RFC 6749 §4.1.1", "/consent"),
    Route("/token", TokenHandler, "RFC 6749 §3.2, RFC 7636, RFC 8707, RFC 9449 §5", "/token"),
    Route("/register", RegisterHandler, "RFC 7591 §3", "/register"),
    Route("/register/([^/]+)", ClientConfigurationHandler, "RFC 7592 §2", "/register/{client_id}"),
    Route("/revoke", RevokeHandler, "RFC 7009 §2", "/revoke"),
    Route("/introspect", IntrospectHandler, "RFC 7662 §2", "/introspect"),
    Route("/device_authorization", DeviceAuthorizationHandler, "RFC 8628 §3.1", "/device_authorization"),
    Route("/device", DeviceHandler, "RFC 8628 §3.3", "/device"),
    Route("/login", LoginHandler, "RFC 6749 §3.1", "/login"),
    Route("/login/oidc", ProviderDepartureHandler, "OpenID Connect Core §3.1.2.1", "/login/oidc"),
    Route(
        "/login/oidc/callback",
        ProviderCallbackHandler,
        "OpenID Connect Core §3.1.2.5, RFC 9207 §2.4",
        "/login/oidc/callback",
    ),
    Route("/logout", LogoutHandler, "our choice", "/logout"),
    Route("/account", AccountHandler, "our choice", "/account"),
    Route("/omnitornado/(.*)", StaticHandler, "our choice", "/omnitornado/style.css"),
    Route("/healthz", HealthHandler, "our choice", "/healthz", is_oauth=False),
    Route("/", HomeHandler, "our choice", "/", is_oauth=False),
)
"""Every URL but the MCP endpoints', whose paths the configuration gives (`build_mcp_route`)."""


def build_mcp_route(path: str, handler: type[RequestHandler] = McpHandler) -> Route:
    """The line of an MCP endpoint."""
    return Route(
        path.replace(".", r"\.") + "/?",
        handler,
        "MCP 2025-03-26 to 2026-07-28, RFC 6750, RFC 9449 §7, RFC 9728",
        path,
        is_oauth=False,
    )


def build_url_specs(routes: Iterable[Route], services: Services) -> list[URLSpec]:
    """The lines as Tornado wants them."""
    return [
        URLSpec(
            route.path,
            route.handler,
            {"services": services, "folder": find_assets("static")}
            if route.handler is StaticHandler
            else {"services": services},
        )
        for route in routes
    ]


class AuthorizationServer:
    """The OAuth 2.1 endpoints and pages alone, as `routes` for any Tornado application.

    ```
    auth = AuthorizationServer(issuer="https://example.com", validate_user=check)
    application = tornado.web.Application([*auth.routes, ("/api", Api)])
    await auth.start()
    ```
    """

    def __init__(
        self,
        *,
        issuer: str | Callable[[], Identity],
        validate_user: ValidateUser | None = None,
        people: Iterable[Person] = (),
        provider: ProviderLogin | None = None,
        clients: Iterable[OAuthClient] = (),
        name: str = "omnitornado",
        store: RunningStore | str | Path | None = "omnitornado.state",
        scopes: Mapping[str, str] | None = None,
        default_scope: Sequence[str] = (),
        implied_scopes: Mapping[str, Sequence[str]] | None = None,
        access_token_lifetime: float = 3600.0,
        refresh_token_lifetime: float = 30 * 86400.0,
        refresh_token_absolute_lifetime: float | None = 365 * 86400.0,
        authorization_code_lifetime: float = 60.0,
        refresh_grace: float = REFRESH_GRACE,
        session_lifetime: float = 12 * 3600.0,
        client_documents: DocumentRules = DocumentRules(),  # noqa: B008 - frozen
        can_register: bool = True,
        registrations_per_minute: int = 60,
        initial_token_hashes: Iterable[bytes] = (),
        unused_client_lifetime: float | None = 30 * 86400.0,
        can_use_devices: bool = True,
        device_code_lifetime: float = 600.0,
        device_interval: float = 5.0,
        device_codes_per_minute: int = 30,
        can_push: bool = True,
        must_push: bool = False,
        pushed_request_lifetime: float = 600.0,
        pushed_requests_per_minute: int = 60,
        dpop: DpopPolicy = DpopPolicy(),  # noqa: B008 - frozen
        resource_servers: Iterable[ResourceServer] = (),
        identity_providers: Iterable[IdentityProvider] = (),
        allowed_origins: Iterable[str] = (),
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
        bcrypt_threads: int = 2,
        find_tools: FindTools = lambda scope: (),
        find_health: Callable[[], Sequence[MountHealth]] = tuple,
        audit: AuditLog | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        token_bytes: TokenBytes = secrets.token_bytes,
    ) -> None:
        """Args:
            issuer: this server's own address, without a final slash (RFC 8414 §2).
            validate_user: `check(username, password)`, plain or async, gives True or False. Or give `people`.
            provider: the OpenID provider that people may sign in through.
            clients: preset clients, from `build_preset`.
            name: what the pages call the server.
            store: an opened store, or the path of its files; None keeps everything in memory.
            scopes: each scope with what it allows, in words. Resources add theirs.
            default_scope: what a request that names no scope asks for, beside what its resources need.
            implied_scopes: for a scope the others that come with it.
            resource_servers: who may introspect tokens, and for which resources.
            dpop: whether tokens must be bound to a key, and where proofs of it need a nonce.
            identity_providers: who may vouch for people, so that clients get tokens for them without a page.
            client_documents: which clients may be known by a document of their own.
            initial_token_hashes: SHA-256 digests of tokens, one of which a client must send to register;
                none: anyone may.
            unused_client_lifetime: how long a registration is kept that never got a grant, None for ever.
            find_tools: the tools behind a scope, for the consent page; plain or async.
            find_health: how the servers behind this one are.
            audit: an open audit log, which the caller closes.
            fetch: how other hosts are asked; default: by https, and those on the public internet alone.

        Lifetimes and `refresh_grace` are in seconds. Raises: StoreError.
        """
        identity = build_identity(issuer) if isinstance(issuer, str) else issuer
        opened = _open_store(store, clock) if store is None or isinstance(store, str | Path) else store
        implied = dict(implied_scopes or {})
        self.store: RunningStore = opened
        self._counts: SharedCounts | None = None
        self._resources: list[ProtectedResource] = []
        self._descriptions: dict[str, str] = dict(scopes or {})
        for scope in (*implied, *(token for tokens in implied.values() for token in tokens)):
            self._descriptions.setdefault(scope, "")
        policy = ScopePolicy(descriptions=self._descriptions, default=tuple(default_scope), implied=implied)
        configured = _expand_clients(clients, policy)
        servers = build_resource_servers(resource_servers)
        asks = fetch or GuardedFetch(refused_hosts=_find_own_hosts(issuer)).fetch
        providers = IdentityProviders(_expand_providers(identity_providers, policy), asks)
        if provider is None and providers.need_sign_in:
            raise ValueError(
                "an identity provider with sign_in needs the provider that people sign in through"
            )
        known = People(
            _expand_people(people, policy),
            is_open=validate_user is not None,
            machines=_find_machines(configured),
            provider=_expand_provider_people(provider, policy),
            provided=providers.build_provided(),
        )
        presets = Clients(
            configured,
            opened,
            key_sets=RemoteKeySets(asks),
            documents=build_documents(opened, asks, client_documents),
        )
        proofs = Proofs(opened, token_bytes=token_bytes, policy=dpop)
        self.services = Services(
            identity=identity,
            server_name=name,
            store=opened,
            clients=presets,
            people=known,
            sign_in=SignIn(known, opened, threads=bcrypt_threads, validate_user=validate_user),
            sessions=BrowserSessions(opened, known, lifetime=session_lifetime, token_bytes=token_bytes),
            scopes=policy,
            resources=self._resources,
            proofs=proofs,
            tokens=TokenRules(
                store=opened,
                clients=presets,
                people=known,
                resources=self._resources,
                proofs=proofs,
                access_token_lifetime=access_token_lifetime,
                refresh_token_lifetime=refresh_token_lifetime,
                refresh_token_absolute_lifetime=refresh_token_absolute_lifetime,
                scopes=policy,
                refresh_grace=refresh_grace,
                providers=providers,
                token_bytes=token_bytes,
            ),
            consents=ConsentRules(
                store=opened, code_lifetime=authorization_code_lifetime, token_bytes=token_bytes
            ),
            registration=RegistrationRules(
                store=opened,
                unused_lifetime=unused_client_lifetime,
                initial_token_hashes=tuple(initial_token_hashes),
                token_bytes=token_bytes,
            ),
            introspection=IntrospectionRules(
                store=opened,
                people=known,
                resources=self._resources,
                servers=servers,
                throttle=presets.throttle,
            ),
            devices=DeviceRules(
                store=opened,
                clients=presets,
                scopes=policy,
                resources=self._resources,
                code_lifetime=device_code_lifetime,
                interval=device_interval,
                token_bytes=token_bytes,
            ),
            provider=None
            if provider is None
            else ProviderSignIn(provider, known, opened, asks, token_bytes=token_bytes),
            has_password_form=provider is None
            or (provider.has_password_form and (validate_user is not None or known.have_passwords)),
            templates=Loader(str(find_assets("templates")), autoescape="xhtml_escape"),
            can_register=can_register,
            registrations=RateLimit(registrations_per_minute),
            can_use_devices=can_use_devices,
            device_requests=RateLimit(device_codes_per_minute),
            can_push=can_push,
            must_push=can_push and must_push,
            pushes=PushRules(lifetime=pushed_request_lifetime, token_bytes=token_bytes),
            push_rate=RateLimit(pushed_requests_per_minute),
            allowed_origins=frozenset(allowed_origins),
            trusted_proxies=trusted_proxies,
            find_tools=find_tools,
            find_health=find_health,
            audit=audit,
            fetch=asks,
            clock=clock,
            token_bytes=token_bytes,
        )
        self._protect_elsewhere(servers.values())

    @property
    def routes(self) -> list[URLSpec]:
        """For `tornado.web.Application([*auth.routes, …])`."""
        return build_url_specs((route for route in ROUTES if route.is_oauth), self.services)

    def protect(
        self, path: str, *, scope: Sequence[str] = (), name: str = "", description: str = ""
    ) -> ProtectedResource:
        """Make a path a protected resource (RFC 9728): clients can ask for tokens for it from here on."""
        resource = ProtectedResource(path=path, name=name or self.services.server_name, scope=tuple(scope))
        # Before those elsewhere: the first one stands for the server where only one can.
        self._resources.insert(sum(not known.is_elsewhere for known in self._resources), resource)
        for token in scope:
            self._descriptions[token] = self._descriptions.get(token) or description or f"Use {resource.name}"
        return resource

    def _protect_elsewhere(self, servers: Iterable[ResourceServer]) -> None:
        """Let clients ask for tokens for the resource servers that stand under another address."""
        for server in servers:
            name = server.name or server.server_id
            for url in server.resources:
                if url.startswith("/") or any(known.path == url for known in self._resources):
                    continue
                self._resources.append(ProtectedResource(path=url, name=name, scope=server.scope))
                for token in server.scope:
                    self._descriptions[token] = self._descriptions.get(token) or f"Use {name}"

    async def start(self) -> None:
        """Begin keeping state, on the running loop."""
        await self.store.start()
        self.share_counts()

    def share_counts(self) -> None:
        """Count guesses and requests together with the other processes on the store, once it has started."""
        services, bus = self.services, self.store.bus
        if bus is None:
            return
        counters: dict[str, Counter] = {
            "passwords": services.sign_in.throttle.attempts,
            "user codes": services.user_codes.attempts,
            "clients": services.clients.throttle.attempts,
            "registrations": services.registrations,
            "device requests": services.device_requests,
            "pushed requests": services.push_rate,
            "provider requests": services.provider_requests,
        }
        self._counts = SharedCounts(bus, counters, token_bytes=services.token_bytes)
        self._counts.start()

    async def close(self) -> None:
        """Let what is promised reach the disk, and end."""
        services = self.services
        services.sign_in.close()
        if services.audit is not None:
            services.refusals.end_period(services.audit, now=services.clock())
        if self._counts is not None:
            await self._counts.close()
        await self.store.close()


def require_token(
    auth: AuthorizationServer, path: str, *, scope: str | Sequence[str] = (), name: str = ""
) -> Callable[[H], H]:
    """A class decorator for a RequestHandler at `path`: every request needs a bearer token that was issued
    for it.

    Inside, `self.current_user` has `username`, `client_id` and `scope`.
    """
    scopes = tuple(scope.split()) if isinstance(scope, str) else tuple(scope)
    resource = next((r for r in auth.services.resources if r.path == path), None)
    return guard_handler(auth.services, resource or auth.protect(path, scope=scopes, name=name), scopes)


def _expand_people(people: Iterable[Person], policy: ScopePolicy) -> list[Person]:
    """Who may grant a scope may grant what it implies."""
    return [
        person if person.scopes is None else replace(person, scopes=policy.expand(person.scopes))
        for person in people
    ]


def _expand_provider_people(provider: ProviderLogin | None, policy: ScopePolicy) -> ProviderPeople | None:
    if provider is None or provider.people.scopes is None:
        return None if provider is None else provider.people
    return replace(provider.people, scopes=policy.expand(provider.people.scopes))


def _expand_clients(clients: Iterable[OAuthClient], policy: ScopePolicy) -> list[OAuthClient]:
    """The same for what a client may ask for."""
    return [
        client if client.scope is None else replace(client, scope=policy.expand(client.scope))
        for client in clients
    ]


def _expand_providers(providers: Iterable[IdentityProvider], policy: ScopePolicy) -> list[IdentityProvider]:
    """The same for what can be had by a provider's word."""
    return [
        provider if provider.scopes is None else replace(provider, scopes=policy.expand(provider.scopes))
        for provider in providers
    ]


def _find_machines(clients: Iterable[OAuthClient]) -> list[Person]:
    """The clients that may act for themselves, in the place of a person."""
    return [
        Person(name_machine(client.client_id), scopes=client.scope)
        for client in clients
        if CLIENT_CREDENTIALS in client.grant_types
    ]


def _open_store(path: str | Path | None, clock: Callable[[], float]) -> EmbeddedStore:
    return EmbeddedStore.open(None if path is None else Path(path), clock=clock)


def _find_own_hosts(issuer: str | Callable[[], Identity]) -> list[str]:
    return [urlsplit(issuer).hostname or ""] if isinstance(issuer, str) else []


def build_identity(issuer: str) -> Callable[[], Identity]:
    """A fixed issuer. Raises: ValueError for anything but an origin."""
    parts = urlsplit(issuer)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username is not None
        or parts.path
        or parts.query
        or parts.fragment
    ):
        raise ValueError(f"issuer must be an origin like https://example.com, not {issuer!r}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(f"issuer must use https unless it is loopback (OAuth 2.1 §1.5), not {issuer!r}")
    identity = Identity(
        public_url=issuer,
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or DEFAULT_PORTS[parts.scheme],
    )
    return lambda: identity


def find_assets(name: str) -> Path:
    """The folder of templates or static files: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / name
    return inside if inside.is_dir() else here.parent / name


__all__ = ["ROUTES", "AuthorizationServer", "NotFoundHandler", "build_mcp_route", "require_token"]
