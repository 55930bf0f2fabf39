"""The short way of a POST to the token and the registration endpoint: its head alone shows that nothing
stands against its handler.

Implements: RFC 6749 §3.2 and RFC 7591 §3, for the common case: each check of `BaseHandler` before the body,
made without a handler. Nothing is decided here that it would decide otherwise: what is not plainly good goes
the long way, which knows what to say.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, RequestHandler

from omnitornado.web.admission import KnownHosts, find_fields, is_length_within
from omnitornado.web.base import OAUTH_BODY
from omnitornado.web.register import RegisterHandler
from omnitornado.web.services import Services
from omnitornado.web.token import TokenHandler
from omnitornado.web.whole_request import Fields, WholeRequestHandler

LONG_WAY: Final = frozenset({"expect", "transfer-encoding"})
"""Header fields that the long way looks into."""


class DeskHandler(WholeRequestHandler):
    """What these handlers have in common: their head has come as a dictionary, each field once."""

    content_type = "application/json"

    def initialize(self, services: Services, fields: Fields) -> None:  # type: ignore[override]
        self.services = services
        self._fields = fields
        services.in_flight.add(self)

    def find_header(self, name: str) -> str | None:
        return self._fields.get(name)

    @property
    def authorization(self) -> str | None:
        return self._fields.get("authorization")

    @property
    def issuer(self) -> str:
        services = self.services
        # A proxy may say that it was asked by another scheme.
        issuer = None if services.trusted_proxies else services.identity().find_issuer(self._fields["host"])
        return super().issuer if issuer is None else issuer

    def finish_json(self, document: object, *, status: int = 200) -> None:
        body = msgspec.json.encode(document)
        if not self.write_at_once(body, status=status):
            super().finish_json(document, status=status)


class TokenDeskHandler(DeskHandler, TokenHandler):
    """As `TokenHandler`, for a POST that has come whole."""


class RegisterDeskHandler(DeskHandler, RegisterHandler):
    """As `RegisterHandler`, for a POST that has come whole."""


DESK_HANDLERS: Final[Mapping[type[RequestHandler], type[DeskHandler]]] = {
    TokenHandler: TokenDeskHandler,
    RegisterHandler: RegisterDeskHandler,
}
"""By the usual handler. Any page may call these, so that no answer depends on where a request comes from."""


class Desk:
    """The short way to one endpoint."""

    __slots__ = ("_application", "_handler", "_loop", "_services", "hosts", "in_flight")

    def __init__(
        self, application: Application, services: Services, usual: type[RequestHandler], hosts: KnownHosts
    ) -> None:
        self._application = application
        self._loop = asyncio.get_running_loop()
        self._services = services
        self._handler = DESK_HANDLERS[usual]
        self.hosts = hosts
        self.in_flight = services.in_flight

    def find_admitted(self, headers: HTTPHeaders) -> Fields | None:
        """The header fields of a request that nothing stands against; None for one that has to go the long
        way.
        """
        fields = find_fields(headers)
        if (
            fields is None
            or not LONG_WAY.isdisjoint(fields)
            or fields.get("host") not in self.hosts.names
            or not is_length_within(fields, OAUTH_BODY)
        ):
            return None
        return fields

    def open(self, request: HTTPServerRequest, admitted: Fields) -> None:
        handler = self._handler(self._application, request, services=self._services, fields=admitted)
        handler.task = self._loop.create_task(handler._execute([]))
