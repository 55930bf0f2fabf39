"""Whatever a server behind the login does wrong costs its own callers an error, and nobody else anything."""

import asyncio
import logging
from typing import Any

import pytest
from mcp_samples import BOB, Answer

from omnitornado.upstream.pool import Owner

from .behind import Behind, run
from .children import until

ENDED = "The upstream server behind "


async def check_others(behind: Behind, bobs_pid: str) -> None:
    """Bob's process is the one it was, and answers."""
    assert (await behind.call("echo", principal=BOB, text="well")).text == "well"
    assert (await behind.call("pid", principal=BOB)).text == bobs_pid


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("die", {}, "ended with exit code 3"),
        ("killed", {}, "ended by SIGSEGV"),
        ("garbage", {}, "wrote what is no message"),
        ("no_end", {}, "sent a message of more than 100000 bytes"),
        ("large", {"size": 200_000}, "sent a message of more than 100000 bytes"),
        ("flood", {}, "sent too much that nobody had asked for"),
        ("close_output", {}, "closed its input or its output"),
    ],
)
@pytest.mark.parametrize("era", ["session", "stateless"])
def test_who_waits_for_it_is_told_and_nobody_else_notices(
    era: str, tool: str, arguments: dict[str, Any], words: str
) -> None:
    """Our choice: an error with words, at once, for every request that is under way there."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        bobs_pid = (await behind.call("pid", principal=BOB)).text
        waiting = asyncio.create_task(session.call("hang"))
        await until(lambda: count_flights(behind) == 1)
        caller = session.call(tool, **arguments) if era == "session" else behind.call(tool, **arguments)
        answer = await caller
        check_error(answer, words)
        check_error(await waiting, words)
        await check_others(behind, bobs_pid)
        # The next use starts another.
        assert (await session.call("echo", text="again")).text == "again"

    run(scenario, max_message=100_000)


def count_flights(behind: Behind) -> int:
    return sum(len(peer.flights) for peer in behind.pool._peers.values())


def check_error(answer: Answer, words: str) -> None:
    assert answer.code == -32603
    assert answer.body["error"]["message"] == f"{ENDED}{words}."
    assert answer.status == 200


def test_one_that_hangs_runs_out_of_its_time_and_is_told() -> None:
    """Our choice: `timeout`; the others' requests in the same process go on."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        answer = await session.call("hang")
        check_error(answer, "did not answer within 0.2 seconds")
        assert (await session.call("echo", text="still here")).text == "still here"
        state = await behind.look_inside()
        assert [one["reason"] for one in state["cancelled"]] == ["It took more than 0.2 seconds"]

    run(scenario, timeout=0.2)


