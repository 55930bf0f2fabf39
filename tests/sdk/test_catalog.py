"""When an object is asked for its tools."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from omnitornado.sdk.asgi import App
from omnitornado.sdk.catalog import MAX_AGE, MAX_CALLERS, Catalog
from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.identity import Caller
from omnitornado.sdk.listing import ListedTool, ListingError, ScopeError

from .test_hosting import PlainGuest


class Lister(PlainGuest):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = [ListedTool("a", "", "", frozenset({"s"}))]
        self.own: dict[str, list[ListedTool]] = {}
        """What some people see beside them, by name."""
        self.error: Exception | None = None
        self.is_silent = False
        self.count = 0

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        self.count += 1
        await asyncio.sleep(0)
        if self.is_silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return self.tools + (self.own.get(identity["user"].username, []) if identity else [])


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def build_caller(username: str = "ada", token: str = "") -> Caller:
    return Caller(username, "app", "App", ("mcp",), token or username, 2000.0, "https://a", "https://a/mcp")


ADA = build_caller()


def build() -> tuple[Lister, Clock, Catalog]:
    lister, clock = Lister(), Clock()
    return lister, clock, Catalog(Hosting(lister, path="/mcp", max_body=1), clock=clock)


def test_a_call_of_a_known_tool_asks_once_a_minute() -> None:
    """Our choice: asking costs as much as a call."""

    async def scenario() -> None:
        lister, clock, catalog = build()
        await catalog.open()
        for _ in range(3):
            assert await catalog.find_scopes(["a"], ADA) == {"s"}
        assert lister.count == 1
        lister.tools = [ListedTool("a", "", "")]
        clock.now += MAX_AGE
        assert await catalog.find_scopes(["a"], ADA) == set()
        assert lister.count == 2

    asyncio.run(scenario())


def test_many_calls_of_an_unknown_tool_at_once_ask_no_more_than_twice() -> None:
    """Our choice: whoever finds a list that began after they came has their answer."""

    async def scenario() -> None:
        lister, _, catalog = build()
        await catalog.open()
        found = await asyncio.gather(*(catalog.find_scopes(["b"], ADA) for _ in range(50)))
        assert set(found) == {frozenset()}
        assert lister.count <= 3
        lister.tools.append(ListedTool("b", "", "", frozenset({"t"})))
        assert await catalog.find_scopes(["b"], ADA) == {"t"}

    asyncio.run(scenario())


def test_where_asking_fails_what_was_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: a scope does not go because the list could not be read."""

    async def scenario() -> None:
        lister, clock, catalog = build()
        await catalog.open()
        lister.error = ScopeError("no scope")
        clock.now += MAX_AGE
        assert await catalog.find_scopes(["a"], ADA) == {"s"}

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.messages == ["tools not listed: ScopeError: 'no scope'"]


def test_a_tool_that_only_its_caller_sees_needs_what_it_names_there() -> None:
    """Our choice: and what one person sees says nothing about what another one calls."""

    async def scenario() -> None:
        lister, clock, catalog = build()
        lister.own = {"ada": [ListedTool("b", "", "", frozenset({"t"}))]}
        await catalog.open()
        for _ in range(3):
            assert await catalog.find_scopes(["a", "b"], ADA) == {"s", "t"}
        assert lister.count == 2
        assert await catalog.find_scopes(["b"], build_caller("bob")) == set()
        assert [tool.name for tool in catalog.tools] == ["a"]
        clock.now += MAX_AGE
        lister.own = {"ada": [ListedTool("b", "", "", frozenset({"u"}))]}
        assert await catalog.find_scopes(["b"], ADA) == {"u"}

    asyncio.run(scenario())


def test_what_can_not_be_found_out_is_not_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: no call gets by without its scope because an object could not be asked, also not the calls
    that waited for another's attempt; from an object that doesn't answer as from one that raises."""

    async def scenario(error: Exception | None) -> None:
        lister, _, catalog = build()
        lister.error, lister.is_silent = error, error is None
        await catalog.open()
        found = await asyncio.gather(
            *(catalog.find_scopes(["a"], ADA) for _ in range(5)), return_exceptions=True
        )
        assert [type(one) for one in found] == [ListingError] * 5
        lister.error, lister.is_silent = None, False
        assert await catalog.find_scopes(["a"], ADA) == {"s"}

    monkeypatch.setattr("omnitornado.sdk.catalog.PATIENCE", 0.01)
    for error in (RuntimeError("no"), ListingError("who are you?"), None):
        asyncio.run(scenario(error))
    assert "tools not listed: TimeoutError" in caplog.text


def test_the_lists_of_few_callers_are_kept() -> None:
    """Our choice: everything is bounded."""

    async def scenario() -> None:
        _, _, catalog = build()
        await catalog.open()
        for number in range(MAX_CALLERS + 10):
            await catalog.find_scopes(["b"], build_caller(token=str(number)))
        assert len(catalog._callers) == MAX_CALLERS

    asyncio.run(scenario())


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
