"""The contract of every store: registered clients (RFC 7591)."""

from omnitornado.store.transitions import Store

from .conftest import Run
from .samples import START, Clock, build_access, build_client, build_code, build_grant, digest


async def _use(store: Store, client_id: str) -> None:
    grant = build_grant("grant of " + client_id, client_id=client_id, username=client_id)
    await store.issue_code(digest(client_id), build_code(client_id=client_id))
    await store.redeem_code(digest(client_id), grant, digest("t" + client_id), build_access(grant), now=START)


def test_a_registered_client_is_found_as_it_was_given(run: Run) -> None:
    """Required by RFC 7591 §3.2.1: what was registered is what counts."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await store.register_client(build_client()) == ()
        assert await store.find_client("client-1", now=START) == build_client()
        assert await store.find_client("client-2", now=START) is None

    run(scenario)


def test_a_registration_lapses_at_its_time_unless_it_got_a_grant(run: Run) -> None:
    """Our choice: a client that got a grant stays for good."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client("idle", expires_at=START + 10))
        await store.register_client(build_client("used", expires_at=START + 10))
        await _use(store, "used")
        assert await store.find_client("idle", now=START + 9.9) is not None
        assert await store.find_client("idle", now=START + 10) is None
        used = await store.find_client("used", now=START + 10**9)
        assert used is not None
        assert used.expires_at is None

    run(scenario)


def test_the_oldest_unused_clients_go_when_there_are_too_many(run: Run) -> None:
    """Our choice: anyone may register, so clients without a grant are capped; the ids that went are told."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(3):
            assert await store.register_client(build_client(f"c{number}", issued_at=START + number)) == ()
        assert await store.register_client(build_client("c3", issued_at=START + 3)) == ("c0",)
        assert await store.find_client("c0", now=START) is None
        assert await store.find_client("c1", now=START) is not None

    run(scenario)


def test_a_client_that_got_a_grant_never_goes_to_make_room(run: Run) -> None:
    """Our choice: pruning a client with grants would break a connection that works."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client("used"))
        await _use(store, "used")
        for number in range(5):
            await store.register_client(build_client(f"c{number}", issued_at=START + number))
        assert await store.find_client("used", now=START) is not None
        assert await store.find_client("c1", now=START) is None
        assert await store.find_client("c2", now=START) is not None

    run(scenario)


def test_clients_that_have_lapsed_go_before_any_that_may_still_be_used(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client("old", issued_at=START - 100))
        await store.register_client(build_client("lapsed", issued_at=START, expires_at=START + 1))
        await store.register_client(build_client("new", issued_at=START))
        clock.now += 2
        assert await store.register_client(build_client("next", issued_at=clock.now)) == ("lapsed",)
        assert await store.find_client("old", now=clock.now) is not None

    run(scenario)


def test_registering_an_id_again_replaces_it_and_keeps_that_it_was_used(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client())
        await _use(store, "client-1")
        await store.register_client(build_client(client_name="Renamed", expires_at=START + 10))
        client = await store.find_client("client-1", now=START + 20)
        assert client is not None
        assert client.client_name == "Renamed"
        assert client.used_at == START

    run(scenario)


def test_values_that_no_file_can_hold_are_kept_as_near_as_can_be(run: Run) -> None:
    """Our choice: nothing a client sends may make a write, or a later load, fail."""

    async def scenario(store: Store, clock: Clock) -> None:
        deep: object = "bottom"
        for _ in range(300):
            deep = [deep]
        metadata = {"big": 2**70, "huge": 10**400, "half": "\ud800", "deep": deep, "kept": [1, {"é": None}]}
        await store.register_client(build_client(metadata=metadata))
        client = await store.find_client("client-1", now=START)
        assert client is not None
        assert client.metadata["big"] == float(2**70)
        assert client.metadata["huge"] is None
        assert client.metadata["half"] == "?"
        assert client.metadata["kept"] == [1, {"é": None}]

    run(scenario)
