"""The whole server: the authorization server, the MCP endpoint, and the process around them.

Starting: state is loaded, the port is bound, the banner is printed, then requests are answered. Stopping
(SIGINT, SIGTERM): no new connection, streams end, what is in flight may finish for `[server] shutdown_grace`,
the snapshot is written.
"""

import asyncio
import importlib
import logging
import re
import secrets
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omnitornado.app import ROUTES, AuthorizationServer, NotFoundHandler, build_mcp_route, build_url_specs
from omnitornado.config import (
    ClientSettings,
    Config,
    ConfigError,
    McpSettings,
    Overrides,
    build_config,
    build_key_error,
    load_config,
)
from omnitornado.log import configure_logging, log_event, logger
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.event_buffer import Bounds
from omnitornado.mcp.event_log import EventLogLimits
from omnitornado.mcp.limits import Limits
from omnitornado.mcp.server import MCPServer
from omnitornado.oauth.client import OAuthClient, build_preset
from omnitornado.oauth.login import ValidateUser
from omnitornado.oauth.people import Person
from omnitornado.oauth.redirect_uri import parse_redirect_uri
from omnitornado.speed.choice import find_loop_factory, open_server
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.errors import StoreError
from omnitornado.web.identity import Identity
from omnitornado.web.mcp import McpService
from omnitornado.web.services import ScopeTool

BODY_TIMEOUT = 30.0
"""Seconds in which a request's body must have come."""
IDLE_TIMEOUT = 300.0
"""Seconds a connection may wait for its next request."""
LOOPBACK_TWIN = {"127.0.0.1": "::1", "::1": "127.0.0.1"}


class PresetClient(msgspec.Struct, frozen=True):
    """A preset client as it is handed to a person."""

    client_id: str
    client_secret: str | None


class Ready(msgspec.Struct, frozen=True):
    """A server that answers: what a person pastes into a client."""

    mcp_url: str
    issuer: str
    local_url: str
    public_url: str | None
    clients: tuple[PresetClient, ...]

    @property
    def client_id(self) -> str | None:
        """The first preset client's id."""
        return self.clients[0].client_id if self.clients else None

    @property
    def client_secret(self) -> str | None:
        """The first preset client's secret."""
        return self.clients[0].client_secret if self.clients else None

    def build_banner(self) -> list[str]:
        """The lines of the ready banner."""
        lines = [f"MCP URL: {self.mcp_url}", f"Issuer: {self.issuer}"]
        for client in self.clients:
            lines.append(f"Client ID: {client.client_id}")
            if client.client_secret is not None:
                lines.append(f"Client Secret: {client.client_secret}")
        return lines


