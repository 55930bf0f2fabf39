"""Tasks under attack: another's, forged, too many, too large, after a revocation and a restart."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from mcp_conversation import accept
from mcp_samples import ANN, ANN_ELSEWHERE, BOB, Clock, Json, Wire, run, until
from mcp_tasks import METHODS, TaskClient

from omnitornado.mcp.context import Context
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.limits import TaskLimits
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits as StoreLimits
from omnitornado.store.records import AccessToken, AuthorizationCode, Grant
from omnitornado.store.transitions import StoreUnavailable

SECRET = "the answer is forty-two"
ADMIN = msgspec.structs.replace(ANN, scopes=frozenset({"mcp", "admin", "audit"}))


def build_server(gate: threading.Event | None = None, runs: list[str] | None = None) -> MCPServer:
    server = MCPServer("test")
    ran = [] if runs is None else runs

    @server.tool(task=True)
    async def ask(context: Context) -> str:
        try:
            return (await context.elicit("Sure?", bool, key="sure")).action
        except asyncio.CancelledError:
            ran.append("cancelled")
            raise

    @server.tool(task=True)
    async def tell(words: str = SECRET) -> str:
        return words

    @server.tool(task=True, scopes=["admin", "audit"])
    async def tell_admin() -> str:
        return SECRET

    @server.tool(task=True)
    async def fill(size: int) -> str:
        return "x" * size

    @server.tool(task=True)
    def hang() -> str:
        ran.append("hangs")
        assert gate is not None
        gate.wait(30)
        ran.append("hung")
        return "too late"

    return server


# Whose it is


def find_embedded(wire: Wire) -> EmbeddedStore:
    store = wire.endpoint.tasks._store
    assert isinstance(store, EmbeddedStore)
    return store


STRANGERS: list[Callable[[Wire], TaskClient]] = [
    lambda wire: TaskClient(wire, BOB),
    lambda wire: TaskClient(wire, ANN_ELSEWHERE),
    lambda wire: TaskClient(wire, msgspec.structs.replace(ADMIN, username="bob")),
    lambda wire: TaskClient(
        Wire(Endpoint(wire.server, path="/other", sessions=find_embedded(wire)), wire.server)
    ),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("build_stranger", STRANGERS, ids=["person", "client", "admin", "endpoint"])
def test_anothers_task_is_as_unknown_as_one_that_never_was(
    method: str, build_stranger: Callable[[Wire], TaskClient]
) -> None:
    """Required by extensions/tasks (Security Considerations): a task is bound to who started it, here the
    person, the client and the endpoint; byte for byte the same answer."""

    async def scenario(wire: Wire) -> None:
        owner = TaskClient(wire)
        asking = await owner.start("ask")
        await owner.see_question(asking)
        ended = await owner.start("tell")
        await owner.see_end(ended)
        stranger = build_stranger(wire)

        async def refuse(task_id: str) -> Any:
            params = {"taskId": task_id, "inputResponses": {"sure": accept({"value": True})}}
            answer = await stranger.send(method, params)
            return answer.status, answer.headers, answer.body

        unknown = await refuse("x" * 43)
        assert unknown[0] == 400
        assert unknown[2]["error"]["code"] == -32602
        assert [await refuse(task_id) for task_id in (asking, ended)] == [unknown, unknown]
        assert (await owner.get(asking))["status"] == "input_required"
        assert (await owner.get(ended))["status"] == "completed"

    run(scenario, build_server())


FORGED: list[Any] = [
    None,
    5,
    True,
    [],
    {},
    "",
    "x",
    "x" * 42,
    "x" * 44,
    "x" * 100_000,
    "x" * 42 + "/",
    "x" * 42 + "\n",
    "é" * 43,
    "\ud800" * 43,
    "../../etc/passwd",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task_id", FORGED)
def test_a_forged_id_is_no_task(method: str, task_id: Any) -> None:
    """Required by extensions/tasks (Protocol Errors): -32602; a header that can't mirror it comes first."""

    async def scenario(wire: Wire) -> None:
        refused = await TaskClient(wire).send(method, {"taskId": task_id, "inputResponses": {}})
        assert refused.status == 400
        assert refused.code in (-32602, -32020, -32700)

    run(scenario, build_server())


