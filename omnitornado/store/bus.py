"""Messages between the processes that share a store.

A message reaches every process that listens at that moment, its sender included, and is kept nowhere: who
must not miss one looks again when the line is back (`on_up`), and relies on nothing while it is down
(`on_down`).
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

Handle = Callable[[bytes], None]


class Subscription(msgspec.Struct, eq=False):
    """One listener; `close()` ends it."""

    topic: str
    handle: Handle
    on_up: Callable[[], None] | None = None
    on_down: Callable[[], None] | None = None
    close: Callable[[], None] = lambda: None


class Bus(Protocol):
    """Topics are short texts; a message is bytes."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Send to all who listen. Raises: StoreUnavailable."""

    def subscribe(
        self,
        topic: str,
        handle: Handle,
        *,
        on_up: Callable[[], None] | None = None,
        on_down: Callable[[], None] | None = None,
    ) -> Subscription:
        """Hear of a topic from now on. `handle` is called on the event loop and must be quick. `on_up`: each
        time the topic is heard (again), which is soon after this call; `on_down`: each time the line breaks.
        """
