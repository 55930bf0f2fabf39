"""What a connection costs a shared Redis, for the model of docs/scaling.md.

    python -m benchmarks.store_scale [people]

Starts a Redis of its own and gives each person two connections that have been used: one of a client that
registered itself for it, one of a client that all share (preset, or with a document). Then it counts what
Redis was asked for each kind of request: scripts, and the commands inside them.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from benchmarks.store_pause import build_grant
from benchmarks.store_shared import find_memory, refresh, started
from omnitornado.store.records import AccessToken, Client, Grant
from omnitornado.store.redis.store import RedisStore

PEOPLE = 10_000
ACCESS_LIFETIME = 3600.0
COUNTED = 100
"""Requests of each kind."""


def build_client(client_id: str, now: float) -> Client:
    return Client(
        client_id=client_id,
        secret_hash=None,
        client_name="An app on somebody's computer",
        redirect_uris=("http://127.0.0.1/callback", "http://localhost/callback"),
        token_endpoint_auth_method="none",
        grant_types=("authorization_code", "refresh_token"),
        issued_at=now,
        expires_at=now + 86_400,
        metadata={"client_uri": "https://app.example", "scope": "mcp"},
    )


async def connect(
    store: RedisStore, username: str, *, is_registered: bool, now: float
) -> tuple[Grant, bytes]:
    """A connection whose refresh token has been used once; and its access token's digest."""
    client_id = f"omt_ci_{os.urandom(16).hex()}" if is_registered else "https://app.example/client.json"
    if is_registered:
        await store.register_client(build_client(client_id, now))
    grant = msgspec.structs.replace(build_grant(os.urandom(16), now), username=username, client_id=client_id)
    await store.issue_grant(
        grant, os.urandom(32), AccessToken(grant.grant_id, now + ACCESS_LIFETIME), now=now
    )
    current = os.urandom(32)
    token = await refresh(store, grant, grant.refresh_hash or b"", current)
    return msgspec.structs.replace(grant, refresh_hash=current), token


async def find_keys(store: RedisStore) -> int:
    return int(await store._link.call("DBSIZE"))


async def find_commands(store: RedisStore) -> tuple[int, int]:
    """Scripts so far, and commands in all but for these questions."""
    found = await store._link.call("INFO", "commandstats")
    calls = {name.removeprefix("cmdstat_"): int(stats["calls"]) for name, stats in found.items()}
    scripts = calls.get("evalsha", 0)
    return scripts, sum(calls.values()) - calls.get("info", 0) - scripts


async def count_commands(store: RedisStore, name: str, work: Callable[[], Awaitable[object]]) -> None:
    scripts, inside = await find_commands(store)
    for _ in range(COUNTED):
        await work()
    scripts_after, inside_after = await find_commands(store)
    print(
        f"{name}: {(scripts_after - scripts) / COUNTED:.1f} scripts, "
        f"{(inside_after - inside) / COUNTED:.1f} commands in them"
    )


async def measure(store: RedisStore, people: int) -> None:
    now = time.time()
    for kind in (True, False):
        memory, keys = await find_memory(store), await find_keys(store)
        known = [await connect(store, f"person-{one}", is_registered=kind, now=now) for one in range(people)]
        memory, keys = await find_memory(store) - memory, await find_keys(store) - keys
        client = "a client of its own" if kind else "a client that all share"
        print(f"a connection of {client}: {memory / people:.0f} bytes, {keys / people:.1f} keys")
    places = iter(known * COUNTED)

    async def rotate() -> None:
        grant, _ = next(places)
        await refresh(store, grant, grant.refresh_hash or b"", grant.refresh_hash or b"")

    await count_commands(store, "a tool call that asks", lambda: store.find_access(next(places)[1], now=now))
    await count_commands(store, "a refresh", rotate)
    await count_commands(
        store,
        "a registration",
        lambda: store.register_client(build_client(os.urandom(16).hex(), now)),
    )


async def main(people: int) -> None:
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as port:
        store = RedisStore.open(f"redis://127.0.0.1:{port}/0", timeout=30.0, cache=0.0)
        await store.start()
        try:
            await measure(store, people)
        finally:
            await store.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE))
