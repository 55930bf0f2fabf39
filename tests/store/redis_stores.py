"""Several `RedisStore`s on one Redis, as several servers have them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from omnitornado.store.redis.store import RedisStore

from .redis_server import PATIENCE, RedisServer
from .samples import Clock


@contextlib.asynccontextmanager
async def opened(server: RedisServer, count: int = 1, **options: Any) -> AsyncIterator[list[RedisStore]]:
    """So many stores, each started. By default an answer is kept for ten minutes."""
    settled: dict[str, Any] = {"clock": Clock(), "cache": 600.0} | options
    stores = [RedisStore.open(server.url, **settled) for _ in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        for store in stores:
            await store.start()
            stack.push_async_callback(store.close)
        for store in stores:
            await until(lambda store=store: store.bus.is_up)  # type: ignore[misc]
        yield stores


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    give_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up_at, "it never came to be so"
        await asyncio.sleep(0.005)
