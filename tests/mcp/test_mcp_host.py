"""One task for an answer and for the function it waits for: who runs where, and who is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import pytest
from mcp_samples import FakeOutbound, Wire, build_headers, build_request, build_stateless, run, until

from omnitornado.mcp import host as host_module
from omnitornado.mcp.context import Context
from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.event_stream import Event, Reader
from omnitornado.mcp.host import FunctionLeftError, Host
from omnitornado.mcp.server import MCPServer

LOGGED = {"io.modelcontextprotocol/logLevel": "info"}
SOON = 0.01
"""Seconds: a limit that is meant to be reached."""


class Journal:
    """What an answer and its function say of themselves."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.opened = asyncio.Event()

    def note(self, line: str) -> None:
        self.lines.append(line)
        self.tasks.append(asyncio.current_task())


Work = Callable[[Journal], Coroutine[Any, Any, Any]]


async def answer(journal: Journal, work: Work, holder: list[Host]) -> None:
    journal.note("begin")
    try:
        value = await holder[0].run(work(journal), lambda: journal.note("told"))
    except FunctionLeftError:
        journal.note("left")
    except ValueError as error:
        journal.note(f"failed {error}")
    else:
        journal.note(f"got {value}")
    await asyncio.sleep(0)
    journal.note("end")


def open_host(journal: Journal, work: Work) -> Host:
    holder: list[Host] = []
    holder.append(Host(answer(journal, work, holder)))
    return holder[0]


