"""What the server says unasked: list changes, on the streams of both eras."""

import asyncio
import threading
from typing import Any

import pytest
from mcp_samples import (
    SERVER_INFO_KEY,
    SUBSCRIPTION_KEY,
    Answer,
    Clock,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_stateless,
    run,
)

from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.streams import MAX_STREAMS_PER_SESSION

CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def tool_a() -> None: ...
def tool_b() -> None: ...


async def open_stream(wire: Wire, session: dict[str, str]) -> Stream:
    stream = await wire.get(session)
    assert isinstance(stream, Stream)
    return stream


async def let_through() -> None:
    """Changes are handed to the loop: give it a turn."""
    await asyncio.sleep(0)


def test_a_changed_list_reaches_a_sessions_stream_once() -> None:
    """Required by MCP 2025-11-25 server/tools (List Changed Notification); once however often: our choice."""

    async def scenario(wire: Wire) -> None:
        stream = await open_stream(wire, await wire.open_session())
        wire.server.add_tool(tool_a)
        wire.server.add_tool(tool_b)
        assert wire.server.remove_tool("tool_a") is True
        assert wire.server.remove_tool("tool_a") is False
        await let_through()
        assert await stream.receive() == CHANGED
        waiting = asyncio.create_task(stream.receive())
        await let_through()
        assert not waiting.done()
        wire.server.add_tool(tool_a)
        assert await waiting == CHANGED
        stream.close()
        assert await stream.receive() is None

    run(scenario)


def test_a_message_goes_to_one_of_a_sessions_streams() -> None:
    """Required by MCP 2025-11-25 basic/transports (Multiple Connections)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        first, second = await open_stream(wire, session), await open_stream(wire, session)
        other = await open_stream(wire, await wire.open_session())
        wire.server.add_tool(tool_a)
        await let_through()
        assert await second.receive() == CHANGED
        assert await other.receive() == CHANGED
        waiting = asyncio.create_task(first.receive())
        await let_through()
        assert not waiting.done()
        second.close()
        wire.server.add_tool(tool_b)
        assert await waiting == CHANGED

    run(scenario)


def test_streams_of_a_session_are_bounded() -> None:
    """Our choice: the oldest is closed. One whose client stays away is forgotten after a while."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        streams = [await open_stream(wire, session) for _ in range(MAX_STREAMS_PER_SESSION + 1)]
        assert await streams[0].receive() is None
        assert len(wire.endpoint._hub) == MAX_STREAMS_PER_SESSION
        for stream in streams:
            stream.close()
        assert len(wire.endpoint._hub) == MAX_STREAMS_PER_SESSION
        clock.now += 300
        await open_stream(wire, session)
        assert len(wire.endpoint._hub) == 1

    run(scenario, clock=clock)


def test_a_change_from_another_thread_arrives_as_well() -> None:
    """Our choice: a sync tool may change the list."""

    async def scenario(wire: Wire) -> None:
        stream = await open_stream(wire, await wire.open_session())
        thread = threading.Thread(target=wire.server.add_tool, args=(tool_a,))
        thread.start()
        assert await stream.receive() == CHANGED
        thread.join()

    run(scenario)


def test_receiving_may_be_given_up_and_taken_up_again() -> None:
    """Our choice: the handler sends keep-alive comments between."""

    async def scenario(wire: Wire) -> None:
        stream = await open_stream(wire, await wire.open_session())
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.receive(), 0.001)
        wire.server.add_tool(tool_a)
        assert await stream.receive() == CHANGED

    run(scenario)


def test_streams_end_well_when_the_server_stops() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        stream = await open_stream(wire, session)
        await wire.endpoint.close()
        assert await stream.receive() is None
        refused = await wire.get(session)
        assert isinstance(refused, Answer)
        assert refused.status == 503
        wire.server.add_tool(tool_a)

    run(scenario)


