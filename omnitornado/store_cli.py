"""The commands for a store that no server is using: `store check`, `store repair` and `store export`.

Each reads the files under their lock and changes none of them; `repair` writes to a new place.
"""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from omnitornado.progress import ProgressBar
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.errors import StoreDamaged, StoreError
from omnitornado.store.export import export_lines
from omnitornado.store.files import Files, Layout
from omnitornado.store.memory import State
from omnitornado.store.offline import hold_offline
from omnitornado.store.reading import Reading, read_store
from omnitornado.store.salvage import Salvage, salvage_store

SOUND, DAMAGED = 0, 1
"""Exit codes; 2 where the command could not do its work."""


def check(path: Path) -> int:
    """Print how much there is, or the first damage."""
    with hold_offline(path) as layout:
        state = State()
        try:
            reading = _read(layout, state)
        except StoreDamaged as damage:
            _print_damage(damage)
            return DAMAGED
        _print_lines(_describe_reading(reading))
        _print_lines(_describe_records(state))
        print("Sound: yes")
        return SOUND


def repair(path: Path, target: Path | None) -> int:
    """Write what can be read of a damaged store to a new place. Raises: StoreError."""
    target = target or path.with_name(path.name + ".repaired")
    with hold_offline(path) as layout:
        try:
            _read(layout, State())
        except StoreDamaged:
            pass
        else:
            print("Sound: yes; there is nothing to repair")
            return SOUND
        _check_target(target)
        salvage = salvage_store(layout, Files(), time.time())
        asyncio.run(_write(salvage, target))
    _print_salvage(salvage, path, target)
    return SOUND


def export(path: Path) -> int:
    """Print every record as a line of JSON."""
    with hold_offline(path) as layout:
        state = State()
        _read(layout, state)
        try:
            for line in export_lines(state, secrets.token_bytes(32)):
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever reads has enough. What is left in the buffer must not fail once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOUND


def _read(layout: Layout, state: State) -> Reading:
    with closing(ProgressBar(f"Reading {layout.snapshot.name}", sys.stderr)) as bar:
        try:
            return read_store(layout, Files(), state, time.time(), bar)
        except OSError as error:
            raise StoreError(Path(error.filename or layout.snapshot), error.strerror or str(error)) from error


def _check_target(target: Path) -> None:
    layout = Layout(target, Files())
    taken = [layout.snapshot] if layout.snapshot.exists() else []
    if layout.snapshot.parent.is_dir():
        taken += [layout.build_journal(generation) for generation in layout.find_journals()]
    if taken:
        raise StoreError(taken[0], "exists already, and repair never overwrites")


async def _write(salvage: Salvage, target: Path) -> None:
    store = EmbeddedStore.open(target)
    try:
        for name, table in salvage.state.tables.items():
            for records in table.iterate_slices(1024):
                for key, record in records.items():
                    store.state.tables[name].put(key, record)
        await store.start()
    finally:
        await store.close()
    if store.outage is not None or store.stats().snapshot_at is None:
        raise StoreError(target, "could not be written; the log has the reason")


def _print_lines(lines: Iterable[tuple[str, object]]) -> None:
    for label, value in lines:
        print(f"{label}: {value}")


def _describe_reading(reading: Reading) -> Iterable[tuple[str, object]]:
    if reading.snapshot is not None:
        written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(reading.snapshot.written_at))
        age = ", in an older format" if reading.snapshot.header.is_old else ""
        yield "Snapshot", f"{reading.snapshot.records} records, written {written}{age}"
    for journal in reading.journals:
        yield f"Journal {journal.header.generation}", f"{journal.changes} changes in {journal.frames} writes"
        if journal.torn:
            yield "Unfinished write", f"{journal.torn} bytes, never confirmed; the next start cuts them off"


def _describe_records(state: State) -> Iterable[tuple[str, object]]:
    return ((f"Kept ({name})", len(table)) for name, table in state.tables.items())


def _print_damage(damage: StoreDamaged) -> None:
    lines: list[tuple[str, object]] = [("Sound", "no"), ("Damage", damage.reason), ("File", damage.file)]
    if damage.record is not None:
        lines += [("Record", damage.record), ("Byte", damage.offset)]
    _print_lines(lines)
    print("What can still be read is written to a new place by: python -m omnitornado store repair PATH")


def _print_salvage(salvage: Salvage, path: Path, target: Path) -> None:
    _print_lines(("Lost", loss.describe()) for loss in salvage.losses)
    _print_lines(_describe_records(salvage.state))
    _print_lines([("Written", target), ("Kept as it is", path)])
    print("What the lost records took back is good again: who had been signed out, disconnected or revoked.")
    print("To go on with what is left, name the new file in [store] path.")
