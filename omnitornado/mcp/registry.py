"""What a server offers of one kind, by name, in a stable order, with word to whoever listens when it changes.

Implements: MCP 2026-07-28 server/utilities/pagination, server/tools (deterministic order).
"""

import base64
import binascii
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError


class Named(Protocol):
    """Anything with a name that is unique among its kind."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """The tools (or, later, prompts and resources) of a server, in the order they were added."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._watchers: list[Callable[[str], None]] = []

    def add(self, item: T) -> None:
        """Offer one more.

        Raises:
            ValueError: the name is taken.
        """
        if item.name in self._items:
            raise ValueError(f"the name {item.name!r} is taken")
        # Replaced, not changed: a list that another thread walks at this moment stays whole.
        self._items = self._items | {item.name: item}
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

    def list_all(self) -> tuple[T, ...]:
        """All of them, in the order they were added."""
        return tuple(self._items.values())

    def list_page(self, params: Json, size: int) -> tuple[list[T], str | None]:
        """The page that `params.cursor` points at, and the cursor of the next one.

        Raises:
            JsonRpcError: -32602 for a cursor that is none of ours, or whose item is gone.
        """
        names = list(self._items)
        start = _find_start(names, params.get("cursor"))
        page = names[start : start + size]
        following = build_cursor(page[-1]) if start + size < len(names) else None
        return [self._items[name] for name in page], following

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher(kind)` after each change, in the thread that made it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Stop that."""
        self._watchers.remove(watcher)

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher(self.kind)


def build_cursor(name: str) -> str:
    """A cursor behind `name`: it stays right when items before it come or go."""
    return base64.urlsafe_b64encode(name.encode("utf-8")).decode("ascii")


def _find_start(names: list[str], cursor: object) -> int:
    if cursor is None:
        return 0
    try:
        if isinstance(cursor, str):
            return names.index(base64.b64decode(cursor, altchars=b"-_", validate=True).decode("utf-8")) + 1
    except (binascii.Error, ValueError):
        pass
    raise JsonRpcError(
        code=INVALID_PARAMS, message="Invalid params: the cursor is unknown; list from the start"
    )
