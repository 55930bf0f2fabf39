"""Tasks that ask: what is open, what is answered, and what a call asked before it became a task."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

import pytest
from mcp_conversation import EVERYTHING, accept, talk
from mcp_samples import HANDSHAKE, STATELESS, Json, Wire, run, until
from mcp_tasks import FOR_ALL, TASKS, TaskClient, find_live

from omnitornado.mcp.context import Context
from omnitornado.mcp.elicitation import Accepted
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.task_support import TaskSupport


class Name(TypedDict):
    name: str


def build_server(runs: list[str] | None = None) -> MCPServer:
    server = MCPServer("test")
    ran = [] if runs is None else runs

    @server.tool(task=True)
    async def ask(context: Context) -> str:
        answer = await context.elicit("Who?", Name, key="who")
        return f"{answer.action} {answer.data['name'] if isinstance(answer, Accepted) else ''}".strip()

    @server.tool(task=True)
    def ask_plainly(context: Context) -> str:
        first = context.wait(context.elicit("First?", int))
        second = context.wait(context.elicit("Second?", int))
        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        return str(first.data + second.data)

    @server.tool(task=True)
    async def ask_everybody(context: Context) -> str:
        who, sample, roots = await asyncio.gather(
            context.elicit("Who?", Name, key="who"),
            context.sample("Hello", max_tokens=5),
            context.list_roots(),
        )
        return f"{who.action} {sample.text} {len(roots)}"

    @server.tool(task=TaskSupport(starts_at_once=False))
    async def ask_first(context: Context) -> str:
        ran.append("run")
        number = await context.once("number", lambda: len(ran))
        who = await context.elicit("Who?", Name, key="who")
        is_task = await context.start_task()
        assert await context.start_task() is is_task
        where = await context.elicit("Where?", Name, key="where")
        assert isinstance(who, Accepted)
        assert isinstance(where, Accepted)
        return f"{number} {who.data['name']} {where.data['name']} {is_task}"

    @server.tool(task=TaskSupport(starts_at_once=False))
    def start_plainly(context: Context) -> str:
        ran.append("run")
        return str(context.wait(context.start_task()))

    @server.tool(task=TaskSupport(starts_at_once=False))
    async def finish_first(context: Context) -> str:
        return "never a task"

    @server.tool()
    async def undeclared(context: Context) -> str:
        return str(await context.start_task())

    return server


def test_a_task_that_asks_says_so_and_goes_on_with_the_answer() -> None:
    """Required by extensions/tasks (Task Polling 2, Task Update Requests)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        requests = await client.see_question(task_id)
        assert requests == {
            "who": {
                "method": "elicitation/create",
                "params": {
                    "mode": "form",
                    "message": "Who?",
                    "requestedSchema": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}},
                        "required": ["name"],
                    },
                },
            }
        }
        assert set(await client.get(task_id)) == FOR_ALL | {"inputRequests"}
        assert await client.see_question(task_id) == requests
        await client.answer(task_id, {"who": accept({"name": "Bo"})})
        ended = await client.see_end(task_id)
        assert set(ended) == FOR_ALL | {"result"}
        assert ended["result"]["content"][0]["text"] == "accept Bo"

    run(scenario, build_server())


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_person_may_say_no(action: str) -> None:
    """Required by client/elicitation (Response Actions)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        await client.answer(task_id, {"who": {"action": action}})
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == action

    run(scenario, build_server())


def test_questions_are_answered_one_by_one() -> None:
    """Required by extensions/tasks (Task Update Requests): those that wait are shown, and no others."""
    said = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask_everybody")
        assert set(await client.see_question(task_id)) == {"who", "sampling", "roots"}
        await client.answer(task_id, {"sampling": said})
        assert set(await client.see_question(task_id)) == {"who", "roots"}
        await client.answer(task_id, {"who": {"action": "decline"}, "roots": {"roots": []}})
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "decline hi 0"

    run(scenario, build_server())


def test_a_plain_function_asks_and_each_question_has_its_own_name() -> None:
    """Required by extensions/tasks (Task Update Requests): no name comes twice in a task's life. So an answer
    that is sent again answers nothing."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask_plainly")
        assert list(await client.see_question(task_id)) == ["elicitation"]
        await client.answer(task_id, {"elicitation": accept({"value": 1})})
        await until_asked(wire, task_id, "elicitation-2")
        await client.answer(task_id, {"elicitation": accept({"value": 100}), "unknown": 5})
        assert list(await client.see_question(task_id)) == ["elicitation-2"]
        await client.answer(task_id, {"elicitation-2": accept({"value": 2})})
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "3"

    run(scenario, build_server())


