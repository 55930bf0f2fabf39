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
