"""A bounded pool of threads for sync tools.

Our choice: a thread can't be killed, so its slot is taken until the tool returns, also when the call has
ended long ago. The threads are daemons: a tool that never returns must not keep the server from stopping.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from omnitornado.mcp.call import Tally

Work: TypeAlias = Callable[[], Any]
Finished: TypeAlias = tuple[Any, BaseException | None]
"""The return value, or the exception."""
Item: TypeAlias = "tuple[Work, asyncio.Future[Finished], Tally | None]"


class PoolBusyError(Exception):
    """No thread came free in time."""


class ToolThreads:
    """At most `count` tools at a time, each in a thread of its own. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._slots = asyncio.Semaphore(count)
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._started = 0
        self.busy = 0

    async def submit(
        self,
        work: Work,
        *,
        patience: float | None,
        stopped: "asyncio.Future[None]",
        tally: Tally | None = None,
    ) -> asyncio.Future[Finished]:
        """Start work in a thread.

        Args:
            work: what to run.
            patience: seconds to wait for a free thread; None for any time.
            stopped: done when nobody waits for the work any more.
            tally: counts it until its thread is free.

        Raises:
            PoolBusyError: no thread came free, or it was stopped before.
        """
        if self._slots.locked():
            await self._wait_for_slot(patience, stopped)
        else:
            await self._slots.acquire()
        self.busy += 1
        if tally is not None:
            tally.begin()
        if self._started < self._count:
            self._started += 1
            threading.Thread(target=self._run, name=f"tool-{self._started}", daemon=True).start()
        future: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._queue.put((work, future, tally))
        return future

    async def _wait_for_slot(self, patience: float | None, stopped: "asyncio.Future[None]") -> None:
        acquiring = asyncio.ensure_future(self._slots.acquire())
        is_held = False
        try:
            await asyncio.wait((acquiring, stopped), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            is_held = acquiring.done() and not stopped.done()
        finally:
            if not is_held and not acquiring.cancel():
                self._slots.release()  # it came free in the same turn
        if not is_held:
            raise PoolBusyError

    def close(self) -> None:
        """Let idle threads end. One that is stuck in a tool is left behind."""
        for _ in range(self._started):
            self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future, tally = item
            finished: Finished
            try:
                finished = (None if future.cancelled() else work()), None
            except BaseException as error:  # a tool that calls sys.exit() has failed, and no more
                finished = None, error
            try:
                future.get_loop().call_soon_threadsafe(self._finish, future, tally, finished)
            except RuntimeError:
                return  # the loop is closed: nobody is left to tell
            del item, work, future, tally, finished

    def _finish(self, future: asyncio.Future[Finished], tally: Tally | None, finished: Finished) -> None:
        self.busy -= 1
        self._slots.release()
        if tally is not None:
            tally.end()
        if not future.done():
            future.set_result(finished)
