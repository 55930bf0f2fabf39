"""Which processes are there: each says so every few seconds, and fails the tasks of those that no longer do.

Redis's own clock counts, so that no process's clock can make another one look silent. After an outage of
Redis all have been silent: who has just come back waits until the others can have said a word.
"""

import asyncio
import contextlib
import time

from omnitornado.store.redis.tasks import SILENCE, TasksPart
from omnitornado.store.transitions import StoreUnavailable

BEAT = 5.0
"""Seconds between two signs of life; while changes are refused, half a second."""
RETRY = 0.5


class NodesPart(TasksPart):
    """The signs of life of this process. `steady_since`: since when they have come without a break."""

    steady_since: float | None = None

    async def beat(self) -> None:
        """Say that this process is there; a change that Redis takes also ends an outage."""
        silent_for = float(await self._run("beat", self._clock(), self._node))
        self._link.note_recovery()
        if self.steady_since is None or not 0 <= silent_for <= SILENCE:
            self.steady_since = time.monotonic()

    async def look_after_tasks(self) -> int:
        """Fail the tasks of processes that have gone; how many. None as long as this one was not steadily
        there itself.
        """
        if self.steady_since is None or time.monotonic() - self.steady_since < SILENCE:
            return 0
        return await self._interrupt("", self._clock())

    async def _beat_often(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.beat()
                await self.look_after_tasks()
            self._link.has_failed.clear()
            if self._link.outage is not None:
                await asyncio.sleep(RETRY)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._link.has_failed.wait(), BEAT)

    async def _leave(self) -> None:
        """Let the others know that nobody works on this process's tasks any more."""
        with contextlib.suppress(StoreUnavailable):
            await self._link.call("ZADD", f"{self._link.target.prefix}nodes", 0, self._node)
