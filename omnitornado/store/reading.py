"""Reading a store's files strictly, and changing nothing: the snapshot, then the journals from the one it
names.

1. Any damage to the snapshot refuses: it was whole and on the disk before it got its name.
2. The journals must be there without a gap, from the generation the snapshot names (1 where there is none).
3. They are replayed. A frame is written only after the frame before it is on the disk, so damage with a sound
   frame behind it is damage to something promised, and refuses; damage with none behind it is a write that
   was cut short and never promised: that journal ends before it.
4. What has expired is left out.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from omnitornado.store.codec import StateDecoder
from omnitornado.store.errors import StoreDamaged
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import Frame, FrameError, find_frame, read_frames
from omnitornado.store.header import JOURNAL_MAGIC, SNAPSHOT_MAGIC, Header, read_header
from omnitornado.store.memory import State, Table

OnProgress = Callable[[int, int], None]
"""Told how many bytes of how many have been read."""


class SnapshotReading(msgspec.Struct, frozen=True):
    """A snapshot that was read."""

    header: Header
    frames: int
    records: int
    written_at: float


class JournalReading(msgspec.Struct, frozen=True):
    """A journal that was read."""

    path: Path
    header: Header
    frames: int
    changes: int
    size: int
    """Up to the last sound frame."""
    torn: int = 0
    """Bytes of a write that was cut short, behind it."""
    tear: str = ""
    """What is wrong with them."""


class Reading(msgspec.Struct, frozen=True):
    """What the files of a store hold."""

    snapshot: SnapshotReading | None
    journals: tuple[JournalReading, ...]

    @property
    def covered(self) -> int:
        """The generation that the snapshot names; 1 where there is none."""
        return 1 if self.snapshot is None else self.snapshot.header.generation


def read_store(
    layout: Layout, files: Files, state: State, now: float, on_progress: OnProgress | None = None
) -> Reading:
    """Fill `state`. Raises: StoreDamaged rather than give less than was promised; StoreNewer; OSError."""
    return _Reader(layout, files, state, now, on_progress).read()


class _Reader:
    def __init__(
        self, layout: Layout, files: Files, state: State, now: float, on_progress: OnProgress | None
    ) -> None:
        self._layout = layout
        self._files = files
        self._state = state
        self._decoder = StateDecoder(state)
        self._now = now
        self._on_progress = on_progress
        self._done = self._total = 0

    def read(self) -> Reading:
        snapshot = self._read_snapshot()
        first = 1 if snapshot is None else snapshot.header.generation
        generations = [one for one in self._layout.find_journals() if one >= first]
        if not generations and snapshot is None:
            return Reading(None, ())
        self._check_chain(generations, first, has_snapshot=snapshot is not None)
        journals = [self._read_journal(generation, generations[-1]) for generation in generations]
        return Reading(snapshot, tuple(journals))

    def _check_chain(self, generations: list[int], first: int, *, has_snapshot: bool) -> None:
        layout = self._layout
        if not generations or generations[0] != first:
            if not has_snapshot:
                reason = f"is missing, while journal {generations[0]} that follows it is there"
                raise StoreDamaged(layout.snapshot, reason)
            raise StoreDamaged(layout.build_journal(first), "is missing, while the snapshot names it")
        for expected, found in enumerate(generations, first):
            if found != expected:
                reason = f"is missing, while journal {found} is there"
                raise StoreDamaged(layout.build_journal(expected), reason)

    def _read_snapshot(self) -> SnapshotReading | None:
        journals = map(self._layout.build_journal, self._layout.find_journals())
        self._total = sum(self._files.stat(path).st_size for path in journals)
        try:
            opened = self._files.open_read(self._layout.snapshot)
        except FileNotFoundError:
            return None
        with opened as file:
            stat = self._files.stat(self._layout.snapshot)
            self._total += stat.st_size
            return self._read_pieces(file, stat.st_mtime)

    def _read_pieces(self, file: BinaryIO, written_at: float) -> SnapshotReading:
        path = self._layout.snapshot
        header = read_header(file, SNAPSHOT_MAGIC, path)
        frames, records, end = 0, 0, None
        for frame in self._read_frames(file, path):
            frames = frame.number
            with _naming(path, frame):
                piece = self._decoder.parse_piece(frame.payload)
            if isinstance(piece, int):
                end = piece
            else:
                self._put_all(*piece)
                records += len(piece[1])
        if end != records:
            reason = "missing; the file ends early"
            raise StoreDamaged(path, reason, record=frames + 1, offset=file.tell())
        return SnapshotReading(header, frames, records, written_at)

    def _put_all(self, table: Table[Any, Any], records: dict[Any, Any]) -> None:
        for key, record in records.items():
            if not table.is_past(record, self._now):
                table.put(key, record)

    def _read_frames(self, file: BinaryIO, path: Path) -> Iterator[Frame]:
        """Every frame, or StoreDamaged."""
        try:
            for frame in read_frames(file):
                yield frame
                self._tell(frame)
        except FrameError as damage:
            raise StoreDamaged(path, str(damage), record=damage.number, offset=damage.offset) from damage

    def _tell(self, frame: Frame) -> None:
        self._done += frame.end - frame.offset
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)

    def _read_journal(self, generation: int, last: int) -> JournalReading:
        path = self._layout.build_journal(generation)
        with self._files.open_read(path) as file:
            header = read_header(file, JOURNAL_MAGIC, path)
            if header.generation != generation:
                reason = "the generation in it is not the one in its name"
                raise StoreDamaged(path, reason, record=0, offset=0)
            frames, changes, size = 0, 0, header.size
            try:
                for frame in self._read_frames(file, path):
                    with _naming(path, frame):
                        changes += self._apply(frame.payload)
                    frames, size = frame.number, frame.end
            except StoreDamaged as damage:
                if damage.offset != size or not isinstance(damage.__cause__, FrameError):
                    raise
                torn = self._find_torn(file, size, generation, last)
                if not torn:
                    raise
                return JournalReading(path, header, frames, changes, size, torn, damage.reason)
            return JournalReading(path, header, frames, changes, size)

    def _find_torn(self, file: BinaryIO, offset: int, generation: int, last: int) -> int:
        """How many bytes a write that was cut short left at the end; 0 where something sound follows."""
        file.seek(offset + 1)
        rest = file.read()
        if find_frame(rest) is not None:
            return 0
        following = range(generation + 1, last + 1)
        return 0 if any(map(self._has_frames, following)) else len(rest) + 1

    def _has_frames(self, generation: int) -> bool:
        path = self._layout.build_journal(generation)
        with self._files.open_read(path) as file:
            return self._files.stat(path).st_size > read_header(file, JOURNAL_MAGIC, path).size

    def _apply(self, payload: bytes) -> int:
        changes = self._decoder.parse_batch(payload)
        for name, key, record in changes:
            table = self._state.tables[name]
            if record is None or table.is_past(record, self._now):
                table.delete(key)
            else:
                table.put(key, record)
        return len(changes)


@contextlib.contextmanager
def _naming(path: Path, frame: Frame) -> Iterator[None]:
    try:
        yield
    except msgspec.DecodeError as error:
        raise StoreDamaged(path, str(error), record=frame.number, offset=frame.offset) from error
