"""A client's request on its way through a server behind us.

Our choice. What the server says meanwhile waits here, in its order and bounded, until the request's own task
passes it on: a client that reads slowly slows down nobody but itself.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from omnitornado.mcp.call import Call
from omnitornado.mcp.exchange import Exchange
from omnitornado.mcp.jsonrpc import Json, JsonRpcError, RequestId

if TYPE_CHECKING:
    from omnitornado.upstream.peer import Peer

T = TypeVar("T")

MAX_OUTBOX = 256
"""Messages; of more the oldest are dropped."""
COALESCE_AT = 16
"""Messages; of progress the last one counts from there on."""

Caller = tuple[str, str, bytes | None]
"""Person, client, and the session in the handshake era."""


class Question:
    """What the server wants to know of the client of a request."""

    __slots__ = ("id", "method", "params")

    def __init__(self, request_id: RequestId, method: str, params: Json) -> None:
        self.id = request_id
        self.method = method
        self.params = params


class Flight:
    """One request: its answer, and what is said before that."""

    __slots__ = (
        "_waiter",
        "asked",
        "asking",
        "call",
        "count",
        "error",
        "exchange",
        "id",
        "is_done",
        "is_parked",
        "outbox",
        "peer",
        "result",
    )

    def __init__(self, peer: "Peer", request_id: int, exchange: Exchange, call: Call) -> None:
        self.peer = peer
        self.id = request_id
        """As the upstream knows it."""
        self.outbox: deque[Json] = deque()
        self.asked: dict[str, Question] = {}
        """Questions that the client has to be asked by the end of its request: stateless era alone."""
        self.asking: set[asyncio.Task[None]] = set()
        """Questions that its client has at the moment: handshake era alone."""
        self.count = 0
        self.result: Any = None
        self.error: JsonRpcError | None = None
        self.is_done = False
        self.is_parked = False
        """Whether it waits for its client to come back."""
        self._waiter: asyncio.Future[None] | None = None
        self.board(exchange, call)

    def board(self, exchange: Exchange, call: Call) -> None:
        """Go on within this request of the client's."""
        self.exchange = exchange
        self.call = call
        self.is_parked = False
        call.on_stop = self.wake

    @property
    def caller(self) -> Caller:
        session = self.exchange.owner
        principal = self.exchange.principal
        return principal.username, principal.client_id, None if session is None else session.key

    def say(self, message: Json) -> None:
        """Pass a notification on, soon."""
        if self.is_parked or self.is_done:
            return
        is_progress = message["method"] == "notifications/progress"
        if is_progress and len(self.outbox) >= COALESCE_AT and self.outbox[-1]["method"] == message["method"]:
            self.outbox.pop()
        if len(self.outbox) >= MAX_OUTBOX:
            self.outbox.popleft()
        self.outbox.append(message)
        self.wake()

    def ask(self, question: Question) -> None:
        """Keep a question for the client."""
        self.count += 1
        self.asked[f"{question.method.partition('/')[0]}-{self.count}"] = question
        self.wake()

    def finish(self, result: Any, error: JsonRpcError | None = None) -> None:
        """The answer is there."""
        if not self.is_done:
            self.is_done = True
            self.result = result
            self.error = error
            self.wake()

    def wake(self) -> None:
        """There is something to see to."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def follow(self) -> None:
        """Pass on what is said, until there is an answer or a question. Raises: the reason why the call was
        stopped.
        """
        while True:
            while self.outbox:
                await self.call.deliver(self.outbox.popleft())
            if self.call.stop_reason is not None:
                raise self.call.stop_reason
            if self.is_done or self.asked:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something for the request, unless its call is stopped before. Raises: the reason why it was."""
        task = asyncio.get_running_loop().create_task(work)
        self.call.on_stop = task.cancel
        try:
            return await task
        except asyncio.CancelledError:
            if self.call.stop_reason is not None:
                raise self.call.stop_reason from None
            raise
        finally:
            task.cancel()
