"""Two processes that serve one endpoint on one store: what a client may rely on, whichever it comes to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from mcp_samples import (
    BOB,
    Clock,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_request,
    until,
)
from store.local_bus import LocalBus

from omnitornado.mcp.context import Context
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.neighbours.network import SILENCE
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.task_support import TaskSupport
from omnitornado.store.embedded import EmbeddedStore

TASKS: Json = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
ELICITS: Json = {"elicitation": {}}


class SharedStore(EmbeddedStore):
    """As one that several processes share."""

    line: LocalBus

    @property
    def bus(self) -> LocalBus:  # type: ignore[override]
        return self.line


class Work:
    """What the tools of both processes wait for."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.runs = 0
        self.cancelled = False


def build_server(work: Work) -> MCPServer:
    mcp = MCPServer("shared", version="1")

    @mcp.resource("note://one")
    def note() -> str:
        return "one"

    @mcp.tool()
    async def report(context: Context, steps: int) -> str:
        """Says something before and after it may go on."""
        work.runs += 1
        await context.progress(0, steps, "begun")
        try:
            await work.go.wait()
        except asyncio.CancelledError:
            work.cancelled = True
            raise
        for step in range(1, steps + 1):
            await context.progress(step, steps, f"step {step}")
        return "reported"

    @mcp.tool()
    async def ask(context: Context) -> str:
        return (await context.elicit("Sure?", bool)).action

    @mcp.tool(task=TaskSupport(required=True))
    async def toil(context: Context) -> str:
        await context.progress(1, 2, "halfway")
        return (await context.elicit("Go on?", bool, key="on")).action

    @mcp.tool(task=TaskSupport(required=True))
    async def toil_forever(context: Context) -> str:
        await context.progress(1, 2, "at work")
        await work.go.wait()
        return "done"

    return mcp


class Two:
    """Both processes, the line between them, and their work."""

    def __init__(self, one: Wire, other: Wire, line: LocalBus, work: Work, clock: Clock) -> None:
        self.one, self.other, self.line, self.work, self.clock = one, other, line, work, clock

    def beat(self) -> None:
        for wire in (self.one, self.other):
            find_network(wire).beat()


def find_network(wire: Wire) -> Any:
    neighbours = wire.endpoint._neighbours
    assert neighbours is not None
    return neighbours.network


def run_two(scenario: Callable[[Two], Awaitable[None]]) -> None:
    """Run a scenario; nothing may be logged above INFO."""

    async def main() -> None:
        clock, line, work = Clock(), LocalBus(), Work()
        store = SharedStore.open(None, clock=clock)
        assert isinstance(store, SharedStore)
        store.line = line
        await store.start()
        wires = []
        for _ in range(2):
            server = build_server(work)
            endpoint = Endpoint(server, path="/mcp", sessions=store, clock=clock)
            await endpoint.start()
            wires.append(Wire(endpoint, server))
        two = Two(wires[0], wires[1], line, work, clock)
        await until(lambda: all(find_network(wire).others for wire in wires))
        try:
            await scenario(two)
        finally:
            line.is_broken = False
            for wire in wires:
                await wire.endpoint.close()
            await store.close()

    asyncio.run(main())


def build_call(name: str, arguments: Json | None = None) -> Json:
    params = {"name": name, "arguments": arguments or {}, "_meta": {"progressToken": "p"}}
    return build_request("tools/call", params, request_id="call")


def declare(wire: Wire, kind: str) -> None:
    """Change a list of the server's."""

    def fresh() -> str:
        return "new"

    if kind == "tools":
        wire.server.tool()(fresh)
    else:
        wire.server.prompt()(fresh)


async def listen(wire: Wire, session: dict[str, str], **headers: str) -> Stream:
    opened = await wire.get(session | {name.replace("_", "-"): value for name, value in headers.items()})
    assert isinstance(opened, Stream)
    return opened


async def read(stream: Stream) -> Json | None:
    return await asyncio.wait_for(stream.receive(), 3)


# The handshake era


def test_a_session_is_served_wherever_its_requests_land() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management)."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        for wire in (two.other, two.one):
            assert (await wire.post(build_request("ping"), session)).result == {}

    run_two(scenario)


