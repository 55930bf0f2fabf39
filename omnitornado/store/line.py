"""One topic of a bus, spoken on in order and never waited for."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from omnitornado.store.bus import Bus, Subscription
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.store")

MAX_WAITING = 10_000
"""Messages that wait for the bus; the oldest are lost beyond."""


class Line:
    """What this process says and hears on a topic. Belongs to the event loop: `start`, finally `close`."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._sending: asyncio.Task[None] | None = None

    def start(self, handle: Callable[[bytes], None], *, on_up: Callable[[], None] | None = None) -> None:
        """Hear from now on. `on_up`: each time the topic is heard (again)."""
        self._sending = asyncio.get_running_loop().create_task(self._send_often())
        self._subscription = self._bus.subscribe(self._topic, handle, on_up=on_up)

    def tell(self, message: bytes) -> None:
        """Send to all, some time soon."""
        self._waiting.append(message)
        self._wake.set()

    async def close(self) -> None:
        """Hear no more, and send what waits. Calling it again does nothing."""
        if self._subscription is None or self._sending is None:
            return
        self._subscription.close()
        self._subscription = None
        self._sending.cancel()
        await asyncio.wait({self._sending})
        await self._send()

    async def _send_often(self) -> None:
        while True:
            await self._send()
            self._wake.clear()
            if not self._waiting:
                await self._wake.wait()

    async def _send(self) -> None:
        while self._waiting:
            try:
                await self._bus.publish(self._topic, self._waiting.popleft())
            except StoreUnavailable:
                log.debug("a message to the other processes was lost")
