"""An embedded store on files for one block of a test, and what it holds, for comparing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.files import Files
from omnitornado.store.journal import Journal
from omnitornado.store.memory import State

from .samples import Clock, FaultyFiles, QuickFiles, build_client


@asynccontextmanager
async def opened(
    path: Path | None, *, clock: Clock | None = None, files: Files | None = None, **options: Any
) -> AsyncIterator[EmbeddedStore]:
    store = EmbeddedStore.open(path, clock=clock or Clock(), files=files or QuickFiles(), **options)
    await store.start()
    try:
        yield store
    finally:
        if isinstance(files, FaultyFiles):
            files.gate.set()  # a test that failed while it was closed must end all the same
        await store.close()


PATIENCE = 20.0
"""Seconds until a test gives up on what happens at once on an idle machine."""


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while not is_so():
        assert loop.time() < deadline
        await asyncio.sleep(0)


async def abandon(store: EmbeddedStore) -> None:
    """End a store as a kill of its process would: nothing more is written."""
    engine = store._engine
    tasks = [*engine._tasks, *([engine.journal._flusher] if isinstance(engine.journal, Journal) else [])]
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    engine._resources.close()


def find_state(store: EmbeddedStore) -> State:
    return store._engine.state


def dump(store: EmbeddedStore) -> dict[str, dict[Any, Any]]:
    """Every record there is."""
    return {
        name: {key: record for records in table.iterate_slices(7) for key, record in records.items()}
        for name, table in find_state(store).tables.items()
    }


def load(path: Path, *, clock: Clock | None = None) -> dict[str, dict[Any, Any]]:
    """What a store opened on these files holds; the files stay as the load leaves them."""
    store = EmbeddedStore.open(path, clock=clock or Clock(), files=QuickFiles())
    try:
        return dump(store)
    finally:
        store._engine._resources.close()


async def register(store: EmbeddedStore, *names: str) -> None:
    for name in names:
        await store.register_client(build_client(name))
