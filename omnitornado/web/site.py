"""Tornado's `Application` with a short way to the handler that most requests are for."""

from collections.abc import Awaitable, Sequence
from typing import Any

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.routing import URLSpec
from tornado.web import Application

from omnitornado.web.admission import Admission, KnownHosts
from omnitornado.web.desk import DESK_HANDLERS, Desk
from omnitornado.web.mcp import McpHandler, McpService
from omnitornado.web.mcp_call import Door
from omnitornado.web.services import Services
from omnitornado.web.target import is_absolute, resolve_absolute
from omnitornado.web.whole_request import A_contra, Opener, WholeRequestDelegate


class Site(Application):
    """Every URL of the server. `settings` are Tornado's own."""

    def __init__(self, specs: Sequence[URLSpec], services: Services, **settings: Any) -> None:
        super().__init__(list(specs), **settings)
        self.services = services
        self.doors: dict[str, Door] = {}
        """The short ways to endpoints behind the login, by path."""
        hosts = KnownHosts(services)
        self.desks = {
            spec.regex.pattern.removesuffix("$"): Desk(self, services, spec.handler_class, hosts)
            for spec in specs
            if spec.handler_class in DESK_HANDLERS
        }
        """The short ways to others, by path."""
        for spec in specs:
            if spec.handler_class is McpHandler:
                arguments: dict[str, Any] = spec.kwargs  # type: ignore[assignment]
                protection: McpService = arguments["mcp"]
                admission = Admission(services, protection)
                self.doors[protection.resource.path] = Door(self, services, protection, admission)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return SiteDelegate(self, server_conn, request_conn)


class SiteDelegate(HTTPMessageDelegate):
    """One request on its way to its handler. A call that its head lets in needs no routing."""

    __slots__ = ("_connection", "_delegate", "_server_connection", "_site")

    def __init__(self, site: Site, server_connection: object, connection: HTTPConnection) -> None:
        self._site = site
        self._server_connection = server_connection
        self._connection = connection
        self._delegate: HTTPMessageDelegate | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - Tornado's signature has both
        is_post = start_line.method == "POST"
        desk = self._site.desks.get(start_line.path) if is_post else None
        if desk is not None:
            fields = desk.find_admitted(headers)
            if fields is not None:
                self._take_whole(desk, fields, fields["host"], start_line, headers)
                return None
        door = self._site.doors.get(start_line.path) if is_post else None
        if door is not None:
            admitted = door.admission.find_admitted(headers)
            if admitted is not None:
                self._take_whole(door, admitted, admitted.fields["host"], start_line, headers)
                return None
        request = self._build_request(start_line, headers)
        if is_absolute(start_line.path):
            scheme = self._site.services.find_scheme(request)
            start_line, headers = resolve_absolute(start_line, headers, scheme=scheme)
            request = self._build_request(start_line, headers)
        if door is not None:
            door.admission.learn_host(request)
        elif desk is not None:
            desk.hosts.learn(request)
        delegate = self._delegate = self._site.find_handler(request)
        return delegate.headers_received(start_line, headers)

    def _take_whole(
        self,
        opener: Opener[A_contra],
        admitted: A_contra,
        host: str,
        start_line: RequestStartLine,
        headers: HTTPHeaders,
    ) -> None:
        self._delegate = WholeRequestDelegate(
            opener, start_line, headers, host, self._connection, self._server_connection, admitted
        )

    def _build_request(self, start_line: RequestStartLine, headers: HTTPHeaders) -> HTTPServerRequest:
        """Raises: HTTPInputError for a `Host` that is none, or none at all."""
        return HTTPServerRequest(
            connection=self._connection,
            server_connection=self._server_connection,
            start_line=start_line,
            headers=headers,
        )

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        assert self._delegate is not None  # noqa: S101 - the head has come
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        assert self._delegate is not None  # noqa: S101 - the head has come
        self._delegate.finish()

    def on_connection_close(self) -> None:
        if self._delegate is not None:  # None for a head that was no request
            self._delegate.on_connection_close()
