"""Several servers on one Redis: nothing is done twice, and what one of them takes back the others refuse."""

import asyncio
import inspect
from typing import Any

import pytest

from omnitornado.store.limits import Limits
from omnitornado.store.records import Grant
from omnitornado.store.redis.scripts import MARGIN
from omnitornado.store.redis.store import RedisStore
from omnitornado.store.redis.tasks import SILENCE
from omnitornado.store.transitions import CodeOutcome, RefreshOutcome, RunningStore, UseOutcome

from .redis_server import RedisServer
from .redis_stores import opened, until
from .samples import (
    START,
    build_access,
    build_client,
    build_code,
    build_device,
    build_grant,
    build_session,
    build_successor,
    build_task,
    digest,
)

TOKEN = digest("token")


async def _make_grant(store: RedisStore, **changed: Any) -> Grant:
    grant = build_grant(**changed)
    await store.issue_code(digest("code"), build_code(client_id=grant.client_id))
    await store.redeem_code(digest("code"), grant, TOKEN, build_access(grant), now=START)
    return grant


def test_it_is_a_whole_store(redis: RedisServer) -> None:
    """Our choice: a transition that one engine lacks would be found by whoever needs it first."""
    store: RunningStore = RedisStore.open(redis.url)
    for name, method in inspect.getmembers(RunningStore, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(type(store), name)) == inspect.signature(method), name


def test_a_code_that_twenty_redeem_at_once_is_redeemed_once(redis: RedisServer) -> None:
    """Required by RFC 6749 §4.1.2: once, at whichever server; the others' attempts end what it gave."""

    async def scenario() -> None:
        async with opened(redis, 2) as stores:
            await stores[0].issue_code(digest("code"), build_code())
            grants = [build_grant(str(number)) for number in range(20)]
            found = await asyncio.gather(
                *(
                    stores[number % 2].redeem_code(
                        digest("code"), grant, digest(f"t{number}"), build_access(grant), now=START
                    )
                    for number, grant in enumerate(grants)
                )
            )
            assert found.count(CodeOutcome.REDEEMED) == 1
            assert found.count(CodeOutcome.ALREADY_USED) == 19
            for store in stores:
                assert await store.find_grants("ada", now=START) == []
                for number in range(20):
                    assert await store.find_access(digest(f"t{number}"), now=START) is None

    asyncio.run(scenario())


def test_a_refresh_that_twenty_send_at_once_gives_all_the_same_successor(redis: RedisServer) -> None:
    """Required by RFC 9700 §4.14.2 (one rotation); our choice: retries within the grace get the same."""

    async def scenario() -> None:
        async with opened(redis, 2) as stores:
            grant = await _make_grant(stores[0])
            rotations = await asyncio.gather(
                *(
                    stores[number % 2].rotate_refresh(
                        grant.grant_id,
                        digest("grant-1 refresh 0"),
                        build_successor(f"r{number}"),
                        digest(f"access {number}"),
                        build_access(grant),
                        client_id="client-1",
                        grace=30.0,
                        now=START,
                    )
                    for number in range(20)
                )
            )
            outcomes = [rotation.outcome for rotation in rotations]
            assert outcomes.count(RefreshOutcome.ROTATED) == 1
            assert outcomes.count(RefreshOutcome.RETRIED) == 19
            assert len({rotation.grant.refresh_hash for rotation in rotations if rotation.grant}) == 1
            kept = [await stores[1].find_access(digest(f"access {one}"), now=START) for one in range(20)]
            assert sum(found is not None for found in kept) == 1

    asyncio.run(scenario())


def test_a_value_that_is_good_once_is_good_once_at_all_of_them(redis: RedisServer) -> None:
    """Required by RFC 7523 §3 and RFC 9449 §11.1: a replay at another server is a replay."""

    async def scenario() -> None:
        async with opened(redis, 2) as stores:
            found = await asyncio.gather(
                *(
                    stores[number % 2].use_once("proof", "client", "jti", expires_at=START + 60, now=START)
                    for number in range(40)
                )
            )
            assert found.count(UseOutcome.FIRST) == 1
            assert found.count(UseOutcome.REPLAYED) == 39

    asyncio.run(scenario())


