"""Opening a store: the lock first, then what the files hold, then everything that keeps it."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from omnitornado.store.engine import Engine, Persistence
from omnitornado.store.errors import StoreError
from omnitornado.store.files import Files, Layout
from omnitornado.store.header import HEADER_SIZE
from omnitornado.store.journal import Durability, Journal, create_journal
from omnitornado.store.lock import StoreLock
from omnitornado.store.memory import State
from omnitornado.store.reading import OnProgress
from omnitornado.store.recovery import Recovered, load
from omnitornado.store.snapshot import SnapshotWriter

MAX_JOURNAL = 64 * 1024 * 1024
"""Bytes."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a store is kept; `EmbeddedStore.open` says what they are. Times in seconds."""

    durability: Durability
    snapshot_interval: float
    max_journal: int
    """Bytes."""
    retry_interval: float
    stall_limit: float
    on_progress: OnProgress | None


def open_engine(path: Path | None, options: Options, clock: Callable[[], float], files: Files) -> Engine:
    """Take the lock, load, and stand ready to start. Raises: StoreError."""
    with contextlib.ExitStack() as resources:
        state = State()
        kept = None
        if path is not None:
            kept = _open_files(Layout(path, files), resources, state, options, clock, files)
        engine = Engine(
            state,
            kept,
            resources.pop_all(),
            snapshot_interval=options.snapshot_interval,
            max_journal=options.max_journal,
            retry_interval=options.retry_interval,
            clock=clock,
        )
    if kept is not None:
        kept.journal.on_failure = engine.note_failure
        kept.journal.on_written = engine.note_written
    return engine


def _open_files(
    layout: Layout,
    resources: contextlib.ExitStack,
    state: State,
    options: Options,
    clock: Callable[[], float],
    files: Files,
) -> Persistence:
    lock = StoreLock(layout)
    resources.callback(lock.close)
    position, fd = _load_files(layout, files, state, clock(), options.on_progress)
    # A thread each: what one of them does happens in order, and neither waits for the other.
    flushing = resources.enter_context(ThreadPoolExecutor(1, "store-journal"))
    writing = resources.enter_context(ThreadPoolExecutor(1, "store-snapshot"))
    journal = Journal(
        layout,
        files,
        flushing,
        fd=fd,
        position=position,
        durability=options.durability,
        undo=state.apply,
        stall_limit=options.stall_limit,
    )
    snapshots = SnapshotWriter(
        layout, files, writing, state=state, journal=journal, clock=clock, position=position
    )
    return Persistence(journal, snapshots, lock)


def _load_files(
    layout: Layout, files: Files, state: State, now: float, on_progress: OnProgress | None
) -> tuple[Recovered, int]:
    """Where the journal stands, and its descriptor."""
    try:
        recovered = load(layout, files, state, now, on_progress)
        if recovered.generation:
            journal = layout.build_journal(recovered.generation)
            return recovered, files.open_append(journal, recovered.size)
        fd = create_journal(layout, files, recovered.covered)
        return msgspec.structs.replace(recovered, generation=recovered.covered, size=HEADER_SIZE), fd
    except OSError as error:
        file = Path(error.filename) if isinstance(error.filename, str) else layout.snapshot
        raise StoreError(file, error.strerror or str(error)) from error
