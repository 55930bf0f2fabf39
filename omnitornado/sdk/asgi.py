"""One HTTP request as an ASGI application sees it, and its answer on the way out. It knows no sockets.

Our choice, after the ASGI specification 3.0, HTTP & WebSocket message format 2.3 (newer ones let Starlette
stop listening for a client that leaves).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

import msgspec

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[str, str]]

WITHHELD: Final = frozenset({"authorization", "dpop", "proxy-authorization", "cookie"})
"""Credentials: token and proof are this server's business, and the cookie is its login page's."""

NOT_PASSED_ON: Final = frozenset(
    {
        # What this connection says for itself (RFC 9110 §7.6.1, RFC 9112 §6).
        *("connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "date", "server"),
        # What this server answers for: its challenge, its cookies, what may be stored, and who may read.
        *("www-authenticate", "dpop-nonce", "set-cookie", "cache-control", "vary"),
    }
)
CORS_PREFIX: Final = "access-control-"

EVENT_STREAM: Final = "text/event-stream"


class Request(msgspec.Struct, frozen=True):
    """What a scope is made of. Names and values of headers are text of one byte each (RFC 9110 §5.5)."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    scheme: str
    server: tuple[str, int]
    client: str
    http_version: str = "1.1"


def build_scope(request: Request, **identity: Any) -> dict[str, Any]:
    """The connection scope. `identity`: `user` and `auth`, where Starlette's authentication puts them."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode("ascii", "replace"),
        "query_string": request.query.encode("ascii", "replace"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in request.headers
            if name.lower() not in WITHHELD
        ],
        "client": (request.client, 0),
        "server": request.server,
        "state": {},
        **identity,
    }


class Head(msgspec.Struct, frozen=True):
    """Status and headers of an answer, without those that are this server's to say."""

    status: int
    headers: Headers
    content_type: str

    @property
    def is_event_stream(self) -> bool:
        return self.media_type == EVENT_STREAM

    @property
    def media_type(self) -> str:
        return self.content_type.partition(";")[0].strip().lower()


class Sink(Protocol):
    """Where an answer goes. Each waits until the client has room again; nothing happens once it has left."""

    async def begin(self, head: Head) -> None:
        """An answer that comes in pieces begins."""

    async def write_piece(self, piece: bytes) -> None:
        """The next piece."""

    async def write_whole(self, head: Head, body: bytes) -> None:
        """An answer in one piece."""


class Nobody:
    """Where an answer goes that nobody waits for."""

    async def begin(self, head: Head) -> None:
        """Nothing."""

    async def write_piece(self, piece: bytes) -> None:
        """Nothing."""

    async def write_whole(self, head: Head, body: bytes) -> None:
        """Nothing."""


class Exchange:
    """A request and its answer. `leave` tells the application that its client has gone."""

    def __init__(self, body: bytes, sink: Sink) -> None:
        self._body: bytes | None = body
        self._sink = sink
        self._left = asyncio.Event()
        self._head: Head | None = None
        self._pieces = False
        self.is_complete = False

    @property
    def has_begun(self) -> bool:
        """Whether the application has said anything."""
        return self._head is not None

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Raises: RuntimeError for a message that can't come now."""
        kind = message["type"]
        if self._left.is_set():
            # Nothing waits for a client that has gone, and the others must have their turn.
            await asyncio.sleep(0)
        if kind == "http.response.start" and self._head is None:
            self._head = read_head(message)
            # An event stream's reader waits for the head, and its first event may take long.
            if self._head.is_event_stream:
                await self._begin(self._head)
        elif kind == "http.response.body" and self._head is not None and not self.is_complete:
            await self._send_body(
                self._head, bytes(message.get("body", b"")), message.get("more_body", False)
            )
        else:
            raise RuntimeError(f"the application sent {kind!r} out of turn")

    async def _send_body(self, head: Head, body: bytes, more: bool) -> None:
        if not more:
            self.is_complete = True
            self._left.set()
        if not self._pieces and not more:
            await self._sink.write_whole(head, body)
            return
        await self._begin(head)
        if body:
            await self._sink.write_piece(body)

    async def _begin(self, head: Head) -> None:
        if not self._pieces:
            self._pieces = True
            await self._sink.begin(head)


def read_head(message: Message) -> Head:
    """Of `http.response.start`."""
    pairs = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in message.get("headers", ())
    ]
    kept = [
        (name, value)
        for name, value in pairs
        if name not in NOT_PASSED_ON and not name.startswith(CORS_PREFIX) and name != "content-type"
    ]
    content_type = next((value for name, value in pairs if name == "content-type"), "")
    return Head(message["status"], kept, content_type)