def test_all_have_the_same_keys_and_sessions(redis: RedisServer) -> None:
    """Our choice: what one has sealed another must open, and a browser may come to either."""

    async def scenario() -> None:
        async with opened(redis, 2) as (first, second):
            keys = await asyncio.gather(
                first.find_or_create_key("states", b"one", now=START),
                second.find_or_create_key("states", b"two", now=START),
            )
            assert keys[0] == keys[1]
            await first.open_session(digest("s"), build_session())
            assert await second.find_session(digest("s"), now=START) == build_session()
            await second.register_client(build_client())
            assert await first.find_client("client-1", now=START) == build_client()

    asyncio.run(scenario())


# The cache


async def _is_kept(store: RedisStore) -> bool:
    await store.find_access(TOKEN, now=START)
    return store.find_access_now(TOKEN, now=START) is not None


@pytest.mark.parametrize("how", ["token", "grant", "disconnect", "replay", "reuse", "delete", "cap"])
def test_what_is_taken_back_at_one_is_refused_at_the_others(redis: RedisServer, how: str) -> None:
    """Required by RFC 7009 §2 (takes effect immediately); our choice: each way in which a token can end."""

    async def take_back(store: RedisStore, grant: Grant) -> None:
        if how == "token":
            assert await store.revoke_access(TOKEN)
        elif how == "grant":
            assert await store.revoke_grant(grant.grant_id)
        elif how == "disconnect":
            await store.disconnect_client(username="ada", client_id="client-1", grant_id=grant.grant_id)
        elif how == "replay":
            await store.redeem_code(digest("code"), grant, TOKEN, build_access(grant), now=START)
        elif how == "reuse":
            await store.rotate_refresh(
                grant.grant_id,
                digest("made up"),
                build_successor("x"),
                digest("x"),
                build_access(grant),
                client_id="client-1",
                grace=0.0,
                now=START,
            )
        elif how == "delete":
            await store.delete_client("client-1", digest("registration"), now=START)
        else:
            for number in range(2):
                later = build_access(grant, expires_at=START + 4000)
                await store.issue_access(digest(str(number)), later, now=START)

    async def scenario() -> None:
        async with opened(redis, 2, limits=Limits(access_tokens_per_grant=2)) as (first, second):
            await first.register_client(build_client(registration_hash=digest("registration")))
            grant = await _make_grant(first)
            await until_kept(second)
            await take_back(first, grant)
            await until(lambda: second.find_access_now(TOKEN, now=START) is None)
            assert await second.find_access(TOKEN, now=START) is None
            assert first.find_access_now(TOKEN, now=START) is None

    async def until_kept(store: RedisStore) -> None:
        # Messages about what came before may still be under way, and keep an answer from being kept.
        for _ in range(1000):
            if await _is_kept(store):
                return
        raise AssertionError("it never was")

    asyncio.run(scenario())


def test_an_answer_is_kept_for_its_time_and_no_longer(redis: RedisServer) -> None:
    """Our choice: a message that never came costs that much. A clock that went back counts as late."""

    async def scenario() -> None:
        async with opened(redis, cache=2.0) as (store,):
            await _make_grant(store)
            assert await _is_kept(store)
            assert store.find_access_now(TOKEN, now=START + 1.9) is not None
            assert store.find_access_now(TOKEN, now=START + 2) is None
            assert store.find_access_now(TOKEN, now=START - 0.1) is None
        async with opened(redis, cache=0.0) as (store,):
            assert not await _is_kept(store)

    asyncio.run(scenario())


def test_where_messages_could_be_missed_nothing_is_kept(redis: RedisServer) -> None:
    """Our choice: not while the line is down, and what was kept before is forgotten."""

    async def scenario() -> None:
        async with opened(redis) as (store,):
            await _make_grant(store)
            assert await _is_kept(store)
            assert redis.ask("CLIENT", "KILL", "TYPE", "pubsub") == b":1\r\n"
            await until(lambda: not store.bus.is_up)
            assert store.find_access_now(TOKEN, now=START) is None
            assert not await _is_kept(store)
            await until(lambda: store.bus.is_up)
            assert await _is_kept(store)

    asyncio.run(scenario())


