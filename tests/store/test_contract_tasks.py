"""The contract of every store: tasks."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omnitornado.store.codec import build_piece
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import Task
from omnitornado.store.transitions import Store

from .conftest import Run
from .disk import opened
from .samples import START, Clock, build_task, copy_files, digest

FIRST, SECOND = digest("first"), digest("second")
DONE: dict[str, Any] = {"status": "completed", "cause": "", "sealed": b"sealed", "now": START + 5}
CANCELLED: dict[str, Any] = {"status": "cancelled", "cause": "cancelled", "sealed": b"", "now": START + 6}


def test_a_task_is_found_until_its_time_is_up(run: Run) -> None:
    """Required by SEP-2663 (Task Creation, Task): it is there before it is told of, and no longer than its
    time."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await store.start_task(FIRST, build_task(), now=START)
        assert await store.find_task(FIRST, now=START + 3599) == build_task()
        assert await store.find_task(FIRST, now=START + 3600) is None
        assert await store.find_task(SECOND, now=START) is None

    run(scenario)


def test_the_first_end_of_a_task_counts(run: Run) -> None:
    """Required by SEP-2663 (Task Status): an ended task changes no more, however it ended."""

    async def scenario(store: Store, clock: Clock) -> None:
        for key, first, second in ((FIRST, DONE, CANCELLED), (SECOND, CANCELLED, DONE)):
            await store.start_task(key, build_task(), now=START)
            ended = await store.end_task(key, **first)
            members = {name: value for name, value in first.items() if name != "now"}
            assert ended == build_task(updated_at=first["now"], **members)
            assert await store.end_task(key, **second) == ended
            assert await store.find_task(key, now=START + 9) == ended

    run(scenario)


def test_of_two_ends_at_the_same_time_one_counts(run: Run) -> None:
    """Our choice: a cancellation that meets the result."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.start_task(FIRST, build_task(), now=START)
        one, other = await asyncio.gather(store.end_task(FIRST, **DONE), store.end_task(FIRST, **CANCELLED))
        assert one == other
        assert one is not None
        assert one.status == "completed"

    run(scenario)


def test_a_task_past_its_time_does_not_end(run: Run) -> None:
    """Our choice: there is nothing left to end."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.start_task(FIRST, build_task(expires_at=START + 5), now=START)
        assert await store.end_task(FIRST, **DONE) is None
        assert await store.end_task(SECOND, **DONE) is None
        assert await store.find_task(FIRST, now=START + 4) == build_task(expires_at=START + 5)

    run(scenario)


def test_a_person_has_so_many_tasks_and_no_result_goes_for_a_new_one(run: Run) -> None:
    """Required by SEP-2663 (Task: ttlMs): what was promised for a time stays for it. How many: our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(3):
            task = build_task(expires_at=START + 10 + number)
            assert await store.start_task(digest(str(number)), task, now=START)
        assert not await store.start_task(digest("3"), build_task(), now=START)
        assert await store.find_task(digest("3"), now=START) is None
        assert await store.find_task(digest("0"), now=START) is not None
        assert await store.start_task(digest("hers"), build_task(username="eve"), now=START)
        assert await store.start_task(digest("3"), build_task(), now=START + 10)

    run(scenario)


def test_a_person_keeps_so_many_bytes_of_results(run: Run) -> None:
    """Our choice: what has ended is kept, what comes next is refused."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.start_task(FIRST, build_task(expires_at=START + 10), now=START)
        await store.end_task(FIRST, **DONE | {"sealed": b"x" * 20})
        assert not await store.start_task(SECOND, build_task(), now=START + 9)
        assert await store.start_task(SECOND, build_task(username="eve"), now=START + 9)
        assert await store.start_task(digest("third"), build_task(), now=START + 10)

    run(scenario)


def test_the_tasks_of_an_endpoint_are_interrupted_and_no_others(run: Run) -> None:
    """Our choice: one whose server has gone has failed; one that had ended has what it came to."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.start_task(FIRST, build_task(), now=START)
        await store.start_task(SECOND, build_task(), now=START)
        await store.start_task(digest("elsewhere"), build_task(path="/files/mcp"), now=START)
        ended = await store.end_task(SECOND, **DONE)
        assert await store.interrupt_tasks(path="/mcp", now=START + 7) == 1
        assert await store.interrupt_tasks(path="/mcp", now=START + 8) == 0
        failed = build_task(status="failed", cause="interrupted", updated_at=START + 7)
        assert await store.find_task(FIRST, now=START + 9) == failed
        assert await store.end_task(FIRST, **DONE) == failed
        assert await store.find_task(SECOND, now=START + 9) == ended
        elsewhere = await store.find_task(digest("elsewhere"), now=START + 9)
        assert elsewhere == build_task(path="/files/mcp")

    run(scenario)


def test_what_a_task_came_to_survives_a_kill_and_a_snapshot(tmp_path: Path) -> None:
    """Required by SEP-2663: tasks are durable. By a journal alone, then by a snapshot."""
    path = tmp_path / "0" / "state"
    path.parent.mkdir()
    ended = msgspec.structs.replace(build_task(), status="completed", sealed=b"sealed", updated_at=START + 5)

    async def write(store: EmbeddedStore) -> Path:
        await store.start_task(FIRST, build_task(), now=START)
        await store.start_task(SECOND, build_task(), now=START)
        assert await store.end_task(FIRST, **DONE) == ended
        return copy_files(path, tmp_path / "1")

    async def read(store: EmbeddedStore) -> list[Task | None]:
        return [await store.find_task(key, now=START + 6) for key in (FIRST, SECOND)]

    killed = asyncio.run(_with(path, write))
    assert asyncio.run(_with(killed, read)) == [ended, build_task()]
    assert asyncio.run(_with(path, read)) == [ended, build_task()]


async def _with(path: Path, work: Any) -> Any:
    async with opened(path, clock=Clock()) as store:
        return await work(store)


def test_a_snapshot_takes_few_tasks_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: each may hold a large result, and a turn of the loop encodes no more than some."""
    written: list[int] = []

    def watch(table: str, records: dict[Any, Any]) -> bytes:
        piece = build_piece(table, records)
        written.append(len(piece))
        return piece

    monkeypatch.setattr("omnitornado.store.snapshot.build_piece", watch)

    async def write(store: EmbeddedStore) -> None:
        for number in range(50):
            task = build_task(username=f"person {number}", sealed=b"x" * 100_000)
            await store.start_task(digest(str(number)), task, now=START)
        assert await store.save_snapshot()
        assert sum(written) > 5_000_000
        assert max(written) < 500_000

    asyncio.run(_with(tmp_path / "state", write))
