"""The store's files: who may read them, who may have them, and what refuses to start."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.errors import StoreError, StoreLocked

from .disk import opened, register
from .samples import Clock, FaultyFiles


@pytest.fixture(params=[0o000, 0o777])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _find_modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_every_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Our choice: mode 0600."""
    found: dict[str, int] = {}

    async def scenario() -> None:
        async with opened(tmp_path / "state") as store:
            await register(store, "a")
            await store.save_snapshot()
            await register(store, "b")
            found.update(_find_modes(tmp_path))

    asyncio.run(scenario())
    assert len(found) == 3
    assert set(found.values()) == {0o600}


def test_a_second_process_is_told_that_the_store_is_taken(tmp_path: Path) -> None:
    """Our choice: one process at a time; the message names the file."""
    path = tmp_path / "state"
    attempt = (
        "import sys, pathlib\n"
        "from omnitornado.store.embedded import EmbeddedStore\n"
        "from omnitornado.store.errors import StoreLocked\n"
        "try:\n    EmbeddedStore.open(pathlib.Path(sys.argv[1]))\n"
        "except StoreLocked as error:\n    print(error)\n"
    )

    async def scenario() -> None:
        async with opened(path):
            with pytest.raises(StoreLocked):
                EmbeddedStore.open(path)
            other = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", attempt, str(path)],
                capture_output=True,
                text=True,
                check=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert other.stdout == f"{path}.lock: another process is using this store\n"
        async with opened(path):
            pass

    asyncio.run(scenario())


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    """Our choice: for the owner alone."""

    async def scenario() -> None:
        async with opened(tmp_path / "a" / "b" / "state"):
            assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["file/state", "folder"])
def test_a_place_that_can_hold_no_store_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    """Our choice."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError) as caught:
        EmbeddedStore.open(tmp_path / name)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "replace"])
def test_a_disk_that_fails_at_the_start_is_named_and_gives_the_lock_back(
    tmp_path: Path, operation: str
) -> None:
    """Our choice."""
    files = FaultyFiles()
    files.failing = {operation}
    with pytest.raises(StoreError, match="No space left on device"):
        EmbeddedStore.open(tmp_path / "state", files=files)
    files.failing = set()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files):
            pass

    asyncio.run(scenario())


def test_temporary_files_of_a_killed_process_are_removed_and_others_left(tmp_path: Path) -> None:
    """Our choice."""
    path = tmp_path / "state"
    others = {"state.tmp.bak", "state2.tmp", "state.journal.x", "xstate.tmp", "state.journal.01"}
    for name in ("state.tmp", "state.journal.7.tmp", *others):
        (tmp_path / name).write_bytes(b"half of")

    async def scenario() -> None:
        async with opened(path):
            pass

    asyncio.run(scenario())
    names = {file.name for file in tmp_path.iterdir()}
    assert names >= others
    assert not names & {"state.tmp", "state.journal.7.tmp"}


def test_a_store_in_memory_alone_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice."""
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with opened(None) as store:
            await register(store, "a")
            assert await store.save_snapshot()
            assert store.stats().records["client"] == 1
            assert store.stats().snapshot_at is None

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_the_statistics_say_how_much_there_is(tmp_path: Path) -> None:
    """Our choice."""

    async def scenario() -> None:
        clock = Clock()
        async with opened(tmp_path / "state", clock=clock) as store:
            await register(store, "a", "b")
            before = store.stats()
            assert before.records["client"] == 2
            assert before.journal_bytes == (tmp_path / "state.journal.1").stat().st_size
            clock.now += 5
            await store.save_snapshot()
            assert store.stats().snapshot_at == clock.now
            assert store.stats().journal_bytes < before.journal_bytes
            assert (store.stats().outage, store.stats().outages) == (None, 0)

    asyncio.run(scenario())
