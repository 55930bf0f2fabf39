"""The network of a Python client: it notes what goes over the wire, and can lose every connection."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2

from .connection import Json


class Network(httpx2.AsyncHTTPTransport):
    """Real connections. `on_exchange` is called after each answer's head has come."""

    def __init__(self, on_exchange: Callable[[], object]) -> None:
        super().__init__()
        self.exchanges: list[Json] = []
        self._on_exchange = on_exchange
        self._open: set[_Body] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Body(response.stream, self._open)
        self.exchanges.append(_describe(request, response))
        self._on_exchange()
        return response

    def cut(self) -> None:
        """Lose every connection that is open, as a network would."""
        for body in list(self._open):
            body.cut()


class _Body(httpx2.AsyncByteStream):
    """An answer's body, which may break off."""

    def __init__(self, stream: httpx2.AsyncByteStream, all_open: set[Any]) -> None:
        self._stream = stream
        self._all_open = all_open
        self._is_cut = False
        self._reading: anyio.CancelScope | None = None
        all_open.add(self)

    def cut(self) -> None:
        self._is_cut = True
        if self._reading is not None:
            self._reading.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._stream)
        while not self._is_cut:
            part = None
            with anyio.CancelScope() as self._reading:
                part = await anext(parts, None)
            if part is None and not self._is_cut:
                return
            if part is not None:
                yield part
        raise httpx2.ReadError("the network is gone")

    async def aclose(self) -> None:
        self._all_open.discard(self)
        await self._stream.aclose()


def _describe(request: httpx2.Request, response: httpx2.Response) -> Json:
    noted = {k: v for k, v in request.headers.items() if k.startswith("mcp-") or k == "last-event-id"}
    body = request.content if request.headers.get("content-type") == "application/json" else b""
    message = json.loads(body) if body.startswith(b"{") else {}
    return {
        "verb": request.method,
        "path": request.url.path,
        "headers": noted,
        "method": message.get("method"),
        "status": response.status_code,
        "type": response.headers.get("content-type", "").partition(";")[0],
    }
