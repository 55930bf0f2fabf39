"""Repairing: everything that can be read is kept, what can't is named, and the damaged files stay as
they are.
"""

import asyncio
import random
import zlib
from pathlib import Path

import pytest

from omnitornado.store.errors import StoreDamaged, StoreNewer
from omnitornado.store.files import Files, Layout
from omnitornado.store.framing import build_frame, find_frame
from omnitornado.store.header import FORMAT_VERSION, HEADER_SIZE, JOURNAL_MAGIC, build_header
from omnitornado.store.memory import State
from omnitornado.store.reading import read_store
from omnitornado.store.salvage import Salvage, salvage_store

from .disk import opened, register
from .samples import START, WatchedFiles, build_access, build_code, build_grant, copy_files, digest

SNAPSHOT = {"a", "b"}
"""Clients in the snapshot; c to g stand in the journal, a record each."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store as a killed process leaves it."""

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(tmp_path / "live" / "state", files=files) as store:
            await register(store, *SNAPSHOT)
            await store.issue_code(digest("used"), build_code())
            grant = build_grant()
            await store.redeem_code(digest("used"), grant, digest("t"), build_access(grant), now=START)
            await store.issue_code(digest("unused"), build_code())
            await store.save_snapshot()
            await register(store, *"cdefg")
            copy_files(tmp_path / "live" / "state", tmp_path / "damaged", files)

    asyncio.run(scenario())
    return tmp_path / "damaged" / "state"


def _journal(path: Path) -> Path:
    return path.with_name("state.journal.2")


def _salvage(path: Path) -> Salvage:
    files = Files()
    return salvage_store(Layout(path, files), files, START)


def _find_clients(salvage: Salvage) -> set[str]:
    return {key for records in salvage.state.clients.iterate_slices(9) for key in records}


def _find_starts(file: Path) -> list[int]:
    data, at, starts = file.read_bytes(), HEADER_SIZE, []
    while (frame := find_frame(data, at)) is not None:
        starts.append(frame.offset)
        at = frame.end
    return [*starts, len(data)]


def test_a_damaged_record_is_named_and_all_others_are_kept(path: Path) -> None:
    """Our choice: whatever byte of it is hit."""
    journal = _journal(path)
    starts, whole = _find_starts(journal), journal.read_bytes()
    for at in range(starts[1], starts[2], 3):
        journal.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        salvage = _salvage(path)
        assert _find_clients(salvage) == SNAPSHOT | set("cefg")
        (loss,) = salvage.losses
        assert (loss.file, loss.record, loss.offset) == (journal, 2, starts[1])
        assert loss.size == starts[2] - starts[1]


def test_several_damaged_places_are_all_named(path: Path) -> None:
    """Our choice."""
    journal = _journal(path)
    starts, data = _find_starts(journal), bytearray(journal.read_bytes())
    for number in (0, 2, 3):
        data[starts[number] + 30] ^= 1
    journal.write_bytes(data[:-3])
    salvage = _salvage(path)
    assert _find_clients(salvage) == SNAPSHOT | {"d"}
    assert [loss.record for loss in salvage.losses] == [1, 3]  # neighbours are one place
    assert sum(loss.size for loss in salvage.losses) == len(data) - 3 - HEADER_SIZE - (starts[2] - starts[1])


def test_damaged_headers_cost_nothing_but_themselves(path: Path) -> None:
    """Our choice."""
    for file in (path, _journal(path)):
        data = file.read_bytes()
        file.write_bytes(data[:9] + b"\xff" + data[10:])
    salvage = _salvage(path)
    assert _find_clients(salvage) == SNAPSHOT | set("cdefg")
    assert [(loss.file, loss.record) for loss in salvage.losses] == [(path, 0), (_journal(path), 0)]