@pytest.mark.parametrize(
    ("tool", "text"),
    [("chatter", "and answers"), ("twice", "first")],
)
def test_what_can_be_passed_over_is(tool: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: many a server greets its terminal, and a second answer answers nothing."""

    async def scenario(behind: Behind) -> None:
        for _ in range(100):
            assert (await behind.call(tool)).text == text
        assert (await behind.call("echo", text="x")).text == "x"

    with caplog.at_level(logging.INFO, "omnitornado"):
        run(scenario)


@pytest.mark.parametrize(
    ("tool", "code", "message"),
    [
        ("no_object", -32603, "The upstream server behind sent a result that is no object."),
        ("bad_error", -32603, "The upstream server failed"),
        ("error", -32042, "of its own"),
    ],
)
def test_answers_that_are_none_become_errors_and_errors_stay(tool: str, code: int, message: str) -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        for answer in (await behind.call(tool), await (await behind.open()).call(tool)):
            assert (answer.code, answer.body["error"]["message"]) == (code, message)
            assert answer.body["error"].get("data") == ({"why": "so"} if tool == "error" else None)

    run(scenario)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("silent", "did not answer initialize within 0.3 seconds"),
        ("old", "answered initialize with a revision that is not known here"),
        ("exit", "ended with exit code 7"),
    ],
)
def test_one_that_does_not_start_is_tried_again_later_and_later(option: str, words: str) -> None:
    """Our choice: at once, then after a second, two, four; who asks meanwhile is answered at once."""

    async def scenario(behind: Behind) -> None:
        for _ in range(2):
            check_error(await behind.call("echo"), words)
        refused = await behind.call("echo")
        assert refused.status == 503
        assert refused.body["error"]["message"] == f"{ENDED}{words}, 2 times in a row. Next try in 1 s."
        assert refused.headers["Retry-After"] == "5"
        behind.clock.now += 1
        check_error(await behind.call("echo"), words)
        assert "3 times in a row. Next try in 2 s" in (await behind.call("echo")).body["error"]["message"]
        # Whose it is not waits for nothing.
        check_error(await behind.call("echo", principal=BOB), words)
        await until(lambda: len(behind.pool) == 0)

    run(scenario, option, start_timeout=0.3 if option == "silent" else 30.0)


def test_a_session_is_not_opened_where_nothing_starts() -> None:
    """Our choice: the client gets the reason in place of a session."""

    async def scenario(behind: Behind) -> None:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        answer = await behind.wire.post(message)
        check_error(answer, "can't be started: No such file or directory")
        assert "Mcp-Session-Id" not in answer.headers

    run(scenario, command=("/no/such/program",))


def test_processes_are_bounded_and_the_idle_one_makes_room() -> None:
    """Our choice: `max_children`."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        waiting = asyncio.create_task(session.call("hang"))
        await until(lambda: count_flights(behind) == 1)
        refused = await behind.call("echo", principal=BOB)
        assert refused.status == 503
        assert "as many people as it takes" in refused.body["error"]["message"]
        await session.cancel(1)
        await waiting
        assert (await behind.call("echo", principal=BOB, text="room")).text == "room"

    run(scenario, max_children=1)


def test_one_person_does_not_take_them_all() -> None:
    """Our choice: of many sessions of one person's the one unused for longest goes; a quarter is theirs."""

    async def scenario(behind: Behind) -> None:
        bobs = await behind.open(BOB)
        bobs_pid = (await bobs.call("pid")).text
        sessions = [await behind.open() for _ in range(4)]
        assert len([owner for owner in behind.pool._peers if owner.person == "ann"]) == 2
        assert (await bobs.call("pid")).text == bobs_pid
        waiting = [asyncio.create_task(one.call("hang")) for one in sessions[-2:]]
        await until(lambda: count_flights(behind) == 2)
        refused = await sessions[0].call("echo")
        assert "as often as it may be" in refused.body["error"]["message"]
        for one in sessions[-2:]:
            await one.cancel(1)
        await asyncio.wait(waiting)

    run(scenario, sharing="session", max_children=8)


def test_who_is_idle_ends_and_who_works_does_not() -> None:
    """Our choice: `idle_time`."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        waiting = asyncio.create_task(session.call("hang"))
        await until(lambda: count_flights(behind) == 1)
        await behind.call("pid", principal=BOB)
        behind.clock.now += 601
        behind.pool.look()
        assert list(behind.pool._peers) == [Owner("ann")]
        await session.cancel(1)
        await waiting
        behind.pool.look()
        assert list(behind.pool._peers) == [Owner("ann")]
        behind.clock.now += 601
        behind.pool.look()
        assert list(behind.pool._peers) == []

    run(scenario)


def test_the_end_of_the_server_is_told_to_who_waits() -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        waiting = asyncio.create_task((await behind.open()).call("hang"))
        await until(lambda: count_flights(behind) == 1)
        await behind.wire.endpoint.close()
        answer = await waiting
        assert answer.body["error"]["message"] == "The server is stopping"

    run(scenario)


def test_many_start_one_process_and_it_is_one() -> None:
    """Our choice: requests at the same time share the start."""

    async def scenario(behind: Behind) -> None:
        answers = await asyncio.gather(*(behind.call("pid") for _ in range(20)))
        assert len({answer.text for answer in answers}) == 1

    run(scenario)
