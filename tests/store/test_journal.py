"""The journal: what was answered is on the disk, and damage is told from a write that was cut short."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from omnitornado.store.errors import StoreDamaged
from omnitornado.store.framing import build_frame
from omnitornado.store.header import HEADER_SIZE, JOURNAL_MAGIC, build_header
from omnitornado.store.transitions import StoreUnavailable

from .disk import dump, load, opened, register
from .samples import (
    START,
    Clock,
    FaultyFiles,
    WatchedFiles,
    build_access,
    build_client,
    build_code,
    build_grant,
    build_mcp_session,
    copy_files,
    digest,
)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal as a killed process leaves it: three registrations, a frame each, and no snapshot."""

    async def scenario() -> None:
        async with opened(tmp_path / "live" / "state") as store:
            await store.save_snapshot()
            await register(store, "a", "b", "c")
            copy_files(tmp_path / "live" / "state", tmp_path / "killed")

    asyncio.run(scenario())
    return tmp_path / "killed" / "state.journal.2"


def _find_frames(journal: Path) -> list[int]:
    """Where each frame starts, and where the last one ends."""
    data = journal.read_bytes()
    starts = [at for at in range(HEADER_SIZE, len(data)) if data.startswith(b"\xf5OTF", at)]
    return [*starts, len(data)]


def _state(journal: Path) -> Path:
    return journal.with_name("state")


def test_what_was_answered_is_there_after_a_kill(journal: Path) -> None:
    """Our choice: durability "always"."""
    assert set(load(_state(journal))["client"]) == {"a", "b", "c"}


def test_a_last_record_cut_short_at_any_byte_is_cut_off_and_reported(
    journal: Path, warnings: list[str]
) -> None:
    """Our choice: a truncated tail loads."""
    *_, last, end = _find_frames(journal)
    whole = journal.read_bytes()
    for length in range(last + 1, end):
        journal.write_bytes(whole[:length])
        assert set(load(_state(journal))["client"]) == {"a", "b"}
        assert journal.stat().st_size == last
        assert warnings == [
            f"{journal}: record 3 (at byte {last}): {warnings[0].split('): ')[1].split(';')[0]}; "
            f"cutting off {length - last} bytes that were never confirmed"
        ]
        warnings.clear()
    journal.write_bytes(whole[:last])
    assert set(load(_state(journal))["client"]) == {"a", "b"}


def test_a_last_write_whose_parts_reached_the_disk_out_of_order_is_cut_off(
    journal: Path, warnings: list[str]
) -> None:
    """Our choice: the power may fail between any two sectors of a write that was not confirmed."""
    *_, last, end = _find_frames(journal)
    whole = journal.read_bytes()
    for torn in (
        whole[:last] + bytes(end - last),
        whole[:last] + bytes(30) + whole[last + 30 :],
        whole[: end - 1] + bytes([whole[-1] ^ 1]),
        whole + bytes(512),
    ):
        journal.write_bytes(torn)
        assert set(load(_state(journal))["client"]) >= {"a", "b"}
        assert warnings.pop().endswith("that were never confirmed")


def test_the_journal_goes_on_where_a_tail_was_cut_off(journal: Path, warnings: list[str]) -> None:
    """Our choice."""
    journal.write_bytes(journal.read_bytes()[:-1])

    async def scenario() -> None:
        files = WatchedFiles()
        async with opened(_state(journal), files=files) as store:
            await register(store, "d")
            with files.turn:
                copy_files(_state(journal), journal.parent.parent / "again")

    asyncio.run(scenario())
    warnings.clear()
    assert set(load(journal.parent.parent / "again" / "state")["client"]) == {"a", "b", "d"}


@pytest.mark.parametrize("frame", [0, 1])
def test_damage_in_the_middle_refuses_and_names_file_and_record(journal: Path, frame: int) -> None:
    """Our choice: whatever byte it hits, since what follows was confirmed after it."""
    start, end = _find_frames(journal)[frame : frame + 2]
    whole = journal.read_bytes()
    for at in range(start, end):
        journal.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        with pytest.raises(StoreDamaged) as caught:
            load(_state(journal))
        assert str(caught.value).startswith(f"{journal}: record {frame + 1} (at byte {start}): ")


def test_a_record_that_is_missing_in_the_middle_refuses(journal: Path) -> None:
    """Our choice."""
    first, second, third, _ = _find_frames(journal)
    whole = journal.read_bytes()
    journal.write_bytes(whole[:first] + whole[second:third] + whole[third:])
    with pytest.raises(StoreDamaged, match=r"record 1 .*number 2 stands in its place"):
        load(_state(journal))


