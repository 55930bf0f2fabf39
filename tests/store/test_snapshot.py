"""The snapshot: it replaces the journals, and at no moment is anything in neither."""

import asyncio
import random
import threading
from pathlib import Path

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.errors import StoreDamaged
from omnitornado.store.header import HEADER_SIZE
from omnitornado.store.transitions import StoreUnavailable

from .disk import dump, find_state, load, opened, register, until
from .samples import (
    START,
    FaultyFiles,
    QuickFiles,
    WatchedFiles,
    build_access,
    build_code,
    build_grant,
    build_session,
    build_successor,
    copy_files,
    digest,
)


def _find_names(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def test_a_snapshot_replaces_the_journals_before_it(tmp_path: Path) -> None:
    """Our choice."""
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path) as store:
            await register(store, "a")
            assert await store.save_snapshot()
            generation = next(name for name in _find_names(path) if ".journal." in name)
            await register(store, "b")
            assert await store.save_snapshot()
            names = _find_names(path)
            assert generation not in names
            assert len(names) == 3
            expected = dump(store)
        assert load(path) == expected

    asyncio.run(scenario())


def test_a_snapshot_that_would_say_nothing_new_is_not_written(tmp_path: Path) -> None:
    """Our choice: an idle server leaves its disk alone."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            await register(store, "a")
            await store.save_snapshot()
            before = files.fsyncs
            await store.save_snapshot()
            assert files.fsyncs == before
        async with opened(tmp_path / "state", files=files) as store:
            before = files.fsyncs
            await store.save_snapshot()
            assert files.fsyncs == before

    asyncio.run(scenario())


def test_a_clean_stop_leaves_one_snapshot_and_an_empty_journal(tmp_path: Path) -> None:
    """Our choice."""
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path) as store:
            await register(store, "a")

    asyncio.run(scenario())
    assert [file.stat().st_size for file in tmp_path.glob("*.journal.*")] == [HEADER_SIZE]
    assert set(load(path)["client"]) == {"a"}


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "replace"])
def test_a_snapshot_that_fails_keeps_the_journals_and_is_tried_again(
    tmp_path: Path, operation: str, warnings: list[str]
) -> None:
    """Our choice: logged, and nothing is lost."""
    files = FaultyFiles()
    path = tmp_path / "live" / "state"

    async def scenario() -> None:
        async with opened(path, files=files) as store:
            await store.save_snapshot()
            await register(store, "a")
            files.failing = {operation}
            for number in range(2):
                assert not await store.save_snapshot()
                assert warnings.pop().startswith("store.snapshot_failed reason=disk_full ")
                assert store.stats().snapshot_failures == number + 1
                files.failing = set()
                await register(store, f"b{number}")
                copy = copy_files(path, tmp_path / f"killed{number}")
                assert load(copy) == dump(store)
                files.failing = {operation}
            files.failing = set()
            assert await store.save_snapshot()
            assert len(_find_names(path)) == 3
            expected = dump(store)
        assert load(path) == expected

    asyncio.run(scenario())


async def _grow(store: EmbeddedStore, size: int) -> None:
    """Let the journal grow by more than so many bytes, or until a snapshot has cut it short."""
    start, number = store.stats().journal_bytes, len(find_state(store).clients)
    while start <= store.stats().journal_bytes <= start + size:
        await register(store, f"c{number}")
        number += 1


def test_a_journal_that_grows_large_becomes_a_snapshot_before_its_time(tmp_path: Path) -> None:
    """Our choice ([store] max_journal): neither the disk nor a start has to bear any number of changes."""
    files, path = FaultyFiles(), tmp_path / "live" / "state"

    async def scenario() -> None:
        async with opened(path, files=files, snapshot_interval=86_400.0, max_journal=4096) as store:
            await register(store, "first")
            assert store.stats().snapshot_at is None
            await _grow(store, 4096)
            await until(lambda: store.stats().snapshot_at is not None)
            assert store.stats().journal_bytes < 4096
            await store.save_snapshot()
            size = path.stat().st_size
            await _grow(store, size // 2)
            assert path.stat().st_size == size
            assert load(copy_files(path, tmp_path / "killed", files)) == dump(store)
            for name in range(200):  # a state that is larger than the bound
                await register(store, f"more {name}")
            await store.save_snapshot()
            large = path.stat().st_size
            assert large > 3 * 4096
            await _grow(store, 2 * 4096)
            assert path.stat().st_size == large
            await _grow(store, large - 2 * 4096)
            await until(lambda: path.stat().st_size > large)

    asyncio.run(scenario())


def test_a_snapshot_before_its_time_that_fails_is_not_tried_again_with_each_change(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: a disk that is nearly full has enough to do."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(
            tmp_path / "state", files=files, snapshot_interval=86_400.0, max_journal=4096
        ) as store:
            files.failing = {"create"}
            await _grow(store, 4096)
            await until(lambda: store.stats().snapshot_failures == 1)
            await register(store, *(f"more {number}" for number in range(5)))
            assert store.stats().snapshot_failures == 1
            await _grow(store, 4096)
            await until(lambda: store.stats().snapshot_failures == 2)
            files.failing = set()
            await _grow(store, 4096)
            await until(lambda: store.stats().snapshot_at is not None)

    asyncio.run(scenario())
    assert all(line.startswith("store.snapshot_failed") for line in warnings)
    warnings.clear()


def test_a_snapshot_that_fails_after_the_switch_is_made_good_without_a_new_change(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: an empty last journal doesn't mean that the snapshot says it all."""
    files = FaultyFiles()
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path, files=files) as store:
            await store.save_snapshot()
            await register(store, "a")
            rotate = store._engine.journal.rotate  # type: ignore[union-attr]

            async def rotate_then_fail() -> int:
                generation = await rotate()
                files.failing = {"create"}
                return generation

            store._engine.journal.rotate = rotate_then_fail  # type: ignore[method-assign, union-attr]
            assert not await store.save_snapshot()
            warnings.clear()
            store._engine.journal.rotate = rotate  # type: ignore[method-assign, union-attr]
            files.failing = set()
            assert await store.save_snapshot()
            assert len(_find_names(path)) == 3
        assert set(load(path)["client"]) == {"a"}

    asyncio.run(scenario())


