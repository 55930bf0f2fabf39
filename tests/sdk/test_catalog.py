"""When an object is asked for its tools."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from omnitornado.sdk.asgi import App
from omnitornado.sdk.catalog import MAX_AGE, Catalog
from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.listing import ListedTool, ListingError, ScopeError

from .test_hosting import PlainGuest


class Lister(PlainGuest):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = [ListedTool("a", "", "", frozenset({"s"}))]
        self.error: Exception | None = None
        self.count = 0

    async def list_tools(self, app: App, path: str) -> Sequence[ListedTool]:
        self.count += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return list(self.tools)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def build() -> tuple[Lister, Clock, Catalog]:
    lister, clock = Lister(), Clock()
    return lister, clock, Catalog(Hosting(lister, path="/mcp", max_body=1), clock=clock)


def test_a_call_of_a_known_tool_asks_once_a_minute() -> None:
    """Our choice: asking costs as much as a call."""

    async def scenario() -> None:
        lister, clock, catalog = build()
        await catalog.open()
        for _ in range(3):
            assert await catalog.find_scopes("a") == {"s"}
        assert lister.count == 1
        lister.tools = [ListedTool("a", "", "")]
        clock.now += MAX_AGE
        assert await catalog.find_scopes("a") == set()
        assert lister.count == 2

    asyncio.run(scenario())


def test_many_calls_of_an_unknown_tool_at_once_ask_no_more_than_twice() -> None:
    """Our choice: whoever finds a list that began after they came has their answer."""

    async def scenario() -> None:
        lister, _, catalog = build()
        await catalog.open()
        found = await asyncio.gather(*(catalog.find_scopes("b") for _ in range(50)))
        assert set(found) == {frozenset()}
        assert lister.count <= 3
        lister.tools.append(ListedTool("b", "", "", frozenset({"t"})))
        assert await catalog.find_scopes("b") == {"t"}

    asyncio.run(scenario())


def test_where_asking_fails_what_was_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: a scope does not go because the list could not be read."""

    async def scenario() -> None:
        lister, clock, catalog = build()
        await catalog.open()
        lister.error = ScopeError("no scope")
        clock.now += MAX_AGE
        assert await catalog.find_scopes("a") == {"s"}

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == ["tools not listed: ScopeError: 'no scope'"]


def test_an_object_that_lists_for_somebody_alone_can_be_served(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice; but scopes that are none are a mistake of its author's."""

    async def scenario(error: Exception) -> int:
        lister, _, catalog = build()
        lister.error = error
        await catalog.open()
        return len(catalog.tools)

    assert asyncio.run(scenario(ListingError("who are you?"))) == 0
    assert "who are you?" in caplog.text
    with pytest.raises(ScopeError):
        asyncio.run(scenario(ScopeError("no scope")))
