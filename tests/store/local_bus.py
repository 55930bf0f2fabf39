"""A bus in this process (`omnitornado.store.bus.Bus`), for tests of what goes over one."""

import asyncio
from collections.abc import Callable

from omnitornado.store.bus import Subscription
from omnitornado.store.transitions import StoreUnavailable


class LocalBus:
    """What is sent is heard in the loop's next turn. `heard` has all of it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.is_broken = False
        self._handlers: dict[str, list[Callable[[bytes], None]]] = {}

    async def publish(self, topic: str, message: bytes) -> None:
        if self.is_broken:
            raise StoreUnavailable("the bus is gone")
        self.heard.append(message)
        for handle in list(self._handlers.get(topic, ())):
            asyncio.get_running_loop().call_soon(handle, message)

    def subscribe(
        self,
        topic: str,
        handle: Callable[[bytes], None],
        *,
        on_up: Callable[[], None] | None = None,
        on_down: Callable[[], None] | None = None,
    ) -> Subscription:
        handlers = self._handlers.setdefault(topic, [])
        handlers.append(handle)
        if on_up is not None:
            on_up()
        return Subscription(topic, handle, close=lambda: handlers.remove(handle))
