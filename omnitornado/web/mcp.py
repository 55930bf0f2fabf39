"""The MCP endpoint over HTTP: authenticate every request, then hand body, headers and principal to
`mcp/endpoint`.

Implements: MCP 2026-07-28 basic/transports/streamable-http and MCP 2025-11-25 basic/transports, the HTTP
side: one JSON answer where nothing streams, server-sent events where something does, keep-alive comments on
both.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from http.client import responses
from typing import Any

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.streams import Listener
from omnitornado.oauth.bearer import Bearer, BearerError, build_challenge, check_bearer
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.web.base import BaseHandler
from omnitornado.web.services import Services

KEEP_ALIVE = b": keep-alive\n\n"


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
        await self._handler.write_event(msgspec.json.encode(message))


@stream_request_body
class McpHandler(BaseHandler):
    """`[mcp] path`: POST, GET, DELETE, HEAD and OPTIONS."""

    event = "mcp"

    def initialize(self, services: Services, mcp: McpService) -> None:  # type: ignore[override]
        super().initialize(services)
        self.mcp = mcp
        self.max_body = mcp.max_body
        self._is_streaming = False
        self._is_open = True
        self._on_close: list[Any] = []

    def prepare(self) -> Awaitable[None] | None:
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.is_allowed_origin(origin):
            # streamable-http, Security & Endpoint: a page elsewhere must not reach a local server.
            raise HTTPError(403, "Origin is not allowed")
        return super().prepare()

    def is_allowed_origin(self, origin: str) -> bool:
        self.issuer  # noqa: B018 - a Host that is not ours is refused before anything else is told
        return super().is_allowed_origin(origin)

    # Methods

    async def post(self) -> None:
        principal = _build_principal(await self.authenticate())
        stream = PostStream(self)
        work = asyncio.ensure_future(
            self.mcp.endpoint.handle_post(self.body, self._find_headers(), principal, stream)
        )
        self._on_close.append(lambda: work.cancel() if stream.cancels_on_disconnect else None)
        while not (await asyncio.wait({work}, timeout=self.mcp.keep_alive))[0]:
            if self._accepts_events():
                await self.write_comment()
        if not work.cancelled():
            await self.write_reply(work.result())

    async def get(self) -> None:
        principal = _build_principal(await self.authenticate())
        answer = await self.mcp.endpoint.open_stream(self._find_headers(), principal)
        if isinstance(answer, Reply):
            await self.write_reply(answer)
            return
        self._on_close.append(answer.close)
        try:
            await self._drain(answer)
        finally:
            answer.close()

    async def delete(self) -> None:
        principal = _build_principal(await self.authenticate())
        await self.write_reply(await self.mcp.endpoint.handle_delete(self._find_headers(), principal))

    async def head(self) -> None:  # type: ignore[override]
        """Gemini CLI reads the challenge off a HEAD; with a good token there is nothing to say."""
        await self.authenticate()

    async def authenticate(self) -> Bearer:
        """Raises: BearerError, which becomes the challenge."""
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

    # Streams

    async def write_event(self, data: bytes) -> None:
        """Send one message as an event. Nothing happens once the client has left."""
        await self._write_chunk(b"event: message\ndata: " + data + b"\n\n")

    async def write_comment(self) -> None:
        """Keep the connection from being taken for dead."""
        await self._write_chunk(KEEP_ALIVE)

    async def _write_chunk(self, chunk: bytes) -> None:
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
        await self.write_comment()
        while self._is_open:
            try:
                message = await asyncio.wait_for(listener.receive(), self.mcp.keep_alive)
            except TimeoutError:
                await self.authenticate()
                await self.write_comment()
                continue
            if message is None:
                return
            await self.write_event(msgspec.json.encode(message))

    async def write_reply(self, reply: Reply) -> None:
        """The last word: an event on a stream, or the answer itself."""
        if not self._is_open:
            return
        if reply.required_scopes:
            error = BearerError(
                code="insufficient_scope",
                description="the access token lacks a scope",
                reason="scope_insufficient",
                scope=sorted(reply.required_scopes | set(self.mcp.resource.scope)),
            )
            self.set_header("WWW-Authenticate", build_challenge(error, self.mcp.resource, issuer=self.issuer))
            self.log("mcp.refused", error=error.code, reason=error.reason)
        if self._is_streaming or reply.stream:
            if reply.body is not None:
                await self.write_event(reply.body)
            return
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.body is not None:
            self.set_header("Content-Type", "application/json")
            self.write(reply.body)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._is_open = False
        for tell in self._on_close:
            tell()

    def _accepts_events(self) -> bool:
        accept = self.request.headers.get("Accept", "*/*")
        return "text/event-stream" in accept or "*/*" in accept

    def _find_headers(self) -> dict[str, str]:
        """Headers by lower-cased name. One that came twice is joined by a comma, and so matches nothing."""
        return {name.lower(): value for name, value in self.request.headers.items()}

    # Errors

    def write_failure(self, status: int, error: BaseException | None) -> None:
        """A JSON-RPC error of no request, with the challenge where a token is what is missing."""
        if self._is_streaming:
            self.finish()
            return
        message = responses.get(status, "Error")
        if isinstance(error, BearerError):
            message = error.description
            self.set_header("WWW-Authenticate", build_challenge(error, self.mcp.resource, issuer=self.issuer))
        elif isinstance(error, HTTPError) and error.log_message:
            message = error.log_message
        elif status >= 500 and status != 503:
            message = f"Internal error, reference {self.request_id}"
        code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
        failure = {"code": code, "message": message}
        self.write_json({"jsonrpc": "2.0", "id": None, "error": failure}, status=status)
        self.finish()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, BearerError) and self._is_streaming:
            self.log("mcp.stream_ended", reason=value.reason)
        elif isinstance(value, BearerError) and value.code is None:
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
