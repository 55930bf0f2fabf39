"""Implements: MCP 2025-11-25 basic/transports (Resumability and Redelivery): what is kept of a stream.

Bounded, whatever a tool does and however slowly a client reads. Over the bounds, what was read goes first,
then the oldest notification that waits, and only then a request or an answer. The newest event always stays.
"""

from collections.abc import Callable, Hashable
from itertools import chain

import msgspec

COALESCE_AT = 16
"""Unread events from which on a message may replace one of its kind while somebody reads."""
BATCH = 65536
"""Bytes taken at once."""


class Bounds(msgspec.Struct, frozen=True):
    """How much is kept."""

    events: int = 1024
    bytes: int = 1 << 20


class Entry(msgspec.Struct, eq=False):
    """An event in the buffer. Its data may still be replaced while nobody has read it."""

    number: int
    data: bytes
    is_answer: bool
    """A response, or a request of the server's: it outlasts notifications."""
    key: Hashable


class EventBuffer:
    """Numbered events, read ones before unread ones. `changed` is told how many events and bytes there are
    more, or fewer."""

    __slots__ = ("_bounds", "_by_key", "_changed", "_read", "_unread", "last", "size", "unread_size")

    def __init__(self, bounds: Bounds, changed: Callable[[int, int], None] | None = None) -> None:
        self._bounds = bounds
        self._changed = changed
        # Lists: a deque that is empty takes ten times as much, and most streams are.
        self._read: list[Entry] = []
        self._unread: list[Entry] = []
        self._by_key: dict[Hashable, Entry] = {}
        self.last = 0
        """The number of the newest event."""
        self.size = 0
        """Bytes of all events."""
        self.unread_size = 0

    def __len__(self) -> int:
        return len(self._read) + len(self._unread)

    @property
    def unread(self) -> int:
        """How many events wait."""
        return len(self._unread)

    @property
    def is_full(self) -> bool:
        return self.size > self._bounds.bytes or len(self) > self._bounds.events

    def add(self, data: bytes, *, is_answer: bool, key: Hashable = None) -> None:
        """Put an event at the end, and keep to the bounds."""
        self.last += 1
        entry = Entry(self.last, data, is_answer, key)
        self._unread.append(entry)
        self.unread_size += len(data)
        if key is not None:
            self._by_key[key] = entry
        self._count(1, len(data))
        while self.is_full and self.drop_oldest():
            pass

    def replace(self, key: Hashable, data: bytes) -> bool:
        """Put `data` into the event of this key that waits; False when none does."""
        waiting = self._by_key.get(key)
        if waiting is None:
            return False
        more = len(data) - len(waiting.data)
        waiting.data = data
        self.unread_size += more
        self._count(0, more)
        return True

    def take(self, *, keep: bool) -> list[Entry]:
        """Read some of what waits, about `BATCH` bytes; `keep` it for who comes back."""
        taken: list[Entry] = []
        room = BATCH
        while self._unread and room > 0:
            entry = self._unread.pop(0)
            room -= len(entry.data)
            self._leave_unread(entry)
            if keep:
                self._read.append(entry)
            else:
                self._count(-1, -len(entry.data))
            taken.append(entry)
        return taken

    def rewind(self, after: int) -> None:
        """All behind event `after` waits (again); all up to it is forgotten."""
        kept = [entry for entry in chain(self._read, self._unread) if entry.number > after]
        size = sum(len(entry.data) for entry in kept)
        self._count(len(kept) - len(self), size - self.size)
        self._read.clear()
        self._unread = kept
        self.unread_size = size
        self._by_key = {entry.key: entry for entry in kept if entry.key is not None}

    def drop_oldest(self) -> bool:
        """Forget one event, as the module's text says; False when only the newest is left."""
        if len(self) <= 1:
            return False
        if self._read:
            self._count(-1, -len(self._read.pop(0).data))
            return True
        newest = self._unread[-1]
        notifications = (entry for entry in self._unread if not entry.is_answer and entry is not newest)
        entry = next(notifications, self._unread[0])
        self._unread.remove(entry)
        self._leave_unread(entry)
        self._count(-1, -len(entry.data))
        return True

    def clear(self) -> None:
        """Forget everything."""
        self.rewind(self.last)

    def _leave_unread(self, entry: Entry) -> None:
        self.unread_size -= len(entry.data)
        if self._by_key.get(entry.key) is entry:
            del self._by_key[entry.key]

    def _count(self, events: int, size: int) -> None:
        self.size += size
        if self._changed is not None:
            self._changed(events, size)
