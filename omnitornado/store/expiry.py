"""Which keys come due when: buckets of a minute each, so that sweeping costs only for what expires.

An entry says "look at this key no earlier than this minute", never "this record ends then": where a record's
end has moved on, its entry stays and is put into its new bucket when the old one comes due. So renewing a
record costs nothing here.

Entries are kept in runs of `RUN` keys. A full run becomes a tuple, which Python's cycle collector drops from
its lists when the keys are plain bytes or strings: a million entries cost a collection nothing.
"""

import heapq
from collections.abc import Sequence
from typing import Generic, TypeVar

K = TypeVar("K", str, bytes)

BUCKET_SECONDS = 60
RUN = 512
"""Keys handed out at once by `take_due`: what one turn of the event loop has to look at."""


class ExpiryBuckets(Generic[K]):
    """The keys of one table by the minute in which their record's time is up."""

    __slots__ = ("_buckets", "_minutes")

    def __init__(self) -> None:
        self._buckets: dict[int, list[list[K] | tuple[K, ...]]] = {}
        self._minutes: list[int] = []

    def note(self, key: K, previous: float | None, expires_at: float) -> None:
        """Remember when to look at `key`. `previous` is the end it had before (None for a new key)."""
        minute = int(expires_at // BUCKET_SECONDS)
        if previous is not None and previous // BUCKET_SECONDS <= minute:
            return  # its entry comes due no later than this, and will then be moved on
        runs = self._buckets.get(minute)
        if runs is None:
            runs = self._buckets[minute] = []
            heapq.heappush(self._minutes, minute)
        last = runs[-1] if runs else None
        if isinstance(last, list):
            last.append(key)
            if len(last) >= RUN:
                runs[-1] = tuple(last)
        else:
            runs.append([key])

    def take_due(self, now: float) -> Sequence[K]:
        """Up to `RUN` keys from buckets that have wholly passed; the caller looks at each record's end."""
        while self._minutes and (self._minutes[0] + 1) * BUCKET_SECONDS <= now:
            runs = self._buckets[self._minutes[0]]
            if runs:
                return runs.pop()
            del self._buckets[heapq.heappop(self._minutes)]
        return ()

    def __len__(self) -> int:
        return sum(len(run) for runs in self._buckets.values() for run in runs)