def test_any_damage_to_a_snapshot_refuses(tmp_path: Path) -> None:
    """Our choice: it was whole before it got its name."""
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path) as store:
            await register(store, "a", "b")

    asyncio.run(scenario())
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(StoreDamaged) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: record ")
        path.write_bytes(whole[:at])
        with pytest.raises(StoreDamaged):
            load(path)


def test_killed_at_any_step_of_a_snapshot_nothing_answered_is_lost(tmp_path: Path) -> None:
    """Our choice: no moment at which neither snapshot nor journals have it."""
    files = WatchedFiles()
    path = tmp_path / "live" / "state"
    copies: list[Path] = []

    async def scenario() -> None:
        async with opened(path, files=files) as store:
            await register(store, "a")
            await store.save_snapshot()
            await register(store, "b")
            files.before = lambda: copies.append(copy_files(path, tmp_path / f"killed{len(copies)}"))
            await store.save_snapshot()
            files.before = lambda: None
            expected = dump(store)
        assert len(copies) > 8
        for copy in copies:
            assert load(copy) == expected
            assert not [name for name in _find_names(copy) if name.endswith(".tmp")]

    asyncio.run(scenario())


class _SplitFiles(QuickFiles):
    """Holds the snapshot at its start, and fails writes to the journal when told to."""

    def __init__(self) -> None:
        self.failing = False
        self.reached, self.gate = threading.Event(), threading.Event()
        self._journal = -1

    def create(self, path: Path) -> int:
        fd = super().create(path)
        if ".journal." in path.name:
            self._journal = fd
        else:
            self.reached.set()
            self.gate.wait()
        return fd

    def write(self, fd: int, data: bytes) -> None:
        if self.failing and fd == self._journal:
            raise OSError(5, "Input/output error")
        super().write(fd, data)


