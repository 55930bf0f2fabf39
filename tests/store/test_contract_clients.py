"""The contract of every store: registered clients (RFC 7591)."""

import asyncio

from omnitornado.store.transitions import Store

from .conftest import Run
from .samples import (
    START,
    Clock,
    build_access,
    build_client,
    build_code,
    build_grant,
    build_successor,
    digest,
)

TOKEN = digest("registration token")


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


def test_a_registration_is_replaced_by_who_has_its_token(run: Run) -> None:
    """Required by RFC 7592 §2.2. What the server alone says of it stays; the old token is worth nothing."""

    async def scenario(store: Store, clock: Clock) -> None:
        known = build_client(registration_hash=TOKEN, expires_at=START + 50)
        await store.register_client(known)
        changed = build_client(
            client_name="Renamed",
            redirect_uris=("https://a.example/",),
            issued_at=START + 7,
            expires_at=None,
            used_at=START + 8,
            registration_hash=digest("next"),
            metadata={"half": "\ud800"},
        )
        kept = await store.update_client(changed, TOKEN, now=START + 10)
        assert kept is not None
        assert (kept.client_name, kept.redirect_uris) == ("Renamed", ("https://a.example/",))
        assert (kept.issued_at, kept.expires_at, kept.used_at) == (START, START + 50, None)
        assert kept.metadata == {"half": "?"}
        assert await store.find_client("client-1", now=START + 10) == kept
        assert await store.update_client(known, TOKEN, now=START + 10) is None
        assert await store.update_client(known, digest("next"), now=START + 50) is None
        assert await store.find_client("client-1", now=START + 10) == kept

    run(scenario)


def test_a_registration_without_a_token_is_nobodys_to_change(run: Run) -> None:
    """Our choice: nor is one that does not exist."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client())
        await store.register_client(build_client("other", registration_hash=TOKEN))
        for client_id in ("client-1", "nobody"):
            changed = build_client(client_id, registration_hash=TOKEN)
            assert await store.update_client(changed, TOKEN, now=START) is None
            assert await store.delete_client(client_id, TOKEN, now=START) is None
        assert await store.find_client("client-1", now=START) == build_client()
        assert await store.find_client("nobody", now=START) is None

    run(scenario)


def test_two_updates_with_the_same_token_are_one(run: Run) -> None:
    """Our choice: the second finds its token replaced."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client(registration_hash=TOKEN))
        found = await asyncio.gather(
            *(
                store.update_client(
                    build_client(client_name=name, registration_hash=digest(name)), TOKEN, now=START
                )
                for name in ("a", "b")
            )
        )
        assert [client is None for client in found] == [False, True]

    run(scenario)


def test_a_deleted_client_takes_its_codes_grants_and_tokens_with_it(run: Run) -> None:
    """Required by RFC 7592 §2.3; whoever granted them, and no other client's."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client(registration_hash=TOKEN))
        await store.register_client(build_client("other"))
        for number, client_id in enumerate(("client-1", "client-1", "other")):
            name = f"g{number}"
            grant = build_grant(name, client_id=client_id, username=name)
            await store.issue_code(digest(name), build_code(client_id=client_id))
            await store.redeem_code(digest(name), grant, digest("t" + name), build_access(grant), now=START)
        await store.issue_code(digest("open"), build_code())
        assert await store.delete_client("client-1", digest("wrong"), now=START) is None
        assert await store.delete_client("client-1", TOKEN, now=START) == 2
        assert await store.find_client("client-1", now=START) is None
        assert await store.find_code(digest("open"), now=START) is None
        for name, is_left in (("g0", False), ("g1", False), ("g2", True)):
            grant = build_grant(name)
            assert (await store.find_access(digest("t" + name), now=START) is not None) is is_left
            assert (await store.find_grant(grant.grant_id, now=START) is not None) is is_left
            assert bool(await store.find_grants(name, now=START)) is is_left
        rotation = await store.rotate_refresh(
            build_grant("g0").grant_id,
            digest("g0 refresh 0"),
            build_successor("next"),
            digest("late"),
            build_access(build_grant("g0")),
            client_id="client-1",
            grace=30.0,
            now=START,
        )
        assert rotation.grant is None
        assert await store.delete_client("client-1", TOKEN, now=START) is None

    run(scenario)
