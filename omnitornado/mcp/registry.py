"""What a server offers of one kind, by name, in a stable order, with word to whoever listens when it changes.

Implements: MCP 2026-07-28 server/utilities/pagination, server/tools (deterministic order).
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
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
        items = self._items
        names = list(items)
        start = self._find_start(names, params.get("cursor"))
        page = names[start : start + size]
        following = build_cursor(self.kind, page[-1]) if start + size < len(names) else None
        return [items[name] for name in page], following

    def _find_start(self, names: list[str], cursor: object) -> int:
        if cursor is None:
            return 0
        try:
            if isinstance(cursor, str):
                raw = base64.b64decode(cursor, altchars=b"-_", validate=True)[CHECK_BYTES:]
                name = raw.decode("utf-8", "surrogatepass")
                # Built again and compared: one of another list, or put together by hand, is none of ours.
                if build_cursor(self.kind, name) == cursor:
                    return names.index(name) + 1
        except (binascii.Error, ValueError):
            pass
        raise JsonRpcError(
            code=INVALID_PARAMS, message="Invalid params: the cursor is unknown; list from the start"
        )

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher(kind)` after each change, in the thread that made it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Stop that."""
        self._watchers.remove(watcher)

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher(self.kind)


def build_cursor(kind: str, name: str) -> str:
    """A cursor behind `name`: it stays right when items before it come or go, and after a restart."""
    raw = name.encode("utf-8", "surrogatepass")
    check = hashlib.blake2b(raw, digest_size=CHECK_BYTES, person=kind.encode("ascii")).digest()
    return base64.urlsafe_b64encode(check + raw).decode("ascii")
