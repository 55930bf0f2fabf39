"""The journal: an append-only file in which every transition stands before it is answered.

How a change becomes durable:
1. `append`, in the same block of the loop that made the change, encodes it and puts it into the buffer.
2. One flusher takes the whole buffer as one frame, and a thread writes and fsyncs it. Whatever is appended
   meanwhile waits for the next round, so that a hundred waiters share one fsync.
3. `wait` returns after the fsync that covers everything appended (urgently) before it was called.

A round that fails ends the journal: what was in it may or may not be on the disk, and after a failed fsync
the system may forget dirty pages without a word, so that no later fsync can be believed. Every waiter and
every later `check` raises `StoreUnavailable`, and `on_failure` is told once.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal

from omnitornado.store.codec import build_batch, build_entry
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import HEADER_SIZE, JOURNAL_MAGIC, build_frame, build_header
from omnitornado.store.memory import Changes
from omnitornado.store.recovery import Recovered
from omnitornado.store.transitions import StoreUnavailable

Durability = Literal["always", "interval"]

FLUSH_DELAY = 0.5
"""Seconds that a change nobody waits for may stay in the buffer; with the fsync itself, less than one."""


def create_journal(layout: Layout, files: Files, generation: int) -> int:
    """A new journal file with its header, on the disk before it gets its name; gives its descriptor."""
    temporary = layout.build_journal_temporary(generation)
    fd = files.create(temporary)
    try:
        files.write(fd, build_header(JOURNAL_MAGIC, generation))
        files.fsync(fd)
        files.replace(temporary, layout.build_journal(generation))
    except BaseException:
        files.close(fd)
        files.remove(temporary)
        raise
    return fd


class Journal:
    """The live journal. `append` and `is_settled` may be called on the loop's thread alone."""

    def __init__(
        self,
        layout: Layout,
        files: Files,
        executor: Executor,
        *,
        fd: int,
        position: Recovered,
        durability: Durability,
        on_failure: Callable[[BaseException], None] | None,
    ) -> None:
        self.generation = position.generation
        self.size = position.size
        self.failure: BaseException | None = None
        self._layout = layout
        self._files = files
        self._executor = executor
        self._fd = fd
        self._frames = position.frames
        self._always = durability == "always"
        self._on_failure = on_failure
        self._buffer: list[bytes] = []
        self._appended = self._wanted = self._flushed = 0
        self._unsettled: set[str | bytes] = set()
        self._in_flight: set[str | bytes] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin flushing, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._round: asyncio.Future[None] = self._loop.create_future()
        self._flusher = self._loop.create_task(self._run(), name="store-flusher")

    @property
    def is_open(self) -> bool:
        """Whether a change can be taken."""
        return self._flusher is not None and not self._closing and self.failure is None

    def check(self) -> None:
        """Raise `StoreUnavailable` before `start`, after a failure, and from `close` on."""
        if self._flusher is None or self._closing:
            raise StoreUnavailable(
                "the store is closed" if self._closing else "the store has not been started"
            )
        self._check_failure()

    def _check_failure(self) -> None:
        if self.failure is not None:
            raise StoreUnavailable(f"the journal could not be written: {self.failure}") from self.failure

    def append(self, changes: Changes, *, urgent: bool = True) -> None:
        """Buffer one transition. One that isn't urgent is never waited for: on the disk within a second."""
        self._buffer.append(build_entry(changes))
        self._appended += 1
        if urgent and self._always:
            self._wanted = self._appended
            self._unsettled.update(key for _, key, _ in changes)
            self._wake.set()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_DELAY, self._wake.set)

    def is_settled(self, key: str | bytes) -> bool:
        """Whether what `key` holds in memory is what it holds on the disk, as far as durability promises."""
        return key not in self._unsettled and key not in self._in_flight

    async def wait(self) -> None:
        """Return once all that was appended urgently is on the disk."""
        await self._wait_for(self._wanted)

    async def flush(self) -> None:
        """Put all that was appended on the disk, whatever the durability."""
        if self._buffer:
            self._wake.set()
        await self._wait_for(self._appended)

    async def _wait_for(self, target: int) -> None:
        self._check_failure()
        while self._flushed < target:
            # Shielded: a waiter that is cancelled must not cancel the round that others wait for.
            await asyncio.shield(self._round)
            self._check_failure()

    async def rotate(self) -> int:
        """Go on in a new journal file; gives its generation. All earlier changes stand in earlier files.

        The turn keeps rounds out meanwhile, so that the file left behind is whole before the next one exists.
        """
        async with self._turn:
            self.check()
            generation = self.generation + 1
            fd = await self._loop.run_in_executor(
                self._executor, create_journal, self._layout, self._files, generation
            )
            left, self._fd = self._fd, fd
            self.generation, self.size, self._frames = generation, HEADER_SIZE, 0
        with contextlib.suppress(OSError):  # all in it has been fsynced
            self._files.close(left)
        return generation

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in this file, nor waits to."""
        return self._frames == 0 and self._flushed == self._appended

    async def close(self) -> None:
        """Flush what is left, end the flusher and close the file. Never raises: see `failure`."""
        self._closing = True
        if self._flusher is not None:
            self._wake.set()
            await self._flusher
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(OSError):  # what was promised has been fsynced
            self._files.close(self._fd)

    async def _run(self) -> None:
        while self.failure is None and not (self._closing and not self._buffer):
            await self._wake.wait()
            self._wake.clear()
            await self._flush_round()

    async def _flush_round(self) -> None:
        async with self._turn:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            entries, self._buffer = self._buffer, []
            self._in_flight, self._unsettled = self._unsettled, set()
            if entries and self.failure is None:
                await self._write_round(entries)
            # After a failure the keys stay unsettled: what memory says about them was never promised.
            if self.failure is None:
                self._in_flight = set()
        done, self._round = self._round, self._loop.create_future()
        done.set_result(None)

    async def _write_round(self, entries: list[bytes]) -> None:
        try:
            written = await self._loop.run_in_executor(self._executor, self._write, entries)
        except Exception as error:
            self.failure = error
            if self._on_failure is not None:
                self._loop.call_soon(self._on_failure, error)
        else:
            self._frames += 1
            self.size += written
            self._flushed += len(entries)

    def _write(self, entries: list[bytes]) -> int:
        frame = build_frame(self._frames + 1, build_batch(entries))
        self._files.write(self._fd, frame)
        self._files.fsync(self._fd)
        return len(frame)


class NoJournal:
    """For a store in memory alone: every promise is kept by doing nothing."""

    failure: BaseException | None = None
    size = 0
    is_open = True

    def start(self) -> None: ...

    def check(self) -> None: ...

    def append(self, changes: Changes, *, urgent: bool = True) -> None: ...

    def is_settled(self, key: str | bytes) -> bool:
        return True

    async def wait(self) -> None: ...

    async def close(self) -> None: ...
