"""How the messages go: in order, best effort, never waited for by a request that does not need an answer.

A bus may lose messages, and does while it is down. So nothing that was promised rests on one: a question that
nobody answers in time counts as unknown, and a stream that is not heard of any more ends, so that its client
comes back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from omnitornado.mcp.neighbours.messages import Asked, Gone, Hello, Here, Message, Said
from omnitornado.store.bus import Bus
from omnitornado.store.line import Line
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.mcp")

BEAT = 10.0
"""Seconds between two signs of life."""
SILENCE = 35.0
"""Seconds after which a process, or a stream, that is not heard of counts as gone."""
PATIENCE = 2.0
"""Seconds for an answer."""

M = TypeVar("M")
Ask = Callable[[Any], Awaitable[Any]]
"""Answers a question; None where nothing is known."""


class Network:
    """This process's place among those that serve one endpoint. Belongs to the event loop."""

    def __init__(
        self, bus: Bus, topic: str, *, clock: Callable[[], float], token_bytes: Callable[[int], bytes]
    ) -> None:
        self.clock = clock
        self.token_bytes = token_bytes
        self.others: dict[bytes, float] = {}
        """Those heard of, and when."""
        self.on_gone: list[Callable[[bytes], None]] = []
        self.on_beat: list[Callable[[], None]] = []
        self._line: Line[Message] = Line(bus, topic, Message, token_bytes=token_bytes)
        self._handlers: dict[type, Callable[[Any, bytes], None]] = {}
        self._answers: dict[str, Ask] = {}
        self._open: dict[bytes, _Poll] = {}
        self._beating: asyncio.Task[None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    @property
    def node(self) -> bytes:
        """This process, as the others know it."""
        return self._line.node

    # What is heard

    def hear(self, kind: type[M], handle: Callable[[M, bytes], None]) -> None:
        """Call `handle` with each message of this kind, and the process it is from."""
        self._handlers[kind] = handle

    def answer(self, about: str, ask: Ask) -> None:
        """Answer questions with what `ask` gives for their arguments."""
        self._answers[about] = ask

    # What is said

    def tell(self, message: Message) -> None:
        """Send to all others, some time soon."""
        self._line.tell(message)

    async def ask(self, about: str, args: Any) -> tuple[bytes, Any] | None:
        """The first answer, and whose; None where all know nothing, or nobody answers in time."""
        if not self.others:
            return None
        ticket = self.token_bytes(8)
        poll = self._open[ticket] = _Poll(set(self.others), asyncio.get_running_loop().create_future())
        self.tell(Asked(ticket, about, args))
        try:
            return await asyncio.wait_for(poll.answered, PATIENCE)
        except TimeoutError:
            return None
        finally:
            del self._open[ticket]

    # Life

    def start(self) -> None:
        """Begin, on the running loop."""
        self._beating = asyncio.get_running_loop().create_task(self._beat_often())
        self._line.start(self._take, on_up=lambda: self.tell(Hello()))

    async def close(self) -> None:
        """Say goodbye, and hear no more."""
        if self._beating is None:
            return
        self._beating.cancel()
        for job in self._jobs:
            job.cancel()
        await asyncio.wait([self._beating, *self._jobs])
        self.tell(Gone())
        await self._line.close()

    def beat(self) -> None:
        """Say that this process is there, and look who no longer is. Also happens by itself."""
        self.tell(Here())
        until = self.clock() - SILENCE
        for node in [node for node, heard_at in self.others.items() if heard_at < until]:
            self._lose(node)
        for handle in self.on_beat:
            handle()

    async def _beat_often(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self.beat()

    def _take(self, message: Message, node: bytes) -> None:
        if isinstance(message, Gone):
            self._lose(node)
            return
        self.others[node] = self.clock()
        if isinstance(message, Hello):
            self.tell(Here())
        elif isinstance(message, Asked):
            self.spawn(self._answer(message))
        elif isinstance(message, Said):
            self._count(message, node)
        else:
            handle = self._handlers.get(type(message))
            if handle is not None:
                handle(message, node)

    async def _answer(self, asked: Asked) -> None:
        ask = self._answers.get(asked.about)
        answer = None
        try:
            answer = None if ask is None else await ask(asked.args)
        except StoreUnavailable:
            log.debug("a question of another process could not be answered")
        finally:
            self.tell(Said(asked.ticket, answer))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done meanwhile; `close` ends it."""
        job = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _count(self, said: Said, node: bytes) -> None:
        poll = self._open.get(said.ticket)
        if poll is not None:
            poll.take(node, said.answer)

    def _lose(self, node: bytes) -> None:
        self.others.pop(node, None)
        for poll in self._open.values():
            poll.take(node, None)
        for handle in self.on_gone:
            handle(node)


class _Poll:
    """A question that is open."""

    def __init__(self, asked: set[bytes], answered: "asyncio.Future[tuple[bytes, Any] | None]") -> None:
        self._asked = asked
        self.answered = answered

    def take(self, node: bytes, answer: Any) -> None:
        self._asked.discard(node)
        if not self.answered.done() and (answer is not None or not self._asked):
            self.answered.set_result(None if answer is None else (node, answer))
