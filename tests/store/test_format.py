"""The format of the files: an older one is read and replaced, a newer one refused and left alone."""

import asyncio
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from omnitornado.store import header
from omnitornado.store.errors import StoreDamaged, StoreNewer
from omnitornado.store.memory import State
from omnitornado.store.single_use import build_use_key

from . import samples
from .disk import abandon, dump, load, opened, register
from .samples import START, copy_files, digest

FORMAT_1 = Path(__file__).with_name("format_1")
"""Written by the last program that wrote format 1: one of each kind of record in the snapshot, one more in
the journal, which also revokes the first access token. The last character of every name tells which it is.
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the files in format 1."""
    return shutil.copytree(FORMAT_1, tmp_path / "old") / "state"


def _build_expected(n: str) -> dict[str, tuple[object, object]]:
    end = START + 10**9
    client_id = f"client-{n}"
    # From before anything could be bound to a key.
    grant = samples.build_grant(f"grant-{n}", client_id=client_id, expires_at=end, jkt="")
    return {
        "client": (client_id, samples.build_client(client_id, used_at=START)),
        "code": (
            digest(f"code {n}"),
            samples.build_code(client_id=client_id, expires_at=end, grant_id=grant.grant_id, dpop_jkt=""),
        ),
        "grant": (grant.grant_id, grant),
        "access": (digest(f"token {n}"), samples.build_access(grant, expires_at=end, jkt="")),
        "session": (digest(f"session {n}"), samples.build_session(expires_at=end)),
        "binding": (client_id, samples.build_binding(client_id=client_id)),
        "mcp_session": (digest(f"mcp {n}"), samples.build_mcp_session(expires_at=end)),
        "address": (digest(f"address {n}"), samples.build_address(expires_at=end)),
        "task": (digest(f"task {n}"), samples.build_task(expires_at=end)),
    }


def test_the_first_format_is_read_with_everything_in_it(old: Path) -> None:
    """Our choice: an update never asks anyone to connect again."""
    found = load(old)
    for n in "12":
        for table, (key, record) in _build_expected(n).items():
            if (table, n) == ("access", "1"):
                assert key not in found[table]
            else:
                assert found[table][key] == record, table
        assert found["key"][f"key {n}"].value == digest(f"key {n}")
        assert build_use_key("purpose", "party", f"value {n}") in found["used"]
    assert {consent.client_id for consent in found["consent"].values()} == {"client-1", "client-2"}


def test_old_files_are_replaced_by_new_ones_before_anything_else_is_kept(old: Path) -> None:
    """Our choice: no journal holds what its header does not say, whenever the process is killed."""

    async def scenario() -> dict[str, dict[object, object]]:
        files = samples.WatchedFiles()
        async with opened(old, files=files, snapshot_interval=3600.0) as store:
            await register(store, "new")
            copy_files(old, old.parent.parent / "killed", files)
            return dump(store)

    expected = asyncio.run(scenario())
    for path in (old, old.parent.parent / "killed" / "state"):
        files = [file for file in path.parent.iterdir() if file.suffix not in (".lock", ".tmp")]
        versions = {file.name: int.from_bytes(file.read_bytes()[8:12], "big") for file in files}
        assert set(versions.values()) <= {1, header.FORMAT_VERSION}
        assert all(version > 1 for name, version in versions.items() if "journal" in name)
        assert load(path) == expected
    assert versions  # the copy had files at all


def test_a_killed_migration_starts_over(old: Path) -> None:
    """Our choice."""

    async def scenario() -> None:
        from omnitornado.store.embedded import EmbeddedStore

        expected = load(old)
        for _ in range(3):
            store = EmbeddedStore.open(old, clock=samples.Clock())
            assert dump(store) == expected
            await store.start()
            await abandon(store)
        async with opened(old) as last:
            assert dump(last) == expected

    asyncio.run(scenario())
    assert int.from_bytes(old.read_bytes()[8:12], "big") == header.FORMAT_VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a snapshot and a journal, as a killed process leaves it."""

    async def scenario() -> None:
        async with opened(tmp_path / "live" / "state") as store:
            await register(store, "a")
            await store.save_snapshot()
            await register(store, "b")
            copy_files(tmp_path / "live" / "state", tmp_path / "killed")

    asyncio.run(scenario())
    return tmp_path / "killed" / "state"


def _find_files(path: Path) -> list[Path]:
    return [path, *path.parent.glob("*.journal.*")]


def _put_header(file: Path, head: bytes) -> None:
    data = file.read_bytes()
    file.write_bytes(head + data[header.HEADER_SIZE :])


def _read_folder(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@pytest.mark.parametrize("number", [0, 1])
def test_a_newer_format_is_refused_and_left_alone(
    path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: whichever file it is in."""
    file = _find_files(path)[number]
    with monkeypatch.context() as newer:
        newer.setattr(header, "FORMAT_VERSION", 3)
        _put_header(file, header.build_header(file.read_bytes()[:8], 2))
    before = _read_folder(path)
    reason = "record 0 (at byte 0): written in format 3, newer than the 2 this version reads"
    with pytest.raises(StoreNewer, match=re.escape(f"{file}: {reason}")):
        load(path)
    assert _read_folder(path) == before


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("added", ["a table", "a field"])
def test_files_that_may_hold_more_than_this_version_knows_are_refused(
    path: Path, number: int, added: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: an older program would lose it without a word."""
    file = _find_files(path)[number]
    kind, more = {"a table": ("new", 3), "a field": ("grant", header.KINDS["grant"] + 1)}[added]
    with monkeypatch.context() as newer:
        newer.setattr(header, "KINDS", header.KINDS | {kind: more})
        _put_header(file, header.build_header(file.read_bytes()[:8], 2))
    with pytest.raises(StoreNewer, match=f"newer version, which keeps more in records of kind '{kind}'"):
        load(path)


def test_files_of_a_version_that_knew_less_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: and their journal gets a header of this version before anything is added to it."""
    fewer = {name: count for name, count in header.KINDS.items() if name != "task"}
    with monkeypatch.context() as older:
        older.setattr(header, "KINDS", fewer)
        for file in _find_files(path):
            _put_header(file, header.build_header(file.read_bytes()[:8], 2))
    assert set(load(path)["client"]) == {"a", "b"}
    assert (
        path.with_name("state.journal.2")
        .read_bytes()
        .startswith(header.build_header(header.JOURNAL_MAGIC, 2))
    )


def test_a_damaged_header_refuses_whatever_byte_it_hits(path: Path) -> None:
    """Our choice."""
    for file in _find_files(path):
        whole = file.read_bytes()
        for at in range(header.HEADER_SIZE):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
            with pytest.raises(StoreDamaged, match=re.escape(f"{file}: record 0 (at byte 0): ")):
                load(path)
        file.write_bytes(whole)


def test_every_field_that_was_added_has_a_default() -> None:
    """Our choice: `KINDS` promises that records with fewer fields can be read."""
    first = {
        "client": 10, "code": 9, "grant": 16, "access": 4, "session": 5, "consent": 5, "binding": 4,
        "mcp_session": 9, "address": 2, "key": 2, "task": 12, "used": 2,
    }  # fmt: skip
    for name, table in State().tables.items():
        fields = msgspec.structs.fields(table.record_type)
        required = [field.name for field in fields[first.get(name, 0) :] if field.required]
        assert name not in first or required == [], name
