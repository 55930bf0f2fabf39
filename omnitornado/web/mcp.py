"""The MCP endpoint over HTTP: hand body, headers and principal of an authenticated request to
`mcp/endpoint`.

Implements: MCP 2026-07-28 basic/transports/streamable-http and MCP 2025-11-25 basic/transports, the HTTP
side: one JSON answer where nothing streams, server-sent events where something does, keep-alive comments on
both.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tornado.web import stream_request_body

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.exchange import Reply
from omnitornado.web.event_stream import KEEP_ALIVE
from omnitornado.web.protected import ProtectedHandler, Protection
from omnitornado.web.services import Services

EARLY = 1.0
"""Seconds after which an answer becomes a stream where that lets the client come back for it."""


@dataclass(frozen=True, kw_only=True)
class McpService(Protection):
    """One protected MCP endpoint of our own."""

    endpoint: Endpoint
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
class McpHandler(ProtectedHandler):
    """`[mcp] path`: POST, GET, DELETE, HEAD and OPTIONS."""

    def initialize(self, services: Services, mcp: McpService) -> None:  # type: ignore[override]
        super().initialize(services, mcp)
        self.mcp = mcp
        self._on_close: Callable[[], object] | None = None

    # Methods

    async def post(self) -> None:
        stream = PostStream(self)
        self._on_close = stream.leave
        work = self.mcp.endpoint.handle_post(self.body, self._find_headers(), self.principal, stream)
        reply = await stream.run(work)
        self._on_close = None
        if reply is not None:
            await self.write_reply(reply)

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

    def _find_headers(self) -> dict[str, str]:
        """Headers by lower-cased name. One that came twice is joined by a comma, and so matches nothing."""
        headers: dict[str, str] = {}
        for name, value in self.request.headers.get_all():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return headers