def _empty(journal: Path) -> None:
    journal.write_bytes(b"")


def _cut_header(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[: HEADER_SIZE - 1])


def _damage_header(journal: Path) -> None:
    data = journal.read_bytes()
    journal.write_bytes(data[:14] + b"\xff" + data[15:])


def _renumber(journal: Path) -> None:
    journal.write_bytes(build_header(JOURNAL_MAGIC, 9) + journal.read_bytes()[HEADER_SIZE:])


def _skip_generation(journal: Path) -> None:
    journal.with_name("state.journal.4").write_bytes(build_header(JOURNAL_MAGIC, 4))


def _put_text(journal: Path) -> None:
    journal.write_bytes(b"{}" * 40)


def _append_unknown(journal: Path) -> None:
    payload = b"\x91\x91\x93\xa3new\xa1k\xc0"
    journal.write_bytes(journal.read_bytes() + build_frame(4, payload))


def _append_wrong_key(journal: Path) -> None:
    payload = b"\x91\x91\x93\xa5grant\xa1k\xc0"
    journal.write_bytes(journal.read_bytes() + build_frame(4, payload))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "state.journal.2: is missing, while the snapshot names it"),
        (_empty, "state.journal.2: record 0 (at byte 0): the file ends before its header does"),
        (_cut_header, "state.journal.2: record 0 (at byte 0): the file ends before its header does"),
        (_damage_header, "state.journal.2: record 0 (at byte 0): the header's checksum does not match"),
        (_put_text, "state.journal.2: record 0 (at byte 0): not a file of this kind"),
        (_renumber, "state.journal.2: record 0 (at byte 0): the generation in it is not the one in its name"),
        (_skip_generation, "state.journal.3: is missing, while journal 4 is there"),
        (_append_unknown, "state.journal.2: record 4 (at byte {end}): no table is called 'new'"),
        (
            _append_wrong_key,
            "state.journal.2: record 4 (at byte {end}): a key of table 'grant' has the wrong type",
        ),
        (
            lambda journal: _state(journal).unlink(),
            "state: is missing, while journal 2 that follows it is there",
        ),
    ],
)
def test_a_chain_that_is_not_whole_refuses(
    journal: Path, damage: Callable[[Path], None], reason: str
) -> None:
    """Our choice: rather not start than start with less than was promised."""
    end = journal.stat().st_size
    damage(journal)
    with pytest.raises(StoreDamaged) as caught:
        load(_state(journal))
    assert str(caught.value) == f"{journal.parent}/{reason.format(end=end)}"


def test_a_torn_tail_is_cut_off_even_where_an_empty_journal_follows(
    journal: Path, warnings: list[str]
) -> None:
    """Our choice: a switch to a new journal may fail half done, and the old one goes on."""
    journal.write_bytes(journal.read_bytes()[:-1])
    following = journal.with_name("state.journal.3")
    following.write_bytes(build_header(JOURNAL_MAGIC, 3))
    assert set(load(_state(journal))["client"]) == {"a", "b"}
    warnings.clear()
    following.write_bytes(build_header(JOURNAL_MAGIC, 3) + build_frame(1, b"\x90"))
    assert set(load(_state(journal))["client"]) == {"a", "b"}


def test_a_torn_tail_refuses_where_a_later_journal_has_records(journal: Path) -> None:
    """Our choice: what is in the later one was confirmed after the tail was whole."""
    journal.write_bytes(journal.read_bytes()[:-1])
    journal.with_name("state.journal.3").write_bytes(build_header(JOURNAL_MAGIC, 3) + build_frame(1, b"\x90"))
    with pytest.raises(StoreDamaged, match=r"state\.journal\.2: record 3"):
        load(_state(journal))


def test_what_has_expired_is_left_out_by_a_load(tmp_path: Path) -> None:
    """Our choice: from the journal and from the snapshot."""

    async def scenario() -> None:
        async with opened(tmp_path / "live" / "state") as store:
            grant = build_grant(expires_at=START + 10)
            await store.issue_code(digest("code"), build_code())
            await store.redeem_code(digest("code"), grant, digest("t"), build_access(grant), now=START)
            await store.register_client(build_client(expires_at=START + 5))
            copy_files(tmp_path / "live" / "state", tmp_path / "killed")

    asyncio.run(scenario())
    late = Clock()
    late.now += 10
    for name in ("live", "killed"):
        found = load(tmp_path / name / "state", clock=late)
        assert (len(found["grant"]), len(found["client"]), len(found["access"])) == (0, 0, 1)


