"""How many transitions the embedded store makes durable, against what the disk itself can do.

    python -m benchmarks.store_writes [seconds for each figure] [folder]

Prints the disk's own rate (an append of a record's size and its fsync, one after the other), then refreshes a
second with so many callers at once, with the number of fsyncs they shared, and what one costs in CPU time.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.store_pause import build_grant
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.files import Files
from omnitornado.store.records import AccessToken
from omnitornado.store.transitions import RefreshSuccessor

RECORD = bytes(700)
"""About what one refresh adds to the journal."""
CALLERS = (1, 16, 128, 1024)


class CountedFiles(Files):
    """Counts fsyncs."""

    fsyncs = 0

    def fsync(self, fd: int) -> None:
        self.fsyncs += 1
        super().fsync(fd)


def measure_disk(folder: Path, seconds: float) -> float:
    """Appends with an fsync each, a second."""
    fd = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        os.write(fd, RECORD)
        os.fsync(fd)
        count += 1
    os.close(fd)
    return count / (time.perf_counter() - start)


async def refresh_on(store: EmbeddedStore, until: float) -> int:
    """One client that refreshes again and again; gives how often."""
    now = time.time()
    grant_id, presented = os.urandom(16), os.urandom(32)
    grant = build_grant(grant_id, now)
    store.state.grants.put(grant_id, grant)
    current = grant.refresh_hash or b""
    count = 0
    while time.perf_counter() < until:
        presented, current = current, os.urandom(32)
        await store.rotate_refresh(
            grant_id,
            presented,
            RefreshSuccessor(current, os.urandom(60), os.urandom(50), now + 86_400),
            os.urandom(32),
            AccessToken(grant_id, now + 3600),
            client_id="client",
            grace=30.0,
            now=now,
        )
        count += 1
    return count


@contextmanager
def opened(folder: Path, files: CountedFiles) -> Iterator[EmbeddedStore]:
    yield EmbeddedStore.open(folder / "state", files=files, snapshot_interval=86_400)


async def measure_store(folder: Path, callers: int, seconds: float) -> None:
    files = CountedFiles()
    with opened(folder, files) as store:
        await store.start()
        files.fsyncs = 0
        start, cpu = time.perf_counter(), time.process_time()
        counts = await asyncio.gather(*(refresh_on(store, start + seconds) for _ in range(callers)))
        took, spent, count = time.perf_counter() - start, time.process_time() - cpu, sum(counts)
        fsyncs = files.fsyncs
        print(
            f"{callers} at once: {count / took:.0f} refreshes a second, {count / fsyncs:.1f} for each of "
            f"{fsyncs / took:.0f} fsyncs a second, {spent / count * 1e6:.0f} µs of CPU each"
        )
        await store.close()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        folder = Path(name)
        print(f"the disk alone: {measure_disk(folder, seconds):.0f} fsyncs a second")
        for callers in CALLERS:
            asyncio.run(measure_store(folder / str(callers), callers, seconds))


if __name__ == "__main__":
    main()
