"""An MCP endpoint: what the web handler talks to. It knows bodies, headers and principals, no sockets.

Implements: MCP 2026-07-28 basic/versioning (both eras on one endpoint), basic/transports/streamable-http.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from omnitornado.mcp.calls import ToolRunner
from omnitornado.mcp.exchange import Reply, Services
from omnitornado.mcp.handshake import Handshake
from omnitornado.mcp.inbound import Accept, Era, classify, parse_accept
from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    Batch,
    JsonRpcError,
    Message,
    Request,
    RequestId,
    parse_body,
)
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_error_reply, log_refusal
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.sessions import Sessions, SessionStore
from omnitornado.mcp.stateless import Stateless
from omnitornado.mcp.streams import Hub, Listener, Outbound
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.mcp")

T = TypeVar("T")

WEEK = 7 * 86400
"""Seconds."""


class ToolSummary(msgspec.Struct, frozen=True):
    """A tool as the consent page shows it."""

    name: str
    title: str | None
    description: str
    scopes: frozenset[str]


class Endpoint:
    """Serves an `MCPServer` at one path, every revision on the same URL. Belongs to one event loop."""

    def __init__(
        self,
        server: MCPServer,
        *,
        path: str,
        sessions: SessionStore,
        session_lifetime: float = WEEK,
        tool_timeout: float | None = 60.0,
        tool_threads: int = 8,
        tool_patience: float = 10.0,
        page_size: int = 1000,
        clock: Callable[[], float] = time.time,
        token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """
        Args:
            server: what to serve.
            path: of the URL; sessions are bound to it.
            sessions: keeps the sessions of the handshake era.
            session_lifetime: seconds since its last use that a session is kept.
            tool_timeout: seconds a tool may take unless it says otherwise; None for no limit.
            tool_threads: sync tools that run at a time.
            tool_patience: seconds a sync tool waits for a free thread.
            page_size: entries on a page of a list.
            clock: seconds since the epoch.
            token_bytes: random bytes.
        """
        self._server = server
        self._hub = Hub()
        self._runner = ToolRunner(
            threads=tool_threads, timeout=tool_timeout, patience=tool_patience, token_bytes=token_bytes
        )
        services = Services(server, self._runner, self._hub, page_size)
        self._handshake = Handshake(
            services,
            Sessions(sessions, path=path, lifetime=session_lifetime, clock=clock, token_bytes=token_bytes),
        )
        self._stateless = Stateless(services)
        self._token_bytes = token_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        server.tools.watch(self._note_change)

    def required_scopes(self, message: Message | Batch) -> frozenset[str]:
        """What a message needs beyond the endpoint's own scope: the scopes of the tools it calls.

        `handle_post` checks them itself; this is for whoever wants to know before.
        """
        needed: frozenset[str] = frozenset()
        for one in message if isinstance(message, list) else (message,):
            if isinstance(one, Request) and one.method == "tools/call":
                name = one.params.get("name")
                tool = self._server.tools.find(name) if isinstance(name, str) else None
                if tool is not None:
                    needed |= tool.scopes
        return needed

    async def handle_post(
        self, body: bytes, headers: Mapping[str, str], principal: Principal, stream: Outbound
    ) -> Reply:
        """Answer a POST.

        Args:
            body: as it came.
            headers: names lower-cased.
            principal: who calls, authenticated for this endpoint.
            stream: where notifications go while the request is worked on. Its `cancels_on_disconnect` is set
                before any work starts.

        Returns:
            What to answer. No exception leaves but CancelledError, when the handler cancels the task.
        """

        async def answer() -> Reply:
            accept = parse_accept(headers.get("accept"))
            self._check_open(accept)
            message = parse_body(body)
            reply = await self._answer(message, headers, principal, stream, accept)
            return msgspec.structs.replace(reply, stream=True) if not accept.json and reply.body else reply

        return await self._shield(answer())

    async def open_stream(self, headers: Mapping[str, str], principal: Principal) -> Listener | Reply:
        """Answer a GET: a listener to drain until its `receive` gives None, or what to answer instead."""

        async def answer() -> Listener | Reply:
            self._check_open()
            self._loop = asyncio.get_running_loop()
            return await self._handshake.open_stream(headers, principal, parse_accept(headers.get("accept")))

        return await self._shield(answer())

    async def handle_delete(self, headers: Mapping[str, str], principal: Principal) -> Reply:
        """Answer a DELETE: ends a session of the handshake era."""
        return await self._shield(self._handshake.answer_delete(headers, principal))

    def list_tools_by_scope(self) -> list[ToolSummary]:
        """The tools and the scopes behind which they stand, in their order."""
        return [
            ToolSummary(tool.name, tool.title, tool.description, tool.scopes)
            for tool in self._server.tools.list_all()
        ]

    async def end_streams(self) -> None:
        """Take no new request, and end every stream well. Calls in flight go on, until `close`."""
        if not self._closed:
            self._closed = True
            self._server.tools.unwatch(self._note_change)
            self._hub.close_all()

    async def close(self) -> None:
        """Stop serving: as `end_streams`, and calls still in flight are answered that the server stops."""
        await self.end_streams()
        self._runner.close()

    async def _answer(
        self,
        message: Message | Batch,
        headers: Mapping[str, str],
        principal: Principal,
        stream: Outbound,
        accept: Accept,
    ) -> Reply:
        request_id = message.id if isinstance(message, Request) else None
        try:
            era = classify(message, headers)
            stream.cancels_on_disconnect = era is Era.STATELESS
            needed = self.required_scopes(message)
            if not needed <= principal.scopes:
                return _build_forbidden(needed, request_id)
            self._loop = asyncio.get_running_loop()
            serve = self._stateless.answer_post if era is Era.STATELESS else self._handshake.answer_post
            return await serve(message, headers, principal, stream, accept)
        except Exception as error:
            return self._build_failure(error, request_id)

    def _check_open(self, accept: Accept | None = None) -> None:
        if self._closed:
            raise JsonRpcError(code=INTERNAL_ERROR, message="The server is stopping", status=503)
        if accept is not None and not accept.json and not accept.stream:
            message = "Not acceptable: application/json and text/event-stream"
            raise JsonRpcError(code=INVALID_REQUEST, message=message, status=406)

    async def _shield(self, answer: Awaitable[T]) -> T | Reply:
        try:
            return await answer
        except Exception as error:
            return self._build_failure(error)

    def _build_failure(self, error: Exception, request_id: RequestId | None = None) -> Reply:
        if isinstance(error, StoreUnavailable):
            log.error("the store did not take a change: %s", error)
            error = JsonRpcError(code=INTERNAL_ERROR, message="Temporarily unavailable", status=503)
        elif isinstance(error, JsonRpcError):
            log_refusal(error)
        else:
            reference = self._token_bytes(4).hex()
            log.error("internal error, reference %s", reference, exc_info=error)
            error = JsonRpcError(code=INTERNAL_ERROR, message=f"Internal error {reference}")
        return build_error_reply(error, request_id)

    def _note_change(self, kind: str) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._hub.tell, kind)


def _build_forbidden(needed: frozenset[str], request_id: RequestId | None) -> Reply:
    error = JsonRpcError(
        code=INVALID_REQUEST,
        message=f"Insufficient scope: this call needs {' '.join(sorted(needed))}",
        status=403,
    )
    return msgspec.structs.replace(build_error_reply(error, request_id), required_scopes=needed)
