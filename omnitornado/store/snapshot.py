"""The snapshot: all of the state in one file, written while transitions go on.

1. Go on in a new journal, generation N. All that happened before stands in older ones, and in memory.
2. Write the state to a temporary file that names N, a slice at a time, giving way to the loop between slices.
   A slice may already hold changes that also stand in journal N: replaying them over it ends the same.
3. Flush the journal. A transition that changed two records, one before and one after its slice was taken, is
   now either wholly in journal N, or the snapshot is given up: half of it alone can't be loaded.
4. fsync the temporary file, rename it over the snapshot, fsync the directory.
5. Only now remove the journals before N.

Killed before 4, the old snapshot and all journals since are there; after it, the new one and journal N are.
One that fails leaves everything as it was; the journals go on from N, and the next one is tried at the next
interval.

After a flush that failed, `recover` runs the same steps with nothing going on meanwhile (no change is taken),
and the journal goes on in N only after 4. Killed on the way, what was there before is there, and what was not
confirmed is in neither.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

from omnitornado.store.codec import build_end, build_piece
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import build_frame
from omnitornado.store.header import HEADER_SIZE, SNAPSHOT_MAGIC, build_header
from omnitornado.store.journal import Journal
from omnitornado.store.lock import StoreLock
from omnitornado.store.memory import State
from omnitornado.store.recovery import Recovered

P = ParamSpec("P")
T = TypeVar("T")

WRITE_SIZE = 256 * 1024
"""Bytes handed to the disk at once, so that as little waits in memory."""


class SnapshotStoppedError(Exception):
    """The store is closing; the final snapshot follows."""


class SnapshotWriter:
    """Writes the snapshots of one store; one at a time.

    `executor` has one thread.
    """

    def __init__(
        self,
        layout: Layout,
        files: Files,
        executor: Executor,
        *,
        state: State,
        journal: Journal,
        clock: Callable[[], float],
        position: Recovered,
    ) -> None:
        self.written_at = position.snapshot_at
        self.size = position.snapshot_size
        """Bytes of the last one."""
        self._covered = position.covered
        self._layout = layout
        self._files = files
        self._executor = executor
        self._state = state
        self._journal = journal
        self._clock = clock
        self._written = 0
        """Bytes of the one being written."""
        self._turn = asyncio.Lock()
        self._stopping = False

    def stop(self) -> None:
        """Give up the one being written."""
        self._stopping = True

    async def write(self, *, final: bool = False) -> None:
        """Write one, unless the last still says all there is. Raises what went wrong, with nothing lost."""
        async with self._turn:
            if final:  # the one that was stopped has given up by now
                self._stopping = False
            if self.written_at is not None and not self.is_behind:
                return
            generation = await self._journal.rotate()
            await self._write_temporary(generation, self._journal.flush)
            await self._put_in_place(generation)
        await self._remove_others(generation)

    async def recover(self, lock: StoreLock, *, final: bool = False) -> None:
        """After a failed flush, put what memory holds on the disk and go on. Raises what is still wrong."""
        async with self._turn:
            if final:
                self._stopping = False
            await self._run(lock.renew)
            generation, fd = await self._journal.prepare()
            try:
                await self._write_temporary(generation)
                await self._put_in_place(generation)
                await self._run(self._files.check_place, fd, self._layout.build_journal(generation))
            except BaseException:
                await self._journal.drop(fd)
                raise
            self._journal.resume(generation, fd)
        await self._remove_others(generation)

    async def _put_in_place(self, generation: int) -> None:
        await self._run(self._files.replace, self._layout.temporary, self._layout.snapshot)
        self.written_at, self._covered = self._clock(), generation
        self.size = self._written

    async def _remove_others(self, generation: int) -> None:
        """Journals that the snapshot has made superfluous. One that stays goes with the next, or at a
        start.
        """
        with contextlib.suppress(OSError):
            for other in await self._run(self._layout.find_journals):
                if other < generation:
                    await self._run(self._files.remove, self._layout.build_journal(other))

    @property
    def is_behind(self) -> bool:
        """Whether the journals say more than the snapshot does."""
        return not self._journal.is_empty or self._journal.generation != self._covered

    async def _write_temporary(
        self, generation: int, flush: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        fd = await self._run(self._files.create, self._layout.temporary)
        try:
            await self._write_slices(fd, generation)
            if flush is not None:
                await flush()
            await self._run(self._files.fsync, fd)
        except BaseException:
            # Not here: a write that was cancelled may still be going on in the executor's one thread.
            self._executor.submit(self._discard, fd)
            raise
        await self._run(self._files.close, fd)

    def _discard(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            self._files.close(fd)
        with contextlib.suppress(OSError):
            self._files.remove(self._layout.temporary)

    async def _write_slices(self, fd: int, generation: int) -> None:
        await self._run(self._files.write, fd, build_header(SNAPSHOT_MAGIC, generation))
        self._written = HEADER_SIZE
        payloads: list[bytes] = []
        count, size, number = 0, 0, 1
        for table in self._state.tables.values():
            for records in table.iterate_slices(table.slice_size):
                payloads.append(build_piece(table.name, records))
                count += len(records)
                size += len(payloads[-1])
                if size >= WRITE_SIZE:
                    await self._run(self._write_frames, fd, number, payloads)
                    number += len(payloads)
                    payloads, size = [], 0
                else:
                    await asyncio.sleep(0)
                if self._stopping:
                    raise SnapshotStoppedError
        payloads.append(build_end(count))
        await self._run(self._write_frames, fd, number, payloads)

    def _write_frames(self, fd: int, number: int, payloads: list[bytes]) -> None:
        frames = [build_frame(at, payload) for at, payload in enumerate(payloads, number)]
        data = b"".join(frames)
        self._files.write(fd, data)
        self._written += len(data)

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, partial(call, *args, **kwargs)
        )
