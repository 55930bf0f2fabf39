"""One stream of events and its bounds, and the log of a session's streams: no endpoint, no HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp_samples import Clock, Json

from omnitornado.mcp.event_buffer import COALESCE_AT, Bounds
from omnitornado.mcp.event_log import MAX_STREAMS, EventLog, EventLogLimits
from omnitornado.mcp.event_stream import BACKLOG, EventStream, Reader
from omnitornado.mcp.jsonrpc import JsonRpcError

ANN, BOB = b"ann's session", b"bob's session"


def note(n: int, size: int = 0) -> Json:
    """A notification."""
    return {"method": "notifications/message", "params": {"n": n, "x": "x" * size}}


def ask(n: int) -> Json:
    """A request of the server's."""
    return {"id": n, "method": "elicitation/create", "params": {"n": n}}


def read(reader: Reader) -> list[int]:
    """The numbers of what waits."""
    return [json.loads(event.data)["params"]["n"] for event in reader.take() if event.data]


def look(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def build_stream(**options: Any) -> EventStream:
    return EventStream(Bounds(**options), name="s")


def build_log(clock: Clock | None = None, **options: Any) -> EventLog:
    count = iter(range(1000))
    limits = EventLogLimits(**options)
    return EventLog(limits, clock=clock or Clock(), token_bytes=lambda n: next(count).to_bytes(n, "big"))


# A stream


def test_a_reader_gets_what_waits_and_then_what_comes() -> None:
    """Our choice: a stream may begin before its connection does."""

    async def scenario() -> None:
        stream = build_stream()
        stream.add(note(1))
        reader = stream.attach()
        stream.add(note(2))
        assert [event.id for event in await reader.receive() or ()] == ["s.1", "s.2"]
        waiting = asyncio.create_task(reader.receive())
        await asyncio.sleep(0)
        stream.add(note(3))
        assert [event.id for event in await waiting or ()] == ["s.3"]
        stream.finish(b"{}")
        assert [event.data for event in await reader.receive() or ()] == [b"{}"]
        assert await reader.receive() is None
        stream.add(note(4))
        stream.finish(b"{}")
        assert await reader.receive() is None

    look(scenario)


def test_a_primed_stream_begins_with_an_event_to_come_back_to() -> None:
    """Required by MCP 2025-11-25 basic/transports (Sending Messages, 6), SEP-1699."""

    async def scenario() -> None:
        stream = EventStream(Bounds(), name="s", primed=True, retry=1000)
        reader = stream.attach()
        first = (await reader.receive() or [])[0]
        assert (first.id, first.data, first.retry) == ("s.0", b"", 1000)
        again = stream.attach(0)
        stream.add(note(1))
        assert [event.id for event in await again.receive() or ()] == ["s.1"]
        assert reader.closed

    look(scenario)


def test_who_comes_back_gets_exactly_what_it_missed() -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""
    stream = build_stream()
    reader = stream.attach()
    for n in range(1, 6):
        stream.add(note(n))
    assert read(reader) == [1, 2, 3, 4, 5]
    reader.detach()
    stream.add(note(6))
    second = stream.attach(3)
    assert read(second) == [4, 5, 6]
    assert read(stream.attach(3)) == [4, 5, 6]
    assert read(stream.attach(6)) == []
    # What it says it has seen is not kept.
    assert read(stream.attach(3)) == []


def test_a_second_connection_takes_over() -> None:
    """Our choice: the first may be dead without anybody having noticed."""

    async def scenario() -> None:
        stream = build_stream()
        first = stream.attach()
        waiting = asyncio.create_task(first.receive())
        await asyncio.sleep(0)
        second = stream.attach(0)
        stream.add(note(1))
        assert await waiting is None
        assert read(second) == [1]
        first.detach()
        assert stream.reader is second

    look(scenario)


def test_the_server_may_send_a_connection_away_and_keep_the_stream() -> None:
    """Required by SEP-1699: the client is told when to come back."""

    async def scenario() -> None:
        stream = build_stream()
        reader = stream.attach()
        stream.add(note(1))
        reader.end(500)
        stream.add(note(2))
        events = await reader.receive() or ()
        assert [(event.id, event.retry) for event in events] == [("s.1", None), ("s.2", None), (None, 500)]
        stream.add(note(3))
        assert await reader.receive() is None
        reader.detach()
        assert read(stream.attach(2)) == [3]

    look(scenario)


def test_a_stream_without_a_name_keeps_nothing_and_ends_with_its_reader() -> None:
    """Required by MCP 2026-07-28 streamable-http: no event ids, no redelivery."""
    stream = EventStream(Bounds())
    reader = stream.attach()
    stream.add(note(1))
    assert [event.id for event in reader.take()] == [None]
    assert len(stream.buffer) == 0
    stream.add(note(2))
    reader.detach()
    assert stream.finished
    assert (len(stream.buffer), stream.buffer.size) == (0, 0)


# Bounds of a stream


def test_a_sender_waits_for_a_reader_that_is_behind() -> None:
    """Our choice: a flood is slowed down, not kept."""

    async def scenario() -> None:
        stream = build_stream()
        reader = stream.attach()
        sent: list[int] = []

        async def flood() -> None:
            for n in range(3 * BACKLOG):
                await stream.send(note(n))
                sent.append(n)

        task = asyncio.create_task(flood())
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(sent) == BACKLOG + 1
        got = read(reader)
        while not task.done():
            await asyncio.sleep(0)
            got += read(reader)
        assert got == list(range(3 * BACKLOG))

    look(scenario)


def test_a_sender_waits_for_bytes_as_well() -> None:
    """Our choice."""

    async def scenario() -> None:
        stream = build_stream(bytes=4000)
        reader = stream.attach()
        await stream.send(note(1, 2000))
        tasks = [asyncio.create_task(stream.send(note(n, 2000))) for n in (2, 3)]
        await asyncio.sleep(0)
        assert read(reader) == [1]
        for _ in range(3):
            await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [True, False]
        assert read(reader) == [2]
        await asyncio.wait(tasks)
        assert read(reader) == [3]

    look(scenario)


@pytest.mark.parametrize("end", ["detach", "finish", "discard"])
def test_a_sender_is_let_go_when_nobody_reads_any_more(end: str) -> None:
    """Our choice: the call goes on without its client."""

    async def scenario() -> None:
        stream = build_stream()
        reader = stream.attach()
        for n in range(BACKLOG + 1):
            await stream.send(note(n))
        first, second = (asyncio.create_task(stream.send(note(n))) for n in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        getattr(reader if end == "detach" else stream, end)()
        await asyncio.wait_for(second, 1)

    look(scenario)


def test_progress_is_coalesced_once_it_piles_up() -> None:
    """Our choice: the latest value is enough."""
    stream = build_stream()
    reader = stream.attach()
    for n in range(100):
        stream.add(note(n), key="token")
    assert read(reader) == [*range(COALESCE_AT - 1), 99]
    reader.detach()
    stream.add(note(1), key="other")
    for n in range(100):
        stream.add(note(n), key="token")
    assert read(stream.attach(200)) == []
    stream.add(note(5), key="token")
    stream.add(note(6), key="token")
    assert read(stream.attach(200)) == []


def test_without_a_reader_progress_keeps_its_latest_value() -> None:
    """Our choice."""
    stream = build_stream()
    for n in range(10):
        stream.add(note(n), key="token")
        stream.add(note(100 + n), key="other")
    stream.add(note(7))
    assert read(stream.attach()) == [9, 109, 7]


def test_over_the_bounds_requests_and_answers_outlast_notifications() -> None:
    """Our choice: a result is worth more than what was said on the way."""
    stream = build_stream(events=4)
    stream.add(ask(1))
    for n in range(2, 10):
        stream.add(note(n))
    stream.finish(b'{"id": 0, "params": {"n": 10}}')
    assert read(stream.attach()) == [1, 8, 9, 10]


def test_over_the_bounds_what_was_read_goes_first() -> None:
    """Our choice."""
    stream = build_stream(events=4)
    reader = stream.attach()
    for n in range(1, 4):
        stream.add(note(n))
    assert read(reader) == [1, 2, 3]
    reader.detach()
    for n in range(4, 8):
        stream.add(note(n))
    assert read(stream.attach(0)) == [4, 5, 6, 7]


def test_the_newest_event_stays_however_large_it_is() -> None:
    """Our choice: a result is never lost for its size alone."""
    stream = build_stream(bytes=100)
    stream.add(note(1, 50))
    stream.add(ask(2))
    stream.add(note(3, 500))
    assert read(stream.attach()) == [3]
    assert stream.buffer.size > 500


def test_bytes_are_counted_right() -> None:
    """Our choice."""
    changes: list[tuple[int, int]] = []
    stream = EventStream(
        Bounds(events=5), name="s", changed=lambda events, size: changes.append((events, size))
    )
    reader = stream.attach()
    for n in range(20):
        stream.add(note(n, n), key=n % 2 or None)
        if n % 7 == 0:
            reader.take()
        if n % 11 == 0:
            reader = stream.attach(n // 2)
    assert (sum(events for events, _ in changes), sum(size for _, size in changes)) == (
        len(stream.buffer),
        stream.buffer.size,
    )
    stream.discard()
    assert (sum(events for events, _ in changes), sum(size for _, size in changes)) == (0, 0)
    assert stream.buffer.unread_size == 0


def test_a_large_backlog_is_read_in_parts() -> None:
    """Our choice: the connection is handed no more than it can send soon."""
    stream = build_stream(bytes=1 << 20)
    for n in range(10):
        stream.add(note(n, 30_000))
    reader = stream.attach()
    parts = []
    while got := read(reader):
        parts.append(got)
    assert [len(part) for part in parts] == [3, 3, 3, 1]


# The log


def test_a_session_never_finds_anothers_stream() -> None:
    """Required by MCP 2025-11-25 basic/transports: no message of another stream is replayed."""
    log = build_log()
    stream = log.open(ANN, answers=None, primed=False)
    stream.add(note(1))
    assert log.resume(BOB, f"{stream.name}.0") is None
    mine = log.resume(ANN, f"{stream.name}.0")
    assert mine is not None
    assert read(mine) == [1]


def test_each_stream_replays_its_own_events() -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""
    log = build_log()
    one, two = (log.open(ANN, answers=[n], primed=True) for n in (1, 2))
    one.add(note(1))
    two.add(note(2))
    one.add(note(3))
    assert one.name != two.name
    reader = log.resume(ANN, f"{one.name}.1")
    assert reader is not None
    assert read(reader) == [3]


def come_back(log: EventLog, session: bytes, event_id: str) -> Reader | None:
    """As the handshake era does where there is no other process."""
    return log.resume(session, event_id) or log.build_loss(event_id)


@pytest.mark.parametrize(
    "event_id",
    [
        *("", "x", "AAAAAAAAAAAA", "AAAAAAAAAAAA.", "AAAAAAAAAAAA.-1", "AAAAAAAAAAAA.2", "AAAAAAAAAAAA.1e3"),
        *("AAAAAAAAAAAA~.1", "AAAAAAAAAAAA~####.1", "AAAAAAAAAAAA~AAAA.1", "AAAAAAAAAAAA~W10.1", "A" * 5000),
    ],
)
def test_an_event_id_that_is_none_is_refused(event_id: str) -> None:
    """Our choice: 400 and not 404, which would end the session."""
    log = build_log()
    assert log.open(ANN, answers=None, primed=False).name == "AAAAAAAAAAAA"
    with pytest.raises(JsonRpcError) as caught:
        come_back(log, ANN, event_id)
    assert caught.value.status == 400


@pytest.mark.parametrize("answers", [[0], ["a"], [1, "two", 3]])
def test_who_comes_back_for_a_result_that_is_gone_is_answered(answers: list[Any]) -> None:
    """Our choice: after a restart the request must not stay open in the client for ever."""

    async def scenario() -> None:
        name = build_log().open(ANN, answers=answers, primed=True).name
        reader = come_back(build_log(), ANN, f"{name}.3")
        assert reader is not None
        told = [json.loads(event.data or b"") for event in await reader.receive() or ()]
        assert [one["id"] for one in told] == answers
        assert {one["error"]["code"] for one in told} == {-32603}
        assert await reader.receive() is None
        reader.detach()

    look(scenario)


def test_a_long_request_id_is_not_carried_in_event_ids() -> None:
    """Our choice: event ids stay short."""
    name = build_log().open(ANN, answers=["x" * 10_000], primed=True).name
    assert len(name or "") < 20
    with pytest.raises(JsonRpcError):
        come_back(build_log(), ANN, f"{name}.0")


def test_a_stream_is_forgotten_after_a_while() -> None:
    """Our choice: five minutes after it has ended, or its client has left."""

    async def scenario() -> None:
        clock = Clock()
        log = build_log(clock, retention=300.0)
        ended, left, running, read_on = (log.open(ANN, answers=[n], primed=True) for n in range(4))
        listening = log.open(ANN, answers=None, primed=True)
        ended.finish(b"{}")
        left.attach().detach()
        running.attach()
        read_on.finish(b"{}")
        kept = read_on.attach()
        listening.attach().detach()
        clock.now += 299
        log.open(BOB, answers=None, primed=True)
        assert len(log) == 6
        clock.now += 1
        log.open(BOB, answers=None, primed=True)
        # A call that is still running keeps its stream, and so does one that is being read.
        assert (ended.name in log._sessions[ANN].streams, listening.finished) == (False, True)
        assert set(log._sessions[ANN].streams) == {left.name, running.name, read_on.name}
        left.finish(b"{}")
        kept.detach()
        clock.now += 300
        come_back(log, BOB, f"{ended.name}.0")
        assert set(log._sessions[ANN].streams) == {running.name}

    look(scenario)


def test_who_comes_back_keeps_a_stream_alive() -> None:
    """Our choice."""
    clock = Clock()
    log = build_log(clock, retention=300.0)
    stream = log.open(ANN, answers=None, primed=True)
    for _ in range(3):
        stream.attach().detach()
        clock.now += 200
        reader = come_back(log, ANN, f"{stream.name}.0")
        assert reader is not None
        clock.now += 400
        log.open(BOB, answers=None, primed=True)
        assert not stream.finished
        reader.detach()


def test_a_session_has_so_many_streams() -> None:
    """Our choice: those that are over go first, then the oldest."""
    log = build_log()
    streams = [log.open(ANN, answers=[n], primed=True) for n in range(MAX_STREAMS)]
    streams[5].finish(b"{}")
    more = [log.open(ANN, answers=[n], primed=True) for n in range(2)]
    gone = [n for n, stream in enumerate(streams) if stream.name not in log._sessions[ANN].streams]
    assert gone == [0, 5]
    assert not more[1].finished
    assert len(log) == MAX_STREAMS


def test_a_flood_of_one_call_costs_no_other_call_its_result() -> None:
    """Our choice: the stream that holds most pays."""
    log = build_log(session=Bounds(events=1000, bytes=10_000))
    quiet, loud = (log.open(ANN, answers=[n], primed=True) for n in (1, 2))
    quiet.finish(b'{"id": 1, "params": {"n": 0}}')
    for n in range(100):
        loud.add(note(n, 500))
    loud.finish(b'{"id": 2, "params": {"n": 100}}')
    assert read(quiet.attach()) == [0]
    assert read(loud.attach())[-1] == 100
    assert log._sessions[ANN].size <= 10_000


def test_a_session_is_bounded_in_events_over_all_its_streams() -> None:
    """Our choice."""
    log = build_log(session=Bounds(events=10))
    streams = [log.open(ANN, answers=[n], primed=True) for n in range(3)]
    for n in range(60):
        streams[n % 3].add(note(n))
    assert log._sessions[ANN].events == 10
    for n in range(20):
        log.open(ANN, answers=[n], primed=True).finish(b"{}")
    assert log._sessions[ANN].events <= 10


def test_all_sessions_together_are_bounded() -> None:
    """Our choice: streams that are over go first, the oldest before others; then what is being added to."""
    log = build_log(total_bytes=5000)
    old = log.open(ANN, answers=[1], primed=True)
    old.finish(b"x" * 3000)
    recent = log.open(BOB, answers=[1], primed=True)
    recent.finish(b"y" * 1500)
    loud = log.open(ANN, answers=[2], primed=True)
    for n in range(20):
        loud.add(note(n, 300))
    assert old.name not in log._sessions[ANN].streams
    assert log.size <= 5000
    assert read(loud.attach())[-1] == 19
    log.close(ANN)
    log.close(BOB)
    assert (log.size, len(log)) == (0, 0)


def test_closing_a_session_ends_its_streams() -> None:
    """Our choice."""

    async def scenario() -> None:
        log = build_log()
        stream = log.open(ANN, answers=[1], primed=True)
        reader = stream.attach()
        stream.add(note(1))
        log.close(ANN)
        log.close(ANN)
        assert await reader.receive() is None
        assert stream.finished
        stream.add(note(2))
        assert (log.size, len(log)) == (0, 0)

    look(scenario)
