"""A disk that fails: nothing is promised, nothing that was promised is forgotten, and it heals by itself."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.outage import REASONS
from omnitornado.store.transitions import CodeOutcome, RefreshOutcome, StoreUnavailable, UseOutcome

from .disk import PATIENCE, dump, load, opened, register, until
from .samples import (
    START,
    Clock,
    FaultyFiles,
    WatchedFiles,
    build_access,
    build_code,
    build_grant,
    build_mcp_session,
    build_successor,
    copy_files,
    digest,
)

FAILED = 'store.failed reason=disk_full detail="[Errno 28] No space left on device"'
QUICK: dict[str, Any] = {"retry_interval": 0.001}


async def _until_well(store: EmbeddedStore) -> None:
    await until(lambda: store.outage is None)


async def _make_grant(store: EmbeddedStore, name: str) -> None:
    grant = build_grant(name)
    await store.issue_code(digest("code " + name), build_code())
    outcome = await store.redeem_code(
        digest("code " + name), grant, digest("token " + name), build_access(grant), now=START
    )
    assert outcome is CodeOutcome.REDEEMED


async def _refresh(store: EmbeddedStore, name: str, number: int, *, now: float = START) -> RefreshOutcome:
    grant = build_grant(name)
    rotation = await store.rotate_refresh(
        grant.grant_id,
        digest(f"{name} refresh {number}"),
        build_successor(f"{name} refresh {number + 1}"),
        digest(f"{name} access {number + 1}"),
        build_access(grant),
        client_id="client-1",
        grace=30.0,
        now=now,
    )
    return rotation.outcome


@pytest.mark.parametrize("operation", ["write", "fsync"])
@pytest.mark.parametrize("durability", ["always", "interval"])
def test_no_change_is_taken_while_the_disk_fails_and_all_are_after_it(
    tmp_path: Path, operation: str, durability: str, warnings: list[str]
) -> None:
    """Our choice: StoreUnavailable for whoever waits and whoever comes later, until the disk is well
    again.
    """
    files, path = FaultyFiles(), tmp_path / "state"

    async def scenario() -> None:
        async with opened(path, files=files, durability=durability, **QUICK) as store:
            await register(store, "before")
            await store._engine.journal.flush()  # type: ignore[union-attr]
            files.failing = {operation}
            if durability == "interval":
                await register(store, "answered")
                await until(lambda: store.outage is not None)
            waiting = await asyncio.gather(
                *(register(store, f"c{number}") for number in range(3)), return_exceptions=True
            )
            assert [type(error) for error in waiting] == [StoreUnavailable] * 3
            with pytest.raises(StoreUnavailable, match="No space left on device"):
                await register(store, "later")
            assert (store.outage, store.stats().outages) == ("disk_full", 1)
            files.failing = set()
            await _until_well(store)
            await register(store, "after")
            kept = {"before", "after"} | ({"answered"} if durability == "interval" else set())
            assert set(dump(store)["client"]) == kept
        assert set(load(path)["client"]) == kept

    asyncio.run(scenario())
    assert warnings[0] == FAILED
    assert warnings[-1].startswith("store.recovered reason=disk_full seconds=")
    warnings.clear()


def test_what_was_promised_is_there_the_moment_changes_are_taken_again(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: the recovery ends with everything on the disk, in files that no fsync has failed on."""
    files, path = FaultyFiles(), tmp_path / "live" / "state"

    async def scenario() -> None:
        async with opened(path, files=files, **QUICK) as store:
            await register(store, "before")
            names = {file.name for file in path.parent.iterdir() if ".journal." in file.name}
            files.failing = {"fsync"}
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            copy_files(path, tmp_path / "killed in it", files)
            files.failing = set()
            await _until_well(store)
            copy_files(path, tmp_path / "killed after it", files)
            assert not names & {file.name for file in (tmp_path / "killed after it").iterdir()}

    asyncio.run(scenario())
    assert load(tmp_path / "killed after it" / "state")["client"].keys() == {"before"}
    assert "before" in load(tmp_path / "killed in it" / "state")["client"]
    warnings.clear()


