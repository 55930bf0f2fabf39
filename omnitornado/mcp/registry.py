"""What a server offers of one kind, by name, in a stable order, with word to whoever listens when it changes.

Implements: MCP 2026-07-28 server/utilities/pagination, server/tools (deterministic order).
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError

T = TypeVar("T")

CHECK_BYTES = 8


def _find_name(item: Any) -> str:
    name: str = item.name
    return name


class Registry(Generic[T]):
    """The tools (or prompts, resources, …) of a server, in the order they were added."""

    def __init__(self, kind: str, key: Callable[[T], str] = _find_name) -> None:
        """
        Args:
            kind: which list a change of this registry changes.
            key: what is unique among the items: the name, or a resource's URI.
        """
        self.kind = kind
        self._key = key
        self._items: dict[str, T] = {}
        self._watchers: list[Callable[[str], None]] = []
        self.was_used = False
        """Whether it ever held anything: a list that is empty now may fill again, and stays announced."""

    def add(self, item: T) -> None:
        """Offer one more.

        Raises:
            ValueError: the name is taken.
        """
        key = self._key(item)
        if key in self._items:
            raise ValueError(f"the name {key!r} is taken")
        # Replaced, not changed: a list that another thread walks at this moment stays whole.
        self._items = self._items | {key: item}
        self.was_used = True
        self._tell()

    def remove(self, name: str) -> bool:
        """Stop offering it; False when it was unknown."""
        if name not in self._items:
            return False
        self._items = {key: item for key, item in self._items.items() if key != name}
        self._tell()
        return True

    def find(self, name: str) -> T | None:
        """The one with this name."""
        return self._items.get(name)

    def __len__(self) -> int:
        return len(self._items)

    def list_all(self) -> tuple[T, ...]:
        """All of them, in the order they were added."""
        return tuple(self._items.values())

    def list_page(self, params: Json, size: int) -> tuple[list[T], str | None]:
        """The page that `params.cursor` points at, and the cursor of the next one.

        Raises:
            JsonRpcError: -32602 for a cursor that is none of ours, or whose item is gone.
        """
        return find_page(self._items, self.kind, params, size)

    @property
    def items(self) -> Mapping[str, T]:
        """All of them by name. Never changed: a change of the registry makes a new one."""
        return self._items

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher(kind)` after each change, in the thread that made it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Stop that."""
        self._watchers.remove(watcher)

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher(self.kind)


def find_page(
    items: Mapping[str, T],
    kind: str,
    params: Json,
    size: int,
    *,
    weigh: Callable[[T], int] = lambda item: 0,
    most: int = 0,
) -> tuple[list[T], str | None]:
    """The page of a list that `params.cursor` points at, and the cursor of the next one.

    Args:
        items: the whole list, by name.
        kind: what the cursor is for: no other list takes it.
        params: the request's.
        size: items on a page.
        weigh: how much an item counts.
        most: what a page may weigh; it has one item at least.

    Raises:
        JsonRpcError: -32602 for a cursor that is none of ours, or whose item is gone.
    """
    names = list(items)
    start = _find_start(names, kind, params.get("cursor"))
    end, weight = start, 0
    while end < len(names) and end - start < size:
        weight += weigh(items[names[end]])
        if weight > most and end > start:
            break
        end += 1
    following = build_cursor(kind, names[end - 1]) if end < len(names) else None
    return [items[name] for name in names[start:end]], following


def _find_start(names: list[str], kind: str, cursor: object) -> int:
    if cursor is None:
        return 0
    try:
        if isinstance(cursor, str):
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)[CHECK_BYTES:]
            name = raw.decode("utf-8", "surrogatepass")
            # Built again and compared: one of another list, or put together by hand, is none of ours.
            if build_cursor(kind, name) == cursor:
                return names.index(name) + 1
    except (binascii.Error, ValueError):
        pass
    raise JsonRpcError(
        code=INVALID_PARAMS, message="Invalid params: the cursor is unknown; list from the start"
    )


def build_cursor(kind: str, name: str) -> str:
    """A cursor behind `name`: it stays right when items before it come or go, and after a restart."""
    raw = name.encode("utf-8", "surrogatepass")
    check = hashlib.blake2b(raw, digest_size=CHECK_BYTES, person=kind.encode("ascii")).digest()
    return base64.urlsafe_b64encode(check + raw).decode("ascii")
