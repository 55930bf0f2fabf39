"""Our choice, after RFC 6749 §10.10 and OWASP: growing delays for guessing, counted in memory.

A restart forgets, and nobody without access to the machine can cause one. Attempts count when they begin, so
a burst in parallel gains nothing.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

MAX_COUNTERS: Final = 100_000
"""The counters used longest ago make room beyond this."""
FORGET_AFTER: Final = 3600.0
"""Seconds without an attempt after which a counter starts anew."""


class Limit(msgspec.Struct, frozen=True):
    """`free` attempts without delay, then 1, 2, 4 … seconds up to `longest`."""

    free: int
    longest: float


Counted = tuple[tuple[str, ...], Limit]
"""What an attempt counts for, and how many of it are free."""


class _Counter(msgspec.Struct):
    attempts: int = 0
    last_at: float = 0.0
    open_at: float = 0.0


class Attempts:
    """Counters by name."""

    def __init__(self) -> None:
        self._counters: OrderedDict[tuple[str, ...], _Counter] = OrderedDict()

    def find_wait(self, counted: Sequence[Counted], *, now: float) -> float:
        """Seconds until an attempt may begin; 0.0 for at once."""
        counters = (self._counters.get(key) for key, _ in counted)
        return max([0.0, *(counter.open_at - now for counter in counters if counter is not None)])

    def begin(self, counted: Sequence[Counted], *, now: float) -> float:
        """Start an attempt that counts for each of these. 0.0 when it may go on, else the seconds to wait.

        A refused one does not count, and leaves no counter behind: refusals are cheap, and could push the
        others out.
        """
        wait = self.find_wait(counted, now=now)
        if wait > 0:
            return wait
        for key, limit in counted:
            self._count(key, limit, now=now)
        return 0.0

    def take_back(self, counted: Sequence[Counted]) -> None:
        """An attempt was right: it counts no longer, and those before it still do."""
        for key, limit in counted:
            counter = self._counters.get(key)
            if counter is None:
                continue
            counter.attempts = max(counter.attempts - 1, 0)
            if counter.attempts < limit.free:
                counter.open_at = 0.0

    def forget(self, key: tuple[str, ...]) -> None:
        """Start a counter anew."""
        self._counters.pop(key, None)

    def _find(self, key: tuple[str, ...], *, now: float) -> _Counter:
        counter = self._counters.get(key)
        if counter is None or now - counter.last_at > FORGET_AFTER:
            counter = self._counters[key] = _Counter(last_at=now)
        self._counters.move_to_end(key)
        while len(self._counters) > MAX_COUNTERS:
            self._counters.popitem(last=False)
        return counter

    def _count(self, key: tuple[str, ...], limit: Limit, *, now: float) -> None:
        counter = self._find(key, now=now)
        counter.attempts += 1
        counter.last_at = now
        beyond = counter.attempts - limit.free
        if beyond >= 0:
            counter.open_at = now + min(2.0 ** min(beyond, 20), limit.longest)
