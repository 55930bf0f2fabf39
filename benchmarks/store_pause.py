"""How the embedded store bears a million access tokens: memory, load, and the event loop's longest pause.

    python -m benchmarks.store_pause [number of tokens]

Prints, for a store on real files in a temporary folder: bytes of memory a token, the time a snapshot takes
and the longest pause of the loop meanwhile, the time a load takes, and the pause while everything expires at
once. A "pause" is how much later than asked for a 1 ms timer came.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import AccessToken, Grant

TOKENS_PER_GRANT = 10
LIFETIME = 3600.0


def find_resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def find_size(path: Path) -> int:
    return path.stat().st_size


def fill(store: EmbeddedStore, tokens: int, now: float) -> None:
    """Straight into memory: a journal entry each would only measure the disk."""
    state = store._engine.state
    for number in range(tokens):
        if number % TOKENS_PER_GRANT == 0:
            grant_id = os.urandom(16)
            state.grants.put(grant_id, build_grant(grant_id, now))
        ends_at = now + LIFETIME * (number / tokens) + 60
        state.access.put(os.urandom(32), AccessToken(grant_id=grant_id, expires_at=ends_at))


def build_grant(grant_id: bytes, now: float) -> Grant:
    return Grant(
        grant_id=grant_id,
        client_id="client",
        client_name="A client",
        username=f"person {grant_id[0]}",
        redirect_uri="http://127.0.0.1/callback",
        scope=("mcp",),
        resources=("/mcp",),
        created_at=now,
        last_used_at=now,
        expires_at=now + 86_400,
        refresh_hash=os.urandom(32),
    )


async def measure_pause(work: Awaitable[object]) -> tuple[float, float]:
    """Seconds that `work` took, and the longest pause of the loop meanwhile."""
    task = asyncio.ensure_future(work)
    longest, start = 0.0, time.perf_counter()
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before - 0.001)
    await task
    return time.perf_counter() - start, longest


async def measure(path: Path, tokens: int) -> None:
    now = time.time()
    clock = [now]
    store = EmbeddedStore.open(path, clock=lambda: clock[0], snapshot_interval=86_400)
    await store.start()
    gc.collect()
    empty = find_resident_bytes()
    fill(store, tokens, now)
    gc.collect()
    per_token = (find_resident_bytes() - empty) / tokens
    print(f"memory: {per_token:.0f} bytes a token, with a grant for each {TOKENS_PER_GRANT} tokens")

    start = time.perf_counter()
    gc.collect()
    print(f"a full garbage collection: {(time.perf_counter() - start) * 1000:.1f} ms")

    _, idle = await measure_pause(asyncio.sleep(1))
    took, longest = await measure_pause(store.save_snapshot())
    print(f"snapshot: {took:.2f} s, {find_size(path) / tokens:.0f} bytes a token on disk")
    print(f"longest pause: {longest * 1000:.1f} ms (idle: {idle * 1000:.1f} ms)")

    start = time.perf_counter()
    await store.close()
    print(f"close: {time.perf_counter() - start:.2f} s")


def measure_load(path: Path, now: float) -> EmbeddedStore:
    start = time.perf_counter()
    store = EmbeddedStore.open(path, clock=lambda: now)
    count = store.stats().records["access"]
    print(f"load: {time.perf_counter() - start:.2f} s for {count} tokens")
    return store


async def measure_sweep(path: Path) -> None:
    clock = [time.time()]
    store = measure_load(path, clock[0])
    store._engine.clock = lambda: clock[0]
    await store.start()
    clock[0] += 2 * LIFETIME
    took, longest = await measure_pause(store.sweep())
    print(f"sweep of everything: {took:.2f} s, longest pause {longest * 1000:.1f} ms")
    await store.close()


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        asyncio.run(measure(path, tokens))
        asyncio.run(measure_sweep(path))


if __name__ == "__main__":
    main()
