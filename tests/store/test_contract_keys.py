"""The contract of every store: keys of the server's own."""

import asyncio
from pathlib import Path

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.transitions import Store

from .conftest import Run
from .samples import START, Clock, QuickFiles


def test_a_key_is_made_once_and_then_found(run: Run) -> None:
    """Our choice: the first bytes offered under a name are the key from then on."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await store.find_or_create_key("states", b"one", now=START) == b"one"
        assert await store.find_or_create_key("states", b"two", now=START + 1e9) == b"one"
        assert await store.find_or_create_key("others", b"three", now=START) == b"three"

    run(scenario)


def test_two_who_ask_at_once_get_the_same_key(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        asked = (store.find_or_create_key("states", fresh, now=START) for fresh in (b"one", b"two"))
        first, second = await asyncio.gather(*asked)
        assert first == second

    run(scenario)


def test_a_key_survives_a_restart(tmp_path: Path) -> None:
    """Our choice: what was sealed with it must still open."""

    async def ask(fresh: bytes) -> bytes:
        store = EmbeddedStore.open(tmp_path / "state", clock=Clock(), files=QuickFiles())
        await store.start()
        try:
            return await store.find_or_create_key("states", fresh, now=START)
        finally:
            await store.close()

    assert asyncio.run(ask(b"one")) == b"one"
    assert asyncio.run(ask(b"two")) == b"one"