async def until_asked(wire: Wire, task_id: str, key: str) -> None:
    """Once a function in its thread has asked."""
    live = find_live(wire, task_id)
    assert live is not None
    await until(lambda: key in live._open or live.has_ended.done())


MALFORMED: list[Any] = [5, None, {}, {"action": "maybe"}, {"action": "accept"}, accept({"name": 5})]


@pytest.mark.parametrize("answer", MALFORMED)
def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(answer: Any) -> None:
    """Our choice: the client may try again. All answers of an update are taken, or none."""
    said = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask_everybody")
        requests = await client.see_question(task_id)
        params = {"taskId": task_id, "inputResponses": {"sampling": said, "who": answer}}
        refused = await client.send("tasks/update", params)
        assert (refused.status, refused.code) == (400, -32602)
        assert "who" in refused.body["error"]["message"]
        assert await client.see_question(task_id) == requests

    run(scenario, build_server())


@pytest.mark.parametrize("responses", [None, [], "x", 5])
def test_responses_are_an_object(responses: Any) -> None:
    """Required by extensions/tasks (Task Update Requests, Request)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        for params in ({"taskId": task_id}, {"taskId": task_id, "inputResponses": responses}):
            assert (await client.send("tasks/update", params)).code == -32602

    run(scenario, build_server())


def test_two_answers_to_one_question_at_the_same_time_are_one() -> None:
    """Our choice: the first counts."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        await asyncio.gather(
            client.answer(task_id, {"who": accept({"name": "first"})}),
            client.answer(task_id, {"who": accept({"name": "second"})}),
        )
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "accept first"

    run(scenario, build_server())


def test_a_task_is_cancelled_while_it_asks() -> None:
    """Required by extensions/tasks (Task Cancellation)."""

    async def scenario(wire: Wire) -> None:
        for name in ("ask", "ask_plainly"):
            client = TaskClient(wire)
            task_id = await client.start(name)
            await client.see_question(task_id)
            await client.cancel(task_id)
            ended = await client.get(task_id)
            assert ended["status"] == "cancelled"
            assert "inputRequests" not in ended
            await client.answer(task_id, {"who": accept({"name": "late"})})
            assert await client.get(task_id) == ended

    run(scenario, build_server())


def test_a_tools_own_time_stands_still_while_it_asks() -> None:
    """Our choice: as in a call."""
    server = MCPServer("test")

    @server.tool(task=True, timeout=0.05)
    async def ask(context: Context) -> str:
        return (await context.elicit("Who?", Name, key="who")).action

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        live = find_live(wire, task_id)
        assert live is not None
        assert live.call._clock is not None
        assert live.call._clock._timer is None
        await client.answer(task_id, {"who": {"action": "decline"}})
        assert (await client.see_end(task_id))["result"]["isError"] is False

    run(scenario, server)


# What was asked before


async def see_rounds(client: TaskClient, name: str, responses: Json) -> Json:
    """Call a tool, answer what it asks in its plain call, and give what comes of it."""
    asked = (await client.call(name)).result
    assert asked["resultType"] == "input_required"
    assert "taskId" not in asked
    sent = {"inputResponses": responses, "requestState": asked["requestState"]}
    return (await client.call(name, **sent)).result


def test_a_call_asks_first_and_then_goes_on_as_a_task() -> None:
    """Required by extensions/tasks (Task Creation): rounds come before the task, and what they brought is
    there. What `once` made stays as well: our choice."""
    runs: list[str] = []

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        created = await see_rounds(client, "ask_first", {"who": accept({"name": "Bo"})})
        assert set(created) == FOR_ALL | {"resultType", "_meta"}
        task_id = created["taskId"]
        assert set(await client.see_question(task_id)) == {"where"}
        await client.answer(task_id, {"where": accept({"name": "here"})})
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "1 Bo here True"
        assert len(runs) == 3

    run(scenario, build_server(runs))