def test_what_was_not_promised_is_taken_back_and_can_be_asked_for_again(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: who got a 503 tries again, and a code or refresh token must not count as used by then."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, **QUICK) as store:
            await store.issue_code(digest("code b"), build_code())
            await _make_grant(store, "a")
            await store.save_snapshot()
            expected = dump(store)
            files.failing = {"fsync"}
            failed = await asyncio.gather(
                _make_grant(store, "b"),
                _refresh(store, "a", 0),
                _refresh(store, "a", 1),
                store.revoke_grant(build_grant("a").grant_id),
                store.find_grants("ada", now=START),
                return_exceptions=True,
            )
            assert [type(error) for error in failed] == [StoreUnavailable] * 5
            assert dump(store) == expected
            files.failing = set()
            await _until_well(store)
            assert dump(store) == expected
            assert await _refresh(store, "a", 0, now=START + 3600) is RefreshOutcome.ROTATED
            await _make_grant(store, "b")

    asyncio.run(scenario())
    warnings.clear()


def test_reads_and_refusals_go_on_while_the_disk_fails(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: living tokens are served, and what needs no change is answered."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, **QUICK) as store:
            await _make_grant(store, "a")
            await store.open_mcp_session(digest("s"), build_mcp_session())
            key = await store.find_or_create_key("state", b"k" * 32, now=START)
            await _refresh(store, "a", 0)
            files.failing = {"write"}
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            assert await store.find_access(digest("token a"), now=START) is not None
            assert await store.find_access(digest("unknown"), now=START) is None
            assert await store.find_client("lost", now=START) is None
            assert len(await store.find_grants("ada", now=START)) == 1
            assert await store.find_mcp_session(digest("s"), now=START) is not None
            assert await store.find_or_create_key("state", b"n" * 32, now=START) == key
            assert await store.revoke_grant(digest("unknown")[:16]) is False
            assert await _refresh(store, "a", 0, now=START + 5) is RefreshOutcome.RETRIED
            with pytest.raises(StoreUnavailable):
                await _refresh(store, "a", 1)
            files.failing = set()

    asyncio.run(scenario())
    warnings.clear()


def test_what_nobody_waits_for_is_kept_over_an_outage(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: an app in use must not look forgotten because the disk was full for a day."""
    files, path = FaultyFiles(), tmp_path / "state"

    async def scenario() -> None:
        async with opened(path, files=files, **QUICK) as store:
            await _make_grant(store, "a")
            await store.open_mcp_session(digest("s"), build_mcp_session())
            files.failing = {"write"}
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            await store.touch_grant(build_grant("a").grant_id, now=START + 100)
            session = await store.find_mcp_session(digest("s"), now=START + 3000)
            files.failing = set()
            await _until_well(store)
        found = load(path)
        assert found["grant"][build_grant("a").grant_id].last_used_at == START + 100
        assert found["mcp_session"][digest("s")] == session

    asyncio.run(scenario())
    warnings.clear()


def test_what_was_answered_without_waiting_is_not_taken_back(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: a proof that was let through must not be good a second time because the disk failed."""
    files, path = FaultyFiles(), tmp_path / "live" / "state"
    end = START + 600

    async def scenario() -> None:
        async with opened(path, files=files, **QUICK) as store:

            async def use(value: str) -> UseOutcome:
                return await store.use_once("dpop", "c", value, expires_at=end, now=START, wait=False)

            await store.save_snapshot()
            files.failing = {"write"}
            assert await use("before it") is UseOutcome.FIRST
            failed = await asyncio.gather(register(store, "lost"), return_exceptions=True)
            assert isinstance(failed[0], StoreUnavailable)
            assert await use("in it") is UseOutcome.FIRST
            files.failing = set()
            await _until_well(store)
            copy_files(path, tmp_path / "killed", files)
            for value in ("before it", "in it"):
                assert await use(value) is UseOutcome.REPLAYED
        assert len(load(tmp_path / "killed" / "state")["used"]) >= 1

    asyncio.run(scenario())
    warnings.clear()


def test_a_folder_that_is_moved_away_is_noticed_and_found_again(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: an open file takes every write, wherever it has gone; nobody would find it there. The
    folder is not made anew: what was mounted there may come back.
    """
    path, away = tmp_path / "live" / "state", tmp_path / "away"

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(path, files=files, **QUICK) as store:
            await _make_grant(store, "a")
            path.parent.rename(away)
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            assert store.outage == "gone"
            assert await store.find_access(digest("token a"), now=START) is not None
            assert not path.parent.exists()
            away.rename(path.parent)
            await _until_well(store)
            await register(store, "after")
            copy_files(path, tmp_path / "killed", files)

    asyncio.run(scenario())
    found = load(tmp_path / "killed" / "state")
    assert set(found["client"]) == {"after"}
    assert digest("token a") in found["access"]
    warnings.clear()


def test_a_folder_that_was_deleted_is_filled_again_once_it_is_there(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: memory has it all. The lock is taken anew as well."""
    path = tmp_path / "live" / "state"

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(path, files=files, **QUICK) as store:
            await _make_grant(store, "a")
            expected = dump(store)
            shutil.rmtree(path.parent)
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            path.parent.mkdir()
            await _until_well(store)
            assert path.with_name("state.lock").exists()
            copy_files(path, tmp_path / "killed", files)
            assert load(tmp_path / "killed" / "state") == expected

    asyncio.run(scenario())
    warnings.clear()


def test_a_journal_that_was_deleted_is_noticed_before_anything_is_promised(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice."""
    path = tmp_path / "live" / "state"

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(path, files=files, **QUICK) as store:
            await register(store, "before")
            next(path.parent.glob("*.journal.*")).unlink()
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            await _until_well(store)
            copy_files(path, tmp_path / "killed", files)

    asyncio.run(scenario())
    assert set(load(tmp_path / "killed" / "state")["client"]) == {"before"}
    warnings.clear()


def test_an_idle_store_notices_by_itself_that_its_files_are_gone(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: who watches `/healthz` learns it before the next person signs in."""
    path = tmp_path / "live" / "state"

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(path, files=files, **QUICK) as store:
            await register(store, "before")
            path.parent.rename(tmp_path / "away")
            await store._engine.journal.probe()  # type: ignore[union-attr]
            assert store.outage == "gone"
            (tmp_path / "away").rename(path.parent)
            await _until_well(store)

    asyncio.run(scenario())
    warnings.clear()


HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def _hold(lock: Path) -> subprocess.Popen[bytes]:
    """A process that has the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(lock)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_place_that_another_process_has_taken_meanwhile_is_left_to_it(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: two processes must never write under one name."""
    path = tmp_path / "live" / "state"

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(path, files=files, **QUICK) as store:
            await register(store, "before")
            shutil.rmtree(path.parent)
            with pytest.raises(StoreUnavailable):
                await register(store, "lost")
            other_place = tmp_path / "other"
            other_place.mkdir()
            with _hold(other_place / "state.lock") as other:
                assert other.stdout is not None
                await asyncio.to_thread(other.stdout.readline)
                other_place.rename(path.parent)
                await until(lambda: store.outage == "taken")
                assert [file.name for file in path.parent.iterdir()] == ["state.lock"]
            await _until_well(store)
            await register(store, "after")

    asyncio.run(scenario())
    assert set(load(path)["client"]) == {"before", "after"}
    warnings.clear()


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: a flush that takes longer than a client would wait counts as failed."""
    files, path = FaultyFiles(), tmp_path / "live" / "state"

    async def scenario() -> None:
        async with opened(path, files=files, stall_limit=0.05, **QUICK) as store:
            await store.save_snapshot()
            await register(store, "before")
            files.gate.clear()
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(register(store, "lost"), PATIENCE)
            assert store.outage == "stalled"
            assert await store.find_client("lost", now=START) is None
            files.gate.set()
            await _until_well(store)
            await register(store, "after")
            copy_files(path, tmp_path / "killed", files)

    asyncio.run(scenario())
    assert set(load(tmp_path / "killed" / "state")["client"]) == {"before", "after"}
    warnings.clear()


def test_a_stop_in_an_outage_tries_once_more(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: and says so where that fails too; what was promised is on the disk in both cases."""
    for heals in (True, False):
        files, path = FaultyFiles(), tmp_path / str(heals) / "state"

        async def scenario(files: FaultyFiles = files, path: Path = path, heals: bool = heals) -> None:
            async with opened(path, files=files, retry_interval=3600.0) as store:
                await register(store, "before")
                files.failing = {"fsync"}
                with pytest.raises(StoreUnavailable):
                    await register(store, "lost")
                await until(lambda: not list(path.parent.glob("*.tmp")))
                files.failing = set() if heals else {"fsync"}
            assert (store.outage is None) is heals

        asyncio.run(scenario())
        assert any("store.closed_failing reason=disk_full" in text for text in warnings) is not heals
        warnings.clear()
        assert set(load(path)["client"]) == {"before"}


def test_a_snapshot_that_fails_is_no_outage(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: a folder that takes no new file, with a journal that takes every record, keeps its
    promise.
    """
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            files.failing = {"create"}
            assert not await store.save_snapshot()
            await register(store, "a")
            assert (store.outage, store.stats().snapshot_failures) == (None, 1)
            files.failing = set()
        assert set(load(tmp_path / "state")["client"]) == {"a"}

    asyncio.run(scenario())
    warnings.clear()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "read_only"),
        (errno.EACCES, "read_only"),
        (errno.EIO, "disk_error"),
        (errno.ENOENT, "gone"),
        (errno.EMFILE, "too_many_files"),
    ],
)
def test_the_reason_is_a_word_for_what_the_system_said(
    tmp_path: Path, number: int, reason: str, warnings: list[str]
) -> None:
    """Our choice."""
    files = FaultyFiles()
    files.error = number

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, **QUICK) as store:
            files.failing = {"write"}
            with pytest.raises(StoreUnavailable):
                await register(store, "a")
            assert store.outage == reason
            files.failing = set()

    asyncio.run(scenario())
    assert warnings[0].startswith(f"store.failed reason={reason} ")
    assert os.strerror(number) in warnings[0]
    warnings.clear()


def test_every_reason_is_explained() -> None:
    """Our choice (docs/operations.md)."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [word for word in {*REASONS.values(), "disk_error"} if f"| `{word}` |" not in text] == []


def test_an_outage_that_lasts_is_logged_once(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: and again where what is wrong has changed."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, clock=Clock(), **QUICK) as store:
            files.failing = {"fsync"}
            with pytest.raises(StoreUnavailable):
                await register(store, "a")
            before = files.fsyncs
            await until(lambda: files.fsyncs > before + 5)
            files.error = errno.EIO
            await until(lambda: store.outage == "disk_error")
            files.failing = set()
            await _until_well(store)

    asyncio.run(scenario())
    assert [text.split()[0] for text in warnings] == [
        "store.failed",
        "store.still_failing",
        "store.recovered",
    ]
    warnings.clear()
