"""The MCP endpoint over HTTP: hand body, headers and principal of an authenticated request to
`mcp/endpoint`.

Implements: MCP 2026-07-28 basic/transports/streamable-http and MCP 2025-11-25 basic/transports, the HTTP
side: one JSON answer where nothing streams, server-sent events where something does, keep-alive comments on
both.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado.web import stream_request_body

from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.host import Host
from omnitornado.mcp.witness import WITNESS
from omnitornado.web.call_record import CallRecord
from omnitornado.web.event_stream import KEEP_ALIVE
from omnitornado.web.protected import ProtectedHandler, Protection
from omnitornado.web.services import Services

EARLY = 1.0
"""Seconds after which an answer becomes a stream where that lets the client come back for it."""

KEPT_HEADERS = frozenset({"Authorization", "Host", "X-Forwarded-For", "X-Forwarded-Proto"})
"""What is looked at while a stream goes on: who it is for, and where from."""


@dataclass(frozen=True, kw_only=True)
class McpService(Protection):
    """One protected MCP endpoint of our own."""

    endpoint: Endpoint
    early: Countdown
    """Says when an answer has taken so long that it becomes a stream, where that is of use."""
    background: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Calls of the handshake era whose client has left."""


class PostStream:
    """How a POST's answer becomes an event stream (`mcp.streams.Outbound`), and what the client's leaving
    does to its work.

    The work is done in the handler's own task: most calls never need another. One that becomes a stream gets
    a second task, which passes on what stands on the stream.
    """

    __slots__ = (
        "_draining",
        "_handler",
        "_is_timed",
        "_is_working",
        "_reader",
        "_timer",
        "_waited",
        "begin",
        "begins_early",
        "cancels_on_disconnect",
        "host",
    )

    def __init__(self, handler: "McpHandler") -> None:
        self.cancels_on_disconnect = False
        self.begin: Callable[[], object] | None = None
        self.begins_early = False
        self.host: Host | None = None
        self._handler = handler
        self._reader: Reader | None = None
        self._draining: asyncio.Task[None] | None = None
        self._is_working = True
        self._is_timed = False
        self._timer: asyncio.TimerHandle | None = None
        """None at first: then the endpoint's countdown takes its place."""
        self._waited = min(EARLY, handler.keep_alive)

    async def run(self, answer: Coroutine[Any, Any, None]) -> None:
        """Drive what works on the answer and gives it. A client that leaves may end that."""
        self.host = host = Host(answer, self._handler.task)
        self._is_timed = True
        self._handler.mcp.early.start(self, self._begin_if_due)
        try:
            await host.drive()
        except asyncio.CancelledError:
            if not host.is_cancelled:
                raise
        finally:
            if self._is_timed:
                self._stop()

    async def finish(self) -> None:
        """The work is done: return once everything that stands on the stream has been passed on."""
        self._stop()
        if self._draining is not None:
            await self._draining

    def _stop(self) -> None:
        self._is_working = self._is_timed = False
        self.begin = None
        self._handler.mcp.early.stop(self)
        if self._timer is not None:
            self._timer.cancel()

    def open(self, reader: Reader) -> None:
        self._reader = reader
        if self._handler.is_open:
            self._draining = asyncio.get_running_loop().create_task(self._drain(reader))
        else:
            reader.detach()

    def leave(self) -> None:
        """The client has left."""
        if self._reader is not None:
            self._reader.detach()
        self._abandon()

    async def _drain(self, reader: Reader) -> None:
        is_subscription = self._handler.is_subscription()
        self._handler.let_go(is_subscription)
        try:
            await self._handler.drain(reader, is_checked=is_subscription)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Nobody waits for the answer any more. A call that this does not cancel goes on, and its result
        waits for whoever comes back.
        """
        host = self.host
        if not self._is_working or host is None:
            return
        self._is_working = False
        if self.cancels_on_disconnect:
            host.cancel()
            return
        if host.task is not None:
            background = self._handler.mcp.background
            background.add(host.task)
            host.task.add_done_callback(background.discard)
        self._handler.end()

    def _begin_if_due(self) -> None:
        if self.begin is not None and (self.begins_early or self._waited >= self._handler.keep_alive):
            self.begin()
            return
        seconds = self._handler.keep_alive - self._waited % self._handler.keep_alive
        self._waited += seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin_if_due)


@stream_request_body
class McpHandler(ProtectedHandler):
    """`[mcp] path`: POST, GET, DELETE, HEAD and OPTIONS."""

    task: "asyncio.Task[None] | None" = None
    """The one it runs in, where that is known."""
    _on_close: Callable[[], object] | None = None

    def initialize(self, services: Services, mcp: McpService) -> None:  # type: ignore[override]
        super().initialize(services, mcp)
        self.mcp = mcp

    # Methods

    async def post(self) -> None:
        audit = self.services.audit
        if audit is not None and audit.tool_calls:
            WITNESS.set(CallRecord(audit, self.address, self.request_id))
        stream = PostStream(self)
        self._on_close = stream.leave
        await stream.run(self._answer(stream))

    async def _answer(self, stream: PostStream) -> None:
        reply = await self.mcp.endpoint.handle_post(self.body, self._find_headers(), self.principal, stream)
        await stream.finish()
        self._on_close = None
        await self.write_reply(reply)
        # Here, and not where Tornado does it: the task may have been left to a function that does not end.
        self.end()

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

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._on_close is not None:
            self._on_close()

    def is_subscription(self) -> bool:
        """Whether this is a request without an end. The endpoint has held the header against the body."""
        return self.request.headers.get("Mcp-Method") == "subscriptions/listen"

    def let_go(self, is_subscription: bool) -> None:
        """Keep no more than a stream needs, which may stay for days: not what was read, not what only
        templates use, and of the header fields of one that nobody works on those that are looked at again.
        """
        self.request.body = b""
        self.ui.clear()
        if is_subscription:
            headers = self.request.headers
            for name in [name for name in headers if name not in KEPT_HEADERS]:
                del headers[name]

    def _find_headers(self) -> Mapping[str, str]:
        """Headers by lower-cased name. One that came twice is joined by a comma, and so matches nothing."""
        headers: dict[str, str] = {}
        for name, value in self.request.headers.get_all():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return headers