def test_a_missing_snapshot_or_journal_is_named(path: Path) -> None:
    """Our choice."""
    journal, data = _journal(path), _journal(path).read_bytes()
    journal.unlink()
    salvage = _salvage(path)
    assert _find_clients(salvage) == SNAPSHOT
    assert [(loss.file, loss.reason) for loss in salvage.losses] == [(journal, "the journal is missing")]
    journal.write_bytes(data)
    journal.with_name("state.journal.4").write_bytes(build_header(JOURNAL_MAGIC, 4) + build_frame(1, b"\x90"))
    assert [loss.file.name for loss in _salvage(path).losses] == ["state.journal.3"]
    path.unlink()
    salvage = _salvage(path)
    assert _find_clients(salvage) == set("cdefg")
    assert [loss.file.name for loss in salvage.losses] == ["state", "state.journal.3"]


def test_a_snapshot_that_ends_early_is_named(path: Path) -> None:
    """Our choice."""
    path.write_bytes(path.read_bytes()[: _find_starts(path)[-2]])
    salvage = _salvage(path)
    assert _find_clients(salvage) == SNAPSHOT | set("cdefg")
    assert [loss.reason for loss in salvage.losses] == ["the end of the snapshot is missing"]


def test_a_record_that_is_sound_and_means_nothing_is_named(path: Path) -> None:
    """Our choice."""
    journal = _journal(path)
    journal.write_bytes(journal.read_bytes() + build_frame(6, b"\x91\x91\x93\xa3new\xa1k\xc0"))
    salvage = _salvage(path)
    assert _find_clients(salvage) == SNAPSHOT | set("cdefg")
    assert [(loss.record, loss.reason) for loss in salvage.losses] == [(6, "no table is called 'new'")]


def test_a_code_that_may_have_been_used_is_left_out(path: Path) -> None:
    """Our choice: RFC 6749 §4.1.2, once; the record of its use may be the one that is lost."""
    journal = _journal(path)
    assert len(_salvage(path).state.codes) == 2
    journal.write_bytes(journal.read_bytes()[:-1])
    codes = _salvage(path).state.codes
    assert codes.get(digest("unused")) is None
    assert codes.get(digest("used")) is not None


def test_files_of_a_newer_version_are_not_taken_for_damaged(path: Path) -> None:
    """Our choice: this program would lose what it does not know."""
    newer = bytearray(build_header(JOURNAL_MAGIC, 2))
    newer[11] = FORMAT_VERSION + 1
    newer[20:24] = zlib.crc32(newer[:20]).to_bytes(4, "big")
    _journal(path).write_bytes(newer)
    with pytest.raises(StoreNewer):
        _salvage(path)


def test_salvaging_changes_nothing(path: Path) -> None:
    """Our choice: the damaged files are kept."""
    _journal(path).write_bytes(_journal(path).read_bytes()[:-1] + b"x")
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert _salvage(path).losses
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def _find_damage(path: Path) -> StoreDamaged | None:
    """What a start would say."""
    layout = Layout(path, Files())
    try:
        read_store(layout, Files(), State(), START)
    except StoreDamaged as damage:
        return damage
    return None


def test_any_damage_leaves_something_to_salvage_and_no_crash(path: Path) -> None:
    """Our choice: whatever a disk may have made of the files."""
    rng = random.Random(3)
    whole = {file: file.read_bytes() for file in (path, _journal(path))}
    for _ in range(300):
        for file, data in whole.items():
            damaged = bytearray(data)
            for _ in range(rng.randrange(4)):
                at = rng.randrange(len(damaged))
                damaged[at : at + rng.randrange(40)] = rng.randbytes(rng.randrange(40))
            file.write_bytes(damaged[: rng.randrange(len(damaged) + 1)] if rng.random() < 0.3 else damaged)
        salvage = _salvage(path)
        assert _find_clients(salvage) <= SNAPSHOT | set("cdefg")
        if not salvage.losses:
            assert _find_clients(salvage) == SNAPSHOT | set("cdefg")
            continue
        damage = _find_damage(path)
        assert damage is None or damage.file in {loss.file for loss in salvage.losses}
        for file, data in whole.items():
            file.write_bytes(data)
