"""A POST to the MCP endpoint that its head has let in (`web/admission.py`): most of them.

Nothing is left to check before the method, and its handler begins once the body has come whole.
"""

import asyncio

from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import CONTENT_TYPE
from omnitornado.web.admission import Admission, Admitted
from omnitornado.web.event_stream import SLICE
from omnitornado.web.mcp import McpHandler, McpService
from omnitornado.web.services import Services
from omnitornado.web.whole_request import Fields, WholeRequestHandler


class Door:
    """The short way to one endpoint."""

    __slots__ = ("admission", "application", "in_flight", "loop", "mcp", "services")

    def __init__(
        self, application: Application, services: Services, mcp: McpService, admission: Admission
    ) -> None:
        self.application = application
        self.loop = asyncio.get_running_loop()
        self.services = services
        self.in_flight = services.in_flight
        self.mcp = mcp
        self.admission = admission

    def open(self, request: HTTPServerRequest, admitted: Admitted) -> None:
        handler = McpCallHandler(
            self.application, request, services=self.services, mcp=self.mcp, admitted=admitted
        )
        handler.task = self.loop.create_task(handler._execute([]))


class McpCallHandler(WholeRequestHandler, McpHandler):
    """As `McpHandler`, for a POST alone."""

    def initialize(self, services: Services, mcp: McpService, admitted: Admitted) -> None:  # type: ignore[override]
        super().initialize(services, mcp)
        self._bearer, self._principal, self._fields = admitted

    def finish_at_once(self, reply: Reply) -> bool:
        """Most answers differ in their body alone."""
        return (
            reply.headers is CONTENT_TYPE
            and reply.status == 200
            and reply.body is not None
            and len(reply.body) <= SLICE
            and not reply.stream
            and self.write_at_once(reply.body)
        )

    @property
    def principal(self) -> Principal:
        return self._principal

    def _find_headers(self) -> Fields:
        return self._fields

    def let_go(self, is_subscription: bool) -> None:
        super().let_go(is_subscription)
        if is_subscription:
            self._fields.clear()

    def _set_cors_headers(self) -> None:
        """What has an `Origin` goes the long way."""