def test_the_answer_to_a_question_reaches_the_call_that_asked() -> None:
    """Required by MCP 2025-11-25 basic/transports (Sending Messages): the answer is a POST of its own."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session(capabilities=ELICITS)
        out = FakeOutbound()
        calling = asyncio.create_task(two.one.post(build_call("ask"), session, outbound=out))
        await asyncio.wait_for(out.arrived.wait(), 3)
        question = out.sent[-1]
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
        assert (await two.other.post(answer, session)).status == 202
        assert (await asyncio.wait_for(calling, 3)).text == "decline"

    run_two(scenario)


def test_an_answer_of_another_session_s_reaches_nobody() -> None:
    """Our choice: a question belongs to its session, in every process."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session(capabilities=ELICITS)
        theirs = await two.other.open_session(capabilities=ELICITS, principal=BOB)
        out = FakeOutbound()
        calling = asyncio.create_task(two.one.post(build_call("ask"), session, outbound=out))
        await asyncio.wait_for(out.arrived.wait(), 3)
        forged = {"jsonrpc": "2.0", "id": out.sent[-1]["id"], "result": {"action": "accept"}}
        await two.other.post(forged, theirs, principal=BOB)
        await two.other.post(forged | {"result": {"action": "cancel"}}, session)
        assert (await asyncio.wait_for(calling, 3)).text == "cancel"

    run_two(scenario)


def test_a_cancellation_reaches_its_call() -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        calling = asyncio.create_task(two.one.post(build_call("report", {"steps": 1}), session))
        await until(lambda: two.work.runs == 1)
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "call"}}
        assert (await two.other.post(cancel, session)).status == 202
        await asyncio.wait_for(calling, 3)
        assert two.work.cancelled

    run_two(scenario)


def test_the_end_of_a_session_ends_what_it_has_elsewhere() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management 5)."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        stream = await listen(two.one, session)
        calling = asyncio.create_task(two.one.post(build_call("report", {"steps": 1}), session))
        await until(lambda: two.work.runs == 1)
        assert (await two.other.delete(session)).status == 204
        assert await read(stream) is None
        await asyncio.wait_for(calling, 3)
        assert two.work.cancelled
        assert (await two.one.post(build_request("ping"), session)).status == 404

    run_two(scenario)


# Changes


def test_a_change_is_told_in_every_process() -> None:
    """Required by MCP 2025-11-25 server/tools (List Changed Notification), 2026-07-28 subscriptions."""

    async def scenario(two: Two) -> None:
        stream = await listen(two.other, await two.one.open_session())
        out = FakeOutbound()
        params = {"notifications": {"toolsListChanged": True}}
        listening = asyncio.create_task(
            two.other.post_stateless("subscriptions/listen", params, outbound=out)
        )
        await asyncio.wait_for(out.arrived.wait(), 3)

        declare(two.one, "tools")
        message = await read(stream)
        assert message is not None
        assert message["method"] == "notifications/tools/list_changed"
        await until(lambda: len(out.sent) == 2)
        assert out.sent[1]["method"] == "notifications/tools/list_changed"
        listening.cancel()

    run_two(scenario)


def test_a_subscription_made_elsewhere_counts_for_the_stream_here() -> None:
    """Required by MCP 2025-11-25 server/resources (Subscriptions)."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        stream = await listen(two.one, session)
        await two.other.post(build_request("resources/subscribe", {"uri": "note://one"}), session)
        live = two.one.endpoint._handshake._sessions
        await until(lambda: all(one.subscriptions for one in live._live.values()))
        two.other.server.notify_resource_updated("note://one")
        message = await read(stream)
        assert message is not None
        assert message["params"] == {"uri": "note://one"}
        await two.other.post(build_request("resources/unsubscribe", {"uri": "note://one"}), session)
        await until(lambda: not any(one.subscriptions for one in live._live.values()))

    run_two(scenario)


def test_what_was_heard_of_no_message_is_read_off_the_store() -> None:
    """Our choice: the next request of the session finds it; what is newer than the store's answer stays."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        (live,) = two.one.endpoint._handshake._sessions._live.values()
        await two.other.post(build_request("ping"), session)
        two.line.is_broken = True
        await two.other.post(build_request("resources/subscribe", {"uri": "note://one"}), session)
        assert not live.subscriptions
        await two.one.post(build_request("ping"), session)
        assert list(live.subscriptions) == ["note://one"]
        store = two.one.endpoint._handshake._sessions._store
        find = store.find_mcp_session

        async def find_late(*args: Any, **arguments: Any) -> Any:
            record = await find(*args, **arguments)
            live.note_subscription("note://two", is_wanted=True)
            return record

        store.find_mcp_session = find_late  # type: ignore[method-assign]
        await two.one.post(build_request("ping"), session)
        assert list(live.subscriptions) == ["note://one", "note://two"]
        store.find_mcp_session = find  # type: ignore[method-assign]

    run_two(scenario)