def test_a_stream_needs_a_client_that_reads_streams() -> None:
    """Required by MCP 2025-11-25 basic/transports (Listening for Messages, 2)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        refused = await wire.get(session | {"accept": "application/json"})
        assert isinstance(refused, Answer)
        assert refused.status == 406
        await open_stream(wire, session | {"accept": "*/*"})

    run(scenario)


async def listen(
    wire: Wire, wanted: Json, request_id: Any = 0
) -> tuple[FakeOutbound, "asyncio.Task[Answer]"]:
    message = build_stateless("subscriptions/listen", {"notifications": wanted}, request_id=request_id)
    outbound = FakeOutbound()
    task = asyncio.create_task(wire.post(message, build_headers(message), outbound=outbound))
    await outbound.arrived.wait()
    return outbound, task


def test_listening_is_acknowledged_first_and_then_told_of_changes() -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions."""

    async def scenario(wire: Wire) -> None:
        asked = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["file:///a"]}
        outbound, task = await listen(wire, asked)
        tag = {"_meta": {SUBSCRIPTION_KEY: 0}}
        assert outbound.sent == [
            {
                "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": {**tag, "notifications": {"toolsListChanged": True}},
            }
        ]
        outbound.arrived.clear()
        wire.server.add_tool(tool_a)
        await outbound.arrived.wait()
        assert outbound.sent[1:] == [CHANGED | {"params": tag}]
        await wire.endpoint.close()
        answer = await task
        assert answer.body["id"] == 0
        assert answer.result["resultType"] == "complete"
        assert answer.result["_meta"][SUBSCRIPTION_KEY] == 0
        assert answer.result["_meta"][SERVER_INFO_KEY]["name"] == "test"

    run(scenario)


@pytest.mark.parametrize("asked", [{}, {"promptsListChanged": True}, {"toolsListChanged": False}])
def test_nothing_is_sent_that_was_not_asked_for(asked: Json) -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (Opening a Stream)."""

    async def scenario(wire: Wire) -> None:
        outbound, task = await listen(wire, asked, request_id="s")
        assert outbound.sent[0]["params"] == {"_meta": {SUBSCRIPTION_KEY: "s"}, "notifications": {}}
        wire.server.add_tool(tool_a)
        await let_through()
        await let_through()
        assert len(outbound.sent) == 1
        assert not task.done()
        await wire.endpoint.close()
        assert (await task).status == 200

    run(scenario)


def test_a_listener_that_leaves_is_forgotten() -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (Cancellation)."""

    async def scenario(wire: Wire) -> None:
        _, task = await listen(wire, {"toolsListChanged": True})
        assert len(wire.endpoint._hub) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(wire.endpoint._hub) == 0

    run(scenario)


def test_two_subscriptions_are_told_apart() -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (Multiple Concurrent Subscriptions)."""

    async def scenario(wire: Wire) -> None:
        opened = [await listen(wire, {"toolsListChanged": True}, request_id=one) for one in (1, "1")]
        for outbound, _ in opened:
            outbound.arrived.clear()
        wire.server.add_tool(tool_a)
        for outbound, _ in opened:
            await outbound.arrived.wait()
        ids = [outbound.sent[1]["params"]["_meta"][SUBSCRIPTION_KEY] for outbound, _ in opened]
        assert ids == [1, "1"]
        await wire.endpoint.close()
        await asyncio.gather(*(task for _, task in opened))

    run(scenario)


@pytest.mark.parametrize("wanted", [None, [], "tools"])
def test_a_malformed_filter_is_refused(wanted: Any) -> None:
    """Required by schema.ts (SubscriptionsListenRequestParams)."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.post_stateless("subscriptions/listen", {"notifications": wanted})
        assert (answer.status, answer.code) == (400, -32602)

    run(scenario)


def test_listening_needs_a_client_that_reads_streams() -> None:
    """Required by MCP 2026-07-28 streamable-http (Receiving Messages): the answer is a stream."""

    async def scenario(wire: Wire) -> None:
        message = build_stateless("subscriptions/listen", {"notifications": {}})
        answer = await wire.post(message, build_headers(message) | {"accept": "application/json"})
        assert answer.status == 406

    run(scenario)


def test_a_server_that_nobody_serves_yet_can_change() -> None:
    """Our choice: tools are declared at import."""
    server = MCPServer("s")
    server.add_tool(tool_a)
    assert server.remove_tool("tool_a") is True