def test_an_answer_that_was_asked_for_before_a_revocation_is_not_kept(redis: RedisServer) -> None:
    """Our choice: the message may come before the answer."""

    async def scenario() -> None:
        async with opened(redis) as (store,):
            grant = await _make_grant(store)
            asking = asyncio.ensure_future(store.find_access(TOKEN, now=START))
            await asyncio.sleep(0)
            store._cache.forget(b"g" + grant.grant_id)
            assert await asking is not None
            assert store.find_access_now(TOKEN, now=START) is None

    asyncio.run(scenario())


# Messages


def test_a_message_reaches_every_server_its_sender_included(redis: RedisServer) -> None:
    """Our choice: who publishes need not tell itself apart."""

    async def scenario() -> None:
        async with opened(redis, 2) as stores:
            heard: list[tuple[int, bytes]] = []
            ups: list[int] = []
            subscriptions = [
                store.bus.subscribe(
                    "changes",
                    lambda message, number=number: heard.append((number, message)),  # type: ignore[misc]
                    on_up=lambda number=number: ups.append(number),  # type: ignore[misc]
                )
                for number, store in enumerate(stores)
            ]
            await until(lambda: sorted(ups) == [0, 1])
            await stores[0].bus.publish("changes", b"\x00\xff")
            await stores[0].bus.publish("others", b"not for them")
            await until(lambda: sorted(heard) == [(0, b"\x00\xff"), (1, b"\x00\xff")])
            subscriptions[0].close()
            await stores[1].bus.publish("changes", b"again")
            await until(lambda: (1, b"again") in heard)
            assert (0, b"again") not in heard

    asyncio.run(scenario())


def test_a_listener_that_fails_stops_no_other(redis: RedisServer, warnings: list[str]) -> None:
    """Our choice: what is revoked must be heard of whatever else goes wrong."""

    def fail(message: bytes) -> None:
        raise ValueError(message.decode())

    async def scenario() -> None:
        async with opened(redis) as (store,):
            heard: list[bytes] = []
            for handle in (fail, heard.append):
                store.bus.subscribe("changes", handle)
            await until(lambda: store.bus.is_up)
            for _ in range(2):
                await store.bus.publish("changes", b"one")
            await until(lambda: heard == [b"one", b"one"])

    asyncio.run(scenario())
    assert [text.split()[0] for text in warnings] == ["store.bus_failed"] * 2
    warnings.clear()


# Tasks


def test_a_server_that_starts_leaves_the_tasks_of_the_others_alone(redis: RedisServer) -> None:
    """Our choice: the work goes on in the server that took it."""

    async def scenario() -> None:
        async with opened(redis, 2) as (first, second):
            await first.start_task(digest("t"), build_task(), now=START)
            assert await second.interrupt_tasks(path="/mcp", now=START) == 0
            assert await second.find_task(digest("t"), now=START) == build_task()
            assert await first.interrupt_tasks(path="/mcp", now=START) == 1

    asyncio.run(scenario())


def test_tasks_of_a_server_that_is_not_heard_of_have_failed(redis: RedisServer) -> None:
    """Our choice: nobody works on them any more. Many, and those that ended stay as they are."""

    async def scenario() -> None:
        async with opened(redis, 2) as (first, second):
            for number in range(450):
                task = build_task(username=f"person {number}")
                await first.start_task(digest(str(number)), task, now=START)
            await first.end_task(digest("0"), status="completed", cause="", sealed=b"x", now=START)
            second.steady_since = -SILENCE  # it has been there all the time
            assert await second.look_after_tasks() == 0
            redis.ask("ZADD", "{omnitornado}:nodes", "1", first._node)
            assert await second.look_after_tasks() == 449
            ended = await second.find_task(digest("0"), now=START)
            failed = await second.find_task(digest("449"), now=START)
            assert ended is not None
            assert failed is not None
            assert (ended.status, failed.status, failed.cause) == ("completed", "failed", "interrupted")
            late = await first.end_task(digest("449"), status="completed", cause="", sealed=b"", now=START)
            assert late == failed

    asyncio.run(scenario())


