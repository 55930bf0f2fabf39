"""Our choice, after RFC 6749 §10.10 and OWASP: growing delays for guessing, counted in memory.

A restart forgets, and nobody without access to the machine can cause one. Attempts count when they begin, so
a burst in parallel gains nothing. Processes that share a store tell each other (`shared_counts.py`); what is
counted for goes by a digest, for people type passwords where a name is asked.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
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


class Count(msgspec.Struct, frozen=True, array_like=True):
    """What has become of counters, as another process hears of it."""

    kind: str
    """"count", "take_back" or "forget"."""
    names: tuple[bytes, ...]
    limits: tuple[Limit, ...] = ()
    now: float = 0.0


class _Counter(msgspec.Struct):
    attempts: int = 0
    last_at: float = 0.0
    open_at: float = 0.0


class Attempts:
    """Counters by name."""

    def __init__(self) -> None:
        self._counters: OrderedDict[bytes, _Counter] = OrderedDict()
        self.tell: Callable[[Count], None] | None = None
        """Told of every change that is made here."""

    def find_wait(self, counted: Sequence[Counted], *, now: float) -> float:
        """Seconds until an attempt may begin; 0.0 for at once."""
        counters = (self._counters.get(_name(key)) for key, _ in counted)
        return max([0.0, *(counter.open_at - now for counter in counters if counter is not None)])

    def begin(self, counted: Sequence[Counted], *, now: float) -> float:
        """Start an attempt that counts for each of these. 0.0 when it may go on, else the seconds to wait.

        A refused one does not count, and leaves no counter behind: refusals are cheap, and could push the
        others out.
        """
        wait = self.find_wait(counted, now=now)
        if wait > 0:
            return wait
        self._change(Count("count", *_split(counted), now))
        return 0.0

    def take_back(self, counted: Sequence[Counted]) -> None:
        """An attempt was right: it counts no longer, and those before it still do."""
        self._change(Count("take_back", *_split(counted)))

    def forget(self, key: tuple[str, ...]) -> None:
        """Start a counter anew."""
        self._change(Count("forget", (_name(key),)))

    def hear(self, count: Count) -> None:
        """The same has happened in another process."""
        if count.kind == "forget":
            for name in count.names:
                self._counters.pop(name, None)
            return
        for name, limit in zip(count.names, count.limits, strict=False):
            if count.kind == "count":
                self._count(name, limit, now=count.now)
            elif count.kind == "take_back":
                self._take_back(name, limit)

    def _change(self, count: Count) -> None:
        self.hear(count)
        if self.tell is not None:
            self.tell(count)

    def _take_back(self, name: bytes, limit: Limit) -> None:
        counter = self._counters.get(name)
        if counter is None:
            return
        counter.attempts = max(counter.attempts - 1, 0)
        if counter.attempts < limit.free:
            counter.open_at = 0.0

    def _find(self, name: bytes, *, now: float) -> _Counter:
        counter = self._counters.get(name)
        if counter is None or now - counter.last_at > FORGET_AFTER:
            counter = self._counters[name] = _Counter(last_at=now)
        self._counters.move_to_end(name)
        while len(self._counters) > MAX_COUNTERS:
            self._counters.popitem(last=False)
        return counter

    def _count(self, name: bytes, limit: Limit, *, now: float) -> None:
        counter = self._find(name, now=now)
        counter.attempts += 1
        counter.last_at = max(counter.last_at, now)
        beyond = counter.attempts - limit.free
        if beyond >= 0:
            counter.open_at = max(counter.open_at, now + min(2.0 ** min(beyond, 20), limit.longest))


def _name(key: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).digest()


def _split(counted: Sequence[Counted]) -> tuple[tuple[bytes, ...], tuple[Limit, ...]]:
    return tuple(_name(key) for key, _ in counted), tuple(limit for _, limit in counted)
