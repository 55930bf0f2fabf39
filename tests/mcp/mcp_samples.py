"""What the tests of the MCP room share: a wire without HTTP, two people, and a clock that stands still."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.event_stream import Event, Reader
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.host import Host
from omnitornado.mcp.inbound import NAMED_BY
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits as StoreLimits

Json = dict[str, Any]

ANN = Principal("ann", "client-1", "First client", frozenset({"mcp"}))
BOB = Principal("bob", "client-1", "First client", frozenset({"mcp"}))
ANN_ELSEWHERE = Principal("ann", "client-2", "Second client", frozenset({"mcp"}))

HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = "2026-07-28"
EVERY_VERSION = (*HANDSHAKE, STATELESS)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

META: Json = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    CAPABILITIES_KEY: {},
}


def build_request(method: str, params: Json | None = None, *, request_id: Any = 1) -> Json:
    """A request as a client of the handshake era sends it."""
    message: Json = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params is not None:
        message["params"] = params
    return message


def build_stateless(method: str, params: Json | None = None, *, request_id: Any = 1, **meta: Any) -> Json:
    """A request of the stateless era; `meta` adds to its `_meta`."""
    return build_request(method, {**(params or {}), "_meta": META | meta}, request_id=request_id)


def build_headers(message: Json) -> dict[str, str]:
    """The headers that mirror a stateless request."""
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": message["method"]}
    named_by = NAMED_BY.get(message["method"])
    if named_by is not None and isinstance(message["params"].get(named_by), str):
        headers["mcp-name"] = message["params"][named_by]
    return headers


class FakeOutbound:
    """A POST's way out: reads its stream at once, and remembers what was sent."""

    def __init__(self) -> None:
        self.cancels_on_disconnect = True
        self.begin: Callable[[], object] | None = None
        self.begins_early = False
        self.host: Host | None = None
        self.sent: list[Json] = []
        self.events: list[Event] = []
        self.arrived = asyncio.Event()
        self.reader: Reader | None = None
        self._reading: asyncio.Task[None] | None = None

    def open(self, reader: Reader) -> None:
        self.reader = reader
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: Reader) -> None:
        try:
            while (events := await reader.receive()) is not None:
                self.events += events
                self.sent += [json.loads(event.data) for event in events if event.data]
                if self.sent:
                    self.arrived.set()
        finally:
            reader.detach()

    async def drain(self) -> None:
        """Wait for the end of the stream, if it became one."""
        if self._reading is not None:
            await self._reading


class Stream:
    """A session's GET, read message by message."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.events: list[Event] = []
        self._unread: list[Json] = []

    async def receive(self) -> Json | None:
        """The next message; None at the end."""
        while not self._unread:
            events = await self.reader.receive()
            if events is None:
                return None
            self.events += events
            self._unread += [json.loads(event.data) for event in events if event.data]
        return self._unread.pop(0)

    @property
    def closed(self) -> bool:
        return self.reader.closed

    def close(self) -> None:
        """The client leaves."""
        self.reader.detach()


class Answer(msgspec.Struct):
    """A reply with its body read, and what was streamed before it."""

    status: int
    body: Any
    headers: Mapping[str, str]
    sent: list[Json]
    reply: Reply

    @property
    def result(self) -> Json:
        assert "error" not in self.body, self.body
        result: Json = self.body["result"]
        return result

    @property
    def code(self) -> int:
        check_error_shape(self.body)
        code: int = self.body["error"]["code"]
        return code

    @property
    def text(self) -> str:
        """The text of a tool's result."""
        return "\n".join(block["text"] for block in self.result["content"])


def check_error_shape(body: Any) -> None:
    """Every JSON-RPC error has this shape, whoever made it."""
    assert set(body) == {"jsonrpc", "id", "error"}
    assert body["jsonrpc"] == "2.0"
    assert set(body["error"]) <= {"code", "message", "data"}
    assert type(body["error"]["code"]) is int
    assert body["error"]["message"]
    assert "Traceback" not in json.dumps(body)


