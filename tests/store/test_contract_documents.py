"""The contract of every store: clients' own documents."""

import asyncio
from pathlib import Path

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.transitions import CodeOutcome, Store

from .conftest import Run
from .samples import START, Clock, QuickFiles, build_access, build_code, build_document, build_grant, digest

URL = "https://client.example/client.json"


async def redeem(store: Store, client_id: str, now: float = START) -> None:
    grant = build_grant(client_id, client_id=client_id)
    await store.issue_code(digest(client_id), build_code(client_id=client_id))
    outcome = await store.redeem_code(
        digest(client_id), grant, digest("t" + client_id), build_access(grant), now=now
    )
    assert outcome is CodeOutcome.REDEEMED


def test_a_document_is_found_until_it_is_too_old(run: Run) -> None:
    """Our choice: fresh or not is for the caller; a newer copy takes its place."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.keep_document(URL, build_document())
        assert await store.find_document(URL, now=START + 86_399) == build_document()
        assert await store.find_document(URL, now=START + 86_400) is None
        assert await store.find_document(URL + "x", now=START) is None
        newer = build_document(document={"a": 1}, fetched_at=START + 5)
        await store.keep_document(URL, newer)
        assert await store.find_document(URL, now=START) == newer

    run(scenario)


def test_a_document_that_is_forgotten_is_gone(run: Run) -> None:
    """Our choice: its own domain took it back; to forget it twice is no error, and a grant stays."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.keep_document(URL, build_document())
        await redeem(store, URL)
        for _ in range(2):
            await store.forget_document(URL)
            assert await store.find_document(URL, now=START) is None
        assert await store.find_grant(build_grant(URL).grant_id, now=START) is not None

    run(scenario)


def test_a_document_that_is_forgotten_stays_so_over_a_restart(tmp_path: Path) -> None:
    """Our choice: what was withdrawn must not come back with a journal that is read again."""

    async def open_and_find(*, forget: bool) -> object:
        store = EmbeddedStore.open(tmp_path / "state", clock=Clock(), files=QuickFiles())
        await store.start()
        try:
            if forget:
                await store.keep_document(URL, build_document())
                await store.forget_document(URL)
            return await store.find_document(URL, now=START)
        finally:
            await store.close()

    assert asyncio.run(open_and_find(forget=True)) is None
    assert asyncio.run(open_and_find(forget=False)) is None


def test_the_oldest_of_those_never_used_make_room(run: Run) -> None:
    """Our choice: anyone can have documents fetched; those of clients with grants are not pushed out."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.keep_document(URL, build_document())
        await redeem(store, URL)
        for number in range(4):
            await store.keep_document(f"{URL}/{number}", build_document(fetched_at=START + number))
        assert await store.find_document(f"{URL}/0", now=START) is None
        assert await store.find_document(f"{URL}/1", now=START) is not None
        found = await store.find_document(URL, now=START)
        assert found is not None
        assert found.used_at == START
        await store.keep_document(URL, build_document(fetched_at=START - 99))
        for number in range(10):
            await store.keep_document(f"{URL}/{number}", build_document())
        found = await store.find_document(URL, now=START)
        assert found is not None
        assert (found.fetched_at, found.used_at) == (START - 99, START)

    run(scenario)


def test_what_no_file_can_hold_is_kept_as_near_as_can_be(run: Run) -> None:
    """Our choice: a stranger wrote it, and it must stop neither a write nor a load."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.keep_document(URL, build_document(document={"n": 2**99, "\ud800": "\ud800"}))
        found = await store.find_document(URL, now=START)
        assert found is not None
        assert found.document == {"n": float(2**99), "?": "?"}

    run(scenario)


def test_a_document_survives_a_restart(tmp_path: Path) -> None:
    """Our choice: vendors' addresses may refuse to answer just then."""

    async def keep_and_find(*, keep: bool) -> object:
        store = EmbeddedStore.open(tmp_path / "state", clock=Clock(), files=QuickFiles())
        await store.start()
        try:
            if keep:
                await store.keep_document(URL, build_document())
                await redeem(store, URL)
            return await store.find_document(URL, now=START)
        finally:
            await store.close()

    first = asyncio.run(keep_and_find(keep=True))
    assert first == build_document(used_at=START)
    assert asyncio.run(keep_and_find(keep=False)) == first
