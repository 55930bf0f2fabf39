"""The journal: an append-only file in which every transition stands before it is answered.

How a change becomes durable:
1. `append`, in the same block of the loop that made the change, encodes it and puts it into the buffer.
2. As long as each turn of the loop brings more changes, they are gathered, for `GATHER` at the most: requests
   that are there already share one fsync, and a single one waits for nobody.
3. One flusher takes the whole buffer as one frame, and a thread writes and fsyncs it, and looks whether the
   file still stands under its name. Whatever is appended meanwhile waits for the next round, so that a
   hundred waiters share one fsync.
4. `wait` returns after the fsync that covers everything appended (urgently) before it was called.

When a round fails, or takes longer than a client would wait:
1. In the same block of the loop, every change that somebody waits for is taken back in memory, the last one
   first, and every waiter raises `StoreUnavailable`. (What nobody waits for has been answered and stays: with
   durability "interval", everything.)
2. From then on no change is taken. Nothing is on its way to the disk either, so that reads never wait.
3. The file is not written to any more: after a failed fsync the system may forget dirty pages without a word,
   so that no later fsync of it can be believed. `prepare` makes the file that follows it; once a snapshot of
   what memory holds is on the disk as well, `resume` goes on in that one (`snapshot.py` runs these steps).
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal, TypeVar

from omnitornado.store.codec import build_batch, build_entry
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import build_frame
from omnitornado.store.header import HEADER_SIZE, JOURNAL_MAGIC, build_header
from omnitornado.store.memory import Changes
from omnitornado.store.recovery import Recovered
from omnitornado.store.transitions import StoreUnavailable

T = TypeVar("T")

Durability = Literal["always", "interval"]

FLUSH_DELAY = 0.5
"""Seconds that a change nobody waits for may stay in the buffer; with the fsync itself, less than one."""

GATHER = 0.002
"""Seconds that a round waits for further changes at most, and only while they keep coming."""


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
        with contextlib.suppress(OSError):
            files.remove(temporary)
        raise
    return fd


class Journal:
    """The live journal. `append` and `is_settled` may be called on the loop's thread alone.

    `undo` makes changes in memory: those that take back what did not reach the disk.
    """

    def __init__(
        self,
        layout: Layout,
        files: Files,
        executor: Executor,
        *,
        fd: int,
        position: Recovered,
        durability: Durability,
        undo: Callable[[Changes], None],
        stall_limit: float,
    ) -> None:
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        """Called right after a failure, in the same block."""
        self.on_written: Callable[[], None] = lambda: None
        """Called after each round that has reached the disk."""
        self.generation = position.generation
        self.size = position.size
        self.failure: BaseException | None = None
        self.takes_back = durability == "always"
        """Whether a change that fails is undone, so that `append` must be told how."""
        self._layout = layout
        self._files = files
        self._executor = executor
        self._fd = fd
        self._frames = position.frames
        self._undo = undo
        self._stall_limit = stall_limit
        self._buffer: list[bytes] = []
        self._pending: list[Changes] = []
        """How to take back what is in the buffer or on its way to the disk, oldest first."""
        self._appended = self._wanted = self._flushed = 0
        self._unsettled: set[str | bytes] = set()
        self._in_flight: set[str | bytes] = set()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        """Who waits, and for how many changes to be on the disk."""
        self._flusher: asyncio.Task[None] | None = None
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin flushing, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._flusher = self._loop.create_task(self._run(), name="store-flusher")

    @property
    def is_open(self) -> bool:
        """Whether a change can be taken."""
        return self._flusher is not None and not self._closing and self.failure is None

    @property
    def is_alive(self) -> bool:
        """Whether it has been started and not closed."""
        return self._flusher is not None and not self._closing

    def check(self) -> None:
        """Raise `StoreUnavailable` before `start`, after a failure, and from `close` on."""
        self.check_alive()
        self._check_failure()

    def check_alive(self) -> None:
        """Raise `StoreUnavailable` before `start` and from `close` on."""
        if not self.is_alive:
            raise StoreUnavailable(
                "the store is closed" if self._closing else "the store has not been started"
            )

    def _check_failure(self) -> None:
        if self.failure is not None:
            raise StoreUnavailable(f"the journal can't be written: {self.failure}") from self.failure

    def append(self, changes: Changes, undo: Changes = (), *, urgent: bool = True) -> None:
        """Buffer one transition, and how to take it back. One that isn't urgent is never waited for, nor
        taken back: on the disk within a second.
        """
        self._buffer.append(build_entry(changes))
        if self.takes_back:
            self._pending.append(undo)
        self._appended += 1
        if urgent and self.takes_back:
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
        """Put all that was appended on the disk, whatever the durability. Raises after a failure."""
        self._check_failure()
        if self._buffer:
            self._wake.set()
        await self._wait_for(self._appended)

    async def _wait_for(self, target: int) -> None:
        if self._flushed < target:
            # A future for each: a waiter that is cancelled must not cancel what others wait for.
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append((target, waiter))
            await waiter

    async def rotate(self) -> int:
        """Go on in a new journal file; gives its generation. All earlier changes stand in earlier files.

        The turn keeps rounds out meanwhile, so that the file left behind is whole before the next one exists.
        """
        async with self._turn:
            self.check()
            generation, fd = await self._create_next()
            self._go_on(generation, fd)
        return generation

    async def _create_next(self) -> tuple[int, int]:
        generation = self.generation + 1
        creating = self._loop.run_in_executor(
            self._executor, create_journal, self._layout, self._files, generation
        )
        return generation, await creating

    def _go_on(self, generation: int, fd: int) -> None:
        left, self._fd = self._fd, fd
        self.generation, self.size, self._frames = generation, HEADER_SIZE, 0
        # All in it has been fsynced, or given up. A close may wait for the disk: not on the loop.
        self._executor.submit(self._files.close, left)

    async def prepare(self) -> tuple[int, int]:
        """After a failure: the file to go on in, with its generation and descriptor. One that an earlier
        attempt left is replaced. Waits for a round that has been given up but still runs.
        """
        async with self._turn:
            return await self._create_next()

    async def drop(self, fd: int) -> None:
        """Close the file of an attempt that failed."""
        await self._loop.run_in_executor(self._executor, self._files.close, fd)

    def resume(self, generation: int, fd: int) -> None:
        """Take changes again, in a file from `prepare`, whose generation the snapshot on the disk names."""
        self._go_on(generation, fd)
        self.failure = None

    async def probe(self) -> None:
        """Look whether the file still stands under its name, as a round would."""
        async with self._turn:
            if self.failure is None:
                await self._attempt(self._check_place)

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
        while not (self._closing and not self._buffer):
            await self._wake.wait()
            await self._gather()
            self._wake.clear()
            await self._flush_round()

    async def _gather(self) -> None:
        latest = self._loop.time() + GATHER
        seen = -1
        while seen != self._appended and not self._closing and self._loop.time() < latest:
            seen = self._appended
            await asyncio.sleep(0)

    async def _flush_round(self) -> None:
        async with self._turn:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            entries, self._buffer = self._buffer, []
            self._in_flight, self._unsettled = self._unsettled, set()
            if entries:
                await self._write_round(entries)
            self._in_flight = set()
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        waiting, self._waiters = self._waiters, []
        for target, waiter in waiting:
            if waiter.done():  # cancelled
                continue
            if target <= self._flushed:
                waiter.set_result(None)
            else:
                self._waiters.append((target, waiter))

    async def _write_round(self, entries: list[bytes]) -> None:
        written = await self._attempt(self._write, entries)
        if written:
            self._frames += 1
            self.size += written
            self._flushed += len(entries)
            del self._pending[: len(entries)]
            self.on_written()

    async def _attempt(self, step: Callable[..., int], *arguments: object) -> int | None:
        """What a step on the thread gives; None, with all that was under way taken back, where it fails or
        stalls.
        """
        done: asyncio.Future[int] = self._loop.create_future()
        timer = self._loop.call_later(self._stall_limit, self._stall, done)
        try:
            self._executor.submit(self._take_step, done, step, *arguments)
            return await done
        except Exception as error:
            self._fail(error)
            return None
        finally:
            timer.cancel()

    def _take_step(self, done: "asyncio.Future[int]", step: Callable[..., int], *arguments: object) -> None:
        """On the thread. Says how it went by one call to the loop, which is most of what a round costs."""
        try:
            outcome: int | Exception = step(*arguments)
        except Exception as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # a loop that has ended, which nobody waits on any more
            self._loop.call_soon_threadsafe(_settle, done, outcome)

    def _stall(self, done: "asyncio.Future[int]") -> None:
        # Whatever becomes of the step: what it writes goes into a file that is given up.
        limit = f"the disk has not answered for {self._stall_limit:g} s"
        _settle(done, TimeoutError(errno.ETIMEDOUT, limit))

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        for undo in reversed(self._pending):
            self._undo(undo)
        self._pending, self._buffer = [], []
        self._unsettled, self._in_flight = set(), set()
        self._flushed = self._appended
        self._executor.submit(self._cut_off, self._fd, self.size)
        waiting, self._waiters = self._waiters, []
        for _, waiter in waiting:
            _settle(waiter, StoreUnavailable("the journal could not be written"))
        self.on_failure(error)

    def _cut_off(self, fd: int, size: int) -> None:
        """Take back in the file, as far as the disk lets us, what was taken back in memory: a crash before
        the recovery should not bring it back.
        """
        with contextlib.suppress(OSError):
            self._files.truncate(fd, size)

    def _write(self, entries: list[bytes]) -> int:
        frame = build_frame(self._frames + 1, build_batch(entries))
        self._files.write(self._fd, frame)
        self._files.fsync(self._fd)
        self._check_place()
        return len(frame)

    def _check_place(self) -> int:
        self._files.check_place(self._fd, self._layout.build_journal(self.generation))
        return 0


def _settle(future: "asyncio.Future[T]", outcome: T | Exception) -> None:
    """Say how it went, unless nobody asks any more."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class NoJournal:
    """For a store in memory alone: every promise is kept by doing nothing."""

    failure: BaseException | None = None
    size = 0
    is_open = is_alive = True
    takes_back = False

    def start(self) -> None: ...

    def check(self) -> None: ...

    def check_alive(self) -> None: ...

    def append(self, changes: Changes, undo: Changes = (), *, urgent: bool = True) -> None: ...

    def is_settled(self, key: str | bytes) -> bool:
        return True

    async def wait(self) -> None: ...

    async def close(self) -> None: ...
