"""An MCP endpoint: what the web handler talks to. It knows bodies, headers and principals, no sockets.

Implements: MCP 2026-07-28 basic/versioning (both eras on one endpoint), basic/transports/streamable-http.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from omnitornado.mcp.calls import ToolRunner
from omnitornado.mcp.event_log import EventLog
from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.exchange import ReadNested, Reply, Services
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
from omnitornado.mcp.limits import Limits, Quota, TaskLimits
from omnitornado.mcp.listening import LISTEN
from omnitornado.mcp.needed_scopes import ScopeError
from omnitornado.mcp.neighbours.neighbours import Neighbours
from omnitornado.mcp.nested_read import read_nested
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_error_reply, log_refusal
from omnitornado.mcp.request_state import KeyStore, RequestStates
from omnitornado.mcp.responder import Responder
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.server_responder import ServerResponder
from omnitornado.mcp.sessions import Sessions, SessionStore
from omnitornado.mcp.stateless import Stateless
from omnitornado.mcp.streams import Change, Hub, Outbound
from omnitornado.mcp.task_record import TaskStore
from omnitornado.mcp.tasks import Tasks
from omnitornado.mcp.tools import Tool
from omnitornado.store.bus import Bus
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.mcp")

T = TypeVar("T")

WEEK = 7 * 86400
"""Seconds."""


class EndpointStore(SessionStore, KeyStore, TaskStore, Protocol):
    """The transitions that an endpoint needs of the store."""

    @property
    def bus(self) -> Bus | None:
        """Reaches the other processes that serve the endpoint; None where this one is alone."""


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
        server: MCPServer | Responder,
        *,
        path: str,
        sessions: EndpointStore,
        session_lifetime: float = WEEK,
        tool_timeout: float | None = 60.0,
        tool_threads: int = 8,
        tool_patience: float = 10.0,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        task_limits: TaskLimits = TaskLimits(),  # noqa: B008 - frozen
        page_size: int = 1000,
        clock: Callable[[], float] = time.time,
        token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """
        Args:
            server: what to serve: an author's object, or what answers in its place (the arguments about
                tools, tasks and pages are for the first alone).
            path: of the URL; sessions are bound to it.
            sessions: keeps the sessions of the handshake era, the key of the stateless era's states, tasks.
            session_lifetime: seconds since its last use that a session is kept.
            tool_timeout: seconds a tool may take unless it says otherwise; None for no limit.
            tool_threads: sync tools that run at a time.
            tool_patience: seconds a sync tool waits for a free thread.
            limits: what one person may take at a time, and how long a client may take to answer.
            task_limits: the same of tasks.
            page_size: entries on a page of a list.
            clock: seconds since the epoch.
            token_bytes: random bytes.
        """
        self._server = server if isinstance(server, MCPServer) else None
        self._hub = Hub()
        runner = ToolRunner(
            threads=tool_threads, timeout=tool_timeout, patience=tool_patience, token_bytes=token_bytes
        )
        self.tasks = Tasks(sessions, task_limits, path=path, clock=clock, token_bytes=token_bytes)
        read: ReadNested | None = None
        if isinstance(server, MCPServer):
            services = Services(server, runner, page_size, self.tasks)
            read = partial(read_nested, services)
            self._responder: Responder = ServerResponder(services)
            server.watch(self._note_change)
        else:
            self._responder = server
        self._responder.attach(self._hub)
        kept = Sessions(sessions, path=path, lifetime=session_lifetime, clock=clock, token_bytes=token_bytes)
        events = EventLog(limits.event_log, clock=clock, token_bytes=token_bytes)
        self._handshake = Handshake(
            self._responder, self._hub, kept, events, answer_timeout=limits.answer_timeout, read=read
        )
        self._neighbours: Neighbours | None = None
        if sessions.bus is not None:
            self._neighbours = Neighbours(
                sessions.bus,
                path=path,
                hub=self._hub,
                sessions=kept,
                handshake=self._handshake,
                tasks=self.tasks,
                clock=clock,
                token_bytes=token_bytes,
            )
        states = RequestStates(
            sessions, path=path, lifetime=limits.answer_timeout, clock=clock, token_bytes=token_bytes
        )
        self._stateless = Stateless(self._responder, self._hub, states, read)
        self._limits = limits
        self._calls = Quota(limits.calls_per_person, "calls in flight")
        self._streams = Quota(limits.streams_per_person, "streams")
        self._token_bytes = token_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def start(self) -> None:
        """Begin, before anything is served: what the last process had left undone is seen to."""
        self._loop = asyncio.get_running_loop()
        await self.tasks.interrupt()
        if self._neighbours is not None:
            self._neighbours.start()

    def required_scopes(self, message: Message | Batch) -> frozenset[str]:
        """What a message needs beyond the endpoint's own scope: the scopes of what it calls or reads.

        `handle_post` checks them itself; this is for whoever wants to know before.
        """
        needed: frozenset[str] = frozenset()
        for one in message if isinstance(message, list) else (message,):
            if isinstance(one, Request):
                needed |= self._responder.find_needed_scopes(one)
        return needed

    async def handle_post(
        self, body: bytes, headers: Mapping[str, str], principal: Principal, stream: Outbound
    ) -> Reply:
        """Answer a POST.

        Args:
            body: as it came.
            headers: names lower-cased.
            principal: who calls, authenticated for this endpoint.
            stream: how the answer can become an event stream while the request is worked on. What it is told
                about this request, it is told before any work starts.

        Returns:
            What to answer; once the answer is a stream, nothing more: the last word stands on it. No
            exception leaves but CancelledError, when the handler cancels the task.
        """
        try:
            accept = parse_accept(headers.get("accept"))
            self._check_open(accept)
            message = parse_body(body, nesting=self._limits.nesting)
            outlet = Outlet(stream, accept)
            request_id = message.id if isinstance(message, Request) else None
            try:
                reply = await self._answer(message, headers, principal, outlet)
            except Exception as error:
                reply = self._build_failure(error, request_id)
            reply = outlet.finish(reply)
            return reply if accept.json or not reply.body else msgspec.structs.replace(reply, stream=True)
        except Exception as error:
            return self._build_failure(error)

    async def open_stream(self, headers: Mapping[str, str], principal: Principal) -> Reader | Reply:
        """Answer a GET: a reader to drain until its `receive` gives None, and then to detach; or what to
        answer instead."""

        async def answer() -> Reader | Reply:
            self._check_open()
            self._loop = asyncio.get_running_loop()
            accept = parse_accept(headers.get("accept"))
            self._streams.take(principal.username)
            opened: Reader | Reply | None = None
            try:
                opened = await self._handshake.open_stream(headers, principal, accept)
            finally:
                if not isinstance(opened, Reader):
                    self._streams.give_back(principal.username)
            if isinstance(opened, Reader):
                opened.on_close = (*opened.on_close, partial(self._streams.give_back, principal.username))
            return opened

        return await self._shield(answer())

    async def handle_delete(self, headers: Mapping[str, str], principal: Principal) -> Reply:
        """Answer a DELETE: ends a session of the handshake era."""
        return await self._shield(self._handshake.answer_delete(headers, principal))

    def list_tools_by_scope(self) -> list[ToolSummary]:
        """The tools, and the resources and prompts that name scopes, with these scopes; in their order."""
        return [
            ToolSummary(one.name, one.title, one.description, one.scopes)
            for one in (self._server.list_offered() if self._server is not None else ())
            if one.scopes or isinstance(one, Tool)
        ]

    async def end_streams(self) -> None:
        """Take no new request, and end every stream well. Calls in flight go on, until `close`."""
        if not self._closed:
            self._closed = True
            if self._server is not None:
                self._server.unwatch(self._note_change)
            self._hub.close_all()
            self._responder.end_streams()

    async def close(self) -> None:
        """Stop serving: as `end_streams`, and calls still in flight are answered that the server stops."""
        await self.end_streams()
        await self._responder.close()
        if self._neighbours is not None:
            await self._neighbours.close()

    async def _answer(
        self, message: Message | Batch, headers: Mapping[str, str], principal: Principal, outlet: Outlet
    ) -> Reply:
        """Raises: JsonRpcError, 429 among them; ScopeError."""
        era = classify(message, headers)
        if isinstance(message, Request):
            needed, count = self._responder.find_needed_scopes(message), 1
        else:
            needed, count = self.required_scopes(message), _count_requests(message)
        if not needed <= principal.scopes:
            raise ScopeError(needed)
        if self._loop is None:
            # Once: this belongs to one loop, and to ask for it takes a system call.
            self._loop = asyncio.get_running_loop()
        serve = self._stateless.answer_post if era is Era.STATELESS else self._handshake.answer_post
        if era is Era.STATELESS and isinstance(message, Request) and message.method == LISTEN:
            return await self._answer_with_stream(message, headers, principal, outlet)
        self._calls.take(principal.username, count)
        try:
            return await serve(message, headers, principal, outlet)
        finally:
            self._calls.give_back(principal.username, count)

    async def _answer_with_stream(
        self, request: Request, headers: Mapping[str, str], principal: Principal, outlet: Outlet
    ) -> Reply:
        """Raises: JsonRpcError, 429 among them."""
        self._streams.take(principal.username)
        try:
            return await self._stateless.answer_post(request, headers, principal, outlet)
        finally:
            outlet.watch_end(partial(self._streams.give_back, principal.username))

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
            error = JsonRpcError(
                code=INTERNAL_ERROR, message="The server can't save anything at the moment", status=503
            )
        elif isinstance(error, JsonRpcError):
            log_refusal(error)
        else:
            reference = self._token_bytes(4).hex()
            log.error("internal error, reference %s", reference, exc_info=error)
            error = JsonRpcError(code=INTERNAL_ERROR, message=f"Internal error {reference}")
        reply = build_error_reply(error, request_id)
        if isinstance(error, ScopeError):
            return msgspec.structs.replace(reply, required_scopes=error.needed)
        return reply

    def _note_change(self, change: Change) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._tell_change, change)

    def _tell_change(self, change: Change) -> None:
        self._hub.tell(change)
        self._handshake.links.tell_change(change)


def _count_requests(message: Message | Batch) -> int:
    return sum(isinstance(one, Request) for one in message) if isinstance(message, list) else 0
