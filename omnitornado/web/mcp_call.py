"""A POST to the MCP endpoint that its head has let in (`web/admission.py`): most of them.

Nothing is left to check before the method, and its handler begins once the body has come whole.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application

from omnitornado.mcp.principal import Principal
from omnitornado.web.admission import Admitted
from omnitornado.web.in_flight import InFlight
from omnitornado.web.mcp import McpHandler, McpService
from omnitornado.web.services import Services


class McpCallHandler(McpHandler):
    """As `McpHandler`, for a POST alone."""

    # Tornado's own mark: `stream_request_body` has set it on the handler above, whose body comes in pieces.
    _stream_request_body = False

    def initialize(self, services: Services, mcp: McpService, admitted: Admitted) -> None:  # type: ignore[override]
        super().initialize(services, mcp)
        self._bearer, self._principal = admitted

    def prepare(self) -> None:  # type: ignore[override]
        """Nothing is left to check."""

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def principal(self) -> Principal:
        return self._principal


class CallDelegate(HTTPMessageDelegate):
    """Takes the body, then starts the handler. A request counts as under way from its head on.

    Does what Tornado's own delegate does for a handler without a body in pieces. That one asks first what
    kind of thing a coroutine is, which costs more than starting it.
    """

    __slots__ = ("_application", "_arguments", "_chunks", "_in_flight", "_request")

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        arguments: Mapping[str, Any],
        in_flight: InFlight,
    ) -> None:
        self._application = application
        self._request = request
        self._arguments = arguments
        self._in_flight = in_flight
        self._chunks: list[bytes] = []

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._in_flight.add(self)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        # As many bytes as Content-Length says, which is no more than the endpoint's limit.
        self._chunks.append(chunk)
        return None

    def finish(self) -> None:
        self._request.body = b"".join(self._chunks)
        self._chunks.clear()
        try:
            handler = McpCallHandler(self._application, self._request, **self._arguments)
            asyncio.get_running_loop().create_task(handler._execute([]))
        finally:
            self._in_flight.discard(self)

    def on_connection_close(self) -> None:
        self._in_flight.discard(self)
