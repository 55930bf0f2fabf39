"""Tasks from their start to their end."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from mcp_conversation import EVERYTHING
from mcp_samples import (
    CAPABILITIES_KEY,
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    Clock,
    FakeOutbound,
    Json,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
    until,
)
from mcp_tasks import EXTENSION, FOR_ALL, METHODS, TASKS, TaskClient, find_live

from omnitornado.mcp.context import CallEndedError, Context
from omnitornado.mcp.jsonrpc import JsonRpcError
from omnitornado.mcp.limits import TaskLimits
from omnitornado.mcp.principal import current_principal
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.task_support import TaskSupport
from omnitornado.mcp.tool_error import ToolError


class World:
    """A server whose tools wait for the test, and what they did."""

    def __init__(self) -> None:
        self.server = MCPServer("test", version="1.2")
        self.gate = asyncio.Event()
        self.thread_gate = threading.Event()
        self.runs: list[str] = []
        server = self.server

        @server.tool(task=True)
        async def add(a: int, b: int) -> int:
            self.runs.append("add")
            return a + b

        @server.tool(task=True)
        async def wait(context: Context) -> str:
            self.runs.append("wait")
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.runs.append("cancelled")
                raise
            return f"waited for {context.username}"

        @server.tool(task=True)
        def wait_in_thread(context: Context) -> str:
            self.runs.append("thread")
            self.thread_gate.wait(30)
            with contextlib.suppress(CallEndedError):
                context.progress(1)
                return "done"
            self.runs.append("told to stop")
            return "stopped"

        @server.tool(task=TaskSupport(required=True))
        async def needs_task() -> str:
            self.runs.append("needs_task")
            return "done"

        @server.tool()
        async def plain() -> str:
            return "plain"


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.thread_gate.set()


def test_a_call_becomes_a_task_and_the_task_a_result(world: World) -> None:
    """Required by extensions/tasks (Task Creation, Task Polling): the result is what the call would have been
    answered with."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        created = await client.call("add", {"a": 1, "b": 2})
        assert created.status == 200
        task = created.result
        assert task.pop("_meta")["io.modelcontextprotocol/serverInfo"]["name"] == "test"
        assert task.pop("resultType") == "task"
        assert set(task) == FOR_ALL
        assert task["status"] == "working"
        assert task["createdAt"] == task["lastUpdatedAt"] == "2023-11-14T22:13:20.000Z"
        assert (task["ttlMs"], task["pollIntervalMs"]) == (7_200_000, 1000)
        clock.now += 2.5
        ended = await client.see_end(task["taskId"])
        plain = (await wire.call("add", {"a": 1, "b": 2})).result
        del plain["_meta"]
        assert ended.pop("result") == plain
        updated = {"status": "completed", "lastUpdatedAt": "2023-11-14T22:13:22.500Z"}
        assert ended == task | updated

    run(scenario, world.server, clock=clock)


def test_a_task_is_there_before_its_client_hears_of_it(world: World) -> None:
    """Required by extensions/tasks (Task Creation): a look at once finds it."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("wait")
        assert (await client.get(task_id))["status"] == "working"
        assert set(await client.get(task_id)) == FOR_ALL
        world.gate.set()
        ended = await client.see_end(task_id)
        assert ended["result"]["content"] == [{"type": "text", "text": "waited for ann"}]

    run(scenario, world.server)


NOT_DECLARED: list[Json] = [
    {},
    {"extensions": {}},
    {"extensions": {EXTENSION: None}},
    {"extensions": {EXTENSION: True}},
    {"extensions": [EXTENSION]},
    {"tasks": {"requests": {"tools": {"call": {}}}}},
    {EXTENSION: {}},
]


@pytest.mark.parametrize("capabilities", NOT_DECLARED)
def test_a_client_that_does_not_declare_tasks_gets_none(world: World, capabilities: Json) -> None:
    """Required by extensions/tasks (Capability Negotiation, Protocol Errors)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire, capabilities=capabilities)
        result = (await client.call("add", {"a": 1, "b": 2})).result
        assert result["resultType"] == "complete"
        assert result["structuredContent"] == 3
        assert "taskId" not in result
        task_id = await TaskClient(wire).start("wait")
        for method in METHODS:
            refused = await client.send(method, {"taskId": task_id, "inputResponses": {}})
            assert (refused.status, refused.code) == (400, -32021)
            assert refused.body["error"]["data"] == {"requiredCapabilities": TASKS}
        await until(lambda: world.runs == ["add", "wait"])

    run(scenario, world.server)


