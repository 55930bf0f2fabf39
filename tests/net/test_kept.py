"""What was fetched is kept, shared and, where it failed, left alone for a moment."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.net.kept import CAPACITY, Kept, KeptAnswers

URL = "https://client.example/a"


class Source:
    """Gives a new value each time, or fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: FetchError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, url: str, now: float, asker: str) -> tuple[str, float]:
        self.asked.append(url)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return f"{len(self.asked)} of {url}", 60.0


def run(scenario: Callable[[Source, KeptAnswers[str]], Awaitable[None]]) -> None:
    async def run_scenario() -> None:
        source = Source()
        await scenario(source, KeptAnswers(source.load))

    asyncio.run(run_scenario())


def test_what_is_fresh_is_not_fetched_again() -> None:
    """Required by RFC 9111 §4: fresh until the very second, stale from then on."""

    async def scenario(source: Source, kept: KeptAnswers[str]) -> None:
        first = await kept.find(URL, now=100)
        assert first == Kept(f"1 of {URL}", fetched_at=100, fresh_until=160)
        assert await kept.find(URL, now=159.9) == first
        assert (await kept.find(URL, now=160)).value == f"2 of {URL}"
        assert (await kept.fetch(URL, now=161)).value == f"3 of {URL}"

    run(scenario)


def test_many_who_ask_at_once_share_one_fetch() -> None:
    """Our choice: a crowd at the consent page is one request to the client's host."""

    async def scenario(source: Source, kept: KeptAnswers[str]) -> None:
        source.gate.clear()
        asked = [asyncio.ensure_future(kept.find(URL, now=0)) for _ in range(20)]
        await asyncio.sleep(0)
        asked[0].cancel()
        source.gate.set()
        rest = await asyncio.gather(*asked[1:])
        assert {answer.value for answer in rest} == {f"1 of {URL}"}
        assert len(source.asked) == 1

    run(scenario)


def test_an_address_that_failed_is_left_alone_for_a_moment() -> None:
    """Our choice: so many tries ask no more of it; then it is asked again, and good answers stay known."""

    async def scenario(source: Source, kept: KeptAnswers[str]) -> None:
        good = await kept.find(URL, now=0)
        source.error = FetchError("it is gone", reason="fetch_status")
        for now in (60, 61, 74.9):
            with pytest.raises(FetchError, match="gone") as caught:
                await kept.find(URL, now=now)
            assert caught.value.reason == "fetch_status"
        assert len(source.asked) == 2
        assert kept.find_last(URL) == good
        source.error = None
        assert (await kept.find(URL, now=75)).value == f"3 of {URL}"
        source.error = FetchError("too much", reason="fetch_busy", is_own=True)
        for _ in range(2):
            with pytest.raises(FetchError):
                await kept.fetch(URL, now=200)
        assert len(source.asked) == 5  # being busy is this server's doing, not the address's

    run(scenario)


def test_a_failure_that_nobody_waits_for_is_no_error() -> None:
    """Our choice: the one who asked has gone, and the log stays quiet."""

    async def scenario(source: Source, kept: KeptAnswers[str]) -> None:
        source.gate.clear()
        source.error = FetchError("it is gone", reason="fetch_status")
        asked = asyncio.ensure_future(kept.find(URL, now=0))
        await asyncio.sleep(0)
        asked.cancel()
        source.gate.set()
        with pytest.raises(FetchError):
            await kept.find(URL, now=0)

    run(scenario)


def test_no_more_than_so_many_are_kept() -> None:
    """Our choice: the one not asked for longest goes first; failures make no good one go."""

    async def scenario(source: Source, kept: KeptAnswers[str]) -> None:
        for number in range(CAPACITY):
            await kept.find(f"{URL}/{number}", now=0)
        await kept.find(f"{URL}/0", now=1)
        await kept.find(f"{URL}/another", now=1)
        assert kept.find_last(f"{URL}/0") is not None
        assert kept.find_last(f"{URL}/1") is None
        source.error = FetchError("it is gone", reason="fetch_status")
        for number in range(CAPACITY * 2):
            with pytest.raises(FetchError):
                await kept.find(f"{URL}/wrong/{number}", now=0)
        assert kept.find_last(f"{URL}/0") is not None
        assert len(kept._failed) == CAPACITY
        assert not kept._under_way

    run(scenario)
