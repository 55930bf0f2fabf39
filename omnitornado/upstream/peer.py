"""Implements: MCP 2025-11-25 basic/utilities/ping, basic/utilities/progress, basic/utilities/cancellation,
MCP 2026-07-28 basic/patterns/progress, basic/patterns/cancellation, as a client: one connection to a server
behind us, of either era (`dialects.py`).

Ids and progress tokens are ours: what two clients chose alike must not meet in one server.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from omnitornado.log import log_event
from omnitornado.mcp.call import Call
from omnitornado.mcp.exchange import Exchange
from omnitornado.mcp.jsonrpc import (
    METHOD_NOT_FOUND,
    Json,
    JsonRpcError,
    build_error,
    build_notification,
    build_result,
    encode,
    is_id,
)
from omnitornado.upstream.asking import (
    ASKED,
    ask_in_session,
    check_client,
    find_asked,
)
from omnitornado.upstream.child import Child, Command
from omnitornado.upstream.dialects import ACKNOWLEDGED, Dialect, meet
from omnitornado.upstream.errors import ChildError, UpstreamError
from omnitornado.upstream.flight import Flight, Question
from omnitornado.upstream.lines import Allowance
from omnitornado.upstream.messages import Received, adapt_error, build_request, parse_line
from omnitornado.upstream.news import News

MAX_UNASKED = 10_000.0
UNASKED_A_SECOND = 2_000.0
"""Messages that nobody waits for; a long one counts as several."""
UNASKED_UNIT = 2048
"""Bytes."""
MAX_UNREADABLE = 64
"""Lines in a row that are no messages: many a server greets its terminal there."""


class Terms(msgspec.Struct, frozen=True):
    """How an upstream is met."""

    name: str
    start_timeout: float
    """Seconds."""
    has_roots: bool = False
    """Whether it may ask for the client's roots."""


