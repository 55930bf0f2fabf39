"""What happens at each bound, the same for every engine (docs/limits.md)."""

from pathlib import Path

from omnitornado.config.limits import LimitSettings
from omnitornado.store.clients import register_client
from omnitornado.store.limits import MAX_SAID, Limits
from omnitornado.store.memory import State
from omnitornado.store.records import Grant
from omnitornado.store.transitions import CodeOutcome, Store

from .conftest import Run
from .samples import (
    START,
    Clock,
    build_access,
    build_client,
    build_code,
    build_grant,
    build_mcp_session,
    build_successor,
    digest,
)


async def _connect(store: Store, name: str, *, now: float = START, username: str = "ada") -> Grant:
    """A registered client with a grant."""
    grant = build_grant(
        name, client_id=name, username=username, created_at=now, last_used_at=now, expires_at=now + 9000
    )
    await store.register_client(build_client(name, issued_at=now))
    await store.issue_code(digest(name), build_code(username=username, client_id=name, expires_at=now + 60))
    outcome = await store.redeem_code(
        digest(name), grant, digest("t" + name), build_access(grant, expires_at=now + 3600), now=now
    )
    assert outcome is CodeOutcome.REDEEMED
    return grant


def test_over_the_cap_the_access_token_that_ends_first_goes(run: Run) -> None:
    """Our choice: a client that refreshes without pause keeps its newest tokens."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "a")
        for number in range(5):
            clock.now += 1
            await store.rotate_refresh(
                grant.grant_id,
                digest(f"a refresh {number}"),
                build_successor(f"a refresh {number + 1}"),
                digest(f"access {number}"),
                build_access(grant, expires_at=clock.now + 3600),
                client_id="a",
                grace=30,
                now=clock.now,
            )
        assert await store.find_access(digest("ta"), now=clock.now) is None
        living = [
            await store.find_access(digest(f"access {number}"), now=clock.now) is not None
            for number in range(5)
        ]
        assert living == [False, False, True, True, True]
        assert await store.issue_access(
            digest("more"), build_access(grant, expires_at=clock.now + 9), now=clock.now
        )
        # It ends before all others, and yet it is the one that was asked for.
        assert await store.find_access(digest("more"), now=clock.now) is not None
        assert await store.find_access(digest("access 2"), now=clock.now) is None

    run(scenario)


def test_another_grants_tokens_make_no_room(run: Run) -> None:
    """Our choice: the cap is for each grant."""

    async def scenario(store: Store, clock: Clock) -> None:
        grants = [await _connect(store, name) for name in ("a", "b")]
        for number in range(3):
            await store.issue_access(digest(f"b{number}"), build_access(grants[1]), now=START)
        assert await store.find_access(digest("ta"), now=START) is not None

    run(scenario)


def test_a_grant_that_ends_takes_its_tokens_with_it(run: Run) -> None:
    """Our choice: who connects and disconnects again and again piles nothing up."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "a")
        await store.issue_access(digest("more"), build_access(grant), now=START)
        assert await store.revoke_grant(grant.grant_id)
        for token in ("ta", "more"):
            assert await store.find_access(digest(token), now=START) is None
            assert await store.revoke_access(digest(token)) is False

    run(scenario)


def test_over_the_cap_used_codes_go_before_one_that_waits_for_its_client(run: Run) -> None:
    """Our choice: a used one is known for its replay alone, which is then refused all the same."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _connect(store, "used")
        for name in ("waiting", "later", "last"):
            clock.now += 1
            await store.issue_code(digest(name), build_code(expires_at=clock.now + 60))
        assert await store.find_code(digest("used"), now=clock.now) is None
        assert await store.find_code(digest("waiting"), now=clock.now) is not None
        await store.issue_code(digest("one more"), build_code(expires_at=clock.now + 60))
        assert await store.find_code(digest("waiting"), now=clock.now) is None
        assert await store.find_code(digest("one more"), now=clock.now) is not None
        grant = build_grant("x")
        access = build_access(grant)
        replayed = await store.redeem_code(digest("used"), grant, digest("x"), access, now=clock.now)
        assert replayed is CodeOutcome.MISSING

    run(scenario)


def test_another_persons_codes_make_no_room(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.issue_code(digest("ada's"), build_code())
        for number in range(9):
            await store.issue_code(digest(f"eve's {number}"), build_code(username="eve"))
        assert await store.find_code(digest("ada's"), now=START) is not None

    run(scenario)


def test_clients_that_nobody_allows_in_any_more_make_room_and_no_others(run: Run) -> None:
    """Our choice: the one allowed in longest ago first; one that has a grant never goes."""

    async def scenario(store: Store, clock: Clock) -> None:
        grants = {}
        for name in ("a", "b", "c"):
            clock.now += 1
            grants[name] = await _connect(store, name, now=clock.now)
        for name in ("a", "c"):
            await store.revoke_grant(grants[name].grant_id)
        # Grants have a cap of three as well: d is allowed in, and "a", without a grant, is forgotten.
        clock.now += 1
        await _connect(store, "d", now=clock.now)
        found = [await store.find_client(name, now=clock.now) is not None for name in "abcd"]
        assert found == [False, True, True, True]

    run(scenario)


def test_a_client_that_others_use_is_not_forgotten_with_its_first_person(run: Run) -> None:
    """Our choice: an app may register once for everybody."""

    async def scenario(store: Store, clock: Clock) -> None:
        shared = await _connect(store, "shared")
        theirs = build_grant("theirs", client_id="shared", username="eve", expires_at=START + 9000)
        await store.issue_code(digest("eve"), build_code(username="eve", client_id="shared"))
        await store.redeem_code(digest("eve"), theirs, digest("te"), build_access(theirs), now=START)
        await store.revoke_grant(shared.grant_id)
        for number in range(5):
            clock.now += 1
            grant = await _connect(store, f"c{number}", now=clock.now)
            await store.revoke_grant(grant.grant_id)
        assert await store.find_client("shared", now=clock.now) is not None
        assert await store.find_client("c0", now=clock.now) is None

    run(scenario)


def test_a_session_keeps_no_more_of_what_a_client_says_than_any_has_to_say(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        long = {"name": "x" * MAX_SAID}
        await store.open_mcp_session(digest("s"), build_mcp_session(client_info=long, capabilities=long))
        session = await store.find_mcp_session(digest("s"), now=START)
        assert session is not None
        assert (session.client_info, session.capabilities) == ({}, {})

    run(scenario)


def test_of_a_large_group_a_twentieth_goes_at_once() -> None:
    """Our choice: looking for the oldest of a thousand with each registration would be most of its cost."""
    state = State()
    for number in range(1000):
        state.clients.put(f"c{number}", build_client(f"c{number}", issued_at=START + number))
    gone, _ = register_client(state, Limits(), build_client("new", issued_at=START + 5000), START + 5000)
    assert gone == tuple(f"c{number}" for number in range(50))


def test_every_bound_is_written_down_and_every_setting_reaches_it() -> None:
    """Our choice (docs/limits.md)."""
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    configured = set(LimitSettings.__struct_fields__)
    assert configured <= set(Limits.__struct_fields__)
    assert [name for name in configured if f"`[limits] {name}`" not in text] == []
    elsewhere = {"unused_clients", "unused_documents", "used_values", "used_values_per_party"}
    elsewhere |= {"tasks_per_person", "task_bytes_per_person", "device_codes", "pushed_requests"}
    assert set(Limits.__struct_fields__) - configured == elsewhere