def test_many_waiters_share_one_fsync(tmp_path: Path) -> None:
    """Our choice: grouped fsync."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            await store.save_snapshot()
            files.gate.clear()
            files.entered.clear()
            before = files.fsyncs
            first = asyncio.create_task(register(store, "first"))
            await asyncio.to_thread(files.entered.wait, 5)
            others = [asyncio.create_task(register(store, f"c{number}")) for number in range(50)]
            await _turn_over()
            assert not first.done()
            assert not any(task.done() for task in others)
            files.gate.set()
            await asyncio.gather(first, *others)
            assert files.fsyncs - before == 2

    asyncio.run(scenario())


async def _turn_over() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_changes_that_come_turn_after_turn_share_one_fsync_and_a_single_one_waits_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: requests that are there already are worth a moment, and nobody waits for those that may
    come.
    """
    monkeypatch.setattr("omnitornado.store.journal.GATHER", 3600.0)
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            await register(store, "single")
            at_first = files.fsyncs
            waiting: list[asyncio.Task[None]] = []
            for number in range(20):
                waiting.append(asyncio.create_task(register(store, str(number))))
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
            assert files.fsyncs == at_first + 1
            await register(store, "another")
            assert files.fsyncs == at_first + 2

    asyncio.run(scenario())


def test_a_round_waits_for_no_more_than_a_moment_however_many_changes_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: a server that is never idle answers all the same."""
    monkeypatch.setattr("omnitornado.store.journal.GATHER", 0.0)
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            await store.save_snapshot()
            first = asyncio.create_task(register(store, "first"))
            waiting: list[asyncio.Task[None]] = []
            while not first.done():
                waiting.append(asyncio.create_task(register(store, str(len(waiting)))))
                await asyncio.sleep(0)
            assert not all(task.done() for task in waiting)
            await asyncio.gather(*waiting)

    asyncio.run(scenario())


def test_nothing_is_answered_from_a_change_before_it_is_on_the_disk(tmp_path: Path) -> None:
    """Our choice: refusals and reads included; what has no pending change is answered at once."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            grant, kept = build_grant(), build_grant("kept")
            for made in (grant, kept):
                code = digest("code " + made.public_id)
                await store.issue_code(code, build_code())
                access = digest("token " + made.public_id)
                await store.redeem_code(code, made, access, build_access(made), now=START)
            await store.save_snapshot()
            files.gate.clear()
            pending = [
                asyncio.create_task(call)
                for call in (
                    store.revoke_grant(grant.grant_id),
                    store.register_client(build_client()),
                    store.revoke_grant(grant.grant_id),
                    store.find_access(digest("token grant-1"), now=START),
                    store.find_grant(grant.grant_id, now=START),
                    store.find_grants("ada", now=START),
                    store.find_client("client-1", now=START),
                    store.issue_access(digest("new"), build_access(grant), now=START),
                )
            ]
            await _turn_over()
            assert not any(task.done() for task in pending)
            assert await store.find_access(digest("token kept"), now=START) is not None
            assert await store.find_grant(kept.grant_id, now=START) == kept
            assert await store.find_client("unknown", now=START) is None
            files.gate.set()
            results = await asyncio.gather(*pending)
            assert results == [True, (), False, None, None, [kept], build_client(), False]

    asyncio.run(scenario())


def test_a_closed_mcp_session_stays_closed_whoever_looked_for_it_meanwhile(tmp_path: Path) -> None:
    """Our choice: nothing that was read before a wait is written after it. A search past half of the lifetime
    renews; it waits for a subscription, and meanwhile the session is closed."""
    files, live, first = FaultyFiles(), tmp_path / "live" / "state", digest("first")
    late = START + 2000

    async def scenario() -> None:
        async with opened(live, files=files) as store:
            await store.open_mcp_session(first, build_mcp_session())
            files.gate.clear()
            calls = (
                store.subscribe_mcp_session(first, "a://1", is_wanted=True, now=late),
                store.find_mcp_session(first, now=late),
                store.close_mcp_session(first),
            )
            waiting = [asyncio.create_task(call) for call in calls]
            await _turn_over()
            files.gate.set()
            assert await asyncio.gather(*waiting) == [True, None, True]
            assert await store.find_mcp_session(first, now=late) is None
            assert not await store.close_mcp_session(first)
            await register(store, "later")
            copy_files(live, tmp_path / "killed", files)

    asyncio.run(scenario())
    assert load(tmp_path / "killed" / "state")["mcp_session"] == {}