def test_a_tool_that_needs_tasks_refuses_a_client_that_takes_none(world: World) -> None:
    """Required by extensions/tasks (Capability Negotiation): -32021, with what is missing."""

    async def scenario(wire: Wire) -> None:
        refused = await wire.call("needs_task")
        assert (refused.status, refused.code) == (400, -32021)
        assert refused.body["error"]["data"] == {"requiredCapabilities": TASKS}
        assert world.runs == []
        task_id = await TaskClient(wire).start("needs_task")
        assert (await TaskClient(wire).see_end(task_id))["status"] == "completed"

    run(scenario, world.server)


@pytest.mark.parametrize("version", HANDSHAKE)
def test_the_handshake_era_has_no_tasks(world: World, version: str) -> None:
    """Required by SEP-2663 (Backward Compatibility): the extension counts for nothing there."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version, capabilities=EVERYTHING | TASKS)

        async def call(name: str, arguments: Json, **extra: object) -> Json:
            params = {"name": name, "arguments": arguments, **extra}
            return (await wire.post(build_request("tools/call", params), session)).result

        result = await call("add", {"a": 1, "b": 2}, task={"ttl": 60_000})
        assert result["content"] == [{"type": "text", "text": "3"}]
        assert "taskId" not in result
        refused = await call("needs_task", {})
        assert refused["isError"] is True
        assert "tasks" in refused["content"][0]["text"]
        for method in METHODS:
            asked = build_request(method, {"taskId": "x", "inputResponses": {}})
            assert (await wire.post(asked, session)).code == -32601
        assert world.runs == ["add"]

    run(scenario, world.server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_extension_is_announced_where_a_tool_has_tasks(world: World, version: str) -> None:
    """Required by extensions/tasks (Capability Negotiation), basic/versioning (Extension Negotiation)."""

    async def discover(wire: Wire) -> Json:
        if version == STATELESS:
            capabilities: Json = (await wire.post_stateless("server/discover")).result["capabilities"]
        else:
            params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t"}}
            capabilities = (await wire.post(build_request("initialize", params))).result["capabilities"]
        assert "tasks" not in capabilities
        return capabilities

    async def scenario(wire: Wire) -> None:
        announced = await discover(wire)
        assert announced.get("extensions") == ({EXTENSION: {}} if version == STATELESS else None)
        for name in ("add", "wait", "wait_in_thread", "needs_task"):
            world.server.remove_tool(name)
        assert await discover(wire) == announced  # there may be tasks still

    async def without(wire: Wire) -> None:
        assert "extensions" not in await discover(wire)
        for method in METHODS if version == STATELESS else ():
            refused = await TaskClient(wire).send(method, {"taskId": "x"})
            assert (refused.status, refused.code) == (404, -32601)

    run(scenario, world.server)
    run(without)


@pytest.mark.parametrize("method", ["tasks/result", "tasks/list"])
def test_the_methods_of_the_older_tasks_are_unknown(world: World, method: str) -> None:
    """Required by SEP-2663 (Backward Compatibility)."""

    async def scenario(wire: Wire) -> None:
        task_id = await TaskClient(wire).start("wait")
        refused = await TaskClient(wire).send(method, {"taskId": task_id})
        assert (refused.status, refused.code) == (404, -32601)

    run(scenario, world.server)


def test_a_client_can_not_make_a_task_of_a_plain_tool(world: World) -> None:
    """Required by SEP-2663 (Backward Compatibility): the `task` parameter is unknown."""

    async def scenario(wire: Wire) -> None:
        result = (await TaskClient(wire).call("plain", task={"ttl": 1000})).result
        assert result["resultType"] == "complete"
        assert result["content"] == [{"type": "text", "text": "plain"}]

    run(scenario, world.server)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [None, "another", "=?base64?YW5vdGhlcg==?="])
def test_the_name_header_mirrors_the_task(world: World, method: str, name: str | None) -> None:
    """Required by extensions/tasks (Routing Headers), streamable-http (Server Validation)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("wait")
        params = {"taskId": task_id, "inputResponses": {}}
        message = build_stateless(method, params, **{CAPABILITIES_KEY: TASKS})
        headers = build_headers(message)
        assert headers.pop("mcp-name") == task_id
        if name is not None:
            headers["mcp-name"] = name
        refused = await wire.post(message, headers)
        assert (refused.status, refused.code) == (400, -32020)
        assert (await client.get(task_id))["status"] == "working"

    run(scenario, world.server)