def test_without_tasks_the_same_call_goes_on_as_it_is() -> None:
    """Required by extensions/tasks (Capability Negotiation). One Python call for all: our choice."""

    def respond(question: Json) -> Json:
        return accept({"name": question["params"]["message"]})

    async def scenario(wire: Wire) -> None:
        for version in (STATELESS, HANDSHAKE[-1]):
            talked = await talk(wire, respond, version, "ask_first")
            assert talked.answer.text.endswith("Who? Where? False")
        assert len(wire.endpoint.tasks) == 0

    run(scenario, build_server())


def test_a_plain_function_goes_on_as_a_task() -> None:
    """Our choice: it starts in one thread, and runs again in another."""
    runs: list[str] = []

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("start_plainly")
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "True"
        assert (await wire.call("start_plainly")).text == "False"
        assert len(runs) == 3

    run(scenario, build_server(runs))


def test_a_call_that_is_done_before_is_no_task() -> None:
    """Required by extensions/tasks (Polymorphic Results): a plain result is one of two answers. A tool that
    says nothing of tasks can't start one: our choice."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        assert (await client.call("finish_first")).text == "never a task"
        assert (await client.call("undeclared")).text == "False"

    run(scenario, build_server())


def test_a_client_that_begins_without_tasks_may_go_on_with_them() -> None:
    """Our choice: the answers that the state of the call brings are not asked for again."""

    async def scenario(wire: Wire) -> None:
        asked = (await TaskClient(wire, capabilities=EVERYTHING).call("ask")).result
        sent = {
            "inputResponses": {"who": accept({"name": "Bo"})},
            "requestState": asked["requestState"],
        }
        result = (await TaskClient(wire).call("ask", **sent)).result
        assert result["resultType"] == "complete"
        assert result["content"][0]["text"] == "accept Bo"

    run(scenario, build_server())


def test_a_question_that_has_changed_is_asked_anew_in_the_task() -> None:
    """Our choice: an answer belongs to the question that was asked."""
    server, runs = MCPServer("test"), []

    @server.tool(task=TaskSupport(starts_at_once=False))
    async def ask(context: Context) -> str:
        runs.append("run")
        answer = await context.elicit(f"Sure, in run {'12'[len(runs) > 2]}?", bool, key="sure")
        await context.start_task()
        return answer.action

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        created = await see_rounds(client, "ask", {"sure": accept({"value": True})})
        requests = await client.see_question(created["taskId"])
        assert requests["sure"]["params"]["message"] == "Sure, in run 2?"
        await client.answer(created["taskId"], {"sure": {"action": "decline"}})
        assert (await client.see_end(created["taskId"]))["result"]["content"][0]["text"] == "decline"

    run(scenario, server)


Together = Callable[[Context], Awaitable[object]]


@pytest.mark.parametrize("first", ["task", "other"])
@pytest.mark.parametrize("kind", ["once", "question"])
def test_what_happens_beside_the_start_of_a_task_is_not_lost(first: str, kind: str) -> None:
    """Our choice: what is made once is made once, and a question comes before the task."""
    server, made, gate = MCPServer("test"), [], asyncio.Event()

    async def make() -> int:
        made.append("made")
        await gate.wait()
        return 7

    @server.tool(task=TaskSupport(starts_at_once=False))
    async def tool(context: Context) -> str:
        other: Awaitable[Any]
        other = context.once("n", make) if kind == "once" else context.elicit("Sure?", bool, key="sure")
        pair = (context.start_task(), other) if first == "task" else (other, context.start_task())
        got = await asyncio.gather(*pair)
        return str(len(got))

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        if kind == "once":
            calling = asyncio.create_task(client.start("tool"))
            await until(lambda: made)
            for _ in range(5):
                await asyncio.sleep(0)
            gate.set()
            task_id = await calling
        else:
            created = await see_rounds(client, "tool", {"sure": accept({"value": True})})
            task_id = created["taskId"]
        assert (await client.see_end(task_id))["result"]["content"][0]["text"] == "2"
        assert len(made) == (kind == "once")

    run(scenario, server)


def test_a_task_asks_only_what_its_client_declared() -> None:
    """Required by client/elicitation (Capabilities)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire, capabilities=TASKS)
        ended = await client.see_end(await client.start("ask"))
        assert ended["status"] == "failed"
        assert ended["error"]["code"] == -32021

    run(scenario, build_server())
