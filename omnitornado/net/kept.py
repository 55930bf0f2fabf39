"""Our choice, after RFC 9111 §4: what was fetched and read is kept while it is fresh, one fetch at a time for
an address, and an address that failed is left alone for a moment.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec

from omnitornado.net.fetched import FetchError

T = TypeVar("T")

CAPACITY: Final = 1000
"""Addresses, of the good and of the failed each; the one not asked for longest goes first."""
FAILURE_LIFETIME: Final = 15.0
"""Seconds in which an address that failed is not asked again. Short: this is no cache of errors, but keeps
what is asked of others within bounds."""


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """Something good. Instants in seconds since the epoch, as the caller's clock has them."""

    value: T
    fetched_at: float
    fresh_until: float


class KeptAnswers(Generic[T]):
    """What addresses gave. `load(url, now, asker)` asks one, on behalf of a client's address: what it gave,
    and for how many seconds it is fresh.
    """

    def __init__(self, load: Callable[[str, float, str], Awaitable[tuple[T, float]]]) -> None:
        self._load = load
        self._good: OrderedDict[str, Kept[T]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[FetchError, float]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Kept[T]]] = {}

    def find_last(self, url: str) -> Kept[T] | None:
        """The last good one, however old."""
        return self._good.get(url)

    def keep(self, url: str, kept: Kept[T]) -> None:
        """Put in place what was known before this process began."""
        _put(self._good, url, kept)

    def forget(self, url: str) -> None:
        """What was good is good no more."""
        self._good.pop(url, None)

    async def find(self, url: str, *, asker: str = "", now: float) -> Kept[T]:
        """What is fresh, or what is fetched now. Raises: FetchError."""
        known = self._good.get(url)
        if known is not None and now < known.fresh_until:
            self._good.move_to_end(url)
            return known
        return await self.fetch(url, asker=asker, now=now)

    async def fetch(self, url: str, *, asker: str = "", now: float) -> Kept[T]:
        """What is fetched now, fresh or not; who asks while a fetch is under way gets its answer. Raises:
        FetchError; at once where the address failed a moment ago.
        """
        error, retry_at = self._failed.get(url, (None, 0.0))
        if error is not None and now < retry_at:
            raise FetchError(str(error), reason=error.reason)
        task = self._under_way.get(url)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetch(url, now, asker), name="fetch")
            self._under_way[url] = task
            task.add_done_callback(lambda done: self._end(url, done))
        # Shielded: others wait for it as well.
        return await asyncio.shield(task)

    async def _fetch(self, url: str, now: float, asker: str) -> Kept[T]:
        try:
            value, lifetime = await self._load(url, now, asker)
        except FetchError as error:
            if not error.is_own:
                _put(self._failed, url, (error, now + FAILURE_LIFETIME))
            raise
        self._failed.pop(url, None)
        kept = Kept(value, now, now + lifetime)
        _put(self._good, url, kept)
        return kept

    def _end(self, url: str, task: "asyncio.Task[Kept[T]]") -> None:
        del self._under_way[url]
        if not task.cancelled():
            task.exception()  # whoever waited has it; that nobody did is no error


V = TypeVar("V")


def _put(held: "OrderedDict[str, V]", url: str, value: V) -> None:
    held[url] = value
    held.move_to_end(url)
    if len(held) > CAPACITY:
        held.popitem(last=False)
