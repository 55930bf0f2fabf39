"""Implements: MCP 2025-11-25 basic/transports (Sending Messages 6, Resumability and Redelivery), SEP-1699;
HTML Living Standard §9.2 (`id` and `retry` of server-sent events).

One stream of events, and whoever reads it. A stream outlives its connection: what was not read waits, and
what was read stays for a while, so that a client that comes back with `Last-Event-ID` gets what it missed.

A sender waits while a reader has much before it; without a reader nobody waits. Progress is worth its latest
value alone once events pile up: a message may replace one of the same key that still waits.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol

import msgspec

from omnitornado.mcp.event_buffer import COALESCE_AT, Bounds, EventBuffer
from omnitornado.mcp.jsonrpc import Json, encode

BACKLOG = 64
"""Unread events before a sender waits; a quarter of the buffer's bytes is the other bound."""


class Event(msgspec.Struct, frozen=True):
    """One server-sent event."""

    data: bytes | None
    """One line of JSON; empty for the event that primes a client to come back; None for none at all."""
    id: str | None = None
    retry: int | None = None
    """Milliseconds after which the client may come back."""


class EventStream:
    """The events of one POST or GET, in their order. Belongs to the event loop.

    `name` is the part of the event ids that tells the stream; None for a stream that can't be resumed:
    nothing that was read is kept, and it ends with its reader. A `primed` stream begins with an event that
    has an id, empty data and `retry` in milliseconds. `changed` is told how much more or less is kept.
    """

    __slots__ = (
        "_bounds",
        "_retry",
        "_room",
        "buffer",
        "finished",
        "name",
        "on_end",
        "on_idle",
        "primed",
        "reader",
        "source",
    )

    def __init__(
        self,
        bounds: Bounds,
        *,
        name: str | None = None,
        primed: bool = False,
        retry: int | None = None,
        changed: Callable[[int, int], None] | None = None,
    ) -> None:
        self.name = name
        self.primed = primed
        self.buffer = EventBuffer(bounds, changed)
        self.finished = False
        self.reader: Reader | None = None
        self.on_idle: Callable[[], None] | None = None
        """Called when nobody reads it any more, and when it ends while nobody does."""
        self.on_end: Callable[[], None] | None = None
        self.source: Callable[[], Iterable[Json]] | None = None
        """Asked for messages before each reading: what is worth saying only then."""
        self._bounds = bounds
        self._retry = retry
        self._room: asyncio.Future[None] | None = None

    async def send(self, message: Json, *, key: Hashable = None) -> None:
        """Add a message. Waits while a reader is far behind; does nothing once the stream has ended."""
        while self.reader is not None and not self.finished and self._is_behind():
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            # Shielded: several may wait for the same room, and one of them may be cancelled.
            await asyncio.shield(self._room)
        self.add(message, key=key)

    def add(self, message: Json, *, key: Hashable = None) -> None:
        """Add a message without waiting. Once they pile up, it stands for one of the same key that waits."""
        if self.finished:
            return
        data = encode(message)
        may_replace = self.reader is None or self.buffer.unread >= COALESCE_AT
        if key is None or not may_replace or not self.buffer.replace(key, data):
            self.buffer.add(data, is_answer="id" in message, key=key)
        self.wake()

    def finish(self, answer: bytes | None = None) -> None:
        """End the stream, with its last event if there is one."""
        if self.finished:
            return
        self._refill()
        if answer is not None:
            self.buffer.add(answer, is_answer=True)
        self._end()
        self.wake()

    def discard(self) -> None:
        """End the stream, and forget what it held."""
        self.buffer.clear()
        if self.reader is not None:
            self.reader.detach()
        self._end()

    def attach(self, after: int | None = None) -> "Reader":
        """A reader in place of the one there was.

        Args:
            after: the number of the last event the client has seen: everything behind it is read (again), and
                what it has seen is forgotten. None for a client that has seen nothing.
        """
        if self.reader is not None:
            self.reader.detach()
        if after is not None:
            self.buffer.rewind(after)
        self.reader = Reader(self, is_new=after is None)
        return self.reader

    def has_sent(self, number: int) -> bool:
        """Whether there was an event of this number; 0 is the priming event."""
        return 0 <= number <= self.buffer.last

    def build_prime(self) -> Event:
        """The event that lets a client come back before anything else was sent."""
        return Event(b"", self._build_id(0), self._retry)

    def take(self) -> list[Event]:
        """The next events, some of them if there are many."""
        self._refill()
        entries = self.buffer.take(keep=self.name is not None)
        self._make_room()
        return [Event(entry.data, self._build_id(entry.number)) for entry in entries]

    def let_go(self, reader: "Reader") -> None:
        """A reader has gone."""
        if self.reader is not reader:
            return
        self.reader = None
        self._make_room()
        if self.name is None:
            self.discard()
        if self.on_idle is not None:
            self.on_idle()

    def _end(self) -> None:
        if self.finished:
            return
        self.finished = True
        self._make_room()
        if self.on_end is not None:
            self.on_end()
        if self.reader is None and self.on_idle is not None:
            self.on_idle()

    def _refill(self) -> None:
        if self.source is not None:
            for message in self.source():
                self.buffer.add(encode(message), is_answer=False)

    def _build_id(self, number: int) -> str | None:
        return None if self.name is None else f"{self.name}.{number}"

    def _is_behind(self) -> bool:
        return self.buffer.unread > BACKLOG or self.buffer.unread_size > self._bounds.bytes // 4

    def wake(self) -> None:
        """There may be something to read."""
        if self.reader is not None:
            self.reader.wake()

    def _make_room(self) -> None:
        if self._room is not None and (self.reader is None or self.finished or not self._is_behind()):
            self._room.set_result(None)
            self._room = None


