"""The MCP endpoint over HTTP: authenticate every request, then hand body, headers and principal to
`mcp/endpoint`.

Implements: MCP 2026-07-28 basic/transports/streamable-http and MCP 2025-11-25 basic/transports, the HTTP
side: one JSON answer where nothing streams, server-sent events where something does, keep-alive comments on
both.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http.client import responses
from typing import Any

from tornado.web import HTTPError, stream_request_body

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.event_stream import Event, Reader
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST
from omnitornado.mcp.principal import Principal
from omnitornado.oauth.bearer import Bearer, BearerError, build_challenge, check_bearer
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.base import find_detail
from omnitornado.web.event_stream import KEEP_ALIVE, SLICE, EventStreamHandler, build_event
from omnitornado.web.services import Services

EARLY = 1.0
"""Seconds after which an answer becomes a stream where that lets the client come back for it."""
AUTHENTICATED = ("POST", "GET", "HEAD", "DELETE")
"""A preflight carries no token, and what else there is answers 405."""


@dataclass(frozen=True)
class McpService:
    """One protected MCP endpoint. `max_body` in bytes; `keep_alive`, between two signs of life of a stream,
    and `write_timeout`, for a client to read, in seconds.
    """

    endpoint: Endpoint
    resource: ProtectedResource
    max_body: int
    keep_alive: float
    write_timeout: float = 30.0
    background: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Calls of the handshake era whose client has left."""


