"""Fixtures of the store's tests: the engines the contract is run against, and no unexpected warning."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits
from omnitornado.store.redis.store import RedisStore
from omnitornado.store.transitions import Store

from .redis_server import RedisServer
from .samples import Clock, QuickFiles

StoreFactory = Callable[[Clock, Limits], AbstractAsyncContextManager[Store]]
Scenario = Callable[[Store, Clock], Awaitable[None]]
Run = Callable[[Scenario], None]

SMALL = Limits(
    unused_clients=3,
    clients_per_person=3,
    codes_per_person=3,
    access_tokens_per_grant=3,
    browser_sessions_per_person=3,
    mcp_sessions_per_person=3,
    grants_per_person=3,
    consents_per_person=3,
    known_addresses_per_person=3,
    device_codes=3,
    pushed_requests=3,
    tasks_per_person=3,
    task_bytes_per_person=20,
    unused_documents=3,
    used_values_per_party=3,
    used_values=6,
)


@asynccontextmanager
async def _open_embedded(
    clock: Clock, limits: Limits, *, path: Path | None, interval: bool
) -> AsyncIterator[Store]:
    store = EmbeddedStore.open(
        path,
        durability="interval" if interval else "always",
        clock=clock,
        limits=limits,
        max_unused_clients=limits.unused_clients,
        files=QuickFiles(),
    )
    await store.start()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _open_redis(
    clock: Clock, limits: Limits, *, server: RedisServer, cache: float
) -> AsyncIterator[Store]:
    store = RedisStore.open(
        server.url, clock=clock, limits=limits, max_unused_clients=limits.unused_clients, cache=cache
    )
    await store.start()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="session")
def redis_of_session() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(redis_of_session: RedisServer) -> RedisServer:
    """A real Redis, empty."""
    redis_of_session.flush()
    return redis_of_session


@pytest.fixture(params=["memory", "always", "interval", "redis", "redis with a cache"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Makes an empty store: a new engine is held to the contract by adding it here."""
    if request.param.startswith("redis"):
        server = request.getfixturevalue("redis")
        return partial(_open_redis, server=server, cache=600.0 if "cache" in request.param else 0.0)
    path = None if request.param == "memory" else tmp_path / "state"
    return partial(_open_embedded, path=path, interval=request.param == "interval")


@pytest.fixture
def run(factory: StoreFactory) -> Run:
    """Runs a scenario with an empty store whose caps are all three, and its clock."""

    async def run_scenario(scenario: Scenario) -> None:
        clock = Clock()
        async with factory(clock, SMALL) as store:
            await scenario(store, clock)

    return lambda scenario: asyncio.run(run_scenario(scenario))


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What was logged at warning or above; a test that expects some takes it out, and anything left fails."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logging.getLogger().addHandler(collector)
    yield found
    logging.getLogger().removeHandler(collector)
    assert found == []
