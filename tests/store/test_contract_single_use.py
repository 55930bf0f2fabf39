"""The contract of every store: values that are good once."""

import asyncio
from pathlib import Path

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits
from omnitornado.store.transitions import Store, StoreUnavailable, UseOutcome

from .conftest import Run
from .samples import START, Clock, FaultyFiles, QuickFiles, WatchedFiles, copy_files

FIRST, REPLAYED, FULL = UseOutcome.FIRST, UseOutcome.REPLAYED, UseOutcome.FULL


async def use(
    store: Store,
    value: str = "jti-1",
    *,
    purpose: str = "assertion",
    party: str = "client-1",
    now: float = START,
    lifetime: float = 60.0,
    wait: bool = True,
) -> UseOutcome:
    return await store.use_once(purpose, party, value, expires_at=now + lifetime, now=now, wait=wait)


@pytest.mark.parametrize("wait", [True, False])
def test_a_value_is_good_once_until_nobody_takes_it_any_more(run: Run, wait: bool) -> None:
    """Required by RFC 7523 §3: a used `jti` is remembered as long as its assertion could be taken."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await use(store, wait=wait) is FIRST
        assert await use(store, wait=wait) is REPLAYED
        # A later end in the second use must not matter: nor does it keep the first one alive.
        assert await use(store, wait=wait, now=START + 59, lifetime=1000) is REPLAYED
        assert await use(store, wait=wait, now=START + 60) is FIRST

    run(scenario)


def test_a_race_for_a_value_has_one_winner(run: Run) -> None:
    """Required by RFC 7523 §3: the same assertion, sent many times at once, is taken once."""

    async def scenario(store: Store, clock: Clock) -> None:
        outcomes = await asyncio.gather(*(use(store, wait=number % 2 == 0) for number in range(50)))
        assert outcomes.count(FIRST) == 1
        assert outcomes.count(REPLAYED) == 49

    run(scenario)


def test_purpose_party_and_value_each_tell_values_apart(run: Run) -> None:
    """Our choice: one client's `jti` is not another's, and no three names run into each other."""

    async def scenario(store: Store, clock: Clock) -> None:
        names = [("a", "b", "c"), ("ab", "", "c"), ("", "ab", "c"), ("a", "bc", ""), ("a", "b", "\ud800")]
        for purpose, party, value in names:
            assert await use(store, value, purpose=purpose, party=party) is FIRST
        for purpose, party, value in names:
            assert await use(store, value, purpose=purpose, party=party) is REPLAYED

    run(scenario)


def test_over_the_cap_the_next_value_is_refused_and_none_forgotten(run: Run) -> None:
    """Our choice: to forget a living value would be to let it be used again."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await use(store, "short", lifetime=10) is FIRST
        for value in ("1", "2"):
            assert await use(store, value) is FIRST
        assert await use(store, "3") is FULL
        assert [await use(store, value) for value in ("short", "1", "2")] == [REPLAYED] * 3
        assert await use(store, "3") is FULL
        assert await use(store, "3", party="client-2") is FIRST
        assert await use(store, "3", now=START + 10) is FIRST

    run(scenario)