class PostStream:
    """How a POST's answer becomes an event stream (`mcp.streams.Outbound`), and what the client's leaving
    does to its work.

    The work is done in the handler's own task: most calls never need another. One that becomes a stream gets
    a second task, which passes on what stands on the stream.
    """

    def __init__(self, handler: "McpHandler") -> None:
        self.cancels_on_disconnect = False
        self.begin: Callable[[], object] | None = None
        self.begins_early = False
        self._handler = handler
        self._reader: Reader | None = None
        self._draining: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.current_task()
        """While it goes on."""
        self._is_cancelled = False
        self._waited = min(EARLY, handler.keep_alive)
        self._timer = self._loop.call_later(self._waited, self._begin_if_due)

    async def run(self, work: Coroutine[Any, Any, Reply]) -> Reply | None:
        """Do the work, and pass on what it streams. None: its client has left, and that has cancelled it."""
        task = self._work
        try:
            reply = await work
        except asyncio.CancelledError:
            if task is None or not self._is_cancelled:
                raise
            task.uncancel()
            reply = None
        finally:
            self._timer.cancel()
            self._work = self.begin = None
        if self._draining is not None:
            await self._draining
        return reply

    def open(self, reader: Reader) -> None:
        self._reader = reader
        if self._handler.is_open:
            self._draining = self._loop.create_task(self._drain(reader))
        else:
            reader.detach()

    def leave(self) -> None:
        """The client has left."""
        if self._reader is not None:
            self._reader.detach()
        self._abandon()

    async def _drain(self, reader: Reader) -> None:
        # A stream may stay for days: what was read is let go, and what only templates need.
        self._handler.request.body = b""
        self._handler.ui.clear()
        try:
            await self._handler.drain(reader, is_checked=self._handler.is_subscription())
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Nobody waits for the answer any more. A call that this does not cancel goes on, and its result
        waits for whoever comes back.
        """
        work, self._work = self._work, None
        if work is None:
            return
        if self.cancels_on_disconnect:
            self._is_cancelled = True
            work.cancel()
            return
        background = self._handler.mcp.background
        background.add(work)
        work.add_done_callback(background.discard)
        self._handler.end()

    def _begin_if_due(self) -> None:
        if self.begin is not None and (self.begins_early or self._waited >= self._handler.keep_alive):
            self.begin()
            return
        seconds = self._handler.keep_alive - self._waited % self._handler.keep_alive
        self._waited += seconds
        self._timer = self._loop.call_later(seconds, self._begin_if_due)


@stream_request_body
class McpHandler(EventStreamHandler):
    """`[mcp] path`: POST, GET, DELETE, HEAD and OPTIONS."""

    event = "mcp"

    def initialize(self, services: Services, mcp: McpService) -> None:  # type: ignore[override]
        super().initialize(services)
        self.mcp = mcp
        self.max_body = mcp.max_body
        self._bearer: Bearer | None = None
        self.keep_alive = mcp.keep_alive
        self.write_timeout = mcp.write_timeout
        self.initialize_stream()
        self._on_close: Callable[[], object] | None = None

    def check_request(self) -> None:
        super().check_request()
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.is_allowed_origin(origin):
            # streamable-http, Security & Endpoint: a page elsewhere must not reach a local server.
            raise HTTPError(403, "Origin is not allowed")

    async def prepare(self) -> None:
        """Authenticate before the body comes: nothing is kept of what a stranger sends."""
        super().prepare()
        if self._refusal is None and self.request.method in AUTHENTICATED:
            try:
                self._bearer = await self.authenticate()
            except (BearerError, StoreUnavailable) as error:
                self.refuse(error)

    # Methods

    async def post(self) -> None:
        stream = PostStream(self)
        self._on_close = stream.leave
        work = self.mcp.endpoint.handle_post(self.body, self._find_headers(), self.principal, stream)
        reply = await stream.run(work)
        self._on_close = None
        if reply is not None:
            await self.write_reply(reply)

    def end(self) -> None:
        """Finish the answer as it is."""
        if not self._finished:
            self.finish()

    async def get(self) -> None:
        answer = await self.mcp.endpoint.open_stream(self._find_headers(), self.principal)
        if isinstance(answer, Reply):
            await self.write_reply(answer)
            return
        self._on_close = answer.detach
        await self.write_chunk(KEEP_ALIVE)
        await self.drain(answer, is_checked=True)

    async def delete(self) -> None:
        await self.write_reply(await self.mcp.endpoint.handle_delete(self._find_headers(), self.principal))

    async def head(self) -> None:  # type: ignore[override]
        """Gemini CLI reads the challenge off a HEAD; with a good token there is nothing to say."""
        self.clear_header("Content-Type")

    @property
    def principal(self) -> Principal:
        """Who calls. Only after `prepare`."""
        assert self._bearer is not None  # noqa: S101 - for the type checker: the method would not run
        return _build_principal(self._bearer)

    async def authenticate(self) -> Bearer:
        """Raises: BearerError, which becomes the challenge; StoreUnavailable."""
        values = self.request.headers.get_list("Authorization")
        if len(values) > 1:
            raise BearerError(
                code="invalid_request",
                description="more than one Authorization header",
                reason="token_two_headers",
            )
        now = self.now
        bearer = await check_bearer(
            values[0] if values else None,
            self.mcp.resource,
            self.services.store,
            self.services.people,
            now=now,
        )
        await self.services.store.touch_grant(bearer.grant_id, now=now)
        return bearer

    async def is_still_authenticated(self) -> bool:
        """Whether the token of a stream without an end is still good."""
        try:
            await self.authenticate()
        except BearerError as error:
            self.log("mcp.stream_ended", reason=error.reason)
            return False
        return True

    async def write_reply(self, reply: Reply) -> None:
        """The last word: an event on a stream, or the answer itself."""
        if not self.is_open:
            return
        if not self.is_streaming:
            self._write_head(reply)
        if reply.body is None:
            return
        if reply.stream:
            await self.write_chunk(build_event(Event(reply.body)))
            return
        self.write(reply.body)
        if len(reply.body) > SLICE:
            await self.finish_in_time()

    def _write_head(self, reply: Reply) -> None:
        if "Content-Type" not in reply.headers:
            self.clear_header("Content-Type")
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.required_scopes:
            error = BearerError(
                code="insufficient_scope",
                description="the access token lacks a scope",
                reason="scope_insufficient",
                scope=sorted(reply.required_scopes | set(self.mcp.resource.scope)),
            )
            self.set_header("WWW-Authenticate", build_challenge(error, self.mcp.resource, issuer=self.issuer))
            self.log("mcp.refused", error=error.code, reason=error.reason)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._on_close is not None:
            self._on_close()

    def is_subscription(self) -> bool:
        """Whether this is a request without an end. The endpoint has held the header against the body."""
        return self.request.headers.get("Mcp-Method") == "subscriptions/listen"

    def _find_headers(self) -> dict[str, str]:
        """Headers by lower-cased name. One that came twice is joined by a comma, and so matches nothing."""
        headers: dict[str, str] = {}
        for name, value in self.request.headers.get_all():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return headers

    # Errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """A stream that has begun can only end."""
        if not self.is_streaming:
            super().send_error(status_code, **kwargs)
        elif not self._finished:
            self.finish()

    def write_failure(self, status: int, error: BaseException | None) -> None:
        """A JSON-RPC error of no request, with the challenge where a token is what is missing."""
        message = responses.get(status, "Error")
        if isinstance(error, BearerError):
            message = error.description
            self.set_header("WWW-Authenticate", build_challenge(error, self.mcp.resource, issuer=self.issuer))
        elif status == 503:
            message = "Temporarily unavailable"
        elif status >= 500:
            message = f"Internal error, reference {self.request_id}"
        else:
            message = find_detail(error) or message
        code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
        failure = {"code": code, "message": message}
        self.write_json({"jsonrpc": "2.0", "id": None, "error": failure}, status=status)
        self.finish()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, BearerError) and value.code is None:
            # Every client's first request comes without a token: that is how it finds the way.
            self.log("mcp.challenged", level=logging.DEBUG, reason=value.reason)
        else:
            super().log_exception(typ, value, tb)


def _build_principal(bearer: Bearer) -> Principal:
    return Principal(
        username=bearer.username,
        client_id=bearer.client_id,
        client_name=bearer.client_name,
        scopes=frozenset(bearer.scope),
    )
