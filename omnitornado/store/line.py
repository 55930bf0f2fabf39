"""One topic of a bus, spoken on in order and never waited for."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from omnitornado.store.bus import Bus, Subscription
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.store")

MAX_WAITING = 10_000
"""Messages that wait for the bus; the oldest are lost beyond."""

M = TypeVar("M")


class Line(Generic[M]):
    """What this process says and hears on a topic. Belongs to the event loop: `start`, finally `close`.

    On the bus a message stands behind the name of the process it is from: `node` is this one's.
    """

    def __init__(self, bus: Bus, topic: str, messages: Any, *, token_bytes: Callable[[int], bytes]) -> None:
        """`messages`: the type of all that is said there."""
        self.node = token_bytes(8)
        self._bus = bus
        self._topic = topic
        self._decoder: msgspec.msgpack.Decoder[tuple[bytes, M]] = msgspec.msgpack.Decoder(
            tuple[bytes, messages]
        )
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._sending: asyncio.Task[None] | None = None

    def start(self, handle: Callable[[M, bytes], None], *, on_up: Callable[[], None] | None = None) -> None:
        """Call `handle` with what others say from now on, and who. `on_up`: each time the topic is heard
        (again).
        """
        self._sending = asyncio.get_running_loop().create_task(self._send_often())
        self._subscription = self._bus.subscribe(
            self._topic, lambda data: self._hear(data, handle), on_up=on_up
        )

    def tell(self, message: M) -> None:
        """Send to all others, some time soon."""
        self._waiting.append(msgspec.msgpack.encode((self.node, message)))
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

    def _hear(self, data: bytes, handle: Callable[[M, bytes], None]) -> None:
        try:
            node, message = self._decoder.decode(data)
        except msgspec.DecodeError as error:
            # Of another version of this program, or nobody of ours.
            log.warning("a message of another process can't be read: %s", error)
            return
        if node != self.node:
            handle(message, node)

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
