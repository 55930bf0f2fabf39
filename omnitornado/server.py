"""The whole server: the authorization server, the MCP endpoint, and the process around them.

Starting: state is loaded, the port is bound, the banner is printed, then requests are answered. Stopping
(SIGINT, SIGTERM): no new connection, streams end, what is in flight may finish for `[server] shutdown_grace`,
the snapshot is written.
"""

import asyncio
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tornado.web import Application

from omnitornado.app import ROUTES, AuthorizationServer, NotFoundHandler, build_url_specs
from omnitornado.audit import AuditLog
from omnitornado.config import Config, ConfigError, Overrides, build_config, load_config
from omnitornado.log import configure_logging, log_event
from omnitornado.mcp.server import MCPServer
from omnitornado.net.fetched import Fetch
from omnitornado.oauth.dpop import DpopPolicy
from omnitornado.oauth.login import ValidateUser
from omnitornado.oauth.people import Person
from omnitornado.progress import ProgressBar
from omnitornado.sdk.objects import Guest
from omnitornado.serving.access_log import log_request
from omnitornado.serving.accounts import (
    build_client_table,
    build_identity_provider,
    build_oauth_client,
    build_resource_server,
    build_user_table,
    check_accounts,
)
from omnitornado.serving.audit import open_audit
from omnitornado.serving.loading import adopt, find_app, find_validate_user
from omnitornado.serving.memory import settle_collector
from omnitornado.serving.mount import Mount
from omnitornado.serving.mounts import build_mounts, open_mounts, run_unless
from omnitornado.serving.outbound import build_document_rules, build_fetch, build_provider_fetch
from omnitornado.serving.provider import ProviderCheck, build_provider_login
from omnitornado.serving.ready import PresetClient, Ready, print_banner
from omnitornado.serving.sockets import bind, build_ssl, close_sockets
from omnitornado.serving.store import build_store_table, open_store
from omnitornado.skills.start import open_skills
from omnitornado.speed.choice import find_loop_factory, open_server
from omnitornado.store.errors import StoreDamaged, StoreError
from omnitornado.store.reading import OnProgress
from omnitornado.store.transitions import RunningStore
from omnitornado.web.identity import Identity
from omnitornado.web.services import MountHealth, ScopeTool
from omnitornado.web.site import Site

BODY_TIMEOUT = 30.0
"""Seconds in which a request's body must have come."""
IDLE_TIMEOUT = 300.0
"""Seconds a connection may wait for its next request."""


