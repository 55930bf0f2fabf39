"""Child processes: what they write and read, and that nothing of them stays."""

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from omnitornado.upstream.errors import ChildError

from .children import build_child, find_processes, find_zombies, list_descriptors, until

LISTEN = "import time; time.sleep(1000)"


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
loops: list[str] = []


@pytest.fixture(autouse=True, params=sorted(LOOPS))
def loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pipes and processes are the event loop's; the server runs on either."""
    loops.append(request.param)
    yield
    loops.pop()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it, and see that no descriptor, pipe or zombie is left."""
    before: set[str] = set()

    async def watched() -> None:
        before.update(list_descriptors())
        await scenario()
        await until(lambda: list_descriptors() <= before)

    with asyncio.Runner(loop_factory=LOOPS[loops[-1]]) as runner:
        runner.run(watched())
    assert find_zombies() == []


def is_alive(pid: int | None) -> bool:
    assert pid is not None
    return Path("/proc", str(pid)).exists()


def test_lines_go_in_and_come_out_and_the_end_of_its_input_ends_it() -> None:
    """Required by MCP 2025-11-25 basic/transports, stdio and Shutdown."""

    async def scenario() -> None:
        child, listener = build_child("/bin/cat")
        await child.start()
        await child.send(b"one")
        await child.send("zwei ü".encode())
        await until(lambda: len(listener.lines) == 2)
        assert listener.lines == [b"one", "zwei ü".encode()]
        child.end()
        await child.ended
        assert str(listener.error) == "The upstream server test was ended"
        with pytest.raises(ChildError):
            await child.send(b"three")

    run(scenario)


def test_what_it_wrote_before_its_end_arrives() -> None:
    """Our choice: an answer is an answer, though who gave it is gone."""

    async def scenario() -> None:
        for _ in range(10):
            child, listener = build_child("/bin/sh", "-c", "read x; echo $x; exit 5")
            await child.start()
            await child.send(b"last words")
            await child.ended
            assert listener.lines == [b"last words"]
            assert str(listener.error) == "The upstream server test ended with exit code 5"

    run(scenario)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/no/such/program",), "can't be started: No such file or directory"),
        (("/etc/passwd",), "can't be started: Permission denied"),
    ],
)
def test_a_program_that_cannot_be_run_says_why(arguments: tuple[str, ...], words: str) -> None:
    """Our choice."""

    async def scenario() -> None:
        child, _ = build_child(*arguments)
        with pytest.raises(ChildError, match=words):
            await child.start()
        await child.ended

    run(scenario)


def test_one_that_does_not_listen_is_killed_after_its_time() -> None:
    """Required by MCP 2026-07-28 basic/transports/stdio, Shutdown: SIGTERM, then SIGKILL."""

    async def scenario() -> None:
        child, _ = build_child("stubborn")
        await child.start()
        child.end()
        async with asyncio.timeout(10):
            await child.ended
        assert not is_alive(child.pid)

    run(scenario)


@pytest.mark.parametrize("ending", ["end", "kill", "by itself"])
def test_daemons_that_it_started_end_with_it(ending: str) -> None:
    """Our choice: in a session of their own, and no children of it any more."""
    mark = secrets.token_hex(8)
    daemon = f"setsid {sys.executable} -c '{LISTEN} or \"{mark}\"' >/dev/null 2>&1 </dev/null &"

    async def scenario() -> None:
        child, _ = build_child("/bin/sh", "-c", f"{daemon} read x")
        await child.start()
        await until(lambda: find_processes(mark))
        if ending == "end":
            child.end()
        elif ending == "kill":
            child.kill("did not please")
        else:
            await child.send(b"x")
        await child.ended
        assert find_processes(mark) == []

    run(scenario)


def test_it_dies_with_its_keeper() -> None:
    """Our choice: whatever kills the keeper, the out-of-memory killer say, leaves no child alone."""

    async def scenario() -> None:
        child, listener = build_child("/bin/sh", "-c", "sleep 1000; echo no")
        await child.start()
        assert child._keeper is not None
        os.kill(child._keeper.pid, signal.SIGKILL)
        await child.ended
        await until(lambda: not is_alive(child.pid))
        assert str(listener.error) == "The upstream server test ended"

    run(scenario)


def test_a_line_without_an_end_kills_it() -> None:
    """Our choice: memory is bounded by `max_message`."""

    async def scenario() -> None:
        child, listener = build_child("/bin/sh", "-c", "yes | tr -d '\\n'", max_line=100_000)
        await child.start()
        await child.ended
        assert str(listener.error) == "The upstream server test sent a message of more than 100000 bytes"
        assert listener.lines == []

    run(scenario)


def test_one_that_reads_nothing_is_killed_and_holds_up_who_writes() -> None:
    """Our choice: what waits for it is bounded."""

    async def scenario() -> None:
        child, listener = build_child("/bin/sh", "-c", "sleep 1000", max_line=1000)
        await child.start()
        line = b"x" * 200_000
        await child.send(line)
        waiting = asyncio.create_task(child.send(line))
        await asyncio.sleep(0)
        assert not waiting.done()
        for _ in range(5):
            child.send_now(line)
        with pytest.raises(ChildError, match="did not read what it was sent"):
            child.send_now(line)
        with pytest.raises(ChildError):
            await waiting
        await child.ended
        assert listener.error is not None

    run(scenario)


def test_one_that_closes_its_output_and_lives_on_is_killed() -> None:
    """Our choice: it can't answer any more."""

    async def scenario() -> None:
        child, listener = build_child("/bin/sh", "-c", "exec >&-; sleep 1000")
        await child.start()
        await child.ended
        assert "closed its input or its output" in str(listener.error)

    run(scenario)


def test_a_flood_leaves_the_loop_to_others() -> None:
    """Our choice: some lines a turn."""

    async def scenario() -> None:
        child, listener = build_child("/bin/sh", "-c", "yes")
        await child.start()
        turns = []
        while len(listener.lines) < 20_000:
            before = len(listener.lines)
            await asyncio.sleep(0)
            turns.append(len(listener.lines) - before)
        assert max(turns) <= 64
        child.kill("did enough")
        await child.ended

    run(scenario)


def test_standard_error_is_logged_bounded_and_harmless(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: nothing in it can start a line of its own, and of much some is left out."""
    script = "printf '\\033[31mred\\n' >&2; i=0; while [ $i -lt 1000 ]; do echo line $i >&2; i=$((i+1)); done"

    async def scenario() -> None:
        child, _ = build_child("/bin/sh", "-c", script + "; printf 'the end' >&2")
        await child.start()
        await child.ended

    with caplog.at_level(logging.INFO, "omnitornado"):
        run(scenario)
    lines = [record.getMessage() for record in caplog.records if "upstream.stderr" in record.getMessage()]
    assert lines[0] == 'upstream.stderr upstream=test text="\\u001b[31mred"'
    assert lines[1] == 'upstream.stderr upstream=test text="line 0"'
    assert 200 <= len(lines) <= 260