def test_who_was_not_there_itself_judges_nobody(redis: RedisServer) -> None:
    """Our choice: after an outage of Redis all were silent, and the first one back must not fail them."""

    async def scenario() -> None:
        async with opened(redis, 2) as (first, second):
            await first.start_task(digest("t"), build_task(), now=START)
            second.steady_since = -SILENCE
            for store in (first, second):
                redis.ask("ZADD", "{omnitornado}:nodes", "1", store._node)
            await second.beat()
            assert await second.look_after_tasks() == 0
            assert await first.find_task(digest("t"), now=START) == build_task()

    asyncio.run(scenario())


def test_a_server_that_stops_leaves_its_tasks_to_be_failed(redis: RedisServer) -> None:
    """Our choice: at once, not after a silence."""

    async def scenario() -> None:
        async with opened(redis) as (second,):
            async with opened(redis) as (first,):
                await first.start_task(digest("t"), build_task(), now=START)
            second.steady_since = -SILENCE
            assert await second.look_after_tasks() == 1

    asyncio.run(scenario())


# What Redis holds


def _find_lifetime(redis: RedisServer, key: bytes) -> float:
    return int(redis.ask("PTTL", b"{omnitornado}:" + key)[1:]) / 1000


def test_redis_forgets_each_record_a_margin_after_its_end(redis: RedisServer) -> None:
    """Our choice: its time to live does the expiry, of the records and of the indexes they stand in."""

    async def scenario() -> None:
        async with opened(redis) as (store,):
            grant = await _make_grant(store, expires_at=START + 5000)
            await store.open_device(digest("d"), build_device(), now=START)
            await store.open_session(digest("s"), build_session(expires_at=START + 100))
            await store.use_once("p", "c", "v", expires_at=START + 60, now=START)
            await store.start_task(digest("t"), build_task(), now=START)
            ends = {
                b"access:" + TOKEN: 3600,
                b"grant:" + grant.grant_id: 5000,
                b"grant|person:ada": 5000,
                b"access|grant:" + grant.grant_id: 3600,
                b"code:" + digest("code"): 600,
                b"device:" + digest("d"): 1200,
                b"device|all:": 1200,
                b"session:" + digest("s"): 100,
                b"used|purpose:p": 60,
                b"task:" + digest("t"): 3600,
            }
            for key, lifetime in ends.items():
                assert lifetime + MARGIN - 5 < _find_lifetime(redis, key) <= lifetime + MARGIN, key
            kept = redis.ask("KEYS", "*").split(b"\r\n")[2::2]
            assert all(key.startswith(b"{omnitornado}:") for key in kept)
            lasting = {key for key in kept if redis.ask("PTTL", key) == b":-1\r\n"}
            assert lasting == {b"{omnitornado}:nodes", b"{omnitornado}:key:format"}

    asyncio.run(scenario())


def test_two_prefixes_share_nothing(redis: RedisServer) -> None:
    """Our choice: a Redis may serve more than one server's state."""

    async def scenario() -> None:
        async with opened(redis) as (one,), opened(redis, prefix="{other}:") as (other,):
            await one.register_client(build_client())
            assert await other.find_client("client-1", now=START) is None

    asyncio.run(scenario())


def test_of_a_large_group_a_twentieth_goes_at_once(redis: RedisServer) -> None:
    """Our choice, as of the embedded engine: Redis serves nobody else while it looks for the oldest."""

    async def scenario() -> None:
        async with opened(redis, max_unused_clients=500) as (store,):
            for number in range(500):
                await store.register_client(build_client(f"c{number}", issued_at=START + number))
            gone = await store.register_client(build_client("new", issued_at=START + 5000))
            assert sorted(gone) == sorted(f"c{number}" for number in range(25))

    asyncio.run(scenario())


def test_instants_keep_every_digit(redis: RedisServer) -> None:
    """Our choice: Lua would write fourteen digits of a number, which is a hundredth of a second."""

    async def scenario() -> None:
        async with opened(redis) as (store,):
            now = START + 0.123456
            grant = await _make_grant(store, expires_at=now + 100)
            await store.touch_grant(grant.grant_id, now=START + 61.654321)
            found = await store.find_grant(grant.grant_id, now=START)
            assert found is not None
            assert (found.expires_at, found.last_used_at) == (now + 100, START + 61.654321)

    asyncio.run(scenario())
