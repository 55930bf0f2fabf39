"""The life of a served object."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from omnitornado.sdk import hosting
from omnitornado.sdk.asgi import App
from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.listing import ListedTool


class PlainGuest:
    """An object that does what its flags say, and notes in which task."""

    name = "plain"

    def __init__(self) -> None:
        self.tasks: list[Any] = []
        self.begin_error: BaseException | None = None
        self.end_error: BaseException | None = None
        self.entered, self.blocks = asyncio.Event(), asyncio.Event()
        self.blocks.set()

    @asynccontextmanager
    async def serve(self, *, path: str, max_body: int) -> AsyncIterator[App]:
        self.tasks.append(asyncio.current_task())
        self.entered.set()
        await self.blocks.wait()
        if self.begin_error is not None:
            raise self.begin_error
        yield self.app
        self.tasks.append(asyncio.current_task())
        await self.blocks.wait()
        if self.end_error is not None:
            raise self.end_error

    async def app(self, *args: Any) -> None:
        """Nothing."""

    def list_unserved_routes(self) -> list[str]:
        return []

    def end_streams(self) -> None:
        """Nothing."""

    async def list_tools(self, app: App, path: str, identity: Mapping[str, Any]) -> Sequence[ListedTool]:
        return []


def test_it_is_left_in_the_task_that_entered_it() -> None:
    """Our choice: the scopes of anyio want that, whichever task stops the server."""

    async def scenario() -> None:
        guest = PlainGuest()
        hosted = Hosting(guest, path="/mcp", max_body=1)
        nothing: Any = None
        await hosted.start()
        await hosted.app({}, nothing, nothing)
        was_running = hosted.is_running
        await asyncio.create_task(hosted.close())
        assert guest.tasks[0] is guest.tasks[1] is not asyncio.current_task()
        assert (was_running, hosted.is_running) == (True, False)
        with pytest.raises(RuntimeError, match="has ended"):
            await hosted.app({}, nothing, nothing)
        await hosted.close()

    asyncio.run(scenario())


def test_what_it_raises_at_its_start_is_raised() -> None:
    """Our choice: and nothing is left running."""

    async def scenario() -> None:
        guest = PlainGuest()
        guest.begin_error = ValueError("no database")
        with pytest.raises(ValueError, match="no database"):
            await Hosting(guest, path="/mcp", max_body=1).start()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_what_it_raises_at_its_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: the server stops all the same."""

    async def scenario() -> None:
        guest = PlainGuest()
        guest.end_error = ValueError("still open")
        hosted = Hosting(guest, path="/mcp", max_body=1)
        await hosted.start()
        await hosted.close()

    asyncio.run(scenario())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("at_start", [True, False])
def test_it_has_so_long_to_begin_and_to_end(monkeypatch: pytest.MonkeyPatch, at_start: bool) -> None:
    """Our choice: a lifespan that hangs holds nobody up for ever."""
    monkeypatch.setattr(hosting, "START_TIMEOUT", 0.01)
    monkeypatch.setattr(hosting, "STOP_TIMEOUT", 0.01)

    async def scenario() -> None:
        guest = PlainGuest()
        hosted = Hosting(guest, path="/mcp", max_body=1)
        if at_start:
            guest.blocks.clear()
            with pytest.raises(TimeoutError):
                await hosted.start()
        else:
            await hosted.start()
            guest.blocks.clear()
            await hosted.close()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_a_start_that_is_given_up_is_taken_back() -> None:
    """Our choice: Ctrl-C while a lifespan takes its time."""

    async def scenario() -> None:
        guest = PlainGuest()
        guest.blocks.clear()
        starting = asyncio.create_task(Hosting(guest, path="/mcp", max_body=1).start())
        await guest.entered.wait()
        starting.cancel()
        guest.blocks.set()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())
