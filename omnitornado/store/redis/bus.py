"""The `Bus` of the store (`store/bus.py`) over Redis's pub/sub."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from omnitornado.log import log_event
from omnitornado.store.bus import Handle, Subscription
from omnitornado.store.redis.link import PAUSE, Link

PING_INTERVAL = 5.0
"""Seconds without a message after which Redis is asked whether it is still there."""


class RedisBus:
    """The `Bus` of a process: one connection, opened by `listen` and opened again whenever it breaks."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._topics: dict[str, list[Subscription]] = {}
        self._heard: set[str] = set()
        self._changed = asyncio.Event()
        self._pubsub: PubSub | None = None
        self._asked_at: float | None = None

    @property
    def is_up(self) -> bool:
        return self._pubsub is not None and self._heard.issuperset(self._topics)

    def build_channel(self, topic: str) -> str:
        return f"{self._link.target.prefix}bus:{topic}"

    async def publish(self, topic: str, message: bytes) -> None:
        await self._link.call("PUBLISH", self.build_channel(topic), message)

    def subscribe(
        self,
        topic: str,
        handle: Handle,
        *,
        on_up: Callable[[], None] | None = None,
        on_down: Callable[[], None] | None = None,
    ) -> Subscription:
        subscription = Subscription(topic, handle, on_up, on_down)
        subscription.close = lambda: self._unsubscribe(subscription)
        self._topics.setdefault(topic, []).append(subscription)
        if topic in self._heard and on_up is not None:
            on_up()
        self._changed.set()
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        listeners = self._topics.get(subscription.topic, [])
        if subscription in listeners:
            listeners.remove(subscription)
        if not listeners:
            self._topics.pop(subscription.topic, None)
            self._changed.set()

    # The line

    async def listen(self) -> None:
        """Hear messages until cancelled."""
        while True:
            pubsub = self._link.client.pubsub()
            try:
                await self._listen_on(pubsub)
            except (RedisError, OSError, TimeoutError):
                pass  # the store's own commands say what is wrong
            except Exception as error:
                log_event("store.bus_failed", level=logging.ERROR, detail=repr(error))
            finally:
                self._go_down()
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(PAUSE)

    async def _listen_on(self, pubsub: PubSub) -> None:
        async with asyncio.timeout(self._link.target.timeout):
            await pubsub.subscribe(self.build_channel("hello"))
        self._pubsub, self._asked_at, heard_at = pubsub, None, time.monotonic()
        self._changed.set()
        generation = self._link.generation
        while generation == self._link.generation:
            if self._changed.is_set():
                await self._subscribe_anew(pubsub)
            message = await pubsub.get_message(timeout=1.0)
            if message is not None:
                heard_at, self._asked_at = time.monotonic(), None
                self._take(message)
            elif time.monotonic() - heard_at >= PING_INTERVAL:
                await self._ask(pubsub)

    async def _ask(self, pubsub: PubSub) -> None:
        """Ask for a sign of life; raises TimeoutError where the last one did not come."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            await pubsub.ping()
        elif time.monotonic() - self._asked_at > self._link.target.timeout:
            raise TimeoutError

    async def _subscribe_anew(self, pubsub: PubSub) -> None:
        self._changed.clear()
        gone = self._heard.difference(self._topics)
        new = [topic for topic in self._topics if topic not in self._heard]
        if gone:
            self._heard -= gone
            await pubsub.unsubscribe(*map(self.build_channel, gone))
        if new:
            await pubsub.subscribe(*map(self.build_channel, new))

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        topic = channel.decode().removeprefix(self.build_channel("")) if channel else ""
        listeners = list(self._topics.get(topic, ()))
        if message["type"] == "subscribe" and listeners:
            self._heard.add(topic)
            for listener in listeners:
                if listener.on_up is not None:
                    _call(listener.on_up)
        elif message["type"] == "message":
            for listener in listeners:
                _call(listener.handle, message["data"])

    def _go_down(self) -> None:
        self._pubsub = None
        heard, self._heard = self._heard, set()
        for topic in heard:
            for listener in list(self._topics.get(topic, ())):
                if listener.on_down is not None:
                    _call(listener.on_down)


def _call(listener: Callable[..., None], *args: bytes) -> None:
    """One listener's failure is not the others'."""
    try:
        listener(*args)
    except Exception as error:
        log_event("store.bus_failed", level=logging.ERROR, detail=repr(error))
