"""A bounded pool of threads for sync tools.

Our choice: a thread can't be killed, so its slot is taken until the tool returns, also when the call has
ended long ago. The threads are daemons: a tool that never returns must not keep the server from stopping.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Any]
Finished: TypeAlias = tuple[Any, BaseException | None]
"""The return value, or the exception."""


class PoolBusyError(Exception):
    """No thread came free in time."""


class ToolThreads:
    """At most `count` tools at a time, each in a thread of its own. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._slots = asyncio.Semaphore(count)
        self._queue: queue.SimpleQueue[tuple[Work, asyncio.Future[Finished]] | None] = queue.SimpleQueue()
        self._started = 0
        self.busy = 0

    async def submit(self, work: Work, *, patience: float) -> asyncio.Future[Finished]:
        """Start work in a thread.

        Args:
            work: what to run.
            patience: seconds to wait for a free thread.

        Raises:
            PoolBusyError: none came free.
        """
        if self._slots.locked():
            try:
                await asyncio.wait_for(self._slots.acquire(), patience)
            except TimeoutError:
                raise PoolBusyError from None
        else:
            await self._slots.acquire()
        self.busy += 1
        if self._started < self._count:
            self._started += 1
            threading.Thread(target=self._run, name=f"tool-{self._started}", daemon=True).start()
        future: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._queue.put((work, future))
        return future

    def close(self) -> None:
        """Let idle threads end. One that is stuck in a tool is left behind."""
        for _ in range(self._started):
            self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future = item
            finished: Finished
            try:
                finished = (None if future.cancelled() else work()), None
            except BaseException as error:  # a tool that calls sys.exit() has failed, and no more
                finished = None, error
            try:
                future.get_loop().call_soon_threadsafe(self._finish, future, finished)
            except RuntimeError:
                return  # the loop is closed: nobody is left to tell
            del item, work, future, finished

    def _finish(self, future: asyncio.Future[Finished], finished: Finished) -> None:
        self.busy -= 1
        self._slots.release()
        if not future.done():
            future.set_result(finished)
