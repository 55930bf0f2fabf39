"""Our choice: processes that share a store count guesses and requests together.

Each tells the others what it has counted, and counts what it hears. Between two of them that takes about a
millisecond, where a password takes a quarter of a second to check: several processes let nobody guess faster
than one. While messages don't arrive each counts by itself.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import msgspec

from omnitornado.oauth.attempts import Attempts, Count
from omnitornado.oauth.throttle import RateLimit
from omnitornado.store.bus import Bus
from omnitornado.store.line import Line

log = logging.getLogger("omnitornado.oauth")

TOPIC = "counts"
Counter: TypeAlias = Attempts | RateLimit


class Taken(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An event that was let happen."""

    counter: str
    key: str
    now: float


class Counted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A change of a counter of attempts."""

    counter: str
    count: Count


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What is on the line, and who said it."""

    node: bytes
    change: Taken | Counted


class SharedCounts:
    """The counters of this process, by a name that all processes have for each. Belongs to the event loop."""

    def __init__(
        self, bus: Bus, counters: Mapping[str, Counter], *, token_bytes: Callable[[int], bytes]
    ) -> None:
        self._line = Line(bus, TOPIC)
        self._node = token_bytes(8)
        self._counters = counters

    def start(self) -> None:
        """Tell and hear from now on."""
        for name, counter in self._counters.items():
            if isinstance(counter, Attempts):
                counter.tell = partial(self._tell_counted, name)
            else:
                counter.tell = partial(self._tell_taken, name)
        self._line.start(self._hear)

    async def close(self) -> None:
        await self._line.close()

    def _tell_counted(self, name: str, count: Count) -> None:
        self._tell(Counted(name, count))

    def _tell_taken(self, name: str, key: str, now: float) -> None:
        self._tell(Taken(name, key, now))

    def _tell(self, change: Taken | Counted) -> None:
        self._line.tell(msgspec.msgpack.encode(Said(self._node, change)))

    def _hear(self, message: bytes) -> None:
        try:
            said = msgspec.msgpack.decode(message, type=Said)
        except msgspec.DecodeError as error:
            log.warning("a count of another process can't be read: %s", error)
            return
        counter = self._counters.get(said.change.counter)
        if said.node == self._node or counter is None:
            return
        if isinstance(said.change, Counted) and isinstance(counter, Attempts):
            counter.hear(said.change.count)
        elif isinstance(said.change, Taken) and isinstance(counter, RateLimit):
            counter.hear(said.change.key, said.change.now)