def test_ids_are_random_and_stored_as_their_digests_and_results_sealed() -> None:
    """Required by extensions/tasks (Security Considerations): unguessable. What the disk holds: ours."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        task_ids = [await client.start("tell") for _ in range(3)]
        assert len(set(task_ids)) == 3
        assert {len(task_id) for task_id in task_ids} == {43}  # 256 bits in base64url
        for task_id in task_ids:
            await client.see_end(task_id)
            key = hashlib.sha256(task_id.encode()).digest()
            record = await find_embedded(wire).find_task(key, now=0)
            assert record is not None
            assert len(record.sealed) > len(SECRET)
            written = msgspec.msgpack.encode(record)
            assert SECRET.encode() not in written
            assert task_id.encode() not in written
        # One result under another's id does not open.
        state = find_embedded(wire)._engine.state
        first, second = (hashlib.sha256(task_id.encode()).digest() for task_id in task_ids[:2])
        moved = state.tasks.get(first)
        assert moved is not None
        state.tasks.put(second, moved)
        broken = await client.send("tasks/get", {"taskId": task_ids[1]})
        assert (broken.status, broken.code) == (500, -32603)

    run(scenario, build_server(), logged=1)


@pytest.mark.parametrize("method", [*METHODS, "subscriptions/listen"])
def test_a_grant_that_lacks_the_tools_scopes_gets_a_challenge_and_no_result(method: str) -> None:
    """Required by basic/authorization (Runtime Insufficient Scope Errors): what was started with more scopes
    is not read with fewer."""

    async def scenario(wire: Wire) -> None:
        assert (await TaskClient(wire).call("tell_admin")).status == 403
        admin = TaskClient(wire, ADMIN)
        task_id = await admin.start("tell_admin")
        await admin.see_end(task_id)
        params: Json = {"taskId": task_id, "inputResponses": {}}
        if method == "subscriptions/listen":
            params = {"notifications": {"taskIds": [task_id]}}
        for scopes in ({"mcp"}, {"mcp", "admin"}):
            lesser = msgspec.structs.replace(ANN, scopes=frozenset(scopes))
            refused = await TaskClient(wire, lesser).send(method, params)
            assert refused.status == 403
            assert refused.reply.required_scopes == {"admin", "audit"}
            assert SECRET not in json.dumps(refused.body)
        assert (await admin.get(task_id))["result"]["content"][0]["text"] == SECRET

    run(scenario, build_server())


# How many, how much


def test_a_person_runs_so_many_tasks_at_a_time() -> None:
    """Our choice: 429, and others are not touched."""

    async def scenario(wire: Wire) -> None:
        client, other = TaskClient(wire), TaskClient(wire, ANN_ELSEWHERE)
        first = await client.start("ask")
        await other.start("ask")
        for one in (client, other):
            refused = await one.call("ask")
            assert (refused.status, refused.code) == (429, 429)
            assert refused.headers["Retry-After"] == "1"
        assert (await client.call("tell")).status == 429
        await TaskClient(wire, BOB).start("ask")
        await client.cancel(first)
        await client.start("ask")

    run(scenario, build_server(), task_limits=TaskLimits(running_per_person=2))


def test_a_function_that_does_not_listen_keeps_its_place_until_it_returns() -> None:
    """Our choice: or tasks that are started and cancelled in turn would take all threads."""
    gate, runs = threading.Event(), list[str]()

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        hanging = await client.start("hang")
        await until(lambda: runs)
        await client.cancel(hanging)
        assert (await client.get(hanging))["status"] == "cancelled"
        assert (await client.call("tell")).status == 429
        assert len(wire.endpoint.tasks) == 0
        gate.set()
        await until(lambda: len(wire.endpoint.tasks._running) == 0)
        await client.see_end(await client.start("tell"))

    try:
        run(scenario, build_server(gate, runs), task_limits=TaskLimits(running_per_person=1))
    finally:
        gate.set()


def test_a_flood_of_calls_starts_no_more_than_may_run() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        answers = await asyncio.gather(*(client.call("ask") for _ in range(60)))
        assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 55
        assert len(wire.endpoint.tasks) == 5

    run(scenario, build_server(), task_limits=TaskLimits(running_per_person=5))


def test_a_person_keeps_so_many_tasks_and_no_result_is_given_up() -> None:
    """Required by extensions/tasks (Tasks): what was promised for a time stays. How many: our choice."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        kept = [await client.start("tell") for _ in range(3)]
        for task_id in kept:
            await client.see_end(task_id)
        assert (await client.call("tell")).status == 429
        assert len(wire.endpoint.tasks._running) == 0
        for task_id in kept:
            assert (await client.get(task_id))["status"] == "completed"
        await TaskClient(wire, BOB).start("tell")
        clock.now += 7200
        await client.start("tell")

    run(scenario, build_server(), clock=clock, store_limits=StoreLimits(tasks_per_person=3))


