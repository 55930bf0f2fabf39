"""Streams of a session that survive their connection: `Last-Event-ID`, calls without a client, limits."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp_conversation import EVERYTHING, Respondent
from mcp_samples import (
    ANN,
    ANN_ELSEWHERE,
    BOB,
    HANDSHAKE,
    STATELESS,
    Answer,
    Clock,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
    until,
)

from omnitornado.mcp.context import Context
from omnitornado.mcp.elicitation import Accepted
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.limits import Limits
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore


class Gates:
    """What the tools wait for."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closes: list[bool] = []


def build_server(gates: Gates) -> MCPServer:
    server = MCPServer("s")

    @server.tool()
    async def steps(context: Context) -> str:
        await context.progress(1)
        await gates.opened.wait()
        await context.progress(2)
        return "done"

    @server.tool()
    async def silent() -> str:
        await gates.opened.wait()
        return "done"

    @server.tool()
    async def poll(context: Context) -> str:
        gates.closes.append(context.close_stream(0.25))
        await gates.opened.wait()
        gates.closes.append(context.close_stream())
        return "done"

    @server.tool()
    def poll_plain(context: Context) -> str:
        gates.closes.append(context.close_stream(0.25))
        return "done"

    @server.tool()
    async def ask(context: Context) -> str:
        answer = await context.elicit("Who?", str)
        return answer.data if isinstance(answer, Accepted) else "nobody"

    return server


def build_call(name: str, request_id: Any = 1) -> Json:
    params = {"name": name, "arguments": {}, "_meta": {"progressToken": 0}}
    return build_request("tools/call", params, request_id=request_id)


async def start(
    wire: Wire, session: dict[str, str], name: str, outbound: FakeOutbound, request_id: Any = 1
) -> "asyncio.Task[Answer]":
    """Call a tool, and wait for its first event."""
    task = asyncio.create_task(wire.post(build_call(name, request_id), session, outbound=outbound))
    await outbound.arrived.wait()
    return task


def leave(outbound: FakeOutbound) -> None:
    """The client loses its connection."""
    assert outbound.reader is not None
    outbound.reader.detach()


async def resume(wire: Wire, session: dict[str, str], event_id: str | None, **who: Any) -> Stream:
    stream = await wire.get(session | {"last-event-id": event_id or ""}, **who)
    assert isinstance(stream, Stream), stream
    return stream


async def read_all(stream: Stream) -> list[Json]:
    found = []
    while (message := await stream.receive()) is not None:
        found.append(message)
    stream.close()
    return found


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_call_goes_on_without_its_client_and_its_result_waits(version: str) -> None:
    """Required by MCP 2025-11-25 basic/transports: a disconnect is no cancellation; resumption is by GET."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(version), FakeOutbound()
        task = await start(wire, session, "steps", outbound)
        leave(outbound)
        seen = outbound.events[-1].id
        gates.opened.set()
        assert (await task).status == 200
        for _ in range(2):  # and again, as often as it takes
            second, last = await read_all(await resume(wire, session, seen))
            assert second["params"]["progress"] == 2
            assert last["result"]["content"][0]["text"] == "done"

    run(scenario, build_server(gates))


def test_a_call_that_still_runs_is_taken_up_live() -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        task = await start(wire, session, "steps", outbound)
        leave(outbound)
        stream = await resume(wire, session, outbound.events[0].id)
        first = await stream.receive()
        assert first is not None
        assert first["params"]["progress"] == 1
        waiting = asyncio.create_task(stream.receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        gates.opened.set()
        second = await waiting
        assert second is not None
        assert second["params"]["progress"] == 2
        (last,) = await read_all(stream)
        assert last["id"] == 1
        await task

    run(scenario, build_server(gates))


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_stream_is_primed_where_the_client_knows_it(version: str) -> None:
    """Required by MCP 2025-11-25 basic/transports; an event without data breaks earlier clients."""
    gates = Gates()
    gates.opened.set()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(version), FakeOutbound()
        await wire.post(build_call("steps"), session, outbound=outbound)
        assert all(event.id for event in outbound.events)
        assert len({event.id for event in outbound.events}) == len(outbound.events)
        primed = [event for event in outbound.events if event.data == b""]
        assert len(primed) == (1 if version >= "2025-11-25" else 0)
        if primed:
            assert outbound.events[0] is primed[0]
            assert primed[0].retry == 1000
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        wire.server.remove_tool("steps")
        await asyncio.sleep(0)
        await stream.receive()
        assert [event.data == b"" for event in stream.events] == ([True, False] if primed else [False])

    run(scenario, build_server(gates))


def test_nothing_of_the_stateless_era_can_be_resumed() -> None:
    """Required by MCP 2026-07-28 changelog (Major changes, 9)."""
    gates = Gates()
    gates.opened.set()

    async def scenario(wire: Wire) -> None:
        outbound = FakeOutbound()
        message = build_stateless("tools/call", {"name": "steps"}, progressToken=0)
        await wire.post(message, build_headers(message), outbound=outbound)
        assert [event.id for event in outbound.events] == [None] * 3
        assert [event.retry for event in outbound.events] == [None] * 3

    run(scenario, build_server(gates))


@pytest.mark.parametrize("version", [*HANDSHAKE, STATELESS])
def test_an_answer_becomes_a_stream_early_where_that_lets_the_client_come_back(version: str) -> None:
    """Our choice: after a second, the handler begins it."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        outbound = FakeOutbound()
        if version == STATELESS:
            message = build_stateless("tools/call", {"name": "silent"})
            headers = build_headers(message)
        else:
            message, headers = build_call("silent"), await wire.open_session(version)
        task = asyncio.create_task(wire.post(message, headers, outbound=outbound))
        await until(lambda: outbound.begin is not None)
        assert outbound.begin is not None
        assert outbound.begins_early is (version == "2025-11-25")
        assert outbound.cancels_on_disconnect is (version == STATELESS)
        outbound.begin()
        outbound.begin()
        gates.opened.set()
        answer = await task
        assert answer.text == "done"
        assert [event.data == b"" for event in outbound.events] == [True] * (version == "2025-11-25") + [
            False
        ]

    run(scenario, build_server(gates))


