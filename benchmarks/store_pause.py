"""How the embedded store bears a million access tokens: memory, load, and how long the event loop is held up.

    python -m benchmarks.store_pause [number of tokens]

Prints, for a store on real files in a temporary folder: bytes of memory a token, the time a snapshot takes
and what it holds up meanwhile, the time a load takes, and the same while everything expires at once. Beside
each wall time stands the CPU time, which holds on a busy machine.

What is held up is measured twice. From inside, the longest turn of the loop: nobody is answered while one
lasts. Its CPU time is the loop's own thread's; "with threads" is the whole process's meanwhile, for a thread
that has Python's lock stops the loop as well. From outside, the worst of one request after the other, which
another process sends over a connection and the loop answers. A line "idle" is the same while nothing happens:
what the machine itself keeps a request waiting.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from omnitornado.serving.memory import settle_collector
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import RefreshSuccessor

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


class WatchedLoop(asyncio.SelectorEventLoop):
    """Notes its longest turns, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        self.own_cpu = self.all_cpu = self.wall = 0.0

    def _run_once(self) -> None:
        wall, own, everything = time.perf_counter(), time.thread_time(), time.process_time()
        is_idle = not self._ready  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]
        self.own_cpu = max(self.own_cpu, time.thread_time() - own)
        if not is_idle:  # or it has waited for something to do
            self.all_cpu = max(self.all_cpu, time.process_time() - everything)
            self.wall = max(self.wall, time.perf_counter() - wall)


CLIENT = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
worst = count = 0
try:
    while True:
        before = time.perf_counter()
        connection.send(b"?")
        if not connection.recv(1):
            break
        worst = max(worst, time.perf_counter() - before)
        count += 1
        time.sleep(0.0005)
except ConnectionError:
    pass
print(worst, count)
"""


class Answering(asyncio.Protocol):
    """A byte for a byte, as long as it is asked to."""

    def __init__(self, opened: "asyncio.Future[asyncio.Transport]") -> None:
        self._opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.set_result(transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Held(NamedTuple):
    """Seconds that a work took, and what it held up meanwhile."""

    took: float
    own_cpu: float
    all_cpu: float
    wall: float
    worst: float
    requests: int

    def __str__(self) -> str:
        own, everything, wall, worst = (f"{value * 1000:.1f} ms" for value in self[1:5])
        return (
            f"longest turn {own} of CPU, {everything} with threads, {wall} by the clock; "
            f"worst of {self.requests} requests {worst}"
        )


async def measure_pause(work: Coroutine[Any, Any, object]) -> Held:
    """Do `work` while another process asks and asks."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WatchedLoop)
    opened: asyncio.Future[asyncio.Transport] = loop.create_future()
    server = await loop.create_server(lambda: Answering(opened), "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, port, stdout=asyncio.subprocess.PIPE
    )
    connection = await opened
    await asyncio.sleep(0.1)
    loop.forget()
    start = time.perf_counter()
    await work
    took = time.perf_counter() - start
    turns = loop.own_cpu, loop.all_cpu, loop.wall
    server.close()
    connection.close()
    said, _ = await client.communicate()
    worst, count = said.split()
    return Held(took, *turns, float(worst), int(count))


async def measure(path: Path, tokens: int) -> None:
    now = time.time()
    store = EmbeddedStore.open(path, clock=lambda: now, snapshot_interval=86_400)
    await store.start()
    gc.collect()
    empty = find_resident_bytes()
    fill(store, tokens, now)
    gc.collect()
    per_token = (find_resident_bytes() - empty) / tokens
    print(f"memory: {per_token:.0f} bytes a token, with a grant for each {TOKENS_PER_GRANT} tokens")

    start = time.thread_time()
    gc.collect()
    print(f"a full garbage collection: {(time.thread_time() - start) * 1000:.1f} ms of CPU")
    settle_collector()  # as the command does, once it serves

    print(f"idle: {await measure_pause(asyncio.sleep(2))}")
    held = await measure_pause(store.save_snapshot())
    print(f"snapshot: {held.took:.2f} s, {find_size(path) / tokens:.0f} bytes a token on disk; {held}")
    grants = [grant for part in store.state.grants.iterate_slices(256) for grant in part.values()]
    held = await measure_pause(refresh_meanwhile(store, grants, now))
    print(f"snapshot while clients refresh: {held.took:.2f} s; {held}")

    start = time.perf_counter()
    await store.close()
    print(f"close: {time.perf_counter() - start:.2f} s")


async def refresh_meanwhile(store: EmbeddedStore, grants: list[Grant], now: float) -> None:
    """A second snapshot, with changes under way all the time."""
    await store.revoke_grant(grants.pop().grant_id)  # or there would be nothing new to write
    saving = asyncio.ensure_future(store.save_snapshot())

    async def work() -> None:
        while not saving.done() and grants:
            grant = grants.pop()
            successor = RefreshSuccessor(
                refresh_hash=os.urandom(32),
                sealed_refresh=os.urandom(32),
                sealed_access=os.urandom(32),
                expires_at=now + 86_400,
            )
            access = AccessToken(grant_id=grant.grant_id, expires_at=now + LIFETIME)
            await store.rotate_refresh(
                grant.grant_id,
                grant.refresh_hash or b"",
                successor,
                os.urandom(32),
                access,
                client_id=grant.client_id,
                grace=30.0,
                now=now,
            )

    await asyncio.gather(*(work() for _ in range(16)), saving)


def measure_load(path: Path, now: float) -> EmbeddedStore:
    start, cpu = time.perf_counter(), time.process_time()
    store = EmbeddedStore.open(path, clock=lambda: now)
    count = store.stats().records["access"]
    print(
        f"load: {time.perf_counter() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU, "
        f"for {count} tokens"
    )
    return store


async def measure_sweep(path: Path) -> None:
    clock = [time.time()]
    store = measure_load(path, clock[0])
    store._engine.clock = lambda: clock[0]
    await store.start()
    clock[0] += 2 * LIFETIME
    held = await measure_pause(store.sweep())
    print(f"sweep of everything: {held.took:.2f} s; {held}")
    await store.close()


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        for measured in (measure(path, tokens), measure_sweep(path)):
            with asyncio.Runner(loop_factory=WatchedLoop) as runner:
                runner.run(measured)


if __name__ == "__main__":
    main()
