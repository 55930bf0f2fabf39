"""An index of a table: the keys of the records that belong to the same person, or the same client."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from omnitornado.store.records import Record

K = TypeVar("K", str, bytes)
V = TypeVar("V", bound=Record)

_NOBODY: Mapping[Any, None] = {}


class Groups(Generic[K, V]):
    """Keys by group. `find_group` gives the name of a record's group; None: it is in none."""

    def __init__(self, find_group: Callable[[V], str | None]) -> None:
        self._find_group = find_group
        self._members: dict[str, dict[K, None]] = {}

    def find_members(self, group: str) -> Mapping[K, None]:
        """Keys of the records in a group."""
        return self._members.get(group, _NOBODY)

    def regroup(self, key: K, old: V | None, new: V | None) -> None:
        """Note that `key` holds `new` in place of `old`; None for no record."""
        before = None if old is None else self._find_group(old)
        after = None if new is None else self._find_group(new)
        if before == after:
            return
        if before is not None:
            members = self._members[before]
            del members[key]
            if not members:
                del self._members[before]
        if after is not None:
            self._members.setdefault(after, {})[key] = None


class SmallGroups(Generic[K, V]):
    """As `Groups`, for groups that have few members each and are many: a member costs a pointer, not an entry
    of a dictionary. `find_group` gives 16 bytes, say; every record is in a group.

    Members stand in the order in which they end, so that who must go is found without a look at each.
    `find_end` gives a record's end, `find_record` the record of a key that is a member already.
    """

    def __init__(
        self,
        find_group: Callable[[V], bytes],
        find_end: Callable[[V], float | None],
        find_record: Callable[[K], V | None],
    ) -> None:
        self._find_group = find_group
        self._find_end = find_end
        self._find_record: Callable[[K], V | None] = find_record
        self._members: dict[bytes, K | tuple[K, ...]] = {}

    def find_members(self, group: bytes) -> tuple[K, ...]:
        """Keys of the records in a group, those that end first before the others."""
        found = self._members.get(group, ())
        return found if isinstance(found, tuple) else (found,)

    def regroup(self, key: K, old: V | None, new: V | None) -> None:
        """Note that `key` holds `new` in place of `old`; None for no record."""
        if old is not None:
            self._remove(self._find_group(old), key)
        if new is not None:
            self._add(self._find_group(new), key, new)

    def _remove(self, group: bytes, key: K) -> None:
        members = self.find_members(group)
        if members[0] == key:
            self._set(group, members[1:])
        else:
            at = members.index(key)
            self._set(group, members[:at] + members[at + 1 :])

    def _add(self, group: bytes, key: K, record: V) -> None:
        members = self.find_members(group)
        added: tuple[K, ...] = (key,)
        rank = (self._find_end(record) or 0.0, key)
        if not members or self._rank(members[-1]) < rank:  # nearly always: later ones end later
            self._set(group, members + added)
        else:
            at = bisect_left(members, rank, key=self._rank)
            self._set(group, members[:at] + added + members[at:])

    def _rank(self, key: K) -> tuple[float, K]:
        record = self._find_record(key)
        return ((None if record is None else self._find_end(record)) or 0.0, key)

    def _set(self, group: bytes, members: tuple[K, ...]) -> None:
        if len(members) == 1:
            self._members[group] = members[0]
        elif members:
            self._members[group] = members
        else:
            del self._members[group]