def test_a_person_keeps_so_many_bytes_of_results() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        for _ in range(2):
            await client.see_end(await client.start("fill", {"size": 600}))
        assert (await client.call("tell")).status == 429

    run(scenario, build_server(), store_limits=StoreLimits(task_bytes_per_person=2500))


def test_a_result_that_is_too_large_is_an_error_in_its_place() -> None:
    """Our choice: the model is told, and the operator."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        ended = await client.see_end(await client.start("fill", {"size": 10_000}))
        assert ended["status"] == "completed"
        assert ended["result"]["isError"] is True
        assert "5000 bytes" in ended["result"]["content"][0]["text"]
        assert len(json.dumps(ended)) < 1000
        fits = await client.see_end(await client.start("fill", {"size": 2000}))
        assert fits["result"]["isError"] is False

    logged = run(scenario, build_server(), task_limits=TaskLimits(max_result=5000), logged=1)
    assert "tool fill" in logged[0]


# What the person allowed, and withdraws

GRANTED = msgspec.structs.replace(ANN, grant="grant-1")


async def grant(store: EmbeddedStore, clock: Clock, *, expires_in: float = 1e6) -> bytes:
    """Keep a grant of ANN's; its id."""
    now = clock.now
    grant_id = b"g" * 16
    code = AuthorizationCode("client-1", "ann", "https://x", True, ("mcp",), ("/mcp",), "c", now + 60)
    given = Grant(
        grant_id=grant_id,
        client_id="client-1",
        client_name="First client",
        username="ann",
        redirect_uri="https://x",
        scope=("mcp",),
        resources=("/mcp",),
        created_at=now,
        last_used_at=now,
        expires_at=now + expires_in,
        public_id="grant-1",
    )
    await store.issue_code(b"code", code)
    await store.redeem_code(b"code", given, b"access", AccessToken(grant_id, now + 60), now=now)
    return grant_id


def test_a_grant_that_is_withdrawn_ends_its_tasks() -> None:
    """Our choice: nothing goes on in the name of a person who has withdrawn it."""
    clock, runs = Clock(), list[str]()

    async def scenario(wire: Wire) -> None:
        store = find_embedded(wire)
        grant_id = await grant(store, clock)
        client = TaskClient(wire, GRANTED)
        task_id = await client.start("ask")
        ended_before = await client.start("tell")
        await client.see_end(ended_before)
        await client.see_question(task_id)
        await wire.endpoint.tasks.look()
        assert (await client.get(task_id))["status"] == "input_required"
        await store.revoke_grant(grant_id)
        await wire.endpoint.tasks.look()
        # With a new grant the same person and client see what became of it.
        again = TaskClient(wire, msgspec.structs.replace(ANN, grant="grant-2"))
        ended = await again.see_end(task_id)
        assert ended["status"] == "cancelled"
        assert "withdrawn" in ended["statusMessage"]
        assert runs == ["cancelled"]
        assert (await again.get(ended_before))["status"] == "completed"

    run(scenario, build_server(runs=runs), clock=clock)


def test_a_grant_that_went_while_the_task_began_ends_it_too() -> None:
    """Our choice: the token was good a moment ago."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire, GRANTED)
        task_id = await client.start("ask")
        await wire.endpoint.tasks.look()
        assert (await client.see_end(task_id))["status"] == "cancelled"

    run(scenario, build_server())


def test_a_grant_that_only_runs_out_does_not() -> None:
    """Our choice: a client without refresh tokens signs in anew, and looks on."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        await grant(find_embedded(wire), clock, expires_in=100)
        client = TaskClient(wire, GRANTED)
        task_id = await client.start("ask")
        await client.see_question(task_id)
        clock.now += 100
        await wire.endpoint.tasks.look()
        assert (await client.get(task_id))["status"] == "input_required"

    run(scenario, build_server(), clock=clock)


# The server ends


def test_after_a_restart_what_ran_has_failed_and_what_had_ended_is_there() -> None:
    """Required by extensions/tasks: tasks are durable. Our choice: work does not outlast its process, and
    that is said."""

    async def scenario(wire: Wire) -> None:
        client = TaskClient(wire)
        running, done = await client.start("ask"), await client.start("tell")
        ended = await client.see_end(done)
        await client.see_question(running)
        # The process is gone; its store is read by the next.
        endpoint = Endpoint(wire.server, path="/mcp", sessions=find_embedded(wire), clock=wire_clock)
        await endpoint.start()
        after = TaskClient(Wire(endpoint, wire.server))
        failed = await after.get(running)
        assert failed["status"] == "failed"
        assert failed["error"]["code"] == -32603
        assert failed["statusMessage"] == failed["error"]["message"]
        assert "inputRequests" not in failed
        assert await after.get(done) == ended
        await after.answer(running, {"sure": accept({"value": True})})
        await after.cancel(running)
        assert await after.get(running) == failed
        stranger = TaskClient(Wire(endpoint, wire.server), BOB)
        assert (await stranger.send("tasks/get", {"taskId": done})).code == -32602
        await endpoint.close()

    wire_clock = Clock()
    run(scenario, build_server(), clock=wire_clock)


