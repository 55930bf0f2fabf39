"""`RedisStore`: the shared engine behind the one interface of the store."""

import asyncio
import secrets
import time
from collections.abc import Callable

import msgspec

from omnitornado.store.errors import StoreRefused
from omnitornado.store.limits import Limits
from omnitornado.store.redis.approvals import ApprovalsPart
from omnitornado.store.redis.bus import RedisBus
from omnitornado.store.redis.cache import AccessCache
from omnitornado.store.redis.clients import ClientsPart
from omnitornado.store.redis.grants import GrantsPart
from omnitornado.store.redis.link import Link, Target
from omnitornado.store.redis.nodes import NodesPart
from omnitornado.store.redis.opening import build_refusal, check_server, open_link
from omnitornado.store.redis.scripts import build_scripts
from omnitornado.store.redis.sessions import SessionsPart
from omnitornado.store.transitions import StoreUnavailable

PREFIX = "{omnitornado}:"
"""What every key begins with. The braces are a hash tag: all keys of one server share a slot."""
FORMAT = b"1"
"""How records are packed (`fields.py`): a field more or less there is another format."""
REVOKED = "revoked"
"""The topic of what was revoked; `prelude.lua` publishes it."""


class RedisStore(ClientsPart, ApprovalsPart, GrantsPart, SessionsPart, NodesPart):
    """The `Store` of several processes: `open`, then `await start()` on the loop that serves, finally
    `close()`.
    """

    @classmethod
    def open(
        cls,
        url: str,
        *,
        prefix: str = PREFIX,
        timeout: float = 5.0,
        patience: float = 10.0,
        cache: float = 2.0,
        clock: Callable[[], float] = time.time,
        max_unused_clients: int = 1000,
        limits: Limits | None = None,
    ) -> "RedisStore":
        """Nothing is asked yet. In seconds: `timeout`, for each command; `patience`, how long the start waits
        for Redis; `cache`, how long an access token that was found is answered for from memory, 0 for
        never.
        """
        caps = msgspec.structs.replace(limits or Limits(), unused_clients=max_unused_clients)
        link = Link(Target(url, prefix, timeout), clock)
        store = cls(link, build_scripts(caps), AccessCache(cache), clock, secrets.token_hex(8))
        store._patience = patience
        return store

    _patience: float
    _bus: RedisBus | None = None
    _tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Wait for Redis, look at it, and begin to listen. Raises: StoreRefused."""
        try:
            await open_link(self._link, patience=self._patience)
            await check_server(self._link)
            await self._prepare()
            self._link.is_starting = False
        except BaseException:
            await self._link.close()
            raise
        self._bus = RedisBus(self._link)
        self._bus.subscribe(REVOKED, self._cache.forget, on_up=self._cache.open, on_down=self._cache.close)
        loop = asyncio.get_running_loop()
        self._tasks = (
            loop.create_task(self._bus.listen(), name="store-bus"),
            loop.create_task(self._beat_often(), name="store-beat"),
        )

    async def _prepare(self) -> None:
        """Send the scripts, and see that a change is taken."""
        try:
            for script in self._scripts.values():
                await self._link.call("SCRIPT LOAD", script.text)
            await self.beat()
            known = await self.find_or_create_key("format", FORMAT, now=self._clock())
        except StoreUnavailable:
            raise build_refusal(self._link) from None
        if known != FORMAT:
            reason = (
                f"its state has format {known.decode(errors='replace')}, this version knows {FORMAT.decode()}"
            )
            raise StoreRefused(self._link.target.address, reason)

    async def close(self) -> None:
        """Give up the connections. Calling it again does nothing."""
        tasks, self._tasks = self._tasks, ()
        await asyncio.gather(*map(_end, tasks))
        if tasks:
            await self._leave()
        await self._link.close()

    @property
    def bus(self) -> RedisBus:
        """Messages to the other processes; from `start` on."""
        assert self._bus is not None, "the store has not been started"  # noqa: S101
        return self._bus

    @property
    def outage(self) -> str | None:
        return None if self._link.outage is None else self._link.outage.reason


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it until it is over: under Python 3.11 `wait_for`, which the client uses, may swallow one."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.05)