def test_no_message_goes_on_two_streams_of_a_session() -> None:
    """Required by MCP 2025-11-25 basic/transports (Multiple Connections): the newest has it, wherever it is;
    when that has gone, the one before.
    """

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        old = await listen(two.one, session)
        two.clock.now += 1
        new = await listen(two.other, session)
        hub = two.one.endpoint._hub
        await until(lambda: hub.is_silent is not None and any(map(hub.is_silent, hub._groups)))
        declare(two.one, "tools")
        message = await read(new)
        assert message is not None
        assert message["method"] == "notifications/tools/list_changed"
        new.close()
        await until(lambda: hub.is_silent is not None and not any(map(hub.is_silent, hub._groups)))
        declare(two.other, "prompts")
        message = await read(old)
        assert message is not None
        assert message["method"] == "notifications/prompts/list_changed"

    run_two(scenario)


def test_a_stream_of_a_process_that_died_silences_no_other() -> None:
    """Our choice: its word holds for a while and no longer."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        old = await listen(two.one, session)
        two.clock.now += 1
        await listen(two.other, session)
        hub = two.one.endpoint._hub
        await until(lambda: hub.is_silent is not None and any(map(hub.is_silent, hub._groups)))
        two.clock.now += SILENCE + 1
        find_network(two.one).beat()
        declare(two.one, "tools")
        assert await read(old) is not None

    run_two(scenario)


# Streams that are read elsewhere


async def begin(two: Two, session: dict[str, str], steps: int) -> tuple[FakeOutbound, str]:
    """A call at one process whose client leaves once it has heard something; and the event it heard last."""
    out = FakeOutbound()
    asyncio.get_running_loop().create_task(
        two.one.post(build_call("report", {"steps": steps}), session, outbound=out)
    )
    await asyncio.wait_for(out.arrived.wait(), 3)
    assert out.reader is not None
    out.reader.detach()
    event_id = out.events[-1].id
    assert event_id is not None
    return out, event_id


def test_a_client_gets_the_rest_of_a_stream_wherever_it_comes_back() -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        out, event_id = await begin(two, session, 3)
        stream = await listen(two.other, session, last_event_id=event_id)
        two.work.go.set()
        said = [await read(stream) for _ in range(4)]
        assert [one["params"]["message"] for one in said[:3] if one] == ["step 1", "step 2", "step 3"]
        assert said[3] is not None
        assert said[3]["result"]["content"][0]["text"] == "reported"
        assert await read(stream) is None
        ids = [event.id for event in (*out.events, *stream.events) if event.id]
        assert len(ids) == len(set(ids))

    run_two(scenario)


def test_a_client_may_come_back_to_a_third_place_and_home_again() -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery), each time from its last
    event on."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        _, event_id = await begin(two, session, 2)
        away = await listen(two.other, session, last_event_id=event_id)
        home = await listen(two.one, session, last_event_id=event_id)
        assert await read(away) is None
        two.work.go.set()
        said = [await read(home) for _ in range(3)]
        assert said[2] is not None
        assert said[2]["result"]["content"][0]["text"] == "reported"

    run_two(scenario)


def test_a_session_s_own_stream_goes_on_elsewhere() -> None:
    """Required by MCP 2025-11-25 basic/transports (Listening for Messages, Resumability and Redelivery)."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        stream = await listen(two.one, session)
        declare(two.one, "tools")
        assert await read(stream) is not None
        stream.close()
        event_id = stream.events[-1].id
        assert event_id is not None
        declare(two.one, "prompts")
        again = await listen(two.other, session, last_event_id=event_id)
        message = await read(again)
        assert message is not None
        assert message["method"] == "notifications/prompts/list_changed"

    run_two(scenario)


