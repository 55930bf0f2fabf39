"""An index of a table: the keys of the records that belong to the same person, or the same client."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

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


class Counts(Generic[V]):
    """How many records there are of each name, where nobody asks which: it costs nothing for each."""

    def __init__(self, find_name: Callable[[V], str]) -> None:
        self._find_name = find_name
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        return self._counts.get(name, 0)

    def regroup(self, key: Any, old: V | None, new: V | None) -> None:
        """Note that `key` holds `new` in place of `old`; None for no record."""
        for record, change in ((old, -1), (new, 1)):
            if record is None:
                continue
            name = self._find_name(record)
            self._counts[name] = self._counts.get(name, 0) + change
            if not self._counts[name]:
                del self._counts[name]


class SmallGroups(Generic[K, V]):
    """As `Groups`, for groups that have few members each and are many: a member costs a pointer, not an entry
    of a dictionary. `find_group` gives 16 bytes, say; every record is in a group.

    Members are given in the order in which they end, so that who must go is found without a look at each.
    `find_end` gives a record's end, `find_record` the record of a key that is a member already. Most come in
    that order; a group where one did not is marked by a None before its members, and put in order when
    somebody asks for it: a load takes its records as they come.
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
        self._members: dict[bytes, K | tuple[K | None, ...]] = {}

    def find_members(self, group: bytes) -> tuple[K, ...]:
        """Keys of the records in a group, those that end first before the others."""
        found = self._members.get(group)
        if found is None:
            return ()
        if not isinstance(found, tuple):
            return (found,)
        if found[0] is None:
            ranked = sorted((self._find_rank(key), key) for key in found if key is not None)
            found = self._members[group] = tuple(key for _, key in ranked)
        return cast("tuple[K, ...]", found)

    def _find_rank(self, key: K) -> float:
        record = self._find_record(key)
        return (None if record is None else self._find_end(record)) or 0.0

    def regroup(self, key: K, old: V | None, new: V | None) -> None:
        """Note that `key` holds `new` in place of `old`; None for no record."""
        if old is not None:
            self._remove(self._find_group(old), key)
        if new is not None:
            self._add(self._find_group(new), key, new)

    def _remove(self, group: bytes, key: K) -> None:
        found = self._members[group]
        members = found if isinstance(found, tuple) else (found,)
        at = members.index(key)
        rest = members[:at] + members[at + 1 :]
        if len(rest) > 2 or (len(rest) == 2 and rest[0] is not None):
            self._members[group] = rest
        elif rest and rest[-1] is not None:
            self._members[group] = rest[-1]
        else:
            del self._members[group]

    def _add(self, group: bytes, key: K, record: V) -> None:
        found = self._members.get(group)
        if found is None:
            self._members[group] = key
            return
        members: tuple[K | None, ...] = found if isinstance(found, tuple) else (found,)
        last = members[-1]
        added: tuple[K | None, ...] = (key,)
        if members[0] is None or (
            last is not None and self._find_rank(last) < (self._find_end(record) or 0.0)
        ):
            self._members[group] = members + added
        else:
            marked: tuple[K | None, ...] = (None,)
            self._members[group] = marked + members + added
