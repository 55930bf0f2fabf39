"""A served object of the tests: an ASGI application that does what a request's method says."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from omnitornado.sdk.asgi import App, Receive, Send
from omnitornado.sdk.listing import ListedTool

HEADERS = [(b"content-type", b"application/json"), (b"Mcp-Session-Id", b"s1"), (b"set-cookie", b"a=b")]
EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class ScriptedGuest:
    """Records what reaches it. `entered` and `left` are about the request that waits."""

    name = "scripted"

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []
        self.bodies: list[bytes] = []
        self.outcomes: list[str] = []
        self.tools = [ListedTool("add", "Sum", "Add two numbers"), build_scoped("reset", "admin")]
        self.hidden: list[ListedTool] = []
        """What it shows to ada alone."""
        self.listing_error: Exception | None = None
        self.listings = 0
        self.failure: Exception | None = None
        self.entered, self.left, self.gate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.sent = 0

    @asynccontextmanager
    async def serve(self, *, path: str, max_body: int) -> AsyncIterator[App]:
        if self.failure is not None:
            raise self.failure
        self.outcomes.append(f"started {path} {max_body}")
        try:
            yield self.app
        finally:
            self.outcomes.append("stopped")

    def list_unserved_routes(self) -> list[str]:
        return ["/health"]

    def end_streams(self) -> None:
        self.outcomes.append("streams ended")

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        self.listings += 1
        if self.listing_error is not None:
            raise self.listing_error
        is_ada = bool(identity) and identity["user"].username == "ada"
        return [*self.tools, *(self.hidden if is_ada else ())]

    async def app(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = (await receive())["body"]
        self.bodies.append(body)
        method = json.loads(body)["method"] if scope["method"] == "POST" else scope["method"].lower()
        await getattr(self, f"do_{method.replace('/', '_')}")(receive, send)

    # What a request can ask for

    async def do_tools_call(self, receive: Receive, send: Send) -> None:
        await self.answer(send, 200, b'{"jsonrpc":"2.0","id":0,"result":{}}')

    do_notifications_initialized = do_tools_call

    async def do_get(self, receive: Receive, send: Send) -> None:
        await self.stream_until_left(receive, send)

    async def do_delete(self, receive: Receive, send: Send) -> None:
        await self.answer(send, 404, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}')

    async def do_subscriptions_listen(self, receive: Receive, send: Send) -> None:
        await self.stream_until_left(receive, send)

    async def do_plain(self, receive: Receive, send: Send) -> None:
        await self._answer_plainly(send, 406, b'Take "events",\n 100%')

    async def do_plain_failure(self, receive: Receive, send: Send) -> None:
        await self._answer_plainly(send, 500, b"a secret of the inside")

    async def _answer_plainly(self, send: Send, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def do_fail(self, receive: Receive, send: Send) -> None:
        raise RuntimeError("a secret of the inside")

    async def do_fail_late(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        raise RuntimeError("a secret of the inside")

    async def do_nothing(self, receive: Receive, send: Send) -> None:
        """An application that forgets to answer."""

    async def do_twice(self, receive: Receive, send: Send) -> None:
        await self.answer(send, 200, b"{}")
        await self.answer(send, 200, b"{}")

    async def do_large(self, receive: Receive, send: Send) -> None:
        await self.answer(send, 200, json.dumps("x" * 2_000_000).encode())

    async def do_flood(self, receive: Receive, send: Send) -> None:
        """More than any buffer holds, as long as somebody is there."""
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        flooding = asyncio.create_task(self._flood(send))
        await receive()
        flooding.cancel()
        self.left.set()

    async def do_wait(self, receive: Receive, send: Send) -> None:
        """An answer that takes its time, whoever leaves."""
        self.entered.set()
        try:
            await self.gate.wait()
            await self.answer(send, 200, b"{}")
            self.outcomes.append("answered")
        except asyncio.CancelledError:
            self.outcomes.append("cancelled")
            raise
        finally:
            self.left.set()

    async def stream_until_left(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        self.entered.set()
        pinging = asyncio.create_task(self._ping(send))
        try:
            message = await receive()
            self.outcomes.append(message["type"])
        finally:
            pinging.cancel()
            self.left.set()

    async def _flood(self, send: Send) -> None:
        event = b"data: " + b"x" * 1_000_000
        while True:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            self.sent += 1

    async def _ping(self, send: Send) -> None:
        while True:
            await self.gate.wait()
            self.gate.clear()
            await send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})

    async def answer(self, send: Send, status: int, body: bytes) -> None:
        await send({"type": "http.response.start", "status": status, "headers": HEADERS})
        await send({"type": "http.response.body", "body": body})


def build_scoped(name: str, *scopes: str) -> ListedTool:
    return ListedTool(name, "", "", frozenset(scopes))
