"""A Redis that is away, slow, full or read-only, or refuses: nothing is promised, and it heals by itself."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flows.certificate import write_certificate

from omnitornado.store.errors import StoreRefused
from omnitornado.store.records import Grant, Key
from omnitornado.store.redis.store import RedisStore
from omnitornado.store.transitions import CodeOutcome, StoreUnavailable

from .redis_server import PATIENCE, RedisServer, find_free_port
from .redis_stores import opened, until
from .samples import START, Clock, build_access, build_client, build_code, build_grant, digest

CODE, TOKEN = digest("code"), digest("token")


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A Redis that the test may do anything to."""
    with RedisServer() as server:
        yield server


async def _redeem(store: RedisStore, name: str = "grant-1") -> CodeOutcome:
    grant = build_grant(name)
    return await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START)


async def _make_grant(store: RedisStore) -> Grant:
    await store.issue_code(CODE, build_code())
    assert await _redeem(store) is CodeOutcome.REDEEMED
    return build_grant()


def _names(warnings: list[str]) -> list[str]:
    found = [" ".join(text.split()[:2]) for text in warnings]
    warnings.clear()
    return found


def test_one_that_is_killed_promises_nothing_and_is_found_again(
    own: RedisServer, warnings: list[str]
) -> None:
    """Our choice: 503 at once, and what had been promised is there when it is back (appendonly)."""

    async def scenario() -> None:
        async with opened(own) as (store,):
            await store.issue_code(CODE, build_code())
            own.kill()
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await _redeem(store)
                assert store.outage == "unreachable"
                with pytest.raises(StoreUnavailable):
                    await store.find_access(TOKEN, now=START)
            await until(lambda: not store.bus.is_up)
            own.start()
            await until(lambda: store.outage is None)
            assert await _redeem(store) is CodeOutcome.REDEEMED
            assert await store.find_access(TOKEN, now=START) is not None
            await until(lambda: store.bus.is_up)

    asyncio.run(scenario())
    assert _names(warnings) == ["store.failed reason=unreachable", "store.recovered reason=unreachable"]


def test_one_that_does_not_answer_is_not_waited_for(own: RedisServer, warnings: list[str]) -> None:
    """Our choice: `timeout` for who asks first, no time at all for who asks after."""

    async def scenario() -> None:
        async with opened(own, timeout=0.3) as (store,):
            await store.issue_code(CODE, build_code())
            own.pause()
            began = time.monotonic()
            found = await asyncio.gather(*(_redeem(store, str(n)) for n in range(50)), return_exceptions=True)
            assert all(isinstance(error, StoreUnavailable) for error in found)
            assert time.monotonic() - began < 1.5
            assert store.outage == "timed_out"
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await _redeem(store)
            assert time.monotonic() - began < 0.2
            own.resume()
            await until(lambda: store.outage is None)
            # Those scripts that had been sent may have run: then the code was used, and is used only once.
            assert await _redeem(store) in (CodeOutcome.REDEEMED, CodeOutcome.ALREADY_USED)

    asyncio.run(scenario())
    assert _names(warnings) == ["store.failed reason=timed_out", "store.recovered reason=timed_out"]


