"""An endpoint whose protocol is an ASGI application's: a server object of the official SDK or of fastmcp.

Our choice, behind the same checks as our own endpoint. The application sees an authenticated request without
its credentials; its answer goes out as the client reads it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tornado.web import HTTPError, stream_request_body

from omnitornado.mcp.event_stream import Event
from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    Batch,
    JsonRpcError,
    Message,
    Request,
    RequestId,
    build_error,
    build_notification,
    encode,
    parse_body,
)
from omnitornado.mcp.limits import Quota
from omnitornado.mcp.needed_scopes import ScopeError
from omnitornado.mcp.replies import build_error_reply, log_refusal
from omnitornado.oauth.bearer import Bearer, parse_authorization
from omnitornado.oauth.errors import printable
from omnitornado.oauth.people import is_machine
from omnitornado.sdk.asgi import Exchange, Head, Nobody, build_scope
from omnitornado.sdk.asgi import Request as AsgiRequest
from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.identity import Caller, build_identity, name_token
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.event_stream import SLICE, build_event
from omnitornado.web.protected import ProtectedHandler, Protection
from omnitornado.web.services import Services

LISTEN = "subscriptions/listen"
STOPPING = "The server is stopping"
PATIENCE = 1.0
"""Seconds that an application has to end a call or a subscription, once it is asked to."""
MAX_TEXT = 200
"""Characters of an application's plain words that are passed on."""
NO_SCOPES: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class AsgiService(Protection):
    """One protected endpoint of a served object."""

    hosting: Hosting
    calls: Quota
    streams: Quota
    nesting: int
    find_needed_scopes: Callable[[Message | Batch, Caller], Awaitable[frozenset[str]]]
    """What a message needs beyond the endpoint's own scope. Raises: JsonRpcError 503."""
    under_way: set["AsgiHandler"] = field(default_factory=set)
    """Requests whose application has not returned, their clients there or gone."""

    async def end_streams(self) -> None:
        """End the streams that would never end by themselves; a subscription may say a last word first."""
        endless = [handler for handler in self.under_way if handler.is_endless]
        await _wait_for([handler for handler in endless if handler.is_subscription])
        for handler in endless:
            handler.leave()

    async def cancel_calls(self) -> None:
        """Ask the application to end what it still works on, as the clients could."""
        handlers = list(self.under_way)
        for handler in handlers:
            await handler.cancel()
        await _wait_for(handlers)

    async def close(self) -> None:
        """End what is still under way."""
        handlers = list(self.under_way)
        for handler in handlers:
            if handler.task is not None:
                handler.task.cancel()
        await _wait_for(handlers)


async def _wait_for(handlers: Iterable["AsgiHandler"]) -> None:
    tasks = [handler.task for handler in handlers if handler.task is not None]
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)


