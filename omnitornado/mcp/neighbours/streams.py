"""Implements: MCP 2025-11-25 basic/transports (Resumability and Redelivery), across processes.

A stream lives in the process that works on it. A client that comes back to another one reads it from there:
batch by batch, each passed on only when the one before has been taken, so that a slow client holds up its
tool there as it would here. Either side that hears nothing of the other for a while ends its part.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from omnitornado.mcp.event_stream import Event, Reader
from omnitornado.mcp.jsonrpc import JsonRpcError
from omnitornado.mcp.neighbours.messages import Left, Passed, Taken
from omnitornado.mcp.neighbours.network import SILENCE, Network

Resume = Callable[[bytes, str], Reader | None]
"""By session and event id, as `EventLog.resume`."""


class FarStreams:
    """Streams of this process that are read elsewhere, and streams elsewhere that are read here."""

    def __init__(self, network: Network, resume: Resume) -> None:
        """`resume`: gives a stream of this process's."""
        self._network = network
        self._resume = resume
        self._lent: dict[bytes, _Lent] = {}
        self._read: dict[bytes, FarStream] = {}
        network.answer("stream", self._lend)
        network.hear(Passed, self._take_passed)
        network.hear(Taken, self._take_taken)
        network.hear(Left, self._take_left)
        network.on_beat.append(self._look)
        network.on_gone.append(self._lose)

    async def resume(self, session: bytes, event_id: str) -> Reader | None:
        """The rest of a stream that another process has, or None.

        Raises:
            JsonRpcError: 400, as `EventLog.resume`.
        """
        name = self._network.token_bytes(8)
        # It may begin to pass events on before its answer has been seen to here.
        stream = self._read[name] = FarStream(name, self._network, self._forget)
        found = await self._network.ask("stream", [session, event_id, name])
        if found is None:
            self._forget(stream)
            return None
        stream.node, answer = found
        if answer is not True:
            self._forget(stream)
            raise JsonRpcError(code=answer["code"], message=answer["message"], status=400)
        stream.reader = Reader(stream, is_new=False)
        return stream.reader

    async def close(self) -> None:
        """End them all."""
        for lent in list(self._lent.values()):
            lent.leave()
        for stream in list(self._read.values()):
            stream.end()
        work = [lent.work for lent in self._lent.values() if lent.work is not None]
        if work:
            await asyncio.wait(work)

    # Streams of ours

    async def _lend(self, args: Any) -> Any:
        session, event_id, name = args
        try:
            reader = self._resume(session, event_id)
        except JsonRpcError as error:
            return {"code": error.code, "message": error.message}
        if reader is None:
            return None
        lent = self._lent[name] = _Lent(reader, self._network.clock())
        lent.work = asyncio.get_running_loop().create_task(self._pass_on(name, lent))
        return True

    async def _pass_on(self, name: bytes, lent: "_Lent") -> None:
        try:
            while (events := await lent.reader.receive()) is not None:
                lent.taken = asyncio.get_running_loop().create_future()
                self._network.tell(Passed(name, [(one.data, one.id, one.retry) for one in events]))
                await lent.taken
            self._network.tell(Passed(name, [], is_end=True))
        finally:
            lent.reader.detach()
            self._lent.pop(name, None)

    def _take_taken(self, message: Taken, node: bytes) -> None:
        lent = self._lent.get(message.stream)
        if lent is not None:
            lent.node, lent.heard_at = node, self._network.clock()
            if lent.taken is not None and not lent.taken.done():
                lent.taken.set_result(None)

    def _take_left(self, message: Left, node: bytes) -> None:
        lent = self._lent.get(message.stream)
        if lent is not None:
            lent.leave()

    # Streams of others

    def _take_passed(self, message: Passed, node: bytes) -> None:
        stream = self._read.get(message.stream)
        if stream is not None:
            stream.add([Event(*one) for one in message.events], is_end=message.is_end)

    def _forget(self, stream: "FarStream") -> None:
        self._read.pop(stream.name, None)

    # Both

    def _look(self) -> None:
        until = self._network.clock() - SILENCE
        for name, lent in list(self._lent.items()):
            if lent.heard_at < until:
                lent.leave()
            else:
                self._network.tell(Passed(name, []))
        for stream in list(self._read.values()):
            if stream.heard_at < until:
                stream.end()
            else:
                stream.tell_taken()

    def _lose(self, node: bytes) -> None:
        for lent in [one for one in self._lent.values() if one.node == node]:
            lent.leave()
        for stream in [one for one in self._read.values() if one.node == node]:
            stream.end()


class _Lent:
    """A stream of ours, as it is read elsewhere."""

    def __init__(self, reader: Reader, now: float) -> None:
        self.reader = reader
        self.heard_at = now
        self.node: bytes | None = None
        """Who reads it, once that has been heard."""
        self.taken: asyncio.Future[None] | None = None
        self.work: asyncio.Task[None] | None = None

    def leave(self) -> None:
        """Nobody reads it there."""
        self.reader.detach()
        if self.taken is not None and not self.taken.done():
            self.taken.set_result(None)


class FarStream:
    """A stream of another process's, as a `Reader` sees it (`mcp.event_stream.Source`)."""

    primed = False

    def __init__(self, name: bytes, network: Network, on_left: Callable[["FarStream"], None]) -> None:
        self.name = name
        self.node: bytes | None = None
        self.reader: Reader | None = None
        self.finished = False
        self.heard_at = network.clock()
        self._network = network
        self._on_left = on_left
        self._events: list[Event] = []

    def add(self, events: list[Event], *, is_end: bool) -> None:
        """Some of it has come."""
        self.heard_at = self._network.clock()
        self._events += events
        if is_end:
            self.end()
        elif events and self.reader is not None:
            self.reader.wake()

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        if events and not self.finished:
            self._network.tell(Taken(self.name))
        return events

    def tell_taken(self) -> None:
        """It is still read here."""
        if not self._events:
            self._network.tell(Taken(self.name))

    def end(self) -> None:
        """Nothing more comes; what has come is still read."""
        self.finished = True
        self._on_left(self)
        if self.reader is not None:
            self.reader.wake()

    def build_prime(self) -> Event:
        return Event(b"")

    def let_go(self, reader: Reader) -> None:
        if not self.finished:
            self.finished = True
            self._network.tell(Left(self.name))
            self._on_left(self)