def test_one_whose_memory_is_full_grants_nothing_and_still_revokes(
    own: RedisServer, warnings: list[str]
) -> None:
    """Our choice: living tokens are good, and what takes something back is taken."""

    async def scenario() -> None:
        async with opened(own) as (store,):
            grant = await _make_grant(store)
            await store.issue_code(digest("next"), build_code())
            own.ask("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(StoreUnavailable):
                await store.register_client(build_client())
            other = build_grant("other")
            with pytest.raises(StoreUnavailable):
                await store.redeem_code(digest("next"), other, digest("t"), build_access(other), now=START)
            assert store.outage == "memory_full"
            assert await store.find_access(TOKEN, now=START) is not None
            assert store.outage == "memory_full"
            assert await store.revoke_grant(grant.grant_id)
            assert await store.find_access(TOKEN, now=START) is None
            own.ask("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: store.outage is None)
            assert await store.find_client("client-1", now=START) is None
            assert await store.find_grant(other.grant_id, now=START) is None
            again = await store.redeem_code(
                digest("next"), other, digest("t"), build_access(other), now=START
            )
            assert again is CodeOutcome.REDEEMED

    asyncio.run(scenario())
    assert _names(warnings) == ["store.failed reason=memory_full", "store.recovered reason=memory_full"]


def test_one_that_became_a_replica_is_read_and_not_written(own: RedisServer, warnings: list[str]) -> None:
    """Our choice: after a failover the old primary takes nothing until it is one again."""

    async def scenario() -> None:
        async with opened(own) as (store,):
            await store.issue_code(CODE, build_code())
            own.ask("REPLICAOF", "127.0.0.1", str(find_free_port()))
            with pytest.raises(StoreUnavailable):
                await _redeem(store)
            assert store.outage == "read_only"
            assert await store.find_code(CODE, now=START) == build_code()
            await until(lambda: not store.bus.is_up)  # it asks for the address anew
            own.ask("REPLICAOF", "NO", "ONE")
            await until(lambda: store.outage is None)
            assert await _redeem(store) is CodeOutcome.REDEEMED

    asyncio.run(scenario())
    assert _names(warnings) == ["store.failed reason=read_only", "store.recovered reason=read_only"]


def test_too_few_replicas_are_no_promise(own: RedisServer, warnings: list[str]) -> None:
    """Our choice: an operator who asks for replicas gets none of the changes that they would lack."""

    async def scenario() -> None:
        async with opened(own) as (store,):
            own.ask("CONFIG", "SET", "min-replicas-to-write", "1")
            with pytest.raises(StoreUnavailable):
                await store.register_client(build_client())
            assert store.outage == "too_few_replicas"
            assert await store.find_client("client-1", now=START) is None
            own.ask("CONFIG", "SET", "min-replicas-to-write", "0")
            await until(lambda: store.outage is None)

    asyncio.run(scenario())
    assert [name.split("=")[1] for name in _names(warnings)] == ["too_few_replicas"] * 2


def test_somebodys_endless_script_is_an_outage_until_it_is_killed(
    own: RedisServer, warnings: list[str]
) -> None:
    """Our choice: Redis serves nobody meanwhile."""

    async def scenario() -> None:
        async with opened(own, timeout=1.0) as (store,):
            own.ask("CONFIG", "SET", "busy-reply-threshold", "50")
            endless = threading.Thread(target=own.ask, args=("EVAL", "while true do end", "0"))
            endless.start()
            try:
                give_up_at = time.monotonic() + PATIENCE
                while store.outage != "busy" and time.monotonic() < give_up_at:
                    with contextlib.suppress(StoreUnavailable):  # it may not have begun yet
                        await store.register_client(build_client("early"))
                    await asyncio.sleep(0.05)
                assert store.outage == "busy"
            finally:
                own.ask("SCRIPT", "KILL")
                await asyncio.to_thread(endless.join)
            await until(lambda: store.outage is None)
            assert await store.register_client(build_client()) == ()

    asyncio.run(scenario())
    assert _names(warnings)[-1].startswith("store.recovered")


def test_scripts_that_redis_has_forgotten_are_sent_again(redis: RedisServer) -> None:
    """Our choice: SCRIPT FLUSH, or a restart, costs nobody a request."""

    async def scenario() -> None:
        async with opened(redis) as (store,):
            for _ in range(2):
                assert redis.ask("SCRIPT", "FLUSH") == b"+OK\r\n"
                await _make_grant(store)
                assert await store.find_access(TOKEN, now=START) is not None
                redis.flush()

    asyncio.run(scenario())


# The start


async def _start(url: str, **options: Any) -> RedisStore:
    settled: dict[str, Any] = {"clock": Clock(), "patience": 0.0} | options
    store = RedisStore.open(url, **settled)
    await store.start()
    return store


def test_a_start_waits_for_a_redis_that_comes_later(own: RedisServer, warnings: list[str]) -> None:
    """Our choice: who starts both need not order them."""

    async def scenario() -> None:
        own.stop()
        starting = asyncio.ensure_future(_start(own.url, patience=10.0))
        await until(lambda: bool(warnings))
        await asyncio.to_thread(own.start)
        await (await starting).close()

    asyncio.run(scenario())
    assert _names(warnings) == ["store.waiting reason=unreachable"]


def test_a_start_without_redis_is_refused_in_a_line(warnings: list[str]) -> None:
    """Our choice: a supervisor should see it, and a person what to do."""
    port = find_free_port()
    with pytest.raises(StoreRefused, match=rf"^redis://127.0.0.1:{port}/0: .*\(unreachable\)$"):
        asyncio.run(_start(f"redis://ada:hunter2@127.0.0.1:{port}/0"))
    assert warnings == []


@pytest.mark.parametrize("login", ["", ":wrong@", "ada:wrong@", "nobody:right@"])
def test_a_wrong_password_refuses_the_start_at_once_and_is_not_shown(login: str, warnings: list[str]) -> None:
    """Our choice: it will not become right by waiting."""
    with RedisServer(requirepass="right") as server:
        url = server.url.replace("://", "://" + login)
        began = time.monotonic()
        with pytest.raises(StoreRefused) as refused:
            asyncio.run(_start(url, patience=10.0))
        assert time.monotonic() - began < 5
        assert str(refused.value).startswith(f"redis://127.0.0.1:{server.port}/0: it refuses the user")
        assert "wrong" not in str(refused.value).replace("WRONGPASS", "") + "".join(warnings)
    assert warnings == []


def test_a_user_with_the_permissions_of_the_guide_can_do_everything(warnings: list[str]) -> None:
    """Our choice: the line that docs/operations.md gives is enough, and the socket does as well."""

    async def scenario(url: str) -> None:
        store = await _start(url)
        await store.register_client(build_client())
        await _make_grant(store)
        await until(lambda: store.bus.is_up)
        assert await store.find_grants("ada", now=START) == [build_grant()]
        await store.close()

    with RedisServer() as server:
        guide = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
        (rule,) = re.findall(r"^ACL SETUSER omnitornado (.+)$", guide, re.MULTILINE)
        assert server.ask("ACL", "SETUSER", "omnitornado", *rule.split()) == b"+OK\r\n"
        asyncio.run(scenario(server.url.replace("://", "://omnitornado:password@")))
        server.flush()
        asyncio.run(scenario(f"unix://{server.socket}?db=1"))
    assert warnings == []


def test_it_is_reached_by_tls_and_no_other_certificate_will_do(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: `rediss://`, with the authority named in the URL; the host must be the certificate's."""
    write_certificate(tmp_path)
    certificate, port = tmp_path / "certificate.pem", find_free_port()
    options = {"tls-port": str(port), "tls-cert-file": str(certificate), "tls-auth-clients": "no"}
    options |= {"tls-key-file": str(tmp_path / "key.pem"), "tls-ca-cert-file": str(certificate)}

    async def scenario() -> None:
        url = f"rediss://localhost:{port}/0"
        store = await _start(f"{url}?ssl_ca_certs={certificate}")
        await _make_grant(store)
        await until(lambda: store.bus.is_up)
        await store.close()
        with pytest.raises(StoreRefused, match="unreachable"):
            await _start(url)

    with RedisServer(**options):
        asyncio.run(scenario())
    assert warnings == []


def test_what_an_operator_may_not_want_is_said_at_the_start(warnings: list[str]) -> None:
    """Our choice: a Redis that evicts forgets used codes; one without a file forgets everything."""

    async def scenario(url: str) -> None:
        await (await _start(url)).close()

    with RedisServer(
        **{"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb", "appendonly": "no"}
    ) as server:
        asyncio.run(scenario(server.url))
    assert _names(warnings) == ["store.may_evict policy=allkeys-lru", "store.may_forget appendonly=no"]


def test_state_that_another_version_has_packed_is_refused(redis: RedisServer) -> None:
    """Our choice: as with files, rather than lose what this version does not know."""

    async def scenario() -> None:
        store = await _start(redis.url)
        await store.close()
        other = msgspec.msgpack.encode(Key(b"2", START))
        redis.ask("SET", b"{omnitornado}:key:format", other)
        with pytest.raises(StoreRefused, match="its state has format 2"):
            await _start(redis.url)

    asyncio.run(scenario())


def test_a_cluster_is_refused_at_the_start() -> None:
    """Our choice: it would take some changes and refuse others."""
    refused = pytest.raises(StoreRefused, match="Redis Cluster, which is not supported")
    with RedisServer(**{"cluster-enabled": "yes"}) as server, refused:
        asyncio.run(_start(server.url))


def test_what_is_no_redis_is_refused(warnings: list[str]) -> None:
    """Our choice: an address of something else must not hang the start."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreRefused, match="timed_out"):
            asyncio.run(_start(f"redis://127.0.0.1:{port}/0", timeout=0.2))
    assert warnings == []
