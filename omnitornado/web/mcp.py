"""The MCP endpoint over HTTP: authenticate every request, then hand body, headers and principal to
`mcp/endpoint`.

Implements: MCP 2026-07-28 basic/transports/streamable-http and MCP 2025-11-25 basic/transports, the HTTP
side: one JSON answer where nothing streams, server-sent events where something does, keep-alive comments on
both.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http.client import responses
from typing import Any

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.inbound import parse_accept
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.streams import Listener
from omnitornado.oauth.bearer import Bearer, BearerError, build_challenge, check_bearer
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.base import RETRY_AFTER, BaseHandler, find_detail
from omnitornado.web.services import Services

KEEP_ALIVE = b": keep-alive\n\n"
AUTHENTICATED = ("POST", "GET", "HEAD", "DELETE")
"""A preflight carries no token, and what else there is answers 405."""


@dataclass(frozen=True)
class McpService:
    """One protected MCP endpoint. `max_body` in bytes, `keep_alive` in seconds."""

    endpoint: Endpoint
    resource: ProtectedResource
    max_body: int
    keep_alive: float


class PostStream:
    """A POST's own event stream (`mcp.streams.Outbound`): the first event commits the answer to it."""

    def __init__(self, handler: "McpHandler") -> None:
        self._handler = handler
        self.cancels_on_disconnect = False

    async def send(self, message: dict[str, Any]) -> None:
        await self._handler.write_chunk(build_event(msgspec.json.encode(message)))


@stream_request_body
class McpHandler(BaseHandler):
    """`[mcp] path`: POST, GET, DELETE, HEAD and OPTIONS."""

    event = "mcp"

    def initialize(self, services: Services, mcp: McpService) -> None:  # type: ignore[override]
        super().initialize(services)
        self.mcp = mcp
        self.max_body = mcp.max_body
        self._bearer: Bearer | None = None
        self._is_streaming = False
        self._is_open = True
        self._writing = asyncio.Lock()
        self._on_close: list[Callable[[], object]] = []

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
        work = asyncio.ensure_future(
            self.mcp.endpoint.handle_post(self.body, self._find_headers(), self.principal, stream)
        )
        self._on_close.append(lambda: work.cancel() if stream.cancels_on_disconnect else None)
        while not (await asyncio.wait({work}, timeout=self.mcp.keep_alive))[0]:
            has_left = not self._is_open and stream.cancels_on_disconnect
            if has_left or (self._is_subscription() and not await self.is_still_authenticated()):
                work.cancel()
            elif self._accepts_events():
                await self.write_chunk(KEEP_ALIVE)
        if not work.cancelled():
            await self.write_reply(work.result())

    async def get(self) -> None:
        answer = await self.mcp.endpoint.open_stream(self._find_headers(), self.principal)
        if isinstance(answer, Reply):
            await self.write_reply(answer)
            return
        self._on_close.append(answer.close)
        try:
            await self._drain(answer)
        finally:
            answer.close()

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
        bearer = await check_bearer(
            values[0] if values else None,
            self.mcp.resource,
            self.services.store,
            self.services.people,
            now=self.now,
        )
        await self.services.store.touch_grant(bearer.grant_id, now=self.now)
        return bearer

    async def is_still_authenticated(self) -> bool:
        """Whether the token of a stream without an end is still good."""
        try:
            await self.authenticate()
        except BearerError as error:
            self.log("mcp.stream_ended", reason=error.reason)
            return False
        return True

    # Streams

    async def write_chunk(self, chunk: bytes) -> None:
        """Send a part of an event stream. Nothing happens once the client has left."""
        # One at a time: Tornado forgets who waits for a flush when the next one begins.
        async with self._writing:
            if not self._is_open:
                return
            if not self._is_streaming:
                self._is_streaming = True
                self.set_header("Content-Type", "text/event-stream")
                # nginx and others hold a stream back without it (streamable-http, Receiving Messages).
                self.set_header("X-Accel-Buffering", "no")
            self.write(chunk)
            try:
                await self.flush()
            except StreamClosedError:
                self._is_open = False

    async def _drain(self, listener: Listener) -> None:
        """Pass on what the listener gives. A token that ends, ends its stream."""
        await self.write_chunk(KEEP_ALIVE)
        while self._is_open:
            chunk = KEEP_ALIVE
            with contextlib.suppress(TimeoutError):
                message = await asyncio.wait_for(listener.receive(), self.mcp.keep_alive)
                if message is None:
                    return
                chunk = build_event(msgspec.json.encode(message))
            if not await self.is_still_authenticated():
                return
            await self.write_chunk(chunk)

    async def write_reply(self, reply: Reply) -> None:
        """The last word: an event on a stream, or the answer itself."""
        if not self._is_open:
            return
        if not self._is_streaming:
            self._write_head(reply)
        if reply.body is None:
            return
        if self._is_streaming or reply.stream:
            await self.write_chunk(build_event(reply.body))
        else:
            self.write(reply.body)

    def _write_head(self, reply: Reply) -> None:
        self.clear_header("Content-Type")
        self.set_status(reply.status)
        if reply.status == 503:
            self.set_header("Retry-After", RETRY_AFTER)
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

    def on_finish(self) -> None:
        super().on_finish()
        self._is_open = False

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._is_open = False
        for tell in self._on_close:
            tell()

    def _accepts_events(self) -> bool:
        return parse_accept(self.request.headers.get("Accept")).stream

    def _is_subscription(self) -> bool:
        """A request without an end. The endpoint has held the header against the body."""
        return self.request.headers.get("Mcp-Method") == "subscriptions/listen"

    def _find_headers(self) -> dict[str, str]:
        """Headers by lower-cased name. One that came twice is joined by a comma, and so matches nothing."""
        return {name.lower(): value for name, value in self.request.headers.items()}

    # Errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """A stream that has begun can only end."""
        if not self._is_streaming:
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


def build_event(data: bytes) -> bytes:
    """One JSON message, on its one line, as a server-sent event."""
    return b"event: message\ndata: " + data + b"\n\n"


def _build_principal(bearer: Bearer) -> Principal:
    return Principal(
        username=bearer.username,
        client_id=bearer.client_id,
        client_name=bearer.client_name,
        scopes=frozenset(bearer.scope),
    )
