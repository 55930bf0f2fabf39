"""The line to Redis: a pool of connections, a time-out for everything, and what is known of its health.

Nothing is sent twice: whether a script whose answer did not come has run is not known, and a code redeemed a
second time would count as stolen.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from omnitornado.config.store import hide_secrets
from omnitornado.log import log_event
from omnitornado.store.outage import Outage
from omnitornado.store.redis.reasons import AWAY, READ_ONLY, TIMED_OUT, find_reason
from omnitornado.store.redis.scripts import Script
from omnitornado.store.transitions import StoreUnavailable

PAUSE = 0.5
"""Seconds between two attempts while Redis does not answer; who comes meanwhile is refused at once."""
CONNECTIONS = 32
"""Commands under way at once, at most; the others wait for their turn, within the same time-out."""


class Target(msgspec.Struct, frozen=True):
    """Where Redis is, and how it is spoken to."""

    url: str
    """As the configuration has it; may hold a password."""
    prefix: str
    """What every key and channel begins with."""
    timeout: float
    """Seconds that a command may take, connecting and waiting for a connection included."""

    @property
    def address(self) -> str:
        """The URL without what is secret: for the log and for people."""
        return hide_secrets(self.url)

    def __repr__(self) -> str:
        return f"Target({self.address!r})"


class Link:
    """Commands and scripts for one Redis. Every method raises `StoreUnavailable` where it takes none."""

    def __init__(self, target: Target, clock: Callable[[], float]) -> None:
        self.target = target
        self.outage: Outage | None = None
        self.outages = 0
        self.is_starting = True
        """Until then a failure is the start's to tell of."""
        self.generation = 0
        """Goes up where all connections are to be opened anew."""
        self.has_failed = asyncio.Event()
        self._clock = clock
        self._silent_until = 0.0
        self.client: Redis = Redis(connection_pool=_build_pool(target), protocol=2)
        self._execute: Any = self.client.execute_command

    async def call(self, *command: Any) -> Any:
        """One command."""
        return await self._ask(lambda: self._execute(*command))

    async def run(self, script: Script, now: float, *args: Any) -> Any:
        """One transition. `args` are its ARGV from the second on; numbers keep every digit."""
        rest = (1, self.target.prefix, *map(_build_argument, (now, *args)))
        return await self._ask(lambda: self._evaluate(script, rest))

    async def _evaluate(self, script: Script, rest: Sequence[Any]) -> Any:
        try:
            return await self._execute("EVALSHA", script.digest, *rest)
        except NoScriptError:
            # It has not run: Redis was restarted, or told to forget. Sending it whole keeps it as well.
            return await self._execute("EVAL", script.text, *rest)

    async def _ask(self, ask: Callable[[], Any]) -> Any:
        self._check_silence()
        try:
            async with asyncio.timeout(self.target.timeout):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            if find_reason(error) == READ_ONLY:
                await self._reconnect()
            raise StoreUnavailable(f"redis: {find_reason(error)}") from error
        if self.outage is not None and self.outage.reason in AWAY:
            self.note_recovery()
        return answer

    async def _reconnect(self) -> None:
        """Ask for the address anew: after a failover the name may stand for another machine."""
        self.generation += 1
        await self.client.connection_pool.disconnect(inuse_connections=False)

    def _check_silence(self) -> None:
        """Let one request at a time find out whether Redis is back; refuse the others at once."""
        if self.outage is None or self.outage.reason not in AWAY:
            return
        instant = time.monotonic()
        if instant < self._silent_until:
            raise StoreUnavailable(f"redis: {self.outage.reason}")
        self._silent_until = instant + self.target.timeout

    def note_failure(self, error: BaseException) -> None:
        """Redis did not take a command. A script that was stopped halfway is one that has not run."""
        reason, detail = find_reason(error), str(error) or TIMED_OUT
        self._silent_until = time.monotonic() + PAUSE
        self.has_failed.set()
        if self.outage is None:
            if not self.is_starting:
                log_event("store.failed", level=logging.CRITICAL, reason=reason, detail=detail)
            self.outages += 1
            self.outage = Outage(reason=reason, detail=detail, began_at=self._clock())
        elif reason != self.outage.reason:
            if not self.is_starting:
                log_event("store.still_failing", level=logging.WARNING, reason=reason, detail=detail)
            self.outage = Outage(reason=reason, detail=detail, began_at=self.outage.began_at)

    def note_recovery(self) -> None:
        """Redis takes changes again."""
        outage, self.outage = self.outage, None
        if outage is not None and not self.is_starting:
            seconds = round(self._clock() - outage.began_at, 1)
            log_event("store.recovered", level=logging.WARNING, reason=outage.reason, seconds=seconds)

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


def _build_pool(target: Target) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        target.url,
        max_connections=CONNECTIONS,
        timeout=target.timeout,
        socket_timeout=target.timeout,
        socket_connect_timeout=target.timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="omnitornado",
    )


def _build_argument(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value
