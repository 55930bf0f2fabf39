"""What can still be read of a damaged store: every sound record, and a list of what is lost.

A frame whose checksum does not match is left out whole, for any record in it may be another one. What a lost
frame had taken back (a revocation, a sign-out, a token's rotation) is as it was before it: nothing in the
files says so. Codes that nobody has used yet are therefore left out as soon as anything is lost: they must be
good once, and live a minute.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from omnitornado.store.codec import StateDecoder
from omnitornado.store.errors import StoreDamaged
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import Frame, find_frame
from omnitornado.store.header import JOURNAL_MAGIC, SNAPSHOT_MAGIC, Header, read_header
from omnitornado.store.memory import State


class Loss(msgspec.Struct, frozen=True):
    """Something that can't be read. `size`: in bytes; 0 where it is not there at all."""

    file: Path
    record: int
    """The number it had; 0 for the file's header."""
    offset: int
    size: int
    reason: str

    def describe(self) -> str:
        return f"{self.file}: record {self.record} (at byte {self.offset}), {self.size} bytes: {self.reason}"


class Salvage(msgspec.Struct, frozen=True):
    """What is left, and what is not."""

    state: State
    losses: tuple[Loss, ...]


def salvage_store(layout: Layout, files: Files, now: float) -> Salvage:
    """Read all that can be read; nothing is changed. Raises: StoreNewer, OSError."""
    reader = _Salvager(layout, files, State(), now)
    reader.read()
    return Salvage(reader.state, tuple(reader.losses))


class _Salvager:
    def __init__(self, layout: Layout, files: Files, state: State, now: float) -> None:
        self.state = state
        self.losses: list[Loss] = []
        self._layout = layout
        self._files = files
        self._decoder = StateDecoder(state)
        self._now = now

    def read(self) -> None:
        header = self._read_snapshot() if self._layout.snapshot.exists() else None
        # Without the header of the snapshot nobody knows which journals it covers: replaying one that it does
        # cover ends the same, as long as all that follow are replayed as well.
        first = 1 if header is None else header.generation
        generations = [one for one in self._layout.find_journals() if one >= first]
        if not self._layout.snapshot.exists() and generations[:1] != [1]:
            self._lose(self._layout.snapshot, 0, 0, 0, "the snapshot is missing")
        expected = first if header is not None else min(generations, default=first)
        for generation in generations:
            for missing in range(expected, generation):
                self._lose(self._layout.build_journal(missing), 0, 0, 0, "the journal is missing")
            self._read_journal(generation)
            expected = generation + 1
        if header is not None and not generations:
            self._lose(self._layout.build_journal(first), 0, 0, 0, "the journal is missing")
        if self.losses:
            self._leave_out_codes()

    def _lose(self, file: Path, record: int, offset: int, size: int, reason: str) -> None:
        self.losses.append(Loss(file, record, offset, size, reason))

    def _read_snapshot(self) -> Header | None:
        path = self._layout.snapshot
        found = self._find_header(path, SNAPSHOT_MAGIC)
        self._end: int | None = None
        frames = self._read_frames(path, found, self._put_piece)
        if self._end is None:
            size = self._files.stat(path).st_size
            self._lose(path, frames + 1, size, 0, "the end of the snapshot is missing")
        return found

    def _find_header(self, path: Path, magic: bytes) -> Header | None:
        try:
            with self._files.open_read(path) as file:
                return read_header(file, magic, path)
        except StoreDamaged as damage:
            self._lose(path, 0, 0, 0, damage.reason)
            return None

    def _put_piece(self, payload: bytes) -> None:
        piece = self._decoder.parse_piece(payload)
        if isinstance(piece, int):
            self._end = piece
            return
        table, records = piece
        for key, record in records.items():
            if not table.is_past(record, self._now):
                table.put(key, record)

    def _read_journal(self, generation: int) -> None:
        path = self._layout.build_journal(generation)
        self._read_frames(path, self._find_header(path, JOURNAL_MAGIC), self._apply_batch)

    def _apply_batch(self, payload: bytes) -> None:
        for name, key, record in self._decoder.parse_batch(payload):
            table = self.state.tables[name]
            if record is None or table.is_past(record, self._now):
                table.delete(key)
            else:
                table.put(key, record)

    def _read_frames(self, path: Path, header: Header | None, take: Callable[[bytes], None]) -> int:
        """Take every sound frame; gives the number of the last one."""
        with self._files.open_read(path) as file:
            data = file.read()
        at, number = 0 if header is None else header.size, 0
        while at < len(data):
            frame = find_frame(data, at)
            if frame is None:
                self._lose(path, number + 1, at, len(data) - at, "nothing that can be read follows")
                break
            self._note_gap(path, header, at, number, frame)
            try:
                take(frame.payload)
            except msgspec.DecodeError as error:
                self._lose(path, frame.number, frame.offset, frame.end - frame.offset, str(error))
            at, number = frame.end, frame.number
        return number

    def _note_gap(self, path: Path, header: Header | None, at: int, number: int, frame: Frame) -> None:
        if frame.offset > at and (header is not None or number):
            self._lose(path, number + 1, at, frame.offset - at, "it is damaged")
        elif frame.number != number + 1:
            self._lose(path, number + 1, at, 0, f"record {frame.number} stands in its place")

    def _leave_out_codes(self) -> None:
        for records in list(self.state.codes.iterate_slices(1024)):
            for key, code in records.items():
                if code.grant_id is None:
                    self.state.codes.delete(key)