def test_a_subscription_is_not_lost_to_a_search_for_its_session(tmp_path: Path) -> None:
    """Our choice: the renewal is of the session as it stands, not as it stood when the wait began."""
    files, live, first = FaultyFiles(), tmp_path / "live" / "state", digest("first")
    late = START + 2000

    async def scenario() -> None:
        async with opened(live, files=files) as store:
            await store.open_mcp_session(first, build_mcp_session())
            files.gate.clear()
            calls = (
                store.subscribe_mcp_session(first, "a://1", is_wanted=True, now=late),
                store.find_mcp_session(first, now=late),
                store.subscribe_mcp_session(first, "a://2", is_wanted=True, now=late),
            )
            waiting = [asyncio.create_task(call) for call in calls]
            await _turn_over()
            files.gate.set()
            await asyncio.gather(*waiting)
            found = await store.find_mcp_session(first, now=late)
            assert found is not None
            assert (found.subscriptions, found.expires_at) == (("a://1", "a://2"), late + 3600)
            await register(store, "later")
            copy_files(live, tmp_path / "killed", files)

    asyncio.run(scenario())
    (kept,) = load(tmp_path / "killed" / "state")["mcp_session"].values()
    assert kept.subscriptions == ("a://1", "a://2")


def test_a_waiter_that_goes_away_takes_nothing_with_it(tmp_path: Path) -> None:
    """Our choice: a client that hangs up doesn't undo the flush that others wait for."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files) as store:
            await store.save_snapshot()
            files.gate.clear()
            gone = asyncio.create_task(register(store, "gone"))
            stays = asyncio.create_task(register(store, "stays"))
            await _turn_over()
            gone.cancel()
            await _turn_over()
            files.gate.set()
            await stays
            assert gone.cancelled()
        assert set(load(tmp_path / "state")["client"]) == {"gone", "stays"}

    asyncio.run(scenario())


def test_transitions_before_the_start_and_after_the_end_are_refused(tmp_path: Path) -> None:
    """Our choice: they would never reach the disk."""

    async def scenario() -> None:
        async with opened(tmp_path / "state") as store:
            await register(store, "a")
        with pytest.raises(StoreUnavailable, match="closed"):
            await asyncio.wait_for(register(store, "b"), 5)
        await store.close()

    asyncio.run(scenario())


def test_a_store_that_was_never_started_closes_and_gives_the_lock_back(tmp_path: Path) -> None:
    """Our choice: a start that fails elsewhere."""

    async def scenario() -> None:
        from omnitornado.store.embedded import EmbeddedStore

        store = EmbeddedStore.open(tmp_path / "state")
        with pytest.raises(StoreUnavailable, match="not been started"):
            await register(store, "a")
        await store.close()
        async with opened(tmp_path / "state"):
            pass

    asyncio.run(scenario())


def test_what_nobody_waits_for_is_on_the_disk_with_the_next_flush(tmp_path: Path) -> None:
    """Our choice: a last use and a session's renewal wait for nothing, and are kept at a clean stop."""
    files = FaultyFiles()

    async def scenario() -> None:
        path = tmp_path / "live" / "state"
        async with opened(path, files=files) as store:
            grant = build_grant()
            await store.issue_code(digest("code"), build_code())
            await store.redeem_code(digest("code"), grant, digest("t"), build_access(grant), now=START)
            await store.open_mcp_session(digest("s"), build_mcp_session())
            before = files.fsyncs
            await store.touch_grant(grant.grant_id, now=START + 100)
            await store.find_mcp_session(digest("s"), now=START + 3000)
            await _turn_over()
            assert files.fsyncs == before
            await register(store, "a")
            copy_files(path, tmp_path / "killed")
            expected = dump(store)
        assert load(tmp_path / "killed" / "state") == expected
        assert load(path) == expected

    asyncio.run(scenario())


def test_interval_answers_at_once_and_a_clean_stop_loses_nothing(tmp_path: Path) -> None:
    """Our choice: durability "interval"."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, durability="interval") as store:
            await store.save_snapshot()
            files.gate.clear()
            await register(store, "a", "b")
            assert await store.find_client("a", now=START) is not None
            files.gate.set()
        assert set(load(tmp_path / "state")["client"]) == {"a", "b"}

    asyncio.run(scenario())


def test_a_copy_of_the_files_loads_elsewhere(journal: Path, tmp_path: Path) -> None:
    """Our choice: a backup is a copy."""
    shutil.copytree(journal.parent, tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere" / "state") == load(_state(journal))
