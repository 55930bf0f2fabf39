"""Loading: the snapshot, then every journal from the generation it names.

1. Remove what a killed process left half made: temporary files, and journals older than the snapshot.
2. Read the snapshot. Any damage refuses: it was whole and on the disk before it got its name.
3. The journals must be there without a gap, from the generation the snapshot names (1 where there is none).
4. Replay them. A frame is written only after the frame before it is on the disk, so damage with a sound
   frame behind it is damage to something promised, and refuses; damage with none behind it is a write that
   was cut short and never promised: it is cut off and reported.
5. What has expired is dropped on the way.
6. The last journal that says anything is written anew (`rewrite_journal`) before anyone is answered from it:
   its process may have been killed because its fsync failed, and then the system shows pages that it has
   given up on, and an fsync of the same file would succeed without having written them.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from omnitornado.store.codec import StateDecoder
from omnitornado.store.errors import StoreDamaged
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import (
    HEADER_SIZE,
    JOURNAL_MAGIC,
    SNAPSHOT_MAGIC,
    FrameError,
    build_header,
    has_whole_frame,
    parse_header,
    read_frames,
)
from omnitornado.store.memory import State, Table

logger = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True):
    """Where the last journal stands."""

    covered: int
    """The generation that the snapshot names; 1 where there is none."""
    generation: int
    """The last journal's; 0 when there are no files yet."""
    size: int
    frames: int
    snapshot_at: float | None
    """When the snapshot was written; None where there is none."""
    suspect: tuple[int, int] | None = None
    """Generation and size of the last journal that says anything."""


def load(layout: Layout, files: Files, state: State, now: float) -> Recovered:
    """Fill `state`. Raises `StoreDamaged` rather than start with less than was promised."""
    for leftover in layout.find_leftovers():
        logger.info("removing %s: left by a process that was stopped while writing it", leftover)
        files.remove(leftover)
    loader = _Loader(layout, files, state, now)
    first, snapshot_at = loader.load_snapshot()
    generations = layout.find_journals()
    for old in (generation for generation in generations if generation < first):
        files.remove(layout.build_journal(old))
    generations = [generation for generation in generations if generation >= first]
    if not generations and snapshot_at is None:
        return Recovered(covered=first, generation=0, size=0, frames=0, snapshot_at=None)
    _check_chain(layout, generations, first, has_snapshot=snapshot_at is not None)
    size, frames, suspect = 0, 0, None
    for generation in generations:
        size, frames = loader.replay_journal(generation, generations[-1])
        if frames:
            suspect = (generation, size)
    return Recovered(
        covered=first,
        generation=generations[-1],
        size=size,
        frames=frames,
        snapshot_at=snapshot_at,
        suspect=suspect,
    )


def rewrite_journal(layout: Layout, files: Files, generation: int, size: int) -> int:
    """A journal up to `size` in a new file under its name, all of it on the disk; gives its size."""
    path, temporary = layout.build_journal(generation), layout.build_journal_temporary(generation)
    fd = files.create(temporary)
    try:
        files.write(fd, build_header(JOURNAL_MAGIC, generation))
        files.copy_range(path, fd, HEADER_SIZE, size)
        files.fsync(fd)
        files.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove(temporary)
        raise
    finally:
        files.close(fd)
    return size


def _check_chain(layout: Layout, generations: list[int], first: int, *, has_snapshot: bool) -> None:
    if not generations or generations[0] != first:
        if not has_snapshot:
            raise StoreDamaged(
                layout.snapshot, f"is missing, while journal {generations[0]} that follows it is there"
            )
        raise StoreDamaged(layout.build_journal(first), "is missing, while the snapshot names it")
    for expected, found in enumerate(generations, first):
        if found != expected:
            raise StoreDamaged(layout.build_journal(expected), f"is missing, while journal {found} is there")


@contextlib.contextmanager
def _naming(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except msgspec.DecodeError as error:
        raise StoreDamaged(path, f"record {number}: {error}") from error


class _Loader:
    def __init__(self, layout: Layout, files: Files, state: State, now: float) -> None:
        self._layout = layout
        self._files = files
        self._state = state
        self._decoder = StateDecoder(state)
        self._now = now

    def load_snapshot(self) -> tuple[int, float | None]:
        """The generation of the journal that follows it, and when it was written; (1, None) without one."""
        path = self._layout.snapshot
        try:
            opened = self._files.open_read(path)
        except FileNotFoundError:
            return 1, None
        with opened as file:
            generation = parse_header(file.read(HEADER_SIZE), SNAPSHOT_MAGIC, path)
            number, count, end = 0, 0, None
            try:
                for number, payload in read_frames(file):
                    with _naming(path, number):
                        piece = self._decoder.parse_piece(payload)
                    if isinstance(piece, int):
                        end = piece
                    else:
                        self._put_all(*piece)
                        count += len(piece[1])
            except FrameError as damage:
                raise StoreDamaged(path, str(damage)) from damage
        if end != count:
            raise StoreDamaged(path, f"record {number + 1}: missing; the file ends early")
        return generation, self._files.stat(path).st_mtime

    def _put_all(self, table: Table[Any, Any], records: dict[Any, Any]) -> None:
        for key, record in records.items():
            if not table.is_past(record, self._now):
                table.put(key, record)

    def replay_journal(self, generation: int, last: int) -> tuple[int, int]:
        """The size up to its last sound frame, and how many it has."""
        path = self._layout.build_journal(generation)
        with self._files.open_read(path) as file:
            if parse_header(file.read(HEADER_SIZE), JOURNAL_MAGIC, path) != generation:
                raise StoreDamaged(path, "record 0: the generation in it is not the one in its name")
            number = 0
            try:
                for number, payload in read_frames(file):
                    with _naming(path, number):
                        self._apply(payload)
            except FrameError as damage:
                file.seek(damage.offset + 1)
                if has_whole_frame(file.read()) or self._has_frames(generation + 1, last):
                    raise StoreDamaged(path, str(damage)) from damage
                self._cut_tail(path, damage)
                return damage.offset, number
            return file.tell(), number

    def _apply(self, payload: bytes) -> None:
        for name, key, record in self._decoder.parse_batch(payload):
            table = self._state.tables[name]
            if record is None or table.is_past(record, self._now):
                table.delete(key)
            else:
                table.put(key, record)

    def _has_frames(self, first: int, last: int) -> bool:
        paths = (self._layout.build_journal(generation) for generation in range(first, last + 1))
        return any(self._files.stat(path).st_size > HEADER_SIZE for path in paths)

    def _cut_tail(self, path: Path, damage: FrameError) -> None:
        cut = self._files.stat(path).st_size - damage.offset
        logger.warning("%s: %s; cutting off %d bytes that were never confirmed", path, damage, cut)
        self._files.close(self._files.open_append(path, damage.offset))