class Source(Protocol):
    """What a reader reads: an `EventStream`, or one of another process."""

    @property
    def primed(self) -> bool: ...

    @property
    def finished(self) -> bool:
        """Whether nothing comes behind what is there."""

    def build_prime(self) -> Event: ...

    def take(self) -> list[Event]:
        """The next events, some of them if there are many."""

    def let_go(self, reader: "Reader") -> None:
        """A reader has gone."""


class Reader:
    """One connection's view of a stream; the handler drains it with `receive` until None."""

    __slots__ = ("_first", "_is_ending", "_last", "_stream", "_waiting", "closed", "on_close")

    def __init__(self, stream: Source, *, is_new: bool) -> None:
        self._stream = stream
        self._first: Event | None = stream.build_prime() if is_new and stream.primed else None
        self._last: Event | None = None
        self._is_ending = False
        self._waiting: asyncio.Future[None] | None = None
        self.closed = False
        self.on_close: Sequence[Callable[[], None]] = ()

    async def receive(self) -> list[Event] | None:
        """The next events; None when the connection is to end. May be cancelled without loss."""
        while not self.closed:
            if self._is_ending and self._last is None:
                return None
            events = self.take()
            if events:
                return events
            if self._stream.finished:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return None

    def take(self) -> list[Event]:
        """What there is, without waiting."""
        events = [] if self._first is None else [self._first]
        self._first = None
        events += self._stream.take()
        if self._last is not None:
            events.append(self._last)
            self._last = None
        return events

    def end(self, retry: int | None) -> None:
        """End the connection and not the stream, behind the next events that are read (SEP-1699).

        Args:
            retry: milliseconds after which the client may come back.
        """
        self._last = Event(None, None, retry)
        self._is_ending = True
        self.wake()

    def detach(self) -> None:
        """Read no more. Called by the handler when it is done, and when another reader comes."""
        if not self.closed:
            self.closed = True
            self.wake()
            self._stream.let_go(self)
            for tell in self.on_close:
                tell()

    def wake(self) -> None:
        """There may be something to read."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