def test_a_snapshot_never_shows_a_change_that_the_journal_did_not_take(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: it may hold half of that change, and nothing is left to complete it."""
    files = _SplitFiles()
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path, files=files) as store:
            await register(store, "a")
            saving = asyncio.create_task(store.save_snapshot())
            await asyncio.to_thread(files.reached.wait, 5)
            files.failing = True
            with pytest.raises(StoreUnavailable):
                await register(store, "b")
            files.gate.set()
            assert not await saving
        assert set(load(path)["client"]) == {"a"}

    asyncio.run(scenario())
    assert len(warnings) == 2
    warnings.clear()


async def _work(store: EmbeddedStore, name: str, rng: random.Random, done: dict[bytes, object]) -> None:
    """One client's life: a grant that is rotated again and again, and a session that moves on."""
    grant = build_grant(name, username=name)
    await store.issue_code(digest(name), build_code(username=name))
    await store.redeem_code(digest(name), grant, digest("t" + name), build_access(grant), now=START)
    refresh, session = name + " refresh 0", digest("s" + name)
    await store.open_session(session, build_session(username=name))
    for number in range(rng.randrange(3, 12)):
        successor = build_successor(f"{name} {number}")
        access = digest(f"{name} access {number}")
        rotation = await store.rotate_refresh(
            grant.grant_id,
            digest(refresh),
            successor,
            access,
            build_access(grant),
            client_id="client-1",
            grace=30,
            now=START + number,
        )
        done[grant.grant_id] = rotation.grant
        refresh = f"{name} {number}"
        following = digest(f"s{name}{number}")
        await store.open_session(following, build_session(username=name), replaces=session)
        session = following


def test_a_snapshot_taken_while_transitions_go_on_converges(tmp_path: Path) -> None:
    """Our choice: killed at any moment meanwhile, what is loaded has all that was answered, each whole."""
    files = WatchedFiles()
    path = tmp_path / "live" / "state"
    copies: list[tuple[Path, dict[bytes, object]]] = []
    done: dict[bytes, object] = {}
    rng = random.Random(7)

    def copy() -> None:
        if rng.random() < 0.12:
            answered = dict(done)
            copies.append((copy_files(path, tmp_path / f"killed{len(copies)}"), answered))

    async def scenario() -> None:
        async with opened(path, files=files) as store:
            await store.save_snapshot()
            files.before = copy
            # How many changes a round makes to the files depends on how fast the disk is: go on until enough.
            for turn in range(100):
                names = [f"p{turn}-{number}" for number in range(40)]
                work = [asyncio.create_task(_work(store, name, rng, done)) for name in names]
                while not all(task.done() for task in work):
                    assert await store.save_snapshot()
                    await asyncio.sleep(0)
                await asyncio.gather(*work)
                if len(copies) > 10:
                    break
            files.before = lambda: None
            expected = dump(store)
        assert load(path) == expected
        assert len(copies) > 10
        for killed, answered in copies:
            _check_whole(load(killed), answered)

    asyncio.run(scenario())


def _check_whole(found: dict[str, dict[bytes, object]], answered: dict[bytes, object]) -> None:
    for grant_id, grant in answered.items():
        # A later rotation may have reached the disk without its answer having gone out.
        assert found["grant"][grant_id].rotated_at >= grant.rotated_at  # type: ignore[attr-defined]
    for grant in found["grant"].values():
        name, number = grant.public_id, int(grant.rotated_at - START)  # type: ignore[attr-defined]
        if grant.previous_hash is not None:  # type: ignore[attr-defined]
            assert digest(f"{name} access {number}") in found["access"]
        assert digest("t" + name) in found["access"]
        assert sum(session.username == name for session in found["session"].values()) <= 1  # type: ignore[attr-defined]


def test_closing_gives_up_a_snapshot_in_progress_and_writes_the_final_one(tmp_path: Path) -> None:
    """Our choice: a stop doesn't wait for a snapshot that the final one replaces."""
    path = tmp_path / "state"

    async def scenario() -> None:
        async with opened(path) as store:
            await asyncio.gather(*(register(store, f"c{number}") for number in range(600)))
            saving = asyncio.create_task(store.save_snapshot())
            await asyncio.sleep(0)
        assert not await saving
        assert len(_find_names(path)) == 3
        assert len(load(path)["client"]) == 600

    asyncio.run(scenario())


def test_after_a_crash_the_journals_become_a_snapshot_at_once(tmp_path: Path) -> None:
    """Our choice: what a dying system left starts over as one file known to be whole."""
    written = threading.Event()
    copy = tmp_path / "killed" / "state"

    class NotingFiles(QuickFiles):
        def replace(self, source: Path, target: Path) -> None:
            super().replace(source, target)
            if target == copy:
                written.set()

    async def scenario() -> None:
        async with opened(tmp_path / "live" / "state") as store:
            await register(store, "a")
            await store.save_snapshot()
            await register(store, "b")
            copy_files(tmp_path / "live" / "state", tmp_path / "killed")
        async with opened(copy, files=NotingFiles(), snapshot_interval=3600.0) as store:
            await asyncio.to_thread(written.wait, 5)
            assert store.stats().journal_bytes == HEADER_SIZE
        assert set(load(copy)["client"]) == {"a", "b"}

    asyncio.run(scenario())