@stream_request_body
class AsgiHandler(ProtectedHandler):
    """POST, GET, DELETE, HEAD and OPTIONS."""

    def initialize(self, services: Services, sdk: AsgiService) -> None:  # type: ignore[override]
        super().initialize(services, sdk)
        self.sdk = sdk
        self.task: asyncio.Task[None] | None = None
        self.is_endless = self.is_subscription = False
        self._request_ids: list[RequestId] = []
        """Of the calls that wait for an answer."""
        self._exchange: Exchange | None = None

    # Methods

    async def post(self) -> None:
        message: Message | Batch | None = None
        try:
            self._check_running()
            message = parse_body(self.body, nesting=self.sdk.nesting)
            needed = await self.sdk.find_needed_scopes(message, self._build_caller(self.bearer))
            if not needed <= set(self.bearer.scope):
                raise ScopeError(needed)
            await self._serve_post(message)
        except JsonRpcError as error:
            log_refusal(error)
            reply = build_error_reply(error, message.id if isinstance(message, Request) else None)
            if isinstance(error, ScopeError):
                reply = msgspec.structs.replace(reply, required_scopes=error.needed)
            await self.write_reply(reply)

    async def get(self) -> None:
        await self._serve_alone(self.sdk.streams, 1)

    async def delete(self) -> None:
        await self._serve_alone(self.sdk.calls, 0)

    async def _serve_post(self, message: Message | Batch) -> None:
        """Raises: JsonRpcError 429."""
        requests = [one for one in as_list(message) if isinstance(one, Request)]
        self.is_endless = self.is_subscription = any(one.method == LISTEN for one in requests)
        quota = self.sdk.streams if self.is_subscription else self.sdk.calls
        self._request_ids = [one.id for one in requests if one.method != LISTEN]
        with quota.hold(self.bearer.username, len(requests)):
            await self._serve()

    async def _serve_alone(self, quota: Quota, count: int) -> None:
        """A request without a message."""
        self.is_endless = count > 0
        try:
            self._check_running()
            with quota.hold(self.bearer.username, count):
                await self._serve()
        except JsonRpcError as error:
            log_refusal(error)
            await self.write_reply(build_error_reply(error))

    def _check_running(self) -> None:
        """Raises: JsonRpcError 503."""
        is_cancelled = self.task is not None and self.task.cancelled()
        if is_cancelled or self.services.in_flight.is_stopping or not self.sdk.hosting.is_running:
            raise JsonRpcError(code=INTERNAL_ERROR, message=STOPPING, status=503)

    # The application

    async def _serve(self) -> None:
        """Run the application for this request, and end the answer as far as it has come."""
        exchange = self._exchange = Exchange(self.body, self)
        if not self.is_open:
            exchange.leave()
        # A task of its own: ending it must not end the handler, which has the last word.
        self.task = asyncio.create_task(
            self.sdk.hosting.app(self._build_scope(), exchange.receive, exchange.send)
        )
        self.sdk.under_way.add(self)
        try:
            await asyncio.wait({self.task})
        finally:
            self.sdk.under_way.discard(self)
        if not self.task.cancelled():
            self.task.result()
        if not exchange.has_begun:
            self._check_running()
            raise RuntimeError("the application has not answered")
        if self.services.in_flight.is_stopping and self.is_streaming and not exchange.is_complete:
            await self._answer_for_the_end()

    def _build_scope(self) -> dict[str, Any]:
        caller = self._build_caller(self.bearer)
        return build_scope(self._build_request(), **build_identity(caller))

    def _build_request(self) -> AsgiRequest:
        identity = self.services.identity()
        return AsgiRequest(
            method=str(self.request.method),
            path=self.resource.path,
            query=self.query,
            headers=self.request.headers.get_all(),
            scheme=self.issuer.partition("://")[0],
            server=(identity.host, identity.port),
            client=self.address,
            http_version=self.request.version.removeprefix("HTTP/"),
        )

    def _build_caller(self, bearer: Bearer) -> Caller:
        issuer = self.services.identity().issuer
        return Caller(
            username=bearer.username,
            client_id=bearer.client_id,
            client_name=bearer.client_name,
            scopes=bearer.scope,
            token_name=name_token(parse_authorization(self.request.headers.get("Authorization"))[1]),
            expires_at=bearer.expires_at,
            issuer=issuer,
            resource=self.resource.build_url(issuer),
            is_machine=is_machine(bearer.username),
        )

    async def cancel(self) -> None:
        """End the call as its client could: by leaving, or in a session by a notification (MCP 2025-11-25
        basic/utilities/cancellation).
        """
        if "Mcp-Session-Id" not in self.request.headers:
            self.leave()
        for request_id in self._request_ids:
            params = {"requestId": request_id, "reason": STOPPING}
            message = encode(build_notification("notifications/cancelled", params))
            exchange = Exchange(message, Nobody())
            with contextlib.suppress(Exception):
                async with asyncio.timeout(PATIENCE):
                    await self.sdk.hosting.app(self._build_scope(), exchange.receive, exchange.send)

    async def _answer_for_the_end(self) -> None:
        """What a client still waits for, where the application has left it without an answer."""
        error = JsonRpcError(code=INTERNAL_ERROR, message=STOPPING)
        for request_id in self._request_ids:
            await self.write_chunk(build_event(Event(encode(build_error(error, request_id)))))

    def leave(self) -> None:
        """Tell the application that its client has gone."""
        if self._exchange is not None:
            self._exchange.leave()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.leave()

    # The answer

    async def begin(self, head: Head) -> None:
        if self.is_open:
            self._set_head(head)
            self.begin_stream()
            self.set_header("Content-Type", head.content_type)
            await self.write_chunk(b"")

    async def write_piece(self, piece: bytes) -> None:
        if self.is_open and self.is_endless and not await self._may_go_on():
            self.end()
        if self.is_open:
            await self.write_chunk(piece)
        if not self.is_open:
            # Also where nobody left, but was cut off or no longer may.
            self.leave()

    async def _may_go_on(self) -> bool:
        try:
            return await self.is_still_authenticated()
        except StoreUnavailable:
            return False

    async def write_whole(self, head: Head, body: bytes) -> None:
        if not self.is_open:
            return
        if head.status >= 400 and head.media_type != "application/json":
            # Every error of an MCP endpoint is a JSON-RPC error.
            error = HTTPError(head.status, find_text(head, body))
            self.send_error(head.status, exc_info=(HTTPError, error, None))
            return
        if head.status >= 400:
            self.log("mcp.refused", status=head.status, reason="application")
        self._set_head(head)
        self.write(body)
        if len(body) > SLICE:
            await self.finish_in_time()
        else:
            # The application may have more to do, and its client need not wait for that.
            self.end()

    def _set_head(self, head: Head) -> None:
        self.set_status(head.status)
        self.clear_header("Content-Type")
        if head.content_type:
            self.set_header("Content-Type", head.content_type)
        for name, value in head.headers:
            self.add_header(name, value)


def find_text(head: Head, body: bytes) -> str | None:
    """What a plain answer says of an error of its client's."""
    if head.media_type != "text/plain" or head.status >= 500:
        return None
    return printable(body.decode("utf-8", "replace")[:MAX_TEXT]) or None


def as_list(message: Message | Batch) -> Batch:
    return message if isinstance(message, list) else [message]