def test_arguments_that_do_not_fit_make_no_task(world: World) -> None:
    """Our choice: the model is told at once, and nothing is kept."""

    async def scenario(wire: Wire) -> None:
        result = (await TaskClient(wire).call("add", {"a": "x"})).result
        assert result["resultType"] == "complete"
        assert result["isError"] is True
        assert len(wire.endpoint.tasks) == 0
        assert world.runs == []

    run(scenario, world.server)


# How a task ends


def build_failing() -> MCPServer:
    server = MCPServer("test")

    @server.tool(task=True)
    async def tool_error() -> str:
        raise ToolError("No luck.")

    @server.tool(task=True)
    def bug() -> str:
        raise RuntimeError("a secret of the inside")

    @server.tool(task=True, timeout=0.001)
    async def too_slow() -> str:
        await asyncio.Event().wait()
        return "never"

    @server.tool(task=True)
    async def protocol_error() -> str:
        raise JsonRpcError(code=-32050, message="Rate limit", data={"retry": 5})

    @server.tool(task=True)
    def lacks_model(context: Context) -> str:
        return context.wait(context.sample("Hello", max_tokens=5)).text

    @server.tool(task=True)
    async def no_json() -> dict[str, Any]:
        return {"x": object()}

    return server


@pytest.mark.parametrize(
    ("name", "words", "logged"),
    [("tool_error", "No luck.", 0), ("bug", "failed", 1), ("too_slow", "0.001", 1), ("no_json", "failed", 1)],
)
def test_a_tool_that_fails_has_completed_with_an_error(name: str, words: str, logged: int) -> None:
    """Required by extensions/tasks (Task Execution Errors): `failed` is for JSON-RPC errors alone."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        ended = await client.see_end(await client.start(name))
        assert set(ended) == FOR_ALL | {"result"}
        assert ended["status"] == "completed"
        assert ended["result"]["isError"] is True
        assert words in ended["result"]["content"][0]["text"]
        assert "secret" not in str(ended)

    run(scenario, build_failing(), logged=logged)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("protocol_error", {"code": -32050, "message": "Rate limit", "data": {"retry": 5}}),
        (
            "lacks_model",
            {
                "code": -32021,
                "message": "The client does not support sampling.",
                "data": {"requiredCapabilities": {"sampling": {}}},
            },
        ),
    ],
)
def test_a_protocol_error_is_a_failed_task(name: str, error: Json) -> None:
    """Required by extensions/tasks (Task Execution Errors): with the error, and a status message."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire, capabilities=TASKS)
        ended = await client.see_end(await client.start(name))
        assert set(ended) == FOR_ALL | {"error", "statusMessage"}
        assert ended["status"] == "failed"
        assert ended["error"] == error
        assert ended["statusMessage"] == error["message"]

    run(scenario, build_failing())


@pytest.mark.parametrize("name", ["wait", "wait_in_thread"])
def test_a_task_is_cancelled_once_and_for_all(world: World, name: str) -> None:
    """Required by extensions/tasks (Task Cancellation): acknowledged, also when there is nothing to cancel
    any more. That it takes effect at once is our choice."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start(name)
        await until(lambda: world.runs)
        await client.cancel(task_id)
        ended = await client.get(task_id)
        assert set(ended) == FOR_ALL | {"statusMessage"}
        assert ended["status"] == "cancelled"
        world.gate.set()
        world.thread_gate.set()
        await client.cancel(task_id)
        assert await client.get(task_id) == ended
        await until(lambda: len(world.runs) > 1)
        assert world.runs[1] in ("cancelled", "told to stop")

    run(scenario, world.server)


def test_a_task_that_has_completed_can_not_be_cancelled(world: World) -> None:
    """Required by extensions/tasks (Task Cancellation, Task Status)."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("add", {"a": 1, "b": 2})
        ended = await client.see_end(task_id)
        await client.cancel(task_id)
        await client.answer(task_id, {"x": {}})
        assert await client.get(task_id) == ended

    run(scenario, world.server)


