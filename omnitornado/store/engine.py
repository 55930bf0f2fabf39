"""What keeps the state while it is served: the journal it goes to, the sweeping, the snapshots, the recovery.

When a flush fails, the journal takes back what it can't promise and takes no change from then on; what memory
holds is answered from as before. `_recover_often` tries at once, and then again and again, to put all of it
into new files. The first attempt that succeeds ends the outage.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import msgspec

from omnitornado.log import log_event
from omnitornado.store.journal import Journal, NoJournal
from omnitornado.store.lock import StoreLock
from omnitornado.store.memory import Changes, State
from omnitornado.store.outage import Outage, find_reason
from omnitornado.store.snapshot import SnapshotStoppedError, SnapshotWriter
from omnitornado.store.transitions import StoreUnavailable

SWEEP_INTERVAL = 10.0
"""Seconds between two looks for what has expired, and at whether the journal is where it should be."""
LONGEST_RETRY = 30.0
"""Seconds between two attempts at a recovery, at most."""
RETRY_SHARE = 10
"""An attempt that took a second is followed by this many seconds of rest: a large state that doesn't fit must
not keep a full disk busy."""


class StoreStats(msgspec.Struct, frozen=True):
    """How much there is, and how it went so far."""

    records: dict[str, int]
    """By table; what has expired counts until it is swept, up to a minute or so later."""
    journal_bytes: int
    """Size of the current journal."""
    snapshot_at: float | None
    """When the last snapshot was written; None for never, or for a store in memory alone."""
    outage: Outage | None
    """Why every change raises `StoreUnavailable` at the moment; None when all is well."""
    outages: int = 0
    """Since the start."""
    snapshot_failures: int = 0
    """Since the start."""


class Persistence(msgspec.Struct, frozen=True):
    """What a store on files has, and one in memory alone has not."""

    journal: Journal
    snapshots: SnapshotWriter
    lock: StoreLock


class Engine:
    """The state, and everything that makes it last. `files` is None for a store in memory alone.

    `resources` holds the lock and the threads.
    """

    def __init__(
        self,
        state: State,
        files: Persistence | None,
        resources: contextlib.ExitStack,
        *,
        snapshot_interval: float,
        max_journal: int,
        retry_interval: float,
        clock: Callable[[], float],
    ) -> None:
        self.state = state
        self.journal: Journal | NoJournal = NoJournal() if files is None else files.journal
        self.clock = clock
        self.outage: Outage | None = None
        self._files = files
        self._starts_behind = files is not None and files.snapshots.is_behind
        self._resources = resources
        self._snapshot_interval = snapshot_interval
        self._max_journal = max_journal
        self._retry_interval = retry_interval
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._outages = self._snapshot_failures = self._due_size = 0

    def start(self) -> None:
        """Begin flushing, sweeping and writing snapshots, on the running loop."""
        self._stopping, self._failed, self._is_due = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._schedule_snapshot()
        self.journal.start()
        self._begin(self._sweep_often(), "store-sweeper")
        if self._files is not None:
            self._begin(self._write_snapshots(), "store-snapshots")
            self._begin(self._recover_often(self._files), "store-recovery")

    def _begin(self, work: "asyncio._CoroutineLike[None]", name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    def record(self, changes: Changes) -> None:
        """Make the changes of one transition, in memory and in the journal's buffer, in one block.

        One without changes is a refusal: it may be given in an outage too.
        """
        journal = self.journal
        if not changes:
            journal.check_alive()
            return
        journal.check()
        journal.append(changes, self.state.build_undo(changes) if journal.takes_back else ())
        self.state.apply(changes)

    def note(self, changes: Changes) -> None:
        """Make changes that nobody waits for.

        They are not taken back when the disk fails, for they have been answered; in an outage they stand in
        memory alone until a snapshot takes them along.
        """
        if changes and self.journal.is_alive:
            if self.journal.is_open:
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
        if self._files is None:
            return True
        try:
            await self._files.snapshots.write(final=final)
        except (SnapshotStoppedError, StoreUnavailable):
            return False
        except Exception as error:
            self._snapshot_failures += 1
            log_event(
                "store.snapshot_failed",
                level=logging.WARNING,
                reason=find_reason(error),
                detail=error,
                failures=self._snapshot_failures,
            )
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
                await self._save_finally()
            await self.journal.close()
        finally:
            self._resources.close()
        if self.outage is not None:
            log_event("store.closed_failing", level=logging.WARNING, reason=self.outage.reason)

    async def _stop_tasks(self) -> None:
        self._stopping.set()
        self._failed.set()
        self._is_due.set()
        if self._files is not None:
            self._files.snapshots.stop()
        await asyncio.gather(*self._tasks)

    async def _save_finally(self) -> None:
        if self._files is not None and self.outage is not None:
            await self._recover(self._files, final=True)
        if self.outage is None:
            await self.save_snapshot(final=True)

    def find_stats(self) -> StoreStats:
        return StoreStats(
            records={name: len(table) for name, table in self.state.tables.items()},
            journal_bytes=self.journal.size,
            snapshot_at=None if self._files is None else self._files.snapshots.written_at,
            outage=self.outage,
            outages=self._outages,
            snapshot_failures=self._snapshot_failures,
        )

    # What goes on in the background

    async def _sweep_often(self) -> None:
        while not await self._is_stopped_within(SWEEP_INTERVAL):
            await self.sweep()
            if self._files is not None:
                await self._files.journal.probe()

    async def _write_snapshots(self) -> None:
        if self._starts_behind:
            # After a crash: what stands in the journals starts over as one file known to be whole.
            await self.save_snapshot()
        while not self._stopping.is_set():
            self._schedule_snapshot()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_due.wait(), self._snapshot_interval)
            if self.outage is None and not self._stopping.is_set():  # an outage ends with a snapshot
                await self.save_snapshot()

    def _schedule_snapshot(self) -> None:
        """Settle how large the journal may become before the next one. Counted from here: one that fails is
        not tried again with each change.
        """
        self._is_due.clear()
        if self._files is not None:
            growth = max(self._max_journal, self._files.snapshots.size)
            self._due_size = self._files.journal.size + growth

    def note_written(self) -> None:
        """The journal has grown."""
        if self.journal.size >= self._due_size:
            self._is_due.set()

    def note_failure(self, error: BaseException) -> None:
        """The journal can't be written; it has taken back what it can't promise."""
        reason = find_reason(error)
        log_event("store.failed", level=logging.CRITICAL, reason=reason, detail=error)
        self.outage = Outage(reason=reason, detail=str(error), began_at=self.clock())
        self._outages += 1
        self._failed.set()

    async def _recover_often(self, files: Persistence) -> None:
        while True:
            await self._failed.wait()
            self._failed.clear()
            while self.outage is not None:
                started = time.monotonic()
                if await self._recover(files):
                    break
                rest = RETRY_SHARE * (time.monotonic() - started)
                if await self._is_stopped_within(min(max(self._retry_interval, rest), LONGEST_RETRY)):
                    return
            if self._stopping.is_set():
                return

    async def _recover(self, files: Persistence, *, final: bool = False) -> bool:
        outage = self.outage
        assert outage is not None  # noqa: S101 - for the type checker: both callers have looked
        try:
            await files.snapshots.recover(files.lock, final=final)
        except SnapshotStoppedError:
            return False
        except Exception as error:
            reason = find_reason(error)
            if (reason, str(error)) != (outage.reason, outage.detail):
                log_event("store.still_failing", level=logging.WARNING, reason=reason, detail=error)
                self.outage = Outage(reason=reason, detail=str(error), began_at=outage.began_at)
            return False
        self.outage = None
        seconds = round(self.clock() - outage.began_at, 1)
        log_event("store.recovered", level=logging.WARNING, reason=outage.reason, seconds=seconds)
        return True

    async def _is_stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()