@pytest.mark.parametrize("accept", ["application/json", None])
def test_what_takes_no_time_or_no_stream_never_begins_one(accept: str | None) -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        message: Json = build_request("ping")
        if accept is None:
            del message["id"]
        headers = session | ({} if accept is None else {"accept": accept})
        await wire.post(message, headers, outbound=outbound)
        assert outbound.begin is None

    run(scenario)


@pytest.mark.parametrize("name", ["poll", "poll_plain"])
def test_a_tool_may_send_its_client_away(name: str) -> None:
    """Required by SEP-1699: `retry` first, then the end of the connection; the client polls."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        task = asyncio.create_task(wire.post(build_call(name), session, outbound=outbound))
        await until(lambda: outbound.reader is not None and outbound.reader.closed)
        prime, last = outbound.events
        assert (prime.data, last.data, last.retry) == (b"", None, 250)
        gates.opened.set()
        await task
        (result,) = await read_all(await resume(wire, session, prime.id))
        assert result["result"]["content"][0]["text"] == "done"
        # Nobody was there any more to be sent away.
        assert gates.closes == ([True, False] if name == "poll" else [True])

    run(scenario, build_server(gates))


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", STATELESS, "json"])
def test_a_client_that_could_not_come_back_is_not_sent_away(version: str) -> None:
    """Required by SEP-1699, which is 2025-11-25's alone."""
    gates = Gates()
    gates.opened.set()

    async def scenario(wire: Wire) -> None:
        if version == "json":
            session = await wire.open_session()
            answer = await wire.post(build_call("poll"), session | {"accept": "application/json"})
        else:
            answer = await wire.call("poll", version=version)
        assert answer.text == "done"
        assert gates.closes == [False, False]

    run(scenario, build_server(gates))