def test_a_task_that_waits_for_a_thread_can_be_cancelled(world: World) -> None:
    """Our choice: it works, as far as its client sees; its turn never comes."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        first = await client.start("wait_in_thread")
        await until(lambda: world.runs)
        second, third = [await client.start("wait_in_thread") for _ in range(2)]
        assert (await client.get(second))["status"] == "working"
        await client.cancel(second)
        assert (await client.get(second))["status"] == "cancelled"
        world.thread_gate.set()
        for task_id in (first, third):
            assert (await client.see_end(task_id))["status"] == "completed"
        assert world.runs == ["thread", "thread"]

    run(scenario, world.server, task_limits=TaskLimits(threads=1))


def test_tasks_do_not_take_the_threads_of_calls(world: World) -> None:
    """Our choice: they may take long."""

    async def scenario(wire: Wire) -> None:
        await TaskClient(wire).start("wait_in_thread")
        await until(lambda: world.runs)
        world.server.add_tool(lambda: "at once", name="quick", structured=False)
        assert (await wire.call("quick")).text == "at once"

    run(scenario, world.server, tool_threads=1, task_limits=TaskLimits(threads=1))


def test_a_task_goes_on_when_its_client_leaves(world: World) -> None:
    """Required by extensions/tasks: a task outlasts its request."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        message = build_stateless(
            "tools/call", {"name": "wait", "arguments": {}}, **{CAPABILITIES_KEY: TASKS}
        )
        outbound = FakeOutbound()
        task_id = (await wire.post(message, build_headers(message), outbound=outbound)).result["taskId"]
        assert outbound.reader is None
        world.gate.set()
        assert (await client.see_end(task_id))["status"] == "completed"

    run(scenario, world.server)


def test_a_client_that_leaves_before_it_hears_of_its_task_leaves_none_running(world: World) -> None:
    """Our choice: nobody could ever look at it."""

    async def scenario(wire: Wire) -> None:
        store = wire.endpoint.tasks._store
        keep = store.start_task
        entered, gate = asyncio.Event(), asyncio.Event()
        keys: list[bytes] = []

        async def start_slowly(task_hash: bytes, task: Any, *, now: float) -> bool:
            keys.append(task_hash)
            kept = await keep(task_hash, task, now=now)
            entered.set()
            await gate.wait()
            return kept

        store.start_task = start_slowly  # type: ignore[method-assign]
        calling = asyncio.create_task(TaskClient(wire).call("wait"))
        await entered.wait()
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling
        await until(lambda: not wire.endpoint.tasks._jobs)
        record = await store.find_task(keys[0], now=0)
        assert record is not None
        assert record.status == "cancelled"
        assert world.runs == []
        assert len(wire.endpoint.tasks._running) == 0

    run(scenario, world.server)


# What a task's function sees, and says


def build_speaking() -> MCPServer:
    server = MCPServer("test")

    @server.tool(task=True)
    async def whoami(context: Context) -> list[str]:
        assert current_principal() == context.principal
        return [context.username, context.client_id, context.protocol_version, *sorted(context.scopes)]

    @server.tool(task=True)
    async def read(uri: str, context: Context) -> str:
        return str((await context.read_resource(uri))[0].content)

    @server.resource("a://b")
    def resource() -> str:
        return "read"

    @server.resource("c://d", scopes=["more"])
    def scoped() -> str:
        return "never"

    return server