def test_an_event_id_of_another_session_is_none_in_any_process() -> None:
    """Required by MCP 2025-11-25 basic/transports: a stream replays for its own session alone."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        _, event_id = await begin(two, session, 1)
        theirs = await two.other.open_session(principal=BOB)
        opened = await two.other.get(theirs | {"last-event-id": event_id}, principal=BOB)
        assert isinstance(opened, Stream)
        message = await read(opened)
        assert message is not None
        assert "result is gone" in message["error"]["message"]
        two.work.go.set()
        name, _, number = event_id.rpartition(".")
        unknown = await two.other.get(session | {"last-event-id": f"{name}.{int(number) + 100}"})
        assert not isinstance(unknown, Stream)
        assert unknown.status == 400

    run_two(scenario)


def test_a_slow_reader_elsewhere_is_waited_for() -> None:
    """Our choice: no more than one batch is under way, so that what waits is bounded where it is made."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        _, event_id = await begin(two, session, 500)
        stream = await listen(two.other, session, last_event_id=event_id)
        two.work.go.set()
        sizes = [len(one) for one in two.line.heard]
        await until(lambda: any(b"step 1" in one for one in two.line.heard))
        for _ in range(200):
            await asyncio.sleep(0)
        passed = [one for one in two.line.heard[len(sizes) :] if b"step " in one]
        assert len(passed) == 1
        texts = []
        while (message := await read(stream)) is not None:
            texts.append(message.get("result", {}).get("content", [{}])[0].get("text", ""))
        assert texts[-1] == "reported"

    run_two(scenario)


def test_a_stream_that_is_not_heard_of_ends_and_its_client_comes_back() -> None:
    """Our choice: the connection ends, and what is asked for then is answered as after a restart."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        _, event_id = await begin(two, session, 1)
        stream = await listen(two.other, session, last_event_id=event_id)
        two.line.is_broken = True
        two.clock.now += SILENCE + 1
        two.beat()
        assert await read(stream) is None
        again = await listen(two.other, session, last_event_id=event_id)
        message = await read(again)
        assert message is not None
        assert "result is gone" in message["error"]["message"]
        two.line.is_broken = False
        two.work.go.set()
        home = await listen(two.one, session, last_event_id=event_id)  # there it is as it was
        assert (await read(home)) is not None

    run_two(scenario)


def test_a_reader_that_leaves_lets_the_call_go_on() -> None:
    """Required by MCP 2025-11-25 basic/transports: disconnection is no cancellation."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        _, event_id = await begin(two, session, 1)
        stream = await listen(two.other, session, last_event_id=event_id)
        stream.close()
        two.work.go.set()
        again = await listen(two.other, session, last_event_id=event_id)
        said = [await read(again) for _ in range(2)]
        assert said[1] is not None
        assert said[1]["result"]["content"][0]["text"] == "reported"

    run_two(scenario)


# Tasks


async def start_task(wire: Wire, tool: str) -> str:
    params = {"name": tool, "arguments": {}}
    answer = await wire.post_stateless("tools/call", params, **CAPABLE)
    task_id: str = answer.result["taskId"]
    return task_id


CAPABLE: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": TASKS | ELICITS}


async def find_task(wire: Wire, task_id: str) -> Json:
    return (await wire.post_stateless("tasks/get", {"taskId": task_id}, **CAPABLE)).result


async def await_status(wire: Wire, task_id: str, status: str) -> Json:
    for _ in range(1000):
        found = await find_task(wire, task_id)
        if found["status"] == status:
            return found
    raise AssertionError(f"never {status}: {found}")


def test_a_task_stands_the_same_in_every_process() -> None:
    """Required by MCP extension io.modelcontextprotocol/tasks (Task Polling, Task Update Requests)."""

    async def scenario(two: Two) -> None:
        task_id = await start_task(two.one, "toil")
        seen = await await_status(two.other, task_id, "input_required")
        assert seen == await find_task(two.one, task_id)
        assert seen["statusMessage"] == "halfway"
        wrong = {"taskId": task_id, "inputResponses": {"on": {"action": "maybe"}}}
        assert (await two.other.post_stateless("tasks/update", wrong, **CAPABLE)).code == -32602
        right = {"taskId": task_id, "inputResponses": {"on": {"action": "decline"}}}
        assert (await two.other.post_stateless("tasks/update", right, **CAPABLE)).status == 200
        done = await await_status(two.other, task_id, "completed")
        assert done["result"]["content"][0]["text"] == "decline"

    run_two(scenario)


def test_a_task_is_cancelled_from_anywhere() -> None:
    """Required by MCP extension io.modelcontextprotocol/tasks (Task Cancellation)."""

    async def scenario(two: Two) -> None:
        task_id = await start_task(two.one, "toil_forever")
        assert (await two.other.post_stateless("tasks/cancel", {"taskId": task_id}, **CAPABLE)).status == 200
        assert (await find_task(two.other, task_id))["status"] == "cancelled"

    run_two(scenario)