def test_all_parties_together_are_bounded(run: Run) -> None:
    """Our choice: whoever registers many clients fills no more than this."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(6):
            assert await use(store, party=f"client-{number}", lifetime=10) is FIRST
        assert await use(store, party="client-7") is FULL
        assert await use(store, party="client-0") is REPLAYED
        # One's own past value makes room for itself.
        assert await use(store, party="client-0", now=START + 10) is FIRST

    run(scenario)


def test_who_fills_one_purpose_takes_no_room_of_another(run: Run) -> None:
    """Our choice: anybody can make proofs of a key (RFC 9449 §4.2), as many as a store takes; client
    assertions (RFC 7523 §3), those of identity providers and sign-ins there go on.
    """

    async def scenario(store: Store, clock: Clock) -> None:
        others = ("client_assertion", "id_jag", "provider_sign_in")
        for number in range(6):
            assert await use(store, purpose="dpop", party=f"key-{number}", wait=False) is FIRST
        assert await use(store, purpose="dpop", party="key-6", wait=False) is FULL
        for purpose in others:
            for number in range(6):
                assert await use(store, purpose=purpose, party=f"party-{number}") is FIRST
            assert await use(store, purpose=purpose, party="party-6") is FULL
        # Nothing was forgotten for it, and what is past makes room for its own kind.
        for purpose, party in (("dpop", "key-0"), *((purpose, "party-0") for purpose in others)):
            assert await use(store, purpose=purpose, party=party) is REPLAYED
            assert await use(store, purpose=purpose, party=party, now=START + 60) is FIRST

    run(scenario)


def test_the_room_of_each_purpose_is_counted_the_same_after_a_restart(tmp_path: Path) -> None:
    """Our choice: neither a restart nor a sweep makes room that was not there, or takes some away."""
    clock, limits = Clock(), Limits(used_values=2)

    async def use_at_rest(*parties: str) -> list[UseOutcome]:
        store = EmbeddedStore.open(tmp_path / "state", clock=clock, limits=limits, files=QuickFiles())
        await store.start()
        try:
            return [
                await use(store, purpose=purpose, party=party, now=clock.now)
                for purpose, party in (name.split() for name in parties)
            ]
        finally:
            await store.sweep()
            await store.close()

    assert asyncio.run(use_at_rest("dpop a", "dpop b", "id_jag a")) == [FIRST, FIRST, FIRST]
    assert asyncio.run(use_at_rest("dpop c", "id_jag b", "id_jag c")) == [FULL, FIRST, FULL]
    clock.now += 60
    assert asyncio.run(use_at_rest()) == []
    assert asyncio.run(use_at_rest("dpop d", "dpop e", "dpop f")) == [FIRST, FIRST, FULL]


def test_a_used_value_survives_a_kill(tmp_path: Path) -> None:
    """Required by RFC 7523 §3: a restart is no way to replay an assertion."""

    async def use_at(path: Path) -> tuple[UseOutcome, Path]:
        files = WatchedFiles()
        store = EmbeddedStore.open(path, clock=Clock(), files=files)
        await store.start()
        try:
            outcome = await use(store)
            with files.turn:
                return outcome, copy_files(path, tmp_path / f"copy of {path.parent.name}")
        finally:
            await store.close()

    first, copy = asyncio.run(use_at(tmp_path / "one" / "state"))
    second, _ = asyncio.run(use_at(copy))
    assert (first, second) == (FIRST, REPLAYED)


def test_what_can_not_be_remembered_is_not_used(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: a store that takes no change fails a use, rather than take a value it may see again. One
    that is not waited for stays in memory meanwhile (`test_outage.py`): calls with living tokens go on.
    """

    async def scenario() -> None:
        files = FaultyFiles()
        store = EmbeddedStore.open(tmp_path / "state", clock=Clock(), files=files)
        await store.start()
        files.failing.add("fsync")
        with pytest.raises(StoreUnavailable):
            await use(store)
        with pytest.raises(StoreUnavailable):
            await use(store, "another")
        await store.close()

    asyncio.run(scenario())
    assert [text.split()[0] for text in warnings] == ["store.failed", "store.closed_failing"]
    warnings.clear()


def test_a_use_that_is_not_waited_for_is_kept_as_well(tmp_path: Path) -> None:
    """Our choice: at the latest a second later, and at a clean stop."""

    async def use_at_rest() -> UseOutcome:
        store = EmbeddedStore.open(tmp_path / "state", clock=Clock(), files=QuickFiles())
        await store.start()
        try:
            return await use(store, wait=False)
        finally:
            await store.close()

    assert asyncio.run(use_at_rest()) is FIRST
    assert asyncio.run(use_at_rest()) is REPLAYED
