"""Loading: what the files hold (`reading.py`), and what must be put right before anyone is answered from it.

1. Read everything. Where that refuses, nothing has been changed.
2. Remove what a killed process left half made: temporary files, and journals older than the snapshot.
3. Write anew, each under its name and on the disk:
   - a journal with an unfinished write at its end, without it (reported);
   - the last journal that says anything: its process may have been killed because its fsync failed, and then
     the system shows pages that it has given up on, and an fsync of the same file would succeed without
     having written them;
   - a journal in an older format, so that none holds what its header does not say.
   A snapshot in an older format is replaced by the first new one, which does not wait for its interval.
"""

import contextlib
import logging

import msgspec

from omnitornado.log import log_event
from omnitornado.store.files import Files, Layout
from omnitornado.store.header import FORMAT_VERSION, HEADER_SIZE, JOURNAL_MAGIC, build_header
from omnitornado.store.memory import State
from omnitornado.store.reading import JournalReading, OnProgress, Reading, read_store

logger = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True):
    """Where the last journal stands."""

    covered: int
    """The generation that the snapshot names; 1 where there is none, 0 where a new one is due at once."""
    generation: int
    """The last journal's; 0 when there are no files yet."""
    size: int
    frames: int
    snapshot_at: float | None
    """When the snapshot was written; None where there is none."""
    snapshot_size: int = 0
    """Bytes; 0 where there is none."""


def load(
    layout: Layout, files: Files, state: State, now: float, on_progress: OnProgress | None = None
) -> Recovered:
    """Fill `state`. Raises: StoreDamaged rather than start with less than was promised; StoreNewer;
    OSError.
    """
    reading = read_store(layout, files, state, now, on_progress)
    for leftover in layout.find_leftovers():
        logger.info("removing %s: left by a process that was stopped while writing it", leftover)
        files.remove(leftover)
    for generation in layout.find_journals():
        if generation < reading.covered:
            files.remove(layout.build_journal(generation))
    sizes = [_put_right(layout, files, reading, journal) for journal in reading.journals]
    snapshot = reading.snapshot
    is_old = snapshot is not None and snapshot.header.is_old
    if is_old:
        log_event("store.migrated", to=FORMAT_VERSION)
    if not reading.journals:
        return Recovered(reading.covered, generation=0, size=0, frames=0, snapshot_at=None)
    last = reading.journals[-1]
    return Recovered(
        covered=0 if is_old else reading.covered,
        generation=last.header.generation,
        size=sizes[-1],
        frames=last.frames,
        snapshot_at=None if snapshot is None else snapshot.written_at,
        snapshot_size=0 if snapshot is None else files.stat(layout.snapshot).st_size,
    )


def _put_right(layout: Layout, files: Files, reading: Reading, journal: JournalReading) -> int:
    """Write a journal anew where it needs it; gives its size."""
    if journal.torn:
        logger.warning(
            "%s: record %d (at byte %d): %s; cutting off %d bytes that were never confirmed",
            journal.path,
            journal.frames + 1,
            journal.size,
            journal.tear,
            journal.torn,
        )
    said_last = [one for one in reading.journals if one.frames][-1:]
    if journal.torn or journal.header.is_old or journal in said_last:
        return _rewrite_journal(layout, files, journal)
    return journal.size


def _rewrite_journal(layout: Layout, files: Files, journal: JournalReading) -> int:
    """A journal's sound frames in a new file under its name, on the disk; gives its size."""
    generation = journal.header.generation
    temporary = layout.build_journal_temporary(generation)
    fd = files.create(temporary)
    try:
        files.write(fd, build_header(JOURNAL_MAGIC, generation))
        files.copy_range(journal.path, fd, journal.header.size, journal.size)
        files.fsync(fd)
        files.replace(temporary, journal.path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove(temporary)
        raise
    finally:
        files.close(fd)
    return HEADER_SIZE + journal.size - journal.header.size