class Server:
    """A login in front of an MCP server.

    ```
    Server(mcp, users={"admin": "password"}).run(on_ready=lambda ready: print(ready.mcp_url))
    ```
    """

    def __init__(
        self,
        mcp: MCPServer,
        *,
        users: Mapping[str, str] | None = None,
        clients: Sequence[Mapping[str, Any]] | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
        public_url: str = "",
        store: str | Path | None = "omnitornado.state",
        validate_user: ValidateUser | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Args: mcp: the tools to serve. users: passwords by username; bcrypt hashes where the server is not
        loopback only. clients: preset clients with RFC 7591's member names; none given, one is made up for
        this run. store: where the state lives; None keeps it in memory. validate_user: `check(username,
        password)`, plain or async, in place of `users`. settings: any other table of the configuration file:
        `{"tokens": {"access_token_lifetime": "2h"}}`. clock: seconds since the epoch.

        Raises: ConfigError for values the configuration file would be refused for.
        """
        presets = [dict(client) for client in clients] if clients is not None else [_build_client(mcp.name)]
        tables: dict[str, Any] = {name: dict(table) for name, table in (settings or {}).items()}
        tables["server"] = {"host": host, "port": port, "public_url": public_url} | tables.get("server", {})
        tables["store"] = {"path": str(store) if store is not None else ""} | tables.get("store", {})
        tables["mcp"] = {"name": mcp.name} | tables.get("mcp", {})
        tables["users"] = [_build_user(name, password) for name, password in (users or {}).items()]
        tables["clients"] = presets
        self._set_up(build_config(tables, folder=Path.cwd()), mcp, validate_user, clock)

    @classmethod
    def from_config(cls, path: str | Path, *, overrides: Overrides = Overrides()) -> "Server":  # noqa: B008 - frozen
        """The server a configuration file describes. Raises: ConfigError."""
        config = load_config(path, overrides=overrides)
        server = cls.__new__(cls)
        server._set_up(config, find_app(config))
        return server

    def _set_up(
        self,
        config: Config,
        mcp: MCPServer,
        validate_user: ValidateUser | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._mcp = mcp
        self._validate_user = validate_user
        check_clients(config)
        self._clock = clock
        self._is_failed = False
        self._stopping: asyncio.Event | None = None

    # The process

    def run(self, on_ready: Callable[[Ready], object] | None = None) -> int:
        """Serve until SIGINT or SIGTERM. Prints the ready banner, unless `on_ready` takes its place.

        Returns: 0 after a clean stop, 1 when the store failed, 2 when the server could not start.
        """
        configure_logging()
        try:
            with asyncio.Runner(loop_factory=find_loop_factory(self.config.server.speed)) as runner:
                return runner.run(self._run(on_ready or _print_banner))
        except (ConfigError, StoreError) as error:
            print(error, file=sys.stderr)
            return 2

    async def _run(self, on_ready: Callable[[Ready], object]) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self._stopping = stop
        on_ready(await self.start())
        await stop.wait()
        await self.stop()
        return 1 if self._is_failed else 0

    async def start(self) -> Ready:
        """Load the state, bind the port and serve on the running loop. Raises: ConfigError, StoreError."""
        config = self.config
        store = EmbeddedStore.open(
            config.store.path,
            durability=config.store.durability,
            snapshot_interval=config.store.snapshot_interval,
            max_unused_clients=config.registration.max_unused,
            on_failure=self._note_failure,
            clock=self._clock,
        )
        try:
            sockets = self._bind()
        except OSError as error:
            await store.close()
            server = config.server
            reason = f"can't listen on {server.host} port {server.port}: {error.strerror or error}"
            raise build_key_error(config, "server", "port", reason) from None
        self._identity = self._build_identity(sockets[0].getsockname()[1])
        self.authorization_server = self._build_authorization_server(store)
        self._endpoint = self._build_endpoint(store)
        await self.authorization_server.start()
        self._http = await open_server(
            self._build_application(),
            sockets,
            speed=config.server.speed,
            ssl_options=_build_ssl(config),
            max_body=max(config.mcp.max_body, 1 << 20),
            body_timeout=BODY_TIMEOUT,
            idle_timeout=IDLE_TIMEOUT,
        )
        log_event("server.started", url=self._identity.local_url, issuer=self._identity.issuer)
        return self._build_ready()

    async def stop(self) -> None:
        """Stop as the module's text says. Nothing that was answered is lost."""
        in_flight = self.authorization_server.services.in_flight
        in_flight.is_stopping = True
        log_event("server.stopping", in_flight=len(in_flight))
        self._http.stop()
        await self._endpoint.end_streams()
        if not await in_flight.wait_empty(self.config.server.shutdown_grace):
            log_event("server.cut", in_flight=len(in_flight), reason="shutdown_grace")
        await self._endpoint.close()
        await in_flight.wait_empty(1.0)
        await self._http.close_all_connections()
        await self.authorization_server.close()
        log_event("server.stopped")

    def _note_failure(self, error: BaseException) -> None:
        """The disk took no more: stop, rather than promise (the store has refused every change since)."""
        log_event("store.failed", level=50, reason=type(error).__name__, detail=error)
        self._is_failed = True
        if self._stopping is not None:
            self._stopping.set()

    # Parts

    def _bind(self) -> list[socket.socket]:
        server = self.config.server
        sockets = bind_sockets(server.port, server.host)
        twin = LOOPBACK_TWIN.get(server.host)
        if twin is not None:
            # To clients localhost is both of them. The other one is a convenience: its absence is no error.
            try:
                sockets += bind_sockets(sockets[0].getsockname()[1], twin)
            except OSError:
                log_event("server.loopback_twin", reason="not_bound", host=twin)
        return sockets

    def _build_identity(self, port: int) -> Identity:
        server = self.config.server
        scheme = "https" if server.tls_certificate is not None else "http"
        return Identity(public_url=server.public_url, scheme=scheme, host=server.host, port=port)

    def _build_authorization_server(self, store: EmbeddedStore) -> AuthorizationServer:
        config = self.config
        auth = AuthorizationServer(
            issuer=lambda: self._identity,
            validate_user=self._validate_user,
            people=[Person(user.username, user.password_hash, user.scopes) for user in config.users],
            clients=[_build_oauth_client(client) for client in config.clients],
            name=config.mcp.name,
            store=store,
            access_token_lifetime=config.tokens.access_token_lifetime,
            refresh_token_lifetime=config.tokens.refresh_token_lifetime,
            authorization_code_lifetime=config.tokens.authorization_code_lifetime,
            refresh_grace=config.tokens.refresh_grace,
            session_lifetime=config.login.session_lifetime,
            can_register=config.registration.enabled,
            registrations_per_minute=config.registration.rate_per_minute,
            allowed_origins=config.server.allowed_origins,
            trusted_proxies=config.server.trusted_proxies,
            bcrypt_threads=config.login.bcrypt_threads,
            find_tools=self._find_tools,
            scopes=self._describe_scopes(),
            clock=self._clock,
        )
        self._resource = auth.protect(config.mcp.path, scope=[config.mcp.scope], name=config.mcp.name)
        return auth

    def _build_endpoint(self, store: EmbeddedStore) -> Endpoint:
        mcp = self.config.mcp
        return Endpoint(
            self._mcp,
            path=mcp.path,
            sessions=store,
            tool_timeout=mcp.tool_timeout,
            tool_threads=mcp.tool_threads,
            limits=_build_limits(mcp),
            clock=self._clock,
        )

    def _build_application(self) -> Application:
        services = self.authorization_server.services
        mcp = self.config.mcp
        service = McpService(
            endpoint=self._endpoint,
            resource=self._resource,
            max_body=mcp.max_body,
            keep_alive=mcp.keep_alive,
            write_timeout=mcp.write_timeout,
        )
        route = build_mcp_route(mcp.path)
        specs: list[Any] = [(route.path, route.handler, {"services": services, "mcp": service})]
        return Application(
            specs + build_url_specs(ROUTES, services),
            default_handler_class=NotFoundHandler,
            default_handler_args={"services": services},
            log_function=_log_request,
        )

    def _build_ready(self) -> Ready:
        identity = self._identity
        return Ready(
            mcp_url=identity.issuer + self.config.mcp.path,
            issuer=identity.issuer,
            local_url=identity.local_url,
            public_url=identity.public_url or None,
            clients=tuple(PresetClient(c.client_id, c.client_secret) for c in self.config.clients),
        )

    def _describe_scopes(self) -> dict[str, str]:
        """The endpoint's scope, and those that single tools, resources and prompts need."""
        base = self.config.mcp.scope
        scopes = {base: f"Use {self.config.mcp.name}"}
        for offered in self._mcp.list_offered():
            for scope in sorted(offered.scopes):
                scopes.setdefault(scope, f"Use what {self.config.mcp.name} keeps behind {scope}")
        return scopes

    def _find_tools(self, scope: str) -> list[ScopeTool]:
        """The tools behind a scope: those that name it, and for the endpoint's own scope those that name
        none.
        """
        return [
            ScopeTool(tool.name, tool.title or "", tool.description)
            for tool in self._endpoint.list_tools_by_scope()
            if scope in tool.scopes or (not tool.scopes and scope == self.config.mcp.scope)
        ]


def find_app(config: Config) -> MCPServer:
    """The object `[mcp] app` names; an empty server where it names none. Raises: ConfigError."""
    if not config.mcp.app:
        return MCPServer(config.mcp.name)
    module_name, _, attribute = config.mcp.app.partition(":")
    folder = str(config.folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:
        reason = f"{config.mcp.app}: {type(error).__name__}: {' '.join(str(error).split())}"
        raise build_key_error(config, "mcp", "app", reason) from error
    if not isinstance(found, MCPServer):
        reason = f"{config.mcp.app} is a {type(found).__name__}, not an omnitornado.MCPServer"
        raise build_key_error(config, "mcp", "app", reason)
    return found


def check_clients(config: Config) -> None:
    """Raises: ConfigError for a preset client's redirect URI that no authorization request could use."""
    for client in config.clients:
        for uri in client.redirect_uris:
            try:
                parse_redirect_uri(uri)
            except ValueError as error:
                reason = f"redirect_uris of {client.client_id}: {uri!r} {error}"
                raise ConfigError(reason, source=config.source, key="[[clients]]") from None


def _build_client(name: str) -> dict[str, Any]:
    """A preset client for a program that names none. Its id stays, its secret is this run's."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "omnitornado"
    return {"client_id": f"{label}-client", "client_secret": secrets.token_urlsafe(32), "client_name": name}


def _build_limits(mcp: McpSettings) -> Limits:
    return Limits(
        calls_per_person=mcp.calls_per_person,
        streams_per_person=mcp.streams_per_person,
        nesting=mcp.max_nesting,
        answer_timeout=mcp.answer_timeout,
        event_log=EventLogLimits(session=Bounds(bytes=mcp.stream_buffer), retention=mcp.stream_retention),
    )


def _build_user(username: str, password: str) -> dict[str, str]:
    is_hash = re.fullmatch(r"\$2[aby]\$\d\d\$.{53}", password) is not None
    return {"username": username, "password_hash" if is_hash else "password": password}


def _build_oauth_client(client: ClientSettings) -> OAuthClient:
    return build_preset(
        client_id=client.client_id,
        client_secret=client.client_secret,
        client_name=client.client_name,
        redirect_uris=client.redirect_uris,
        token_endpoint_auth_method=None if client.either_secret_method else client.token_endpoint_auth_method,
        grant_types=client.grant_types,
        client_uri=client.client_uri,
        scope=client.scope,
    )


def _build_ssl(config: Config) -> ssl.SSLContext | None:
    if config.server.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.server.tls_certificate, config.server.tls_private_key)
    return context


def _log_request(handler: RequestHandler) -> None:
    """One line for each request, at debug level, and never its query: the path says enough."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    request = handler.request
    log_event(
        "http.request",
        level=logging.DEBUG,
        method=request.method,
        path=request.path,
        status=handler.get_status(),
        milliseconds=round(request.request_time() * 1000, 1),
    )


def _print_banner(ready: Ready) -> None:
    print("\n".join(ready.build_banner()), flush=True)
