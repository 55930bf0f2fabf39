"""What must go so that one more fits: the caps of `limits.py` at work."""

from collections.abc import Callable, Collection
from heapq import nsmallest
from typing import TypeVar

from omnitornado.store.memory import Table
from omnitornado.store.records import Record

LARGE = 500
"""Looking through so many takes a quarter of a millisecond of the loop's time."""

K = TypeVar("K", str, bytes)
V = TypeVar("V", bound=Record)


def find_excess(
    table: Table[K, V],
    members: Collection[K],
    limit: int,
    *,
    adding: K,
    age: Callable[[V], float | tuple[float, ...]],
    now: float,
) -> list[K]:
    """Keys that must go from a group so that with `adding` it has no more than `limit`: those past their time
    first, then by ascending `age` (an instant).

    Of a group with a large limit a twentieth goes at once, so that looking through all of it is seldom
    needed.
    """
    excess = len(members) + (adding not in members) - limit
    if excess <= 0:
        return []
    if limit >= LARGE:
        excess = max(excess, limit // 20)

    get, is_past = table.get, table.is_past
    ranked = [
        # Every member has a record; the key itself settles a tie the same way after a restart.
        (not is_past(record, now), age(record), key)
        for key in members
        if key != adding and (record := get(key)) is not None
    ]
    return [key for _, _, key in nsmallest(excess, ranked)]