def test_a_task_runs_for_whoever_started_it() -> None:
    """Our choice: the same context as in a call."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        ended = await client.see_end(await client.start("whoami"))
        assert ended["result"]["structuredContent"] == ["ann", "client-1", STATELESS, "mcp"]
        read = await client.see_end(await client.start("read", {"uri": "a://b"}))
        assert read["result"]["content"][0]["text"] == "read"
        refused = await client.see_end(await client.start("read", {"uri": "c://d"}))
        assert refused["result"]["isError"] is True

    run(scenario, build_speaking())


WORDS = "Half, \ud800" + "x" * 1000


def build_chatty(gate: threading.Event, said: threading.Event) -> MCPServer:
    server = MCPServer("test")

    @server.tool(task=True)
    async def speak(context: Context) -> str:
        await context.log("error", "nobody hears this")
        await context.progress(1, 4)
        await context.progress(2, 4, WORDS)
        said.set()
        await asyncio.to_thread(gate.wait, 30)
        return "said"

    @server.tool(task=True)
    def speak_plainly(context: Context) -> str:
        context.log("error", "nobody hears this")
        context.progress(1, 4)
        context.progress(2, 4, WORDS)
        said.set()
        gate.wait(30)
        return "said"

    return server


@pytest.mark.parametrize("name", ["speak", "speak_plainly"])
def test_progress_is_the_status_message_and_logs_go_nowhere(name: str) -> None:
    """Required by extensions/tasks (Task Status Notifications): a task sends no progress and no messages."""
    gate, said = threading.Event(), threading.Event()
    asked_for = {"progressToken": 0, "io.modelcontextprotocol/logLevel": "debug"}

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        params = {"name": name, "arguments": {}}
        message = build_stateless("tools/call", params, **{CAPABILITIES_KEY: TASKS, **asked_for})
        created = await wire.post(message, build_headers(message))
        assert created.sent == []
        assert await asyncio.to_thread(said.wait, 30)
        task = await client.get(created.result["taskId"])
        assert task["statusMessage"].startswith("Half, ?xxx")
        assert len(task["statusMessage"]) == 512
        gate.set()
        assert "statusMessage" not in await client.see_end(created.result["taskId"])

    run(scenario, build_chatty(gate, said))


def test_progress_without_words_is_told_in_numbers() -> None:
    """Our choice."""
    server, said = MCPServer("test"), asyncio.Event()

    @server.tool(task=True)
    async def count(context: Context) -> None:
        await context.progress(3, 12)
        said.set()
        await asyncio.Event().wait()

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("count")
        await said.wait()
        assert (await client.get(task_id))["statusMessage"] == "3 of 12"

    run(scenario, server)


# Time


def test_a_task_ends_at_its_time_limit_and_its_result_stays_for_its_time(world: World) -> None:
    """Required by extensions/tasks (Tasks): `ttlMs` holds, then the task is gone. The limit: our choice."""
    clock = Clock()
    limits = TaskLimits(time_limit=60, result_lifetime=30)

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_id = await client.start("wait")
        clock.now += 59
        await wire.endpoint.tasks.look()
        assert (await client.get(task_id))["status"] == "working"
        clock.now += 1
        await wire.endpoint.tasks.look()
        ended = await client.see_end(task_id)
        assert ended["ttlMs"] == 90_000
        assert ended["status"] == "completed"
        assert ended["result"]["isError"] is True
        assert "60 seconds" in ended["result"]["content"][0]["text"]
        assert world.runs == ["wait", "cancelled"]
        clock.now += 29
        assert await client.get(task_id) == ended
        clock.now += 1
        assert (await client.send("tasks/get", {"taskId": task_id})).code == -32602

    run(scenario, world.server, clock=clock, task_limits=limits, logged=1)


SUPPORT: list[tuple[TaskSupport, float, float]] = [
    (TaskSupport(), 60, 90),
    (TaskSupport(time_limit=10), 10, 40),
    (TaskSupport(time_limit=10, result_lifetime=5), 10, 15),
    (TaskSupport(time_limit=1000), 70, 100),
    (TaskSupport(result_lifetime=1000), 50, 100),
    (TaskSupport(time_limit=1000, result_lifetime=1000), 50, 100),
]


@pytest.mark.parametrize(("support", "time_limit", "lifetime"), SUPPORT)
def test_a_tool_says_how_long_its_tasks_live_within_the_limit(
    support: TaskSupport, time_limit: float, lifetime: float
) -> None:
    """Our choice: what is too long is cut, and both get their part."""
    server = MCPServer("test")

    @server.tool(task=support)
    async def tool() -> None:
        await asyncio.Event().wait()

    async def scenario(wire: Wire) -> None:
        task_id = await TaskClient(wire).start("tool")
        live = find_live(wire, task_id)
        assert live is not None
        assert live.time_limit == time_limit
        assert (await TaskClient(wire).get(task_id))["ttlMs"] == lifetime * 1000

    limits = TaskLimits(time_limit=60, result_lifetime=30, max_lifetime=100)
    run(scenario, server, task_limits=limits)


def test_clients_are_told_how_often_to_look() -> None:
    """Required by extensions/tasks (Tasks): whole milliseconds above 0."""
    server = MCPServer("test")
    for name, seconds in (("often", 0.0001), ("seldom", 2.5)):
        server.add_tool(lambda: None, name=name, task=TaskSupport(poll_interval=seconds), structured=False)

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        assert (await client.call("often")).result["pollIntervalMs"] == 1
        assert (await client.call("seldom")).result["pollIntervalMs"] == 2500

    run(scenario, server)


@pytest.mark.parametrize("name", ["time_limit", "result_lifetime", "poll_interval"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused_when_the_tool_is_declared(name: str, seconds: float) -> None:
    """Our choice: an error at import that names the function."""
    with pytest.raises(DeclarationError, match=rf"plain_tool.*{name}"):
        MCPServer("test").add_tool(plain_tool, task=msgspec.structs.replace(TaskSupport(), **{name: seconds}))


def plain_tool() -> None: ...
