"""Tornado's `Application` with a short way to the handler that most requests are for."""

from collections.abc import Sequence
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import URLSpec
from tornado.web import Application

from omnitornado.web.admission import Admission
from omnitornado.web.mcp import McpHandler, McpService
from omnitornado.web.mcp_call import CallDelegate
from omnitornado.web.services import Services


class Site(Application):
    """Every URL of the server. `settings` are Tornado's own."""

    def __init__(self, specs: Sequence[URLSpec], services: Services, **settings: Any) -> None:
        super().__init__(list(specs), **settings)
        self._services = services
        self._mcp: dict[str, tuple[Admission, dict[str, Any]]] = {}
        for spec in specs:
            if spec.handler_class is McpHandler:
                arguments: dict[str, Any] = spec.kwargs  # type: ignore[assignment]
                protection: McpService = arguments["mcp"]
                self._mcp[protection.resource.path] = (Admission(services, protection), arguments)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """As Tornado's; but a call that its head lets in needs no routing, and no more than its body."""
        if request.method == "POST" and request.path in self._mcp:
            admission, arguments = self._mcp[request.path]
            admitted = admission.find_admitted(request)
            if admitted is not None:
                arguments = {**arguments, "admitted": admitted}
                return CallDelegate(self, request, arguments, self._services.in_flight)
        return super().find_handler(request, **kwargs)
