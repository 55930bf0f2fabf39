"""Token operations a second of both engines, beside what their Redis can do at all.

    python -m benchmarks.store_shared [seconds for each figure] [callers]

Starts a Redis of its own (`redis-server`, append-only file, `appendfsync everysec`). The last lines send the
same scripts, ready made, a hundred at a time over one plain socket: Redis's own limit for them, and for a
bare GET. Memory is what Redis says it uses, per grant with its access token and indexes.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.store_pause import build_grant
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.redis.fields import ACCESS
from omnitornado.store.redis.store import PREFIX, RedisStore
from omnitornado.store.transitions import RefreshSuccessor, RunningStore

BATCH = 100
GRANTS = 20_000
Work = Callable[[Grant, bytes], Awaitable[object]]


async def refresh(store: RunningStore, grant: Grant, presented: bytes, current: bytes) -> bytes:
    """Gives the new access token's digest."""
    token = os.urandom(32)
    await store.rotate_refresh(
        grant.grant_id,
        presented,
        RefreshSuccessor(current, os.urandom(60), os.urandom(50), grant.expires_at),
        token,
        AccessToken(grant.grant_id, grant.expires_at),
        client_id=grant.client_id,
        grace=30.0,
        now=time.time(),
    )
    return token


async def measure(name: str, store: RunningStore, seconds: float, callers: int) -> None:
    now = time.time()
    grants = [(build_grant(os.urandom(16), now), os.urandom(32)) for _ in range(callers)]
    for grant, token in grants:
        await store.issue_grant(grant, token, AccessToken(grant.grant_id, now + 3600), now=now)

    token = grants[0][1]
    assert await store.find_access(token, now=now) is not None
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds / 2:
        assert store.find_access_now(token, now=now) is not None
        count += 1
    rate = count / (time.perf_counter() - start)
    print(f"{name}: {rate:.0f} checks from memory a second")

    async def refresh_on(grant: Grant, _: bytes, until: float) -> int:
        current, count = grant.refresh_hash or b"", 0
        while time.perf_counter() < until:
            presented, current = current, os.urandom(32)
            await refresh(store, grant, presented, current)
            count += 1
        return count

    async def check_on(_: Grant, token: bytes, until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            assert await store.find_access(token, now=now) is not None
            count += 1
        return count

    for what, work in (("token checks", check_on), ("refreshes", refresh_on)):
        start, cpu = time.perf_counter(), time.process_time()
        counts = await asyncio.gather(*(work(grant, token, start + seconds) for grant, token in grants))
        took, spent = time.perf_counter() - start, time.process_time() - cpu
        rate = sum(counts) / took
        print(f"{name}: {rate:.0f} {what} a second, {spent / sum(counts) * 1e6:.0f} µs of CPU each")


def build_command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def measure_limit(line: socket.socket, build: Callable[[], bytes], seconds: float) -> float:
    """The same command again and again, a batch at a time; a second."""
    batches = [b"".join(build() for _ in range(BATCH)) for _ in range(20)]
    line.sendall(build_command(b"ECHO", b"ready"))
    line.recv(1 << 16)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        line.sendall(batches[count % len(batches)] + build_command(b"ECHO", b"END"))
        tail = b""
        while not tail.endswith(b"END\r\n"):
            tail = (tail + line.recv(1 << 20))[-16:]
        count += 1
    return count * BATCH / (time.perf_counter() - start)


async def measure_redis(port: int, store: RedisStore, seconds: float) -> None:
    scripts = store._scripts
    prefix, now = PREFIX.encode(), time.time()
    before = await find_memory(store)
    known = []
    for _ in range(GRANTS):
        grant, token = build_grant(os.urandom(16), now), os.urandom(32)
        await store.issue_grant(grant, token, AccessToken(grant.grant_id, now + 3600), now=now)
        known.append((grant, token))
    print(f"redis itself: {(await find_memory(store) - before) / GRANTS:.0f} bytes for a grant and its token")
    places = iter(known * 1000)

    def run(script: str, *args: bytes) -> bytes:
        digest = scripts[script].digest.encode()
        return build_command(b"EVALSHA", digest, b"1", prefix, repr(now).encode(), *args)

    def build_refresh() -> bytes:
        grant, _ = next(places)
        access = ACCESS.pack(AccessToken(grant.grant_id, now + 3600))
        # The successor is the token itself, so that the next round finds it current again.
        current = grant.refresh_hash or b""
        ends = repr(now + 86_400).encode()
        return run(
            "rotate_refresh",
            *(grant.grant_id, current, grant.client_id.encode(), b"30.0", current),
            *(bytes(60), bytes(50), ends, os.urandom(32), access),
        )

    with socket.create_connection(("127.0.0.1", port)) as line:
        for what, build in (
            ("refreshes", build_refresh),
            ("token checks", lambda: run("find_access", next(places)[1])),
            ("GETs", lambda: build_command(b"GET", prefix + b"access:" + next(places)[1])),
        ):
            rate = await asyncio.to_thread(measure_limit, line, build, seconds)
            print(f"redis itself: {rate:.0f} {what} a second")


async def find_memory(store: RedisStore) -> int:
    return int((await store._link.call("INFO"))["used_memory"])


@contextmanager
def started(folder: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "yes"}
    flags = [text for name, value in options.items() for text in ("--" + name, value)]
    process = subprocess.Popen(["redis-server", *flags], stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def measure_all(folder: Path, seconds: float, callers: int) -> None:
    for name, path in (("embedded, on disk", folder / "state"), ("embedded, in memory", None)):
        embedded = EmbeddedStore.open(path, snapshot_interval=86_400)
        await embedded.start()
        await measure(name, embedded, seconds, callers)
        await embedded.close()
    with started(folder) as port:
        shared = RedisStore.open(f"redis://127.0.0.1:{port}/0", timeout=30.0)
        await shared.start()
        await measure("redis", shared, seconds, callers)
        await measure_redis(port, shared, seconds)
        await shared.close()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    callers = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure_all(Path(name), seconds, callers))


if __name__ == "__main__":
    main()