def play(scenario: Callable[[Journal], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Journal())

    asyncio.run(main())


async def stubborn(journal: Journal) -> str:
    journal.note("works")
    while not journal.opened.is_set():
        try:
            await journal.opened.wait()
        except asyncio.CancelledError:
            journal.note("ignores it")
    journal.note("late")
    return "late"


async def obedient(journal: Journal) -> None:
    journal.note("works")
    try:
        await asyncio.Event().wait()
    finally:
        journal.note("stops")


def test_the_function_runs_in_the_task_of_its_answer() -> None:
    """Our choice: what it waits for, its time-outs and its groups hang on one task."""

    async def work(journal: Journal) -> int:
        journal.note("works")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            children = [group.create_task(asyncio.sleep(0, number)) for number in (1, 2)]
        with anyio.move_on_after(0):
            await anyio.sleep_forever()
        journal.note("worked")
        return sum(child.result() for child in children)

    async def scenario(journal: Journal) -> None:
        await open_host(journal, work).drive()
        assert journal.lines == ["begin", "works", "worked", "got 3", "end"]
        assert set(journal.tasks) == {asyncio.current_task()}

    play(scenario)


def test_what_the_function_raises_reaches_the_answer() -> None:
    """Our choice."""

    async def work(journal: Journal) -> None:
        await asyncio.sleep(0)
        raise ValueError("a")

    async def scenario(journal: Journal) -> None:
        await open_host(journal, work).drive()
        assert journal.lines == ["begin", "failed a", "end"]

    play(scenario)


def test_what_the_answer_raises_reaches_whoever_drives_it() -> None:
    """Our choice."""

    async def work(journal: Journal) -> None:
        raise LookupError("b")

    async def scenario(journal: Journal) -> None:
        with pytest.raises(LookupError, match="b"):
            await open_host(journal, work).drive()

    play(scenario)


def test_an_interrupted_function_that_ends_leaves_the_answer_where_it_is() -> None:
    """Our choice: no second task."""

    async def work(journal: Journal) -> str:
        try:
            await obedient(journal)
        except asyncio.CancelledError:
            return "stopped"
        return "never"

    async def scenario(journal: Journal) -> None:
        host = open_host(journal, work)
        driving = asyncio.create_task(host.drive())
        await until(lambda: "works" in journal.lines)
        host.interrupt()
        host.interrupt()
        await driving
        assert journal.lines == ["begin", "works", "told", "stops", "got stopped", "end"]
        journal.tasks.pop(2)  # whoever told it
        assert set(journal.tasks) == {driving}
        assert driving.cancelling() == 0

    play(scenario)


def test_an_answer_does_not_wait_for_a_function_that_does_not_end() -> None:
    """Our choice: it goes on in another task, and the function stays in its own."""

    async def scenario(journal: Journal) -> None:
        host = open_host(journal, stubborn)
        driving = asyncio.create_task(host.drive())
        await until(lambda: "works" in journal.lines)
        host.interrupt()
        await until(lambda: "end" in journal.lines)
        assert journal.lines == ["begin", "works", "told", "ignores it", "left", "end"]
        assert not driving.done()
        assert driving in host_module._left
        assert not host.is_free
        journal.opened.set()
        await driving
        assert journal.lines[-1] == "late"
        tasks = dict(zip(journal.lines, journal.tasks, strict=True))
        assert {tasks[line] for line in ("begin", "works", "ignores it", "late")} == {driving}
        assert tasks["left"] is tasks["end"] is not driving
        await asyncio.sleep(0)
        assert driving not in host_module._left
        assert driving.cancelling() == 0

    play(scenario)


def test_a_function_that_takes_long_to_clean_up_does_it_in_its_own_task() -> None:
    """Our choice: to leave a cancel scope in another task than it was entered in is an error of anyio's."""

    async def work(journal: Journal) -> None:
        with anyio.CancelScope():
            try:
                await obedient(journal)
            finally:
                with anyio.CancelScope(shield=True):
                    await journal.opened.wait()
                journal.note("clean")

    async def scenario(journal: Journal) -> None:
        host = open_host(journal, work)
        driving = asyncio.create_task(host.drive())
        await until(lambda: "works" in journal.lines)
        host.interrupt()
        await until(lambda: "end" in journal.lines)
        assert "clean" not in journal.lines
        journal.opened.set()
        await driving
        assert journal.lines == ["begin", "works", "told", "stops", "left", "end", "clean"]
        assert journal.tasks[-1] is driving

    play(scenario)


def test_a_cancelled_answer_takes_its_function_along() -> None:
    """Our choice."""

    async def scenario(journal: Journal) -> None:
        host = open_host(journal, obedient)
        driving = asyncio.create_task(host.drive())
        await until(lambda: "works" in journal.lines)
        host.cancel()
        host.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        assert journal.lines == ["begin", "works", "told", "stops"]
        assert driving.cancelling() == 0

    play(scenario)


def test_a_cancelled_answer_does_not_wait_for_its_function() -> None:
    """Our choice: what it holds is given back at once."""

    async def scenario(journal: Journal) -> None:
        async def give(holder: list[Host]) -> None:
            try:
                await holder[0].run(stubborn(journal), lambda: None)
            finally:
                journal.note("given back")

        holder: list[Host] = []
        holder.append(Host(give(holder)))
        driving = asyncio.create_task(holder[0].drive())
        await until(lambda: "works" in journal.lines)
        holder[0].cancel()
        await until(lambda: "given back" in journal.lines)
        assert not driving.done()
        journal.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await driving

    play(scenario)


def test_an_answer_is_cancelled_while_it_waits_for_something_else() -> None:
    """Our choice."""

    async def give(journal: Journal) -> None:
        journal.note("begin")
        try:
            await asyncio.Event().wait()
        finally:
            journal.note("stops")

    async def scenario(journal: Journal) -> None:
        host = Host(give(journal))
        host.interrupt()  # there is nothing to interrupt
        driving = asyncio.create_task(host.drive())
        await until(lambda: journal.lines)
        host.interrupt()
        host.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        assert journal.lines == ["begin", "stops"]
        assert driving.cancelling() == 0

    play(scenario)


def test_a_task_that_somebody_else_cancels_ends() -> None:
    """Our choice: as when the loop is closed."""

    async def scenario(journal: Journal) -> None:
        host = open_host(journal, obedient)
        driving = asyncio.create_task(host.drive())
        await until(lambda: "works" in journal.lines)
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        assert journal.lines == ["begin", "works", "stops"]
        assert driving.cancelled()

    play(scenario)


# The same, through an endpoint: in the request's task, and in one of its own


def build_server(seen: list[Any]) -> MCPServer:
    server = MCPServer("s")

    @server.resource("test://a")
    async def a() -> str:
        seen.append(asyncio.current_task())
        return "a"

    @server.tool()
    async def read(context: Context) -> str:
        """Reads a resource within its call."""
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        await context.read_resource("test://a")
        seen.append(asyncio.current_task())
        return "read"

    @server.tool(timeout=SOON)
    async def clean_up() -> str:
        """Is late, and takes its time to end."""
        try:
            with anyio.fail_after(10):
                await anyio.sleep_forever()
        finally:
            seen.append(type(asyncio.current_task()).__name__)
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
            seen.append("clean")
        return "never"

    return server


@pytest.mark.parametrize("is_hosted", [True, False])
def test_a_function_stays_in_one_task_and_one_within_it_has_its_own(is_hosted: bool) -> None:
    """Our choice."""
    seen: list[Any] = []

    async def scenario(wire: Wire) -> None:
        wire.is_hosted = is_hosted
        assert (await wire.call("read")).text == "read"
        outer, inner, again = seen
        assert outer is again is not inner

    run(scenario, build_server(seen))


def test_the_members_of_a_batch_have_a_task_each() -> None:
    """Our choice: they run side by side (JSON-RPC 2.0 §6)."""
    seen: list[Any] = []

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session("2025-03-26")
        calls = [build_request("tools/call", {"name": "read"}, request_id=number) for number in (1, 2)]
        answer = await wire.post(calls, session)
        assert [one["result"]["isError"] for one in answer.body] == [False, False]
        assert len(set(seen)) == 4

    run(scenario, build_server(seen))


@pytest.mark.parametrize("is_hosted", [True, False])
def test_a_function_that_ran_out_of_time_may_still_clean_up(is_hosted: bool) -> None:
    """Our choice: in the task it began in, or its cancel scopes would break."""
    seen: list[Any] = []

    async def scenario(wire: Wire) -> None:
        wire.is_hosted = is_hosted
        assert "did not finish" in (await wire.call("clean_up")).text
        await until(lambda: "clean" in seen)
        assert seen == ["Task", "clean"]

    run(scenario, build_server(seen), logged=1)


@pytest.mark.parametrize("is_hosted", [True, False])
def test_a_function_that_ran_out_of_time_while_it_reports_is_told_once(is_hosted: bool) -> None:
    """Our choice: what waits for the client's reading is in the same task, and the answer must come."""
    server = MCPServer("s")
    seen: list[str] = []

    class Stuck(FakeOutbound):
        """A client that opens its stream and reads nothing."""

        def open(self, reader: Reader) -> None:
            self.reader = reader

    @server.tool(timeout=SOON)
    async def report(context: Context) -> str:
        try:
            for number in range(10_000):
                await context.log("info", f"{number} " + "x" * 10_000)
        except asyncio.CancelledError:
            seen.append("told")
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise
        return "never"

    async def scenario(wire: Wire) -> None:
        wire.is_hosted = is_hosted
        outbound = Stuck()
        message = build_stateless("tools/call", {"name": "report"}, **LOGGED)
        await wire.post(message, build_headers(message), outbound=outbound)
        await until(lambda: "cleaned up" in seen)
        assert outbound.reader is not None
        events: list[Event] = []
        while (read := await outbound.reader.receive()) is not None:
            events += read
        assert b"did not finish" in (events[-1].data or b"")
        assert seen == ["told", "cleaned up"]

    run(scenario, server, logged=1)


@pytest.mark.parametrize("is_hosted", [True, False])
def test_a_tool_that_cancels_itself_has_failed(is_hosted: bool) -> None:
    """Our choice: nobody took the request back."""
    server = MCPServer("s")

    @server.tool()
    async def gives_up() -> str:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def scenario(wire: Wire) -> None:
        wire.is_hosted = is_hosted
        assert "failed" in (await wire.call("gives_up")).text

    run(scenario, server, logged=1)


# Countdowns


class Bell:
    """Remembers who has rung, and tells when the last one has."""

    def __init__(self, last: str) -> None:
        self.rung: list[str] = []
        self.over = asyncio.Event()
        self._last = last

    def ring(self, name: str) -> None:
        self.rung.append(name)
        if name == self._last:
            self.over.set()

    def start(self, countdown: Countdown, name: str) -> None:
        countdown.start(name, partial(self.ring, name))


def test_what_is_not_stopped_rings_in_its_order() -> None:
    """Our choice: one timer of the loop's for all."""

    async def main() -> None:
        countdown, bell = Countdown(SOON), Bell("late")
        for name in "abcd":
            bell.start(countdown, name)
        countdown.stop("b")
        countdown.stop("unknown")
        assert 0 < countdown.find_left("a") <= SOON
        assert countdown.find_left("b") == 0
        countdown.start("e", partial(bell.start, countdown, "late"))
        await asyncio.wait_for(bell.over.wait(), 5)
        assert bell.rung == ["a", "c", "d", "late"]
        assert len(countdown) == 0

    asyncio.run(main())


def test_one_that_fails_to_ring_keeps_no_other_from_it() -> None:
    """Our choice."""

    async def main() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        countdown, bell = Countdown(0), Bell("b")
        countdown.start("a", partial(int, "x"))
        bell.start(countdown, "b")
        await asyncio.wait_for(bell.over.wait(), 5)
        assert len(failures) == 1

    asyncio.run(main())


def test_a_countdown_rings_in_whichever_loop_it_was_started() -> None:
    """Our choice: a loop that ended takes its timer along, and nothing more."""
    countdown = Countdown(SOON)

    async def begin() -> None:
        countdown.start("a", lambda: None)

    async def main() -> None:
        bell = Bell("b")
        bell.start(countdown, "b")
        await asyncio.wait_for(bell.over.wait(), 5)

    asyncio.run(begin())
    asyncio.run(main())
    assert len(countdown) == 0
