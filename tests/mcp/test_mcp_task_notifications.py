"""Streams that tell how tasks stand."""

from typing import Any

import pytest
from mcp_conversation import accept
from mcp_samples import ANN_ELSEWHERE, BOB, Json, Wire, run, until
from mcp_tasks import TASKS, Listener, TaskClient, find_live

from omnitornado.mcp.context import Context
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.task_methods import MAX_TASK_IDS


def build_server() -> MCPServer:
    server = MCPServer("test")

    @server.tool(task=True)
    async def ask(context: Context) -> str:
        return (await context.elicit("Sure?", bool, key="sure")).action

    @server.tool(task=True)
    async def say(words: int) -> str:
        return "x" * words

    return server


async def hear_acknowledgement(listener: Listener) -> Json:
    message = await listener.hear()
    assert message["method"] == "notifications/subscriptions/acknowledged"
    honoured: Json = message["params"]["notifications"]
    return honoured


def test_a_listener_is_told_how_a_task_stands_at_once_and_whenever_that_changes() -> None:
    """Required by extensions/tasks (Task Status Notifications): each time what `tasks/get` would say. At
    once: our choice, for it may have changed before the stream was there."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        listener = await client.listen([task_id])
        assert await hear_acknowledgement(listener) == {"taskIds": [task_id]}
        asking = await listener.hear_task()
        assert asking == await client.get(task_id)
        assert asking["status"] == "input_required"
        await client.answer(task_id, {"sure": accept({"value": True})})
        told = [await listener.hear_task()]
        while told[-1]["status"] != "completed":
            told.append(await listener.hear_task())
        assert told[-1] == await client.get(task_id)
        assert told[-1]["result"]["content"][0]["text"] == "accept"
        assert {task["status"] for task in told} <= {"working", "completed"}

    run(scenario, build_server())


def test_a_task_that_has_ended_is_told_of_at_once() -> None:
    """Our choice: nothing else would ever come."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("say", {"words": 3})
        ended = await client.see_end(task_id)
        listener = await client.listen([task_id, task_id])
        assert await hear_acknowledgement(listener) == {"taskIds": [task_id]}
        assert await listener.hear_task() == ended

    run(scenario, build_server())


def test_what_is_not_the_callers_is_left_out() -> None:
    """Required by extensions/tasks (Task Status Notifications, Security Considerations): the answer names the
    tasks that it will tell of; another's is as unknown as one that never was."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        mine = await client.start("ask")
        for stranger in (TaskClient(wire, BOB), TaskClient(wire, ANN_ELSEWHERE)):
            listener = await stranger.listen([task_id, "unknown", "x" * 43, ""])
            assert await hear_acknowledgement(listener) == {}
        listener = await client.listen(["unknown", mine])
        assert await hear_acknowledgement(listener) == {"taskIds": [mine]}
        await client.cancel(task_id)
        await client.cancel(mine)
        heard = [await listener.hear_task()]
        assert {task["taskId"] for task in heard} == {mine}

    run(scenario, build_server())


def test_a_listener_that_does_not_declare_tasks_is_refused() -> None:
    """Required by extensions/tasks (Task Status Notifications): -32021, with what is missing."""

    async def scenario(wire: Wire) -> None:
        task_id = await TaskClient(wire).start("ask")
        params = {"notifications": {"taskIds": [task_id]}}
        refused = await TaskClient(wire, capabilities={}).send("subscriptions/listen", params)
        assert (refused.status, refused.code) == (400, -32021)
        assert refused.body["error"]["data"] == {"requiredCapabilities": TASKS}

    run(scenario, build_server())


MALFORMED: list[Any] = ["x", {}, [1], [None], [["x"]], ["x"] * (MAX_TASK_IDS + 1)]


@pytest.mark.parametrize("task_ids", MALFORMED)
def test_a_malformed_list_of_tasks_is_refused(task_ids: Any) -> None:
    """Required by extensions/tasks (Task Status Notifications). How many: our choice."""

    async def scenario(wire: Wire) -> None:
        params = {"notifications": {"taskIds": task_ids}}
        refused = await TaskClient(wire).send("subscriptions/listen", params)
        assert (refused.status, refused.code) == (400, -32602)

    run(scenario, build_server())


def test_a_server_without_tasks_listens_to_none() -> None:
    """Required by basic/patterns/subscriptions: what is not there is left out."""

    async def scenario(wire: Wire) -> None:
        listener = await TaskClient(wire, capabilities={}).listen(["x"])
        assert await hear_acknowledgement(listener) == {}

    run(scenario)


def test_every_listener_hears_and_one_that_left_costs_nothing() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        listeners = [await client.listen([task_id]) for _ in range(3)]
        for listener in listeners:
            await hear_acknowledgement(listener)
            await listener.hear_task()
        listeners[0].leave()
        late = await client.listen([task_id])
        live = find_live(wire, task_id)
        assert live is not None
        assert len(live._feeds) == 3
        await client.cancel(task_id)
        await hear_acknowledgement(late)
        for listener in (*listeners[1:], late):
            while (await listener.hear_task())["status"] != "cancelled":
                pass
        assert live._feeds == []

    run(scenario, build_server())


def test_a_stream_that_is_not_read_holds_one_message_a_task() -> None:
    """Our choice: progress piles up nowhere."""
    server = MCPServer("test")

    @server.tool(task=True)
    async def count(context: Context) -> None:
        for step in range(1000):
            await context.progress(step + 1, 1000)
        await context.elicit("Done?", bool)

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("count")
        listener = await client.listen([task_id])
        await client.see_question(task_id)
        await hear_acknowledgement(listener)
        told = [await listener.hear_task()]
        while told[-1]["status"] != "input_required":
            told.append(await listener.hear_task())
        assert told[-1]["statusMessage"] == "1000 of 1000"
        assert len(told) < 20

    run(scenario, server)


def test_large_results_all_arrive() -> None:
    """Our choice: each is taken off the store when the stream has room for it."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_ids = [await client.start("say", {"words": 400_000}) for _ in range(5)]
        for task_id in task_ids:
            await client.see_end(task_id)
        listener = await client.listen(task_ids)
        await hear_acknowledgement(listener)
        heard = {(await listener.hear_task())["taskId"] for _ in task_ids}
        assert heard == set(task_ids)

    run(scenario, build_server())


def test_a_server_that_stops_ends_the_stream_well() -> None:
    """Required by basic/patterns/subscriptions (Graceful Closure)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        listener = await client.listen([task_id])
        await hear_acknowledgement(listener)
        await listener.hear_task()
        await wire.endpoint.end_streams()
        await until(lambda: "result" in listener.outbound.sent[-1])
        assert listener.outbound.sent[-1]["id"] == "listener"

    run(scenario, build_server())
