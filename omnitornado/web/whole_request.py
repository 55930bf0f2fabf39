"""A POST whose head alone shows that nothing stands against its handler, and whose body is waited for before
there is one.

Our choice: Tornado routes a request, makes its handler and starts a task, all of which then wait for the
body. A handler of this kind begins once there is something to do: it takes the request as Tornado would give
it, and has no use for what Tornado looks at besides. Who is let in this way is for those to say who make the
delegate: `admission.py`, `desk.py`.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable
from http.client import responses
from typing import Any, ClassVar, Protocol, TypeVar

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    split_host_and_port,
)

from omnitornado.web.base import BaseHandler
from omnitornado.web.in_flight import InFlight
from omnitornado.web.whole_answer import write_whole

Fields = dict[str, str]
"""Header fields by lower-cased name."""

A_contra = TypeVar("A_contra", contravariant=True)


class Opener(Protocol[A_contra]):
    """Starts the handler of a request that has come whole. `admitted` is what its head has shown."""

    in_flight: InFlight

    def open(self, request: HTTPServerRequest, admitted: A_contra) -> None: ...


class WholeRequestHandler(BaseHandler):
    """What a handler for a POST that has come whole has in common with others, put before its usual class."""

    # Tornado's own mark: `stream_request_body` has set it on the handler above, whose body comes in pieces.
    _stream_request_body = False

    task: "asyncio.Task[None] | None" = None
    """The one that answers."""

    _ready: ClassVar[dict[int, tuple[int, bytes]]]
    """By status: a head, and the second it is good for."""

    def __init_subclass__(cls) -> None:
        cls._ready = {}

    async def _execute(self, transforms: list[Any], *args: bytes, **kwargs: bytes) -> None:
        # As Tornado's, without what this has no use for: another method, arguments in the path, `prepare`, a
        # form in the body, XSRF cookies.
        self._transforms = transforms
        try:
            await self.post()  # type: ignore[misc]  # the usual class has one
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

    @property
    def body(self) -> bytes:
        return self.request.body

    def write_at_once(self, body: bytes, *, status: int = 200) -> bool:
        """Answers of one status differ in their body alone, unless somebody has set a header field: they get
        a head that is ready. False, and nothing is sent, where that can't be.
        """
        if "_headers" in self.__dict__ or not write_whole(
            self.request, self._find_ready_head(status, len(body)), body
        ):
            return False
        # What Tornado's `finish` does besides.
        self._status_code = status
        self._headers_written = self._finished = True
        self._log()
        self.on_finish()
        self._break_cycles()
        return True

    def _find_ready_head(self, status: int, length: int) -> bytes:
        """The head of an answer of so many bytes; all of it but the length is the same for a second."""
        now = int(time.time())
        ready_at, head = self._ready.get(status, (0, b""))
        if ready_at != now:
            fields = "".join(f"{name}: {value}\r\n" for name, value in self._headers.get_all())
            del self._headers
            head = f"HTTP/1.1 {status} {responses[status]}\r\n{fields}Content-Length: ".encode("latin-1")
            self._ready[status] = (now, head)
        return b"%b%d\r\n\r\n" % (head, length)


class WholeRequest(HTTPServerRequest):
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


class WholeRequestDelegate(HTTPMessageDelegate):
    """Takes the body, then has the handler begin. A request counts as under way from its head on.

    Does what Tornado's own delegate does for a handler without a body in pieces. That one asks first what
    kind of thing a coroutine is, which costs more than starting it.
    """

    __slots__ = (
        "_admitted",
        "_chunks",
        "_connection",
        "_headers",
        "_host",
        "_opener",
        "_server_connection",
        "_start_line",
    )

    def __init__(
        self,
        opener: Opener[A_contra],
        start_line: RequestStartLine,
        headers: HTTPHeaders,
        host: str,
        connection: HTTPConnection,
        server_connection: object,
        admitted: A_contra,
    ) -> None:
        """`host`: the value of Host, known to be well-formed."""
        self._opener: Opener[Any] = opener
        self._start_line = start_line
        self._headers = headers
        self._host = host
        self._connection = connection
        self._server_connection = server_connection
        self._admitted = admitted
        self._chunks: list[bytes] = []
        opener.in_flight.add(self)

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
        request = WholeRequest(
            self._start_line,
            self._headers,
            self._host,
            b"".join(self._chunks),
            self._connection,
            self._server_connection,
        )
        self._chunks.clear()
        try:
            self._opener.open(request, self._admitted)
        finally:
            self._opener.in_flight.discard(self)

    def on_connection_close(self) -> None:
        self._opener.in_flight.discard(self)
