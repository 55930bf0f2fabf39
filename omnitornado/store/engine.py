"""What keeps the state: the files it came from, the journal it goes to, the sweeping and the snapshots."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from omnitornado.store.errors import StoreError
from omnitornado.store.files import Files, Layout, lock_store
from omnitornado.store.framing import HEADER_SIZE
from omnitornado.store.journal import Durability, Journal, NoJournal, create_journal
from omnitornado.store.memory import Changes, State
from omnitornado.store.recovery import Recovered, load
from omnitornado.store.snapshot import SnapshotStoppedError, SnapshotWriter

logger = logging.getLogger(__name__)

SWEEP_INTERVAL = 10.0
"""Seconds between two looks for what has expired."""


class StoreStats(msgspec.Struct, frozen=True):
    """How much there is."""

    records: dict[str, int]
    """By table; what has expired counts until it is swept, up to a minute or so later."""
    journal_bytes: int
    """Size of the current journal."""
    snapshot_at: float | None
    """When the last snapshot was written; None for never, or for a store in memory alone."""
    failed: bool
    """Whether the journal has failed, so that every transition raises `StoreUnavailable`."""


class Engine:
    """The state, and everything that makes it last. `snapshots` is None for a store in memory alone."""

    def __init__(
        self,
        state: State,
        journal: Journal | NoJournal,
        snapshots: SnapshotWriter | None,
        resources: contextlib.ExitStack,
        *,
        snapshot_interval: float,
        clock: Callable[[], float],
    ) -> None:
        self.state = state
        self.journal = journal
        self.clock = clock
        self._snapshots = snapshots
        self._starts_behind = snapshots is not None and snapshots.is_behind
        self._resources = resources
        self._snapshot_interval = snapshot_interval
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        """Begin flushing, sweeping and writing snapshots, on the running loop."""
        self._stopping = asyncio.Event()
        self.journal.start()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._sweep_often(), name="store-sweeper"))
        if self._snapshots is not None:
            self._tasks.append(loop.create_task(self._write_snapshots(), name="store-snapshots"))

    def record(self, changes: Changes) -> None:
        """Make the changes of one transition, in memory and in the journal's buffer, in one block."""
        self.journal.check()
        if changes:
            self.journal.append(changes)
            self.state.apply(changes)

    def note(self, changes: Changes) -> None:
        """Make changes that nobody waits for, and that it costs nothing to lose."""
        if changes and self.journal.is_open:
            self.journal.append(changes, urgent=False)
            self.state.apply(changes)

    async def settle(self, key: str | bytes) -> None:
        """Return once what memory holds under `key` may be answered from."""
        if not self.journal.is_settled(key):
            await self.journal.wait()

    async def sweep(self) -> None:
        """Forget all that is due, in bounded slices. Not journalled: a load finds it expired as well."""
        looked_at = 1
        while looked_at:
            looked_at = self.state.sweep(self.clock())
            await asyncio.sleep(0)

    async def save_snapshot(self, *, final: bool = False) -> bool:
        """Write a snapshot now. False, and logged, where that failed: the journals have it all."""
        if self._snapshots is None:
            return True
        try:
            await self._snapshots.write(final=final)
        except SnapshotStoppedError:
            return False
        except Exception as error:
            logger.warning("the snapshot could not be written, the journals are kept: %s", error)
            return False
        return True

    async def close(self) -> None:
        """Stop the tasks, flush, write the final snapshot, and give up the lock."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._tasks:
                await self._stop_tasks()
            if self._snapshots is not None and self.journal.failure is None and self._tasks:
                await self.save_snapshot(final=True)
            await self.journal.close()
        finally:
            self._resources.close()
        if self.journal.failure is not None:
            logger.warning("closed after a failure; what was not confirmed may be lost")

    async def _stop_tasks(self) -> None:
        self._stopping.set()
        if self._snapshots is not None:
            self._snapshots.stop()
        await asyncio.gather(*self._tasks)

    def find_stats(self) -> StoreStats:
        return StoreStats(
            records={name: len(table) for name, table in self.state.tables.items()},
            journal_bytes=self.journal.size,
            snapshot_at=None if self._snapshots is None else self._snapshots.written_at,
            failed=self.journal.failure is not None,
        )

    async def _sweep_often(self) -> None:
        while not await self._is_stopped_within(SWEEP_INTERVAL):
            await self.sweep()

    async def _write_snapshots(self) -> None:
        if self._starts_behind:
            # After a crash: what stands in the journals starts over as one file known to be whole.
            await self.save_snapshot()
        while not await self._is_stopped_within(self._snapshot_interval):
            if self.journal.failure is not None:
                return
            await self.save_snapshot()

    async def _is_stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()


def open_engine(
    path: Path | None,
    *,
    durability: Durability,
    snapshot_interval: float,
    clock: Callable[[], float],
    on_failure: Callable[[BaseException], None] | None,
    files: Files,
) -> Engine:
    """Take the lock, load, and stand ready to start. Raises `StoreError`."""
    resources = contextlib.ExitStack()
    state = State()
    journal: Journal | NoJournal = NoJournal()
    snapshots: SnapshotWriter | None = None
    if path is not None:
        try:
            journal, snapshots = _open_files(
                Layout(path), resources, state, durability, clock, on_failure, files
            )
        except BaseException:
            resources.close()
            raise
    return Engine(state, journal, snapshots, resources, snapshot_interval=snapshot_interval, clock=clock)


def _open_files(
    layout: Layout,
    resources: contextlib.ExitStack,
    state: State,
    durability: Durability,
    clock: Callable[[], float],
    on_failure: Callable[[BaseException], None] | None,
    files: Files,
) -> tuple[Journal, SnapshotWriter]:
    resources.callback(os.close, lock_store(layout))
    position, fd = _load_files(layout, files, state, clock())
    # A thread each: what one of them does happens in order, and neither waits for the other.
    flushing = resources.enter_context(ThreadPoolExecutor(1, "store-journal"))
    writing = resources.enter_context(ThreadPoolExecutor(1, "store-snapshot"))
    journal = Journal(
        layout, files, flushing, fd=fd, position=position, durability=durability, on_failure=on_failure
    )
    return journal, SnapshotWriter(
        layout, files, writing, state=state, journal=journal, clock=clock, position=position
    )


def _load_files(layout: Layout, files: Files, state: State, now: float) -> tuple[Recovered, int]:
    """Where the journal stands, and its descriptor."""
    try:
        recovered = load(layout, files, state, now)
        if recovered.generation:
            journal = layout.build_journal(recovered.generation)
            return recovered, files.open_append(journal, recovered.size)
        fd = create_journal(layout, files, recovered.covered)
        return msgspec.structs.replace(recovered, generation=recovered.covered, size=HEADER_SIZE), fd
    except OSError as error:
        file = Path(error.filename) if isinstance(error.filename, str) else layout.snapshot
        raise StoreError(file, error.strerror or str(error)) from error