def test_a_question_waits_for_a_client_that_comes_back() -> None:
    """Required by MCP 2025-11-25 basic/transports: requests of the server are messages of the stream."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(capabilities=EVERYTHING)
        outbound = Respondent(wire, session, lambda _: None)
        task = await start(wire, session, "ask", outbound)
        leave(outbound)
        stream = await resume(wire, session, outbound.events[0].id)
        question = await stream.receive()
        assert question is not None
        result = {"action": "accept", "content": {"value": "Ada"}}
        await wire.post({"jsonrpc": "2.0", "id": question["id"], "result": result}, session)
        (last,) = await read_all(stream)
        assert last["result"]["content"][0]["text"] == "Ada"
        await task

    run(scenario, build_server(Gates()))


def test_a_stream_is_resumed_by_its_own_person_in_its_own_session() -> None:
    """Required by MCP 2025-11-25 basic/transports and basic/security_best_practices (Session Hijacking)."""
    gates = Gates()
    gates.opened.set()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        await wire.post(build_call("steps"), session, outbound=outbound)
        seen = {"last-event-id": outbound.events[0].id or ""}
        for principal in (BOB, ANN_ELSEWHERE):
            refused = await wire.get(session | seen, principal=principal)
            assert isinstance(refused, Answer)
            assert refused.status == 404
        other = await wire.open_session()
        stream = await wire.get(other | seen)
        assert isinstance(stream, Stream)
        (told,) = await read_all(stream)
        assert (told["id"], told["error"]["code"]) == (1, -32603)
        assert len(await read_all(await resume(wire, session, seen["last-event-id"]))) == 3

    run(scenario, build_server(gates))


def test_a_sessions_own_stream_is_resumed_with_what_it_missed() -> None:
    """Required by MCP 2025-11-25 basic/transports: however the stream was begun."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        wire.server.remove_tool("steps")
        await asyncio.sleep(0)
        await stream.receive()
        prime, first = stream.events
        stream.close()
        for name in ("silent", "poll"):
            wire.server.remove_tool(name)
        await asyncio.sleep(0)
        again = await resume(wire, session, first.id)
        assert await again.receive() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        waiting = asyncio.create_task(again.receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        wire.server.remove_tool("ask")
        assert await waiting is not None
        once_more = await resume(wire, session, prime.id)
        events = [await once_more.receive() for _ in range(2)]
        assert len(events) == 2
        assert await again.receive() is None

    run(scenario, build_server(Gates()))


@pytest.mark.parametrize("event_id", ["", "nonsense", "AAAAAAAAAAAA~.0"])
def test_an_event_id_that_is_none_is_refused_and_the_session_lives(event_id: str) -> None:
    """Our choice: 400 and not 404, which would end the session."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        refused = await wire.get(session | {"last-event-id": event_id})
        assert isinstance(refused, Answer)
        assert (refused.status, refused.code) == (400, -32600)
        assert (await wire.post(build_request("ping"), session)).status == 200

    run(scenario)


def test_after_a_restart_who_comes_back_is_told_what_is_gone(tmp_path: Path) -> None:
    """Our choice: buffers are memory, sessions are not."""
    gates = Gates()
    gates.opened.set()
    server = build_server(gates)
    kept: dict[str, Any] = {}

    async def serve(scenario: Any) -> None:
        store = EmbeddedStore.open(tmp_path / "state")
        await store.start()
        endpoint = Endpoint(server, path="/mcp", sessions=store)
        try:
            await scenario(Wire(endpoint, server))
        finally:
            await endpoint.close()
            await store.close()

    async def before(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        await wire.post(build_call("steps", "my call"), session, outbound=outbound)
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        wire.server.remove_tool("poll")
        await stream.receive()
        kept.update(session=session, post=outbound.events[0].id, get=stream.events[-1].id)

    async def after(wire: Wire) -> None:
        session = kept["session"]
        (told,) = await read_all(await resume(wire, session, kept["post"]))
        assert told["id"] == "my call"
        assert "gone" in told["error"]["message"]
        stream = await resume(wire, session, kept["get"])
        # What changed meanwhile can't be known: every list that there is may have.
        methods = {(await stream.receive() or {})["method"] for _ in range(3)}
        assert methods == {f"notifications/{kind}/list_changed" for kind in ("prompts", "resources", "tools")}
        assert (await wire.post(build_call("steps"), session)).text == "done"

    server.add_prompt(lambda: "x", name="p")

    @server.resource("test://r")
    def resource() -> str:
        return "x"

    asyncio.run(serve(before))
    asyncio.run(serve(after))


def test_ending_the_session_ends_its_streams() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management)."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        task = await start(wire, session, "steps", outbound)
        stream = await wire.get(session)
        assert isinstance(stream, Stream)
        assert (await wire.delete(session)).status == 204
        assert await stream.receive() is None
        assert (await task).body is None
        refused = await wire.get(session | {"last-event-id": outbound.events[0].id or ""})
        assert isinstance(refused, Answer)
        assert refused.status == 404

    run(scenario, build_server(gates))


def test_a_flood_of_progress_is_bounded_while_the_client_is_away() -> None:
    """Our choice: the latest value and the result are what is left."""
    server = MCPServer("s")
    flooded = asyncio.Event()
    began = asyncio.Event()

    @server.tool()
    async def flood(context: Context) -> str:
        await context.progress(0)
        await began.wait()
        for n in range(1, 10_000):
            await context.progress(n, message="x" * 100)
        for n in range(3_000):
            await context.log("info", f"{n} " + "x" * 1000)
        flooded.set()
        return "done"

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        task = await start(wire, session, "flood", outbound)
        leave(outbound)
        began.set()
        await task
        events = wire.endpoint._handshake._events
        assert events.size <= 1 << 20
        found = await read_all(await resume(wire, session, outbound.events[-1].id))
        assert found[-1]["result"]["content"][0]["text"] == "done"
        assert found[-2]["params"]["data"].startswith("2999 ")
        assert len(found) < 1100

    run(scenario, server)


# Limits


def test_a_person_has_so_many_calls_at_a_time() -> None:
    """Our choice: 429, and others are not touched."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        outbounds = [FakeOutbound() for _ in range(2)]
        tasks = [await start(wire, session, "steps", outbound, n) for n, outbound in enumerate(outbounds)]
        for answer in (
            await wire.post(build_request("ping"), session),
            await wire.post_stateless("tools/list"),
        ):
            assert (answer.status, answer.code) == (429, 429)
            assert answer.headers["Retry-After"] == "1"
            assert answer.body["id"] == 1
        # Nothing that ends calls, or answers questions, is refused.
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}
        assert (await wire.post(note, session)).status == 202
        await tasks[0]
        theirs = await wire.open_session(principal=BOB)
        assert (await wire.post(build_request("ping"), theirs, principal=BOB)).status == 200
        assert (await wire.post(build_request("ping"), session)).status == 200
        gates.opened.set()
        await tasks[1]
        assert len(wire.endpoint._calls) == 0

    run(scenario, build_server(gates), limits=Limits(calls_per_person=2))


