"""Every call to the file system fails in turn: what was answered holds, what was used up stays used up."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.errors import StoreError

from .disk import abandon, dump, until
from .lives import Life
from .samples import Clock
from .simulated_disk import ERRORS, SimulatedDisk

BEFORE = "a register, a issue, a redeem, b register, b issue, snapshot, a rotate, c register, c issue"
PLAN = "c redeem, a rotate, b redeem, snapshot, a revoke, b rotate, c rotate"
"""Who does what, with snapshots between: every step there is, on both sides of a start and of a cut-over."""
LONGEST = 400
"""More calls than the plan makes; the test says so where that is no longer true."""


class Bench:
    """A store on a simulated disk, and the lives that are lived on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = SimulatedDisk()
        self.lives: dict[str, Life] = {}
        self.crashes = 0
        self.path = folder / "0" / "state"

    async def open(self) -> None:
        """Open it, again where the fault has hit the opening itself."""
        for attempt in range(20):
            try:
                self.store = EmbeddedStore.open(
                    self.path, files=self.disk, clock=Clock(), retry_interval=0.0, snapshot_interval=3600.0
                )
                break
            except StoreError:
                assert attempt < 19
        await self.store.start()
        # What the snapshot after a crash does is part of the count.
        await until(lambda: not self.store._engine._starts_behind or self.is_saved)

    @property
    def is_saved(self) -> bool:
        files = self.store._engine._files
        return files is not None and not files.snapshots._turn.locked()

    async def run(self, plan: str) -> None:
        for step in plan.split(", "):
            await self.take(step)

    async def take(self, step: str) -> None:
        name, _, what = step.partition(" ")
        if name == "snapshot":
            await self.store.save_snapshot()
            return
        life = self.lives.setdefault(name, Life(name))
        if what not in life.list_steps():
            return  # an earlier one failed
        if not await life.take(self.store, what):
            await until(lambda: self.store.outage is None)
            before = dump(self.store)
            # What was not promised was taken back, so that it can be asked for again.
            assert await life.take(self.store, what) or dump(self.store) == before

    async def check(self) -> None:
        for life in self.lives.values():
            await life.check(self.store)

    async def stop(self) -> None:
        await self.store.close()
        await self.open()

    async def kill(self) -> None:
        await abandon(self.store)
        await self.open()

    async def lose_power(self, seed: int = 0) -> None:
        await abandon(self.store)
        self.crashes += 1
        folder = self.folder / str(self.crashes)
        self.disk = self.disk.lose_power(folder, random.Random(seed))
        self.path = folder / "state"
        await self.open()


def fail_at(number: int, disk: SimulatedDisk, times: int) -> tuple[Callable[[str], bool], list[str]]:
    """A fault that hits so many calls from a number on, and what it has hit."""
    hit: list[str] = []

    def fault(operation: str) -> bool:
        if disk.calls >= number and len(hit) < times:
            hit.append(operation)
            return True
        return False

    return fault, hit


@pytest.mark.parametrize("ending", ["kill", "lose_power"])
@pytest.mark.parametrize(("times", "stride"), [(1, 1), (7, 5)])
def test_every_call_fails_in_turn_and_nothing_answered_is_lost(
    tmp_path: Path, ending: str, times: int, stride: int, warnings: list[str]
) -> None:
    """Our choice: once, or several times in a row; then a kill or a power cut, a start, a stop and a
    start.
    """
    seen: set[str] = set()

    async def fail_and_end(number: int) -> bool:
        bench = Bench(tmp_path / str(number))
        await bench.open()
        await bench.run(BEFORE)
        await abandon(bench.store)
        bench.disk.fault, hit = fail_at(bench.disk.calls + number, bench.disk, times)
        await bench.open()
        await bench.run(PLAN)
        await bench.check()
        if hit:
            seen.add(hit[0])
            expected = dump(bench.store)
            await getattr(bench, ending)()
            await bench.check()
            assert dump(bench.store) == expected
            await bench.run("d register, d issue, d redeem, d rotate")
            await bench.stop()
            await bench.check()
        await bench.store.close()
        return bool(hit)

    for number in range(1, LONGEST, stride):
        if not asyncio.run(fail_and_end(number)):
            break
    else:
        pytest.fail("the plan makes more calls than LONGEST")
    # Each kind of call was the first to fail, at least once.
    assert seen == set(ERRORS) or stride > 1
    warnings.clear()


async def live_through(folder: Path, steps: list[tuple[str, int, int]]) -> None:
    """Take steps whatever becomes of them: no outage is waited for, and the end may come in one."""
    bench = Bench(folder)
    await bench.open()
    for what, which, number in steps:
        match what:
            case "fail":
                bench.disk.fault, _ = fail_at(bench.disk.calls + number, bench.disk, 1 + which * 8)
            case "kill" | "lose_power" | "stop":
                # The next process finds the disk well.
                bench.disk.fault = lambda operation: False
                await (bench.lose_power(number) if what == "lose_power" else getattr(bench, what)())
                await bench.check()
            case "snapshot":
                await bench.store.save_snapshot()
            case _:
                life = bench.lives.setdefault(str(which), Life(str(which)))
                if choices := life.list_steps():
                    await life.take(bench.store, choices[number % len(choices)])
    bench.disk.fault = lambda operation: False
    await bench.kill()
    await bench.check()
    await bench.lose_power(len(steps))
    await bench.check()
    await bench.store.close()


steps = st.lists(
    st.tuples(
        st.sampled_from(("live",) * 12 + ("fail", "fail", "kill", "lose_power", "stop", "snapshot")),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    min_size=5,
    max_size=60,
)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps)
def test_any_sequence_of_steps_and_faults_and_crashes_keeps_what_was_answered(
    taken: list[tuple[str, int, int]], warnings: list[str]
) -> None:
    """Our choice: killed in the middle of an outage, and the power gone after that, as well."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live_through(Path(folder), taken))
    warnings.clear()


def test_what_a_failed_fsync_left_in_the_page_cache_is_not_believed(
    tmp_path: Path, warnings: list[str]
) -> None:
    """Our choice: it may be read after a kill, and an fsync of the same file would not write it."""

    async def scenario(folder: Path, seed: int) -> None:
        bench = Bench(folder)
        await bench.open()
        await bench.run("a register, a issue, a redeem")
        bench.disk.fault = lambda operation: operation in ("fsync", "truncate")
        assert not await bench.lives["a"].take(bench.store, "rotate")
        bench.disk.fault = lambda operation: False
        await bench.kill()
        await bench.check()
        await bench.run("b register, a rotate")
        await bench.lose_power(seed)
        await bench.check()
        await bench.store.close()

    for seed in range(12):
        asyncio.run(scenario(tmp_path / str(seed), seed))
    warnings.clear()