def test_a_task_elsewhere_is_unknown_to_others() -> None:
    """Required by MCP extension io.modelcontextprotocol/tasks (Security Considerations)."""

    async def scenario(two: Two) -> None:
        task_id = await start_task(two.one, "toil_forever")
        count = len(two.line.heard)
        answer = await two.other.ask("tasks/get", {"taskId": task_id}, principal=BOB)
        assert "result" not in answer.body
        assert not any(task_id.encode() in one for one in two.line.heard[count:])
        two.work.go.set()

    run_two(scenario)


def test_who_listens_to_a_task_hears_of_it_wherever_it_is() -> None:
    """Required by MCP extension io.modelcontextprotocol/tasks (Task Status Notifications)."""

    async def scenario(two: Two) -> None:
        task_id = await start_task(two.one, "toil_forever")
        out = FakeOutbound()
        params = {"notifications": {"taskIds": [task_id]}}
        listening = asyncio.create_task(
            two.other.post_stateless("subscriptions/listen", params, outbound=out, **CAPABLE)
        )
        await asyncio.wait_for(out.arrived.wait(), 3)
        two.work.go.set()

        def find_statuses() -> list[str]:
            return [one["params"]["status"] for one in out.sent if one["method"] == "notifications/tasks"]

        while find_statuses()[-1:] != ["completed"]:
            out.arrived.clear()
            await asyncio.wait_for(out.arrived.wait(), 3)
        assert find_statuses()[0] == "working"
        listening.cancel()

    run_two(scenario)


def test_each_stream_that_listens_to_a_task_hears_of_it() -> None:
    """Required by MCP extension io.modelcontextprotocol/tasks (Task Status Notifications)."""

    async def scenario(two: Two) -> None:
        task_id = await start_task(two.one, "toil_forever")
        params = {"notifications": {"taskIds": [task_id]}}
        outs = [FakeOutbound(), FakeOutbound()]
        listening = [
            asyncio.create_task(
                two.other.post_stateless("subscriptions/listen", params, outbound=out, **CAPABLE)
            )
            for out in outs
        ]
        for out in outs:
            await asyncio.wait_for(out.arrived.wait(), 3)
        two.work.go.set()
        for out in outs:
            while not any(one["params"].get("status") == "completed" for one in out.sent):
                out.arrived.clear()
                await asyncio.wait_for(out.arrived.wait(), 3)
        for one in listening:
            one.cancel()

    run_two(scenario)


# The line


def test_what_can_not_be_read_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: another version of the program may be on the line for a while."""

    async def scenario(two: Two) -> None:
        for message in (b"", b"\xc1", msgspec.msgpack.encode([b"node", {"type": "Later"}]), b"x" * 100):
            await two.line.publish("mcp:/mcp", message)
        session = await two.one.open_session()
        assert (await two.other.post(build_request("ping"), session)).result == {}

    with caplog.at_level(logging.WARNING, "omnitornado.mcp"):
        run_two(scenario)
    assert len(caplog.records) == 8  # each process says so once for each


def test_without_the_line_each_process_serves_what_it_has() -> None:
    """Our choice: messages are lost, and no request waits for one that nobody gets."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        two.line.is_broken = True
        declare(two.one, "tools")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "call"}}
        assert (await two.other.post(cancel, session)).status == 202
        two.work.go.set()
        assert (await two.one.call("report", {"steps": 1})).text == "reported"

    run_two(scenario)


def test_a_process_that_stops_says_so_and_is_asked_no_more() -> None:
    """Our choice."""

    async def scenario(two: Two) -> None:
        await two.one.endpoint.close()
        await until(lambda: not find_network(two.other).others)
        session = await two.other.open_session()
        lost = "AAAAAAAAAAAA~WyJjYWxsIl0.1"
        stream = await listen(two.other, session, last_event_id=lost)
        message = await read(stream)
        assert message is not None
        assert message["id"] == "call"

    run_two(scenario)


def test_no_secret_is_on_the_line() -> None:
    """Our choice: session ids and task ids go by their digests."""

    async def scenario(two: Two) -> None:
        session = await two.one.open_session()
        await listen(two.one, session)
        await two.other.delete(session)
        task_id = await start_task(two.one, "toil_forever")
        await find_task(two.other, task_id)
        said = b"".join(two.line.heard)
        assert session["mcp-session-id"].encode() not in said
        assert task_id.encode() not in said
        two.work.go.set()

    run_two(scenario)