def test_a_batch_counts_for_what_is_in_it() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session("2025-03-26")
        batch = [build_request("ping", request_id=n) for n in range(3)]
        assert (await wire.post(batch, session)).code == 429
        assert len((await wire.post(batch[:2], session)).body) == 2

    run(scenario, limits=Limits(calls_per_person=2))


def test_a_person_has_so_many_streams() -> None:
    """Our choice: of both eras together."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        one = await wire.get(session)
        assert isinstance(one, Stream)
        message = build_stateless("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        outbound = FakeOutbound()
        listening = asyncio.create_task(wire.post(message, build_headers(message), outbound=outbound))
        await outbound.arrived.wait()
        refused = await wire.get(session)
        assert isinstance(refused, Answer)
        assert (refused.status, refused.code) == (429, 429)
        assert (await wire.post(message, build_headers(message))).status == 429
        assert (await wire.post(build_request("ping"), session)).status == 200
        one.close()
        two = await wire.get(session)
        assert isinstance(two, Stream)
        two.close()
        two.close()
        missing = await wire.get({"mcp-session-id": "gone"})
        assert isinstance(missing, Answer)
        assert missing.status == 404
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert len(wire.endpoint._streams) == 0

    run(scenario, limits=Limits(streams_per_person=2))


def test_nesting_is_as_configured() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        for levels, status in ((6, 200), (7, 400)):
            nested: Any = []
            for _ in range(levels - 3):
                nested = [nested]
            answer = await wire.post(build_request("ping", {"x": nested}), session)
            assert answer.status == status, levels

    run(scenario, limits=Limits(nesting=6))


def test_the_same_person_is_counted_over_clients() -> None:
    """Our choice: the limit is a person's."""
    gates = Gates()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        task = await start(wire, session, "steps", outbound)
        message = build_stateless("tools/list")
        answer = await wire.post(message, build_headers(message), principal=ANN_ELSEWHERE)
        assert answer.status == 429
        gates.opened.set()
        await task
        assert ANN.username == ANN_ELSEWHERE.username

    run(scenario, build_server(gates), limits=Limits(calls_per_person=1), clock=Clock())


def test_a_state_of_the_wire_is_read_from_its_events() -> None:
    """Our choice: the tests' own reading, held against what is sent."""
    gates = Gates()
    gates.opened.set()

    async def scenario(wire: Wire) -> None:
        session, outbound = await wire.open_session(), FakeOutbound()
        answer = await wire.post(build_call("steps"), session, outbound=outbound)
        read = [json.loads(event.data) for event in outbound.events if event.data]
        assert read == [*answer.sent, answer.body]

    run(scenario, build_server(gates))
