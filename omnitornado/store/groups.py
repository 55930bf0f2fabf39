"""An index of a table: the keys of the records that belong to the same person, or the same client."""

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
    """

    def __init__(self, find_group: Callable[[V], bytes]) -> None:
        self._find_group = find_group
        self._members: dict[bytes, K | tuple[K, ...]] = {}

    def find_members(self, group: bytes) -> tuple[K, ...]:
        """Keys of the records in a group, in the order in which they came."""
        found = self._members.get(group, ())
        return found if isinstance(found, tuple) else (found,)

    def regroup(self, key: K, old: V | None, new: V | None) -> None:
        """Note that `key` holds `new` in place of `old`; None for no record."""
        before: bytes | None = None if old is None else self._find_group(old)
        after: bytes | None = None if new is None else self._find_group(new)
        if before == after:
            return
        if before is not None:
            self._set(before, tuple(one for one in self.find_members(before) if one != key))
        if after is not None:
            members: tuple[K, ...] = (key,)
            self._set(after, self.find_members(after) + members)

    def _set(self, group: bytes, members: tuple[K, ...]) -> None:
        if len(members) == 1:
            self._members[group] = members[0]
        elif members:
            self._members[group] = members
        else:
            del self._members[group]
