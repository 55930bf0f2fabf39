"""The state in memory: sweeping costs for what expires alone, and an index never outlives its record."""

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from omnitornado.store.expiry import RUN, ExpiryBuckets
from omnitornado.store.memory import State

from .disk import find_state, opened, register
from .samples import START, Clock, build_access, build_client, build_grant, build_session, digest


def test_keys_come_due_once_their_minute_has_passed() -> None:
    """Our choice: buckets of a minute."""
    buckets: ExpiryBuckets[str] = ExpiryBuckets()
    buckets.note("a", None, 59.0)
    buckets.note("b", None, 60.0)
    assert list(buckets.take_due(59.9)) == []
    assert list(buckets.take_due(60.0)) == ["a"]
    assert list(buckets.take_due(119.9)) == []
    assert list(buckets.take_due(500.0)) == ["b"]
    assert len(buckets) == 0


def test_a_key_that_moves_on_costs_one_entry_however_often() -> None:
    """Our choice: renewing a record must not make the buckets grow."""
    buckets: ExpiryBuckets[str] = ExpiryBuckets()
    buckets.note("a", None, 60.0)
    for end in range(61, 5000):
        buckets.note("a", float(end - 1), float(end))
    assert len(buckets) == 1
    buckets.note("a", 5000.0, 10.0)
    assert list(buckets.take_due(60.0)) == ["a"]


def test_a_slice_of_sweeping_is_bounded() -> None:
    """Our choice: a turn of the loop looks at a few hundred keys, however many expire together."""
    state = State()
    grant = build_grant()
    for number in range(3 * RUN + 7):
        state.access.put(digest(str(number)), build_access(grant))
    counts = []
    while looked_at := state.sweep(START + 4000):
        counts.append(looked_at)
    assert len(counts) == 4
    assert max(counts) == RUN
    assert len(state.access) == 0


def test_a_record_whose_end_moved_on_survives_the_sweep_of_its_old_minute() -> None:
    """Our choice: re-bucketed."""
    state = State()
    state.grants.put(b"g", build_grant(expires_at=START + 30))
    state.grants.put(b"g", build_grant(expires_at=START + 300))
    assert state.sweep(START + 61) == 1
    assert state.grants.get(b"g") is not None
    assert state.sweep(START + 61) == 0
    assert state.sweep(START + 361) == 1
    assert state.grants.get(b"g") is None


def test_a_client_that_no_longer_lapses_is_not_swept() -> None:
    """Our choice."""
    state = State()
    state.clients.put("c", build_client("c", expires_at=START + 1))
    state.clients.put("c", build_client("c", expires_at=None, used_at=START))
    while state.sweep(START + 10**6):
        pass
    assert state.clients.get("c") is not None


def test_what_is_swept_leaves_the_indexes_too() -> None:
    """Our choice."""
    state = State()
    state.sessions.put(b"s", build_session())
    state.sessions.put(b"t", build_session(expires_at=START + 10**6))
    while state.sweep(START + 7200):
        pass
    assert set(state.sessions.find_members("ada")) == {b"t"}
    state.sessions.delete(b"t")
    state.sessions.delete(b"t")
    assert set(state.sessions.find_members("ada")) == set()


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(0, 5)), max_size=40))
def test_tokens_of_a_grant_stand_in_the_order_in_which_they_end(
    steps: list[tuple[int, int | None]],
) -> None:
    """Our choice: who must go is found without a look at each; two that end together go by their digests."""
    state = State()
    grant = build_grant()
    living: dict[bytes, float] = {}
    for number, end in steps:
        key = digest(str(number))
        if end is None:
            state.access.delete(key)
            living.pop(key, None)
        else:
            living[key] = START + end
            state.access.put(key, build_access(grant, expires_at=living[key]))
        assert list(state.access.find_owned(grant.grant_id)) == sorted(
            living, key=lambda one: (living[one], one)
        )


def test_slices_give_every_record_once_while_the_table_changes() -> None:
    """Our choice: what is there all along is in a snapshot exactly once."""
    state = State()
    grant = build_grant()
    keys = [digest(str(number)) for number in range(3000)]
    for key in keys:
        state.access.put(key, build_access(grant))
    seen: list[bytes] = []
    for turn, records in enumerate(state.access.iterate_slices(100)):
        assert len(records) <= 100
        seen.extend(records)
        state.access.delete(keys[turn])
        state.access.put(digest(f"new {turn}"), build_access(grant))
    assert len(seen) == len(set(seen))
    assert set(keys[60:]) <= set(seen)


def test_sweeping_forgets_what_nobody_can_use_any_more(tmp_path: Path) -> None:
    """Our choice."""

    async def scenario() -> None:
        clock = Clock()
        async with opened(tmp_path / "state", clock=clock) as store:
            await store.register_client(build_client("short", expires_at=START + 5))
            await register(store, "long")
            await store.open_session(digest("s"), build_session())
            clock.now += 4000
            await store.sweep()
            assert len(find_state(store).clients) == 1
            assert len(find_state(store).sessions) == 0

    asyncio.run(scenario())