class Wire:
    """An endpoint, spoken to as the web handler does it."""

    def __init__(self, endpoint: Endpoint, server: MCPServer) -> None:
        self.endpoint = endpoint
        self.server = server
        self.is_hosted = True
        """Whether a function runs in the request's own task, where it can."""

    async def post(
        self,
        message: Any,
        headers: Mapping[str, str] | None = None,
        *,
        principal: Principal = ANN,
        outbound: FakeOutbound | None = None,
    ) -> Answer:
        """POST bytes, or anything as JSON."""
        stream = outbound or FakeOutbound()
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        async def give() -> None:
            reply = await self.endpoint.handle_post(body, headers or {}, principal, stream)
            await stream.drain()
            answer.set_result(_read(reply, stream.sent))

        if not self.is_hosted:
            await give()
            return answer.result()
        stream.host = Host(give())
        driving = asyncio.create_task(stream.host.drive())
        try:
            await asyncio.wait((answer, driving), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the client leaves
            stream.host.cancel()
            raise
        if not answer.done():
            driving.result()
        return answer.result()

    async def post_stateless(
        self, method: str, params: Json | None = None, *, outbound: FakeOutbound | None = None, **meta: Any
    ) -> Answer:
        """POST a well-formed request of the stateless era."""
        message = build_stateless(method, params, **meta)
        return await self.post(message, build_headers(message), outbound=outbound)

    async def open_session(
        self,
        version: str = HANDSHAKE[-1],
        principal: Principal = ANN,
        *,
        capabilities: Json | None = None,
    ) -> dict[str, str]:
        """Initialize; gives the header that names the session."""
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await self.post(build_request("initialize", params), principal=principal)
        assert answer.status == 200
        return {"mcp-session-id": answer.headers["Mcp-Session-Id"]}

    async def call(
        self, name: str, arguments: Json | None = None, *, version: str = STATELESS, token: Any = None
    ) -> Answer:
        """Call a tool in the era of `version`."""
        params: Json = {"name": name, "arguments": arguments or {}}
        meta = {} if token is None else {"progressToken": token}
        if version == STATELESS:
            return await self.post_stateless("tools/call", params, **meta)
        session = await self.open_session(version)
        return await self.post(build_request("tools/call", {**params, "_meta": meta}), session)

    async def ask(
        self, method: str, params: Json | None = None, *, version: str = STATELESS, principal: Principal = ANN
    ) -> Answer:
        """Any request in the era of `version`, in a session of its own where there are sessions."""
        if version == STATELESS:
            message = build_stateless(method, params)
            return await self.post(message, build_headers(message), principal=principal)
        session = await self.open_session(version, principal)
        return await self.post(build_request(method, params or {}), session, principal=principal)

    async def get(self, headers: Mapping[str, str], *, principal: Principal = ANN) -> Stream | Answer:
        """GET."""
        opened = await self.endpoint.open_stream(headers, principal)
        return Stream(opened) if isinstance(opened, Reader) else _read(opened, [])

    async def delete(self, headers: Mapping[str, str], *, principal: Principal = ANN) -> Answer:
        """DELETE."""
        return _read(await self.endpoint.handle_delete(headers, principal), [])


def _read(reply: Reply, sent: list[Json]) -> Answer:
    body = None if reply.body is None else json.loads(reply.body)
    if body is None and sent and "method" not in sent[-1]:
        body = sent.pop()  # the last word of a stream
    return Answer(reply.status, body, reply.headers, sent, reply)


class _Remember(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def run(
    scenario: Callable[[Wire], Awaitable[None]],
    server: MCPServer | None = None,
    *,
    logged: int | None = 0,
    clock: Clock | None = None,
    store_limits: StoreLimits | None = None,
    **options: Any,
) -> list[str]:
    """Run a scenario against an endpoint on an in-memory store.

    Warnings and errors in the log are a failure unless `logged` says how many are expected (None: any
    number). Returns them.
    """
    served = server or MCPServer("test", version="1.2")
    log, remember = logging.getLogger("omnitornado"), _Remember()
    now = clock or Clock()

    async def main() -> None:
        store = EmbeddedStore.open(None, clock=now, limits=store_limits)
        await store.start()
        endpoint = Endpoint(served, path="/mcp", sessions=store, clock=now, **options)
        try:
            await scenario(Wire(endpoint, served))
        finally:
            await endpoint.close()
            await store.close()

    log.addHandler(remember)
    try:
        asyncio.run(main())
    finally:
        log.removeHandler(remember)
    assert logged in (None, len(remember.lines)), remember.lines
    return remember.lines


async def until(is_so: Callable[[], object]) -> None:
    """Let the loop run until something is so, for some thousand turns."""
    for _ in range(10_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")