class Server:
    """A login in front of an MCP server.

    ```
    Server(mcp, users={"admin": "password"}).run(on_ready=lambda ready: print(ready.mcp_url))
    ```
    """

    def __init__(
        self,
        mcp: object,
        *,
        users: Mapping[str, str] | None = None,
        clients: Sequence[Mapping[str, Any]] | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
        public_url: str = "",
        store: str | Path | None = "omnitornado.state",
        validate_user: ValidateUser | None = None,
        settings: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]] | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Args: mcp: what to serve: an `MCPServer`, or a server object of the official SDK or of fastmcp.
        users: passwords by username; bcrypt hashes where the server is not loopback only. clients: preset
        clients with RFC 7591's member names; none given, one is made up for this run. store: where the state
        lives, a path or the URL of a Redis; None keeps it in memory. validate_user: `check(username,
        password)`, plain or async, in place of `users`. settings: any other table of the configuration file:
        `{"tokens": {"access_token_lifetime": "2h"}}`. fetch: how other hosts are asked; default: by https,
        and those on the public internet, or in `[outbound] trusted_hosts`, alone. clock: seconds since the
        epoch.

        Raises: ConfigError for values the configuration file would be refused for; TypeError for an `mcp`
        that can't be served.
        """
        app = adopt(mcp)
        presets = (
            [dict(client) for client in clients] if clients is not None else [build_client_table(app.name)]
        )
        tables: dict[str, Any] = {
            name: dict(table) if isinstance(table, Mapping) else [dict(one) for one in table]
            for name, table in (settings or {}).items()
        }
        tables["server"] = {"host": host, "port": port, "public_url": public_url} | tables.get("server", {})
        tables["store"] = build_store_table(store, tables.get("store", {}))
        tables["mcp"] = {"name": app.name} | tables.get("mcp", {})
        tables["users"] = [build_user_table(name, password) for name, password in (users or {}).items()]
        tables["clients"] = presets
        self._set_up(build_config(tables, folder=Path.cwd()), app, validate_user, fetch, clock)

    @classmethod
    def from_config(cls, path: str | Path, *, overrides: Overrides = Overrides()) -> "Server":  # noqa: B008 - frozen
        """The server a configuration file describes. Raises: ConfigError."""
        return cls.from_settings(load_config(path, overrides=overrides))

    @classmethod
    def from_settings(cls, config: Config) -> "Server":
        """The server that a configuration describes, wherever it came from. Raises: ConfigError."""
        server = cls.__new__(cls)
        server._set_up(config, find_app(config))
        return server

    def _set_up(
        self,
        config: Config,
        app: MCPServer | Guest | None,
        validate_user: ValidateUser | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._app = app
        self._mounts: list[Mount] = []
        self._audit: AuditLog | None = None
        self._validate_user = validate_user or find_validate_user(config)
        check_accounts(config)
        self._fetch = fetch or build_fetch(config)
        self._provider_login = build_provider_login(config, fetch or build_provider_fetch(config))
        self._clock = clock
        self._skills = open_skills(config, app)
        self._on_progress: OnProgress | None = None

    # The process

    def run(self, on_ready: Callable[[Ready], object] | None = None) -> int:
        """Serve until SIGINT or SIGTERM. Prints the ready banner, unless `on_ready` takes its place.

        Returns: 0 after a clean stop, 1 when the disk took nothing at the end, 2 when the server could not
        start.
        """
        configure_logging()
        try:
            with asyncio.Runner(loop_factory=find_loop_factory(self.config.server.speed)) as runner:
                return runner.run(self._run(on_ready or print_banner))
        except StoreDamaged as damage:
            path = shlex.quote(str(self.config.store.path))
            print(f"{damage} (see: python -m omnitornado store check {path})", file=sys.stderr)
            return 2
        except (ConfigError, StoreError) as error:
            print(error, file=sys.stderr)
            return 2

    async def _run(self, on_ready: Callable[[Ready], object]) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        with closing(ProgressBar("Loading the state", sys.stderr)) as bar:
            self._on_progress = bar
            ready = await run_unless(self.start(), stop)
        if ready is None:
            return 0
        settle_collector()
        on_ready(ready)
        await stop.wait()
        await self.stop()
        return 0 if self.authorization_server.store.outage is None else 1

    async def start(self) -> Ready:
        """Load the state, bind the port and serve on the running loop. Raises: ConfigError, StoreError."""
        config = self.config
        sockets: list[socket.socket] = []
        store = open_store(config, self._clock, self._on_progress)
        try:
            self._audit = open_audit(config, self._clock)
            sockets = bind(config)
            self._identity = self._build_identity(sockets[0].getsockname()[1])
            # Before the authorization server, which names the scopes that the mounts have.
            await store.start()
            self._mounts = await open_mounts(build_mounts(self._app, config, self._clock), store)
        except BaseException:
            close_sockets(sockets)
            await store.close()
            await self._close_audit()
            raise
        self.authorization_server = self._build_authorization_server(store)
        self.authorization_server.share_counts()
        self._http = await open_server(
            self._build_application(),
            sockets,
            speed=config.server.speed,
            ssl_options=build_ssl(config),
            max_body=max(config.mcp.max_body, 1 << 20),
            body_timeout=BODY_TIMEOUT,
            idle_timeout=IDLE_TIMEOUT,
        )
        self._skills.start()
        self._provider_check = ProviderCheck(self.authorization_server.services.provider, self._clock)
        self._provider_check.start()
        log_event("server.started", url=self._identity.local_url, issuer=self._identity.issuer)
        return self._build_ready()

    async def stop(self) -> None:
        """Stop as the module's text says. Nothing that was answered is lost."""
        in_flight = self.authorization_server.services.in_flight
        in_flight.is_stopping = True
        log_event("server.stopping", in_flight=len(in_flight))
        self._http.stop()
        self._skills.stop()
        self._provider_check.stop()
        for mount in self._mounts:
            await mount.end_streams()
        if not await in_flight.wait_empty(self.config.server.shutdown_grace):
            log_event("server.cut", in_flight=len(in_flight), reason="shutdown_grace")
        for mount in self._mounts:
            await mount.close()
        await in_flight.wait_empty(1.0)
        await self._http.close_all_connections()
        await self.authorization_server.close()
        await self._close_audit()
        log_event("server.stopped")

    async def _close_audit(self) -> None:
        if self._audit is not None:
            self._audit.record("server.stopped")
            await asyncio.to_thread(self._audit.close)

    # Parts

    def _build_identity(self, port: int) -> Identity:
        server = self.config.server
        scheme = "https" if server.tls_certificate is not None else "http"
        return Identity(public_url=server.public_url, scheme=scheme, host=server.host, port=port)

    def _build_authorization_server(self, store: RunningStore) -> AuthorizationServer:
        config = self.config
        auth = AuthorizationServer(
            issuer=lambda: self._identity,
            validate_user=self._validate_user,
            people=[
                Person(user.username, user.password_hash, user.scopes, user.name) for user in config.users
            ],
            provider=self._provider_login,
            clients=[build_oauth_client(client) for client in config.clients],
            name=config.mcp.name,
            store=store,
            access_token_lifetime=config.tokens.access_token_lifetime,
            refresh_token_lifetime=config.tokens.refresh_token_lifetime,
            refresh_token_absolute_lifetime=config.tokens.refresh_token_absolute_lifetime,
            authorization_code_lifetime=config.tokens.authorization_code_lifetime,
            refresh_grace=config.tokens.refresh_grace,
            session_lifetime=config.login.session_lifetime,
            client_documents=build_document_rules(config),
            can_register=config.registration.enabled,
            registrations_per_minute=config.registration.rate_per_minute,
            initial_token_hashes=config.registration.initial_access_tokens,
            unused_client_lifetime=config.registration.unused_lifetime,
            can_use_devices=config.device.enabled,
            device_code_lifetime=config.device.code_lifetime,
            device_interval=config.device.interval,
            device_codes_per_minute=config.device.rate_per_minute,
            can_push=config.pushed_requests.enabled,
            must_push=config.pushed_requests.required,
            pushed_request_lifetime=config.pushed_requests.lifetime,
            pushed_requests_per_minute=config.pushed_requests.rate_per_minute,
            dpop=DpopPolicy(
                required=config.dpop.required,
                token_nonces=config.dpop.token_nonces,
                resource_nonces=config.dpop.resource_nonces,
            ),
            resource_servers=[build_resource_server(server) for server in config.resource_servers],
            identity_providers=[
                build_identity_provider(one, config.oidc) for one in config.identity_providers
            ],
            allowed_origins=config.server.allowed_origins,
            trusted_proxies=config.server.trusted_proxies,
            bcrypt_threads=config.login.bcrypt_threads,
            find_tools=self._find_tools,
            find_health=self._find_health,
            scopes=self._describe_scopes(),
            default_scope=[one.scope for one in config.scopes if one.default],
            implied_scopes={one.scope: one.implies for one in config.scopes},
            fetch=self._fetch,
            audit=self._audit,
            clock=self._clock,
        )
        self._resources = [
            auth.protect(mount.path, scope=[mount.scope], name=mount.name) for mount in self._mounts
        ]
        return auth

    def _build_application(self) -> Application:
        services = self.authorization_server.services
        specs: list[Any] = [
            mount.build_spec(resource, services)
            for mount, resource in zip(self._mounts, self._resources, strict=True)
        ]
        return Site(
            specs + build_url_specs(ROUTES, services),
            services,
            default_handler_class=NotFoundHandler,
            default_handler_args={"services": services},
            log_function=log_request,
        )

    def _build_ready(self) -> Ready:
        identity = self._identity
        return Ready(
            mcp_url=identity.issuer + self._mounts[0].path,
            upstream_urls={one.name: identity.issuer + one.path for one in self.config.upstreams},
            issuer=identity.issuer,
            local_url=identity.local_url,
            public_url=identity.public_url or None,
            clients=tuple(PresetClient(c.client_id, c.client_secret) for c in self.config.clients),
        )

    def _describe_scopes(self) -> dict[str, str]:
        """In the operator's words, or else in those of what needs the scope."""
        scopes = {one.scope: one.description for one in self.config.scopes if one.description}
        for mount in self._mounts:
            for scope, words in mount.describe_scopes().items():
                scopes.setdefault(scope, words)
        return scopes

    def _find_health(self) -> list[MountHealth]:
        found = (mount.describe_health() for mount in self._mounts)
        return [health for health in found if health is not None]

    async def _find_tools(self, scope: str) -> list[ScopeTool]:
        return [tool for mount in self._mounts for tool in await mount.find_tools(scope)]


__all__ = ["PresetClient", "Ready", "Server", "check_accounts", "find_app"]