class Peer:
    """A server behind us, from its start to its end."""

    def __init__(
        self,
        terms: Terms,
        command: Command,
        news: News,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[["Peer"], None],
    ) -> None:
        self.terms = terms
        self.child = Child(command, self, clock)
        self.news = news
        self.capabilities: Json = {}
        self.server_info: Json = {}
        self.instructions: str | None = None
        self.version = ""
        self.dialect: Dialect
        """Once it is open."""
        self.flights: dict[int, Flight] = {}
        self.error: UpstreamError | None = None
        self.opened_at = clock()
        self.used_at = clock()
        self._clock = clock
        self._on_end = on_end
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        """Of our own requests."""
        self._last_id = 0
        self._unasked = Allowance(MAX_UNASKED, UNASKED_A_SECOND, clock)
        self._unreadable = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for it."""
        return not self.flights and not self._waiting

    # Beginning and ending

    async def open(self) -> None:
        """Start it and let it introduce itself. Not to be cancelled.

        Raises:
            UpstreamError
        """
        await self.child.start()
        self.dialect = await meet(self)

    def introduce(self, version: str, found: Json, server_info: Any) -> None:
        """What it says of itself."""
        capabilities, instructions = found.get("capabilities"), found.get("instructions")
        self.version = version
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        known = isinstance(server_info, dict)
        self.server_info = server_info if known else {"name": self.terms.name, "version": "0"}
        self.instructions = instructions if isinstance(instructions, str) else None

    def end(self) -> None:
        """It is needed no more."""
        self.child.end()

    def note_end(self, error: ChildError) -> None:
        """The child has ended: whoever waits for it is told."""
        if self.error is not None:
            return
        self.error = error
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()
        self._waiting.clear()
        for flight in list(self.flights.values()):
            flight.finish(None, error.build_error())
            _cancel_all(flight.asking)
        self.flights.clear()
        self._on_end(self)

    # Asking it

    async def request(self, method: str, params: Json, *, patience: float) -> Any:
        """A request of our own; `patience` in seconds.

        Raises:
            TimeoutError
            JsonRpcError: it refused.
            ChildError
        """
        if self.error is not None:
            raise self.error
        self._last_id += 1
        request_id = self._last_id
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            await self.child.send(encode(build_request(request_id, method, params)))
            return await asyncio.wait_for(answer, patience)
        finally:
            self._waiting.pop(request_id, None)

    def fire(self, method: str, params: Json) -> int:
        """A request whose answer changes nothing; its id."""
        self._last_id += 1
        if self.error is None:
            self._write(build_request(self._last_id, method, params))
        return self._last_id

    def notify(self, method: str, params: Json) -> None:
        if self.error is None:
            self._write(build_notification(method, params))

    async def take_off(self, exchange: Exchange, call: Call, params: Json) -> Flight:
        """Send a client's request on.

        Raises:
            ChildError
        """
        if self.error is not None:
            raise self.error
        self._last_id += 1
        flight = self.flights[self._last_id] = Flight(self, self._last_id, exchange, call)
        self.used_at = self._clock()
        token = None if exchange.progress_token is None else flight.id
        try:
            params = self.dialect.build_params(exchange, params, token)
            await self.child.send(encode(build_request(flight.id, exchange.request.method, params)))
        except BaseException:
            self.flights.pop(flight.id, None)
            raise
        return flight

    def land(self, flight: Flight, reason: str | None = None) -> None:
        """A request is over; with a `reason` it was taken back."""
        self.used_at = self._clock()
        _cancel_all(flight.asking)
        if self.flights.pop(flight.id, None) is None:
            return
        for question in flight.asked.values():
            refusal = JsonRpcError(code=METHOD_NOT_FOUND, message="The client has left")
            self.answer(build_error(refusal, question.id))
        if reason is not None:
            flight.finish(None)
            self.notify("notifications/cancelled", {"requestId": flight.id, "reason": reason})

    # Hearing it

    def take_line(self, line: bytes) -> None:
        if self.error is not None:
            return
        message = parse_line(line)
        if message is None:
            self._note_unreadable(line)
            return
        self._unreadable = 0
        if message.method is None and self._take_response(message):
            return
        if not self._unasked.take(1 + len(line) // UNASKED_UNIT):
            self.child.kill("sent too much that nobody had asked for")
        elif message.method is not None and message.id is None:
            self._take_notification(message.method, message.params or {})
        elif message.method is not None and is_id(message.id):
            self._take_request(message)

    def _note_unreadable(self, line: bytes) -> None:
        self._unreadable += 1
        if self._unreadable == 1:
            text = line[:200].decode("utf-8", "replace")
            log_event("upstream.unreadable", upstream=self.terms.name, text=text)
        if self._unreadable > MAX_UNREADABLE or not self._unasked.take(1 + len(line) // UNASKED_UNIT):
            self.child.kill("wrote what is no message")

    def _take_response(self, message: Received) -> bool:
        """Whether somebody had asked for it."""
        request_id = message.id
        if not isinstance(request_id, int):
            return False
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            if message.error is not msgspec.UNSET and not waiting.done():
                waiting.set_exception(adapt_error(message.error, is_stateless=False))
            elif not waiting.done():
                waiting.set_result(message.result)
            return True
        flight = self.flights.pop(request_id, None)
        if flight is None:
            return False
        if message.error is not msgspec.UNSET:
            flight.finish(None, adapt_error(message.error, is_stateless=flight.exchange.owner is None))
        elif isinstance(message.result, dict):
            flight.finish(message.result)
        else:
            error = UpstreamError(self.terms.name, "sent a result that is no object")
            flight.finish(None, error.build_error())
        return True

    def _take_notification(self, method: str, params: Json) -> None:
        if method == "notifications/progress":
            token = params.get("progressToken")
            flight = self.flights.get(token) if isinstance(token, int) else None
            if flight is not None and flight.exchange.progress_token is not None:
                flight.say(
                    build_notification(method, {**params, "progressToken": flight.exchange.progress_token})
                )
        elif method == ACKNOWLEDGED:
            self.dialect.take_acknowledgement(params)
        elif method != "notifications/cancelled":
            self.news.take(method, params, list(self.flights.values()))

    def _take_request(self, message: Received) -> None:
        question = Question(message.id or 0, str(message.method), message.params or {})
        if question.method == "ping":
            self.answer(build_result(question.id, {}))
            return
        try:
            if question.method not in ASKED or (question.method == "roots/list" and not self.terms.has_roots):
                raise JsonRpcError(code=METHOD_NOT_FOUND, message="Method not found")
            flight = find_asked(self.flights.values())
            check_client(flight, question.method, question.params)
        except JsonRpcError as error:
            self.answer(build_error(error, question.id))
            return
        if flight.exchange.owner is not None:
            task = asyncio.get_running_loop().create_task(self._ask(flight, question))
            flight.asking.add(task)
            task.add_done_callback(flight.asking.discard)
        elif flight.exchange.round is not None:
            flight.ask(question)
        else:
            refusal = JsonRpcError(code=METHOD_NOT_FOUND, message="This request's client can't be asked")
            self.answer(build_error(refusal, question.id))

    async def _ask(self, flight: Flight, question: Question) -> None:
        self.answer(await ask_in_session(flight, question))

    def answer(self, response: Json) -> None:
        """Answer what this server has asked."""
        if self.error is None:
            self._write(response)

    def _write(self, message: Json) -> None:
        with contextlib.suppress(ChildError):  # whoever waits for it is told
            self.child.send_now(encode(message))


def _cancel_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
