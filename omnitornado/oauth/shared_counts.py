"""Our choice: processes that share a store count guesses and requests together.

Each tells the others what it has counted, and counts what it hears. Between two of them that takes about a
millisecond, where a password takes a quarter of a second to check: several processes let nobody guess faster
than one. While messages don't arrive each counts by itself.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import msgspec

from omnitornado.oauth.attempts import Attempts, Count
from omnitornado.oauth.throttle import RateLimit
from omnitornado.store.bus import Bus
from omnitornado.store.line import Line

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


class SharedCounts:
    """The counters of this process, by a name that all processes have for each. Belongs to the event loop."""

    def __init__(
        self, bus: Bus, counters: Mapping[str, Counter], *, token_bytes: Callable[[int], bytes]
    ) -> None:
        self._line: Line[Taken | Counted] = Line(bus, TOPIC, Taken | Counted, token_bytes=token_bytes)
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
        self._line.tell(Counted(name, count))

    def _tell_taken(self, name: str, key: str, now: float) -> None:
        self._line.tell(Taken(name, key, now))

    def _hear(self, change: Taken | Counted, node: bytes) -> None:
        counter = self._counters.get(change.counter)
        if isinstance(change, Counted) and isinstance(counter, Attempts):
            counter.hear(change.count)
        elif isinstance(change, Taken) and isinstance(counter, RateLimit):
            counter.hear(change.key, change.now)
