"""A POST to the MCP endpoint that its head has let in (`web/admission.py`): most of them.

Nothing is left to check before the method, and its handler begins once the body has come whole.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable
from typing import Any, ClassVar

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    split_host_and_port,
)
from tornado.web import Application

from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import CONTENT_TYPE
from omnitornado.web.admission import Admission, Admitted, Fields
from omnitornado.web.event_stream import SLICE
from omnitornado.web.mcp import McpHandler, McpService
from omnitornado.web.services import Services
from omnitornado.web.whole_answer import write_whole


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


class McpCallHandler(McpHandler):
    """As `McpHandler`, for a POST alone."""

    # Tornado's own mark: `stream_request_body` has set it on the handler above, whose body comes in pieces.
    _stream_request_body = False

    _ready: ClassVar[tuple[int, bytes]] = (0, b"")
    """A head, and the second it is good for."""

    def initialize(self, services: Services, mcp: McpService, admitted: Admitted) -> None:  # type: ignore[override]
        super().initialize(services, mcp)
        self._bearer, self._principal, self._fields = admitted

    async def _execute(self, transforms: list[Any], *args: bytes, **kwargs: bytes) -> None:
        # As Tornado's, without what this has no use for: another method, arguments in the path, `prepare`, a
        # form in the body, XSRF cookies.
        self._transforms = transforms
        try:
            await self.post()
            self.end()  # an answer that was cancelled has not done it
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                if not self._finished:
                    self.send_error(500)
                raise
            self._handle_request_exception(error)

    def clear(self) -> None:
        """As Tornado's; but header fields are put together where somebody looks, and few ever do."""
        self.__dict__.pop("_headers", None)
        self._write_buffer = []
        self._status_code = 200
        self._reason = "OK"

    @functools.cached_property
    def _headers(self) -> HTTPHeaders:  # type: ignore[override]
        self._set_up_headers()
        headers: HTTPHeaders = self.__dict__["_headers"]
        return headers

    def finish_at_once(self, reply: Reply) -> bool:
        """Most answers differ in their body alone: they get a head that is ready."""
        if (
            reply.headers is not CONTENT_TYPE
            or reply.status != 200
            or reply.body is None
            or len(reply.body) > SLICE
            or reply.stream
            or "_headers" in self.__dict__  # somebody has looked, and may have set some
            or not write_whole(self.request, self._find_ready_head(len(reply.body)), reply.body)
        ):
            return False
        # What Tornado's `finish` does besides.
        self._headers_written = self._finished = True
        self._log()
        self.on_finish()
        self._break_cycles()
        return True

    def _find_ready_head(self, length: int) -> bytes:
        """The head of an answer of so many bytes; all of it but the length is the same for a second."""
        now = int(time.time())
        ready_at, head = self._ready
        if ready_at != now:
            fields = "".join(f"{name}: {value}\r\n" for name, value in self._headers.get_all())
            del self._headers
            head = f"HTTP/1.1 200 OK\r\n{fields}Content-Length: ".encode("latin-1")
            McpCallHandler._ready = (now, head)
        return b"%b%d\r\n\r\n" % (head, length)

    @property
    def body(self) -> bytes:
        return self.request.body

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


class CallRequest(HTTPServerRequest):
    """As Tornado's, for a head that has been looked at, and a target without a query: nothing is left to
    check or to take apart.
    """

    def __init__(
        self,
        start_line: RequestStartLine,
        headers: HTTPHeaders,
        host: str,
        body: bytes,
        connection: HTTPConnection,
        server_connection: object,
    ) -> None:
        # Tornado's own is not called: it would check the Host and take the query apart again. A test holds
        # what stands here against it.
        self.method, self.uri, self.version = start_line
        self.headers = headers
        self.body = body
        context: Any = connection.context  # type: ignore[attr-defined]
        self.remote_ip = context.remote_ip
        self.protocol = context.protocol
        self.host = host
        self.files = {}
        self.connection = connection
        self.server_connection = server_connection
        self._start_time = time.time()
        self._finish_time = None
        self.path, self.query = start_line.path, ""
        self.arguments = {}
        self.query_arguments = {}
        self.body_arguments = {}

    @property
    def host_name(self) -> str:  # type: ignore[override]
        return split_host_and_port(self.host.lower())[0]


class CallDelegate(HTTPMessageDelegate):
    """Takes the body, then starts the handler. A request counts as under way from its head on.

    Does what Tornado's own delegate does for a handler without a body in pieces. That one asks first what
    kind of thing a coroutine is, which costs more than starting it.
    """

    __slots__ = (
        "_admitted",
        "_chunks",
        "_connection",
        "_door",
        "_headers",
        "_server_connection",
        "_start_line",
    )

    def __init__(
        self,
        door: Door,
        start_line: RequestStartLine,
        headers: HTTPHeaders,
        connection: HTTPConnection,
        server_connection: object,
        admitted: Admitted,
    ) -> None:
        self._door = door
        self._start_line = start_line
        self._headers = headers
        self._connection = connection
        self._server_connection = server_connection
        self._admitted = admitted
        self._chunks: list[bytes] = []
        door.in_flight.add(self)

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """They have been looked at."""
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        # As many bytes as Content-Length says, which is no more than the endpoint's limit.
        self._chunks.append(chunk)
        return None

    def finish(self) -> None:
        door, admitted = self._door, self._admitted
        request = CallRequest(
            self._start_line,
            self._headers,
            admitted.fields["host"],
            b"".join(self._chunks),
            self._connection,
            self._server_connection,
        )
        self._chunks.clear()
        try:
            handler = McpCallHandler(
                door.application, request, services=door.services, mcp=door.mcp, admitted=admitted
            )
            handler.task = door.loop.create_task(handler._execute([]))
        finally:
            door.in_flight.discard(self)

    def on_connection_close(self) -> None:
        self._door.in_flight.discard(self)