def test_a_server_that_stops_says_so_of_what_it_cuts() -> None:
    """Our choice: tasks that wait for their client end when it is not let in any more, the others may finish
    until the server closes."""
    gate, runs = threading.Event(), list[str]()

    async def scenario(wire: Wire) -> None:
        client, store = TaskClient(wire), find_embedded(wire)
        asking, hanging = await client.start("ask"), await client.start("hang")
        await client.see_question(asking)
        await until(lambda: "hangs" in runs)

        async def find_status(task_id: str) -> tuple[str, str]:
            record = await store.find_task(hashlib.sha256(task_id.encode()).digest(), now=0)
            assert record is not None
            return record.status, record.cause

        await wire.endpoint.end_streams()
        await until(lambda: len(wire.endpoint.tasks) == 1)
        assert await find_status(asking) == ("failed", "interrupted")
        assert await find_status(hanging) == ("working", "")
        assert (await client.call("tell")).status == 503
        await wire.endpoint.close()
        assert await find_status(hanging) == ("failed", "interrupted")

    try:
        run(scenario, build_server(gate, runs))
    finally:
        gate.set()


class Roster:
    def __init__(self) -> None:
        self.present: set[object] = set()

    def add(self, request: object) -> None:
        self.present.add(request)

    def discard(self, request: object) -> None:
        self.present.discard(request)


def test_a_server_that_stops_can_wait_for_tasks() -> None:
    """Our choice: they count as requests do."""

    async def scenario(wire: Wire) -> None:
        roster = wire.endpoint.tasks.roster = Roster()
        client = TaskClient(wire)
        task_id = await client.start("tell")
        assert len(roster.present) == 1
        await client.see_end(task_id)
        await until(lambda: not roster.present)

    run(scenario, build_server())


def test_a_disk_that_fails_promises_nothing_and_loses_nothing() -> None:
    """Our choice: 503 for a task that can't be kept. One whose end can't be kept has not ended yet; its end
    is kept once the disk takes it."""

    async def scenario(wire: Wire) -> None:
        client, store, tasks = TaskClient(wire), find_embedded(wire), wire.endpoint.tasks
        telling, asking = await client.start("ask"), await client.start("ask")
        await client.see_question(telling)
        await client.see_question(asking)
        start_task, end_task = store.start_task, store.end_task

        async def fail(*_: object, **__: object) -> Any:
            raise StoreUnavailable("disk full")

        store.start_task = fail  # type: ignore[method-assign]
        store.end_task = fail  # type: ignore[method-assign]
        refused = await client.call("tell")
        assert (refused.status, refused.code) == (503, -32603)
        assert len(tasks._running) == 2
        await client.answer(telling, {"sure": {"action": "decline"}})
        await until(lambda: tasks._unsaved)
        assert (await client.get(telling))["status"] == "working"
        await tasks.look()
        await until(lambda: tasks._unsaved)
        assert (await client.get(telling))["status"] == "working"
        store.start_task, store.end_task = start_task, end_task  # type: ignore[method-assign]
        await tasks.look()
        assert (await client.see_end(telling))["result"]["content"][0]["text"] == "decline"
        await client.see_end(await client.start("tell"))
        await client.cancel(asking)
        await until(lambda: len(tasks._running) == 0)

    run(scenario, build_server(), logged=3)


def test_a_server_can_stop_while_the_disk_fails() -> None:
    """Our choice: what ran has failed after the restart, as after a kill."""

    async def scenario(wire: Wire) -> None:
        client, store, tasks = TaskClient(wire), find_embedded(wire), wire.endpoint.tasks
        task_id = await client.start("tell")

        async def fail(*_: object, **__: object) -> Any:
            raise StoreUnavailable("disk full")

        store.end_task = fail  # type: ignore[method-assign]
        await until(lambda: tasks._unsaved)
        await wire.endpoint.close()
        record = await store.find_task(hashlib.sha256(task_id.encode()).digest(), now=0)
        assert record is not None
        assert record.status == "working"
        assert len(tasks) == 0

    run(scenario, build_server(), logged=2)
