"""A client that takes tasks."""

import asyncio
import hashlib

import msgspec
from mcp_conversation import EVERYTHING
from mcp_samples import (
    ANN,
    CAPABILITIES_KEY,
    Answer,
    FakeOutbound,
    Json,
    Wire,
    build_headers,
    build_stateless,
    until,
)

from omnitornado.mcp.live_task import LiveTask
from omnitornado.mcp.principal import Principal

EXTENSION = "io.modelcontextprotocol/tasks"
TASKS: Json = {"extensions": {EXTENSION: {}}}
METHODS = ("tasks/get", "tasks/update", "tasks/cancel")
FOR_ALL = {"taskId", "status", "createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"}
"""What a task always has."""


class TaskClient:
    """Speaks for a person, through a client that can be asked everything."""

    def __init__(
        self, wire: Wire, principal: Principal = ANN, *, capabilities: Json = EVERYTHING | TASKS
    ) -> None:
        self.wire = wire
        self.principal = principal
        self.capabilities = capabilities

    async def send(self, method: str, params: Json) -> Answer:
        message = build_stateless(method, params, **{CAPABILITIES_KEY: self.capabilities})
        return await self.wire.post(message, build_headers(message), principal=self.principal)

    async def call(self, name: str, arguments: Json | None = None, **params: object) -> Answer:
        return await self.send("tools/call", {"name": name, "arguments": arguments or {}, **params})

    async def start(self, name: str, arguments: Json | None = None, **params: object) -> str:
        """Call a tool that becomes a task; its id."""
        result = (await self.call(name, arguments, **params)).result
        assert result["resultType"] == "task", result
        task_id: str = result["taskId"]
        return task_id

    async def get(self, task_id: str) -> Json:
        """The task as `tasks/get` tells of it."""
        result = (await self.send("tasks/get", {"taskId": task_id})).result
        assert result["resultType"] == "complete"
        return {name: value for name, value in result.items() if name not in ("_meta", "resultType")}

    async def answer(self, task_id: str, responses: Json) -> None:
        answered = await self.send("tasks/update", {"taskId": task_id, "inputResponses": responses})
        check_acknowledged(answered)

    async def cancel(self, task_id: str) -> None:
        check_acknowledged(await self.send("tasks/cancel", {"taskId": task_id}))

    async def see_end(self, task_id: str) -> Json:
        """The task once it has ended."""
        live = find_live(self.wire, task_id)
        if live is not None:
            await asyncio.shield(live.has_ended)
        return await self.get(task_id)

    async def see_question(self, task_id: str) -> Json:
        """What a task asks, once it does."""
        live = find_live(self.wire, task_id)
        assert live is not None
        await until(lambda: live.is_waiting or live.has_ended.done())
        task = await self.get(task_id)
        assert task["status"] == "input_required", task
        requests: Json = task["inputRequests"]
        return requests

    async def listen(self, task_ids: object) -> "Listener":
        message = build_stateless(
            "subscriptions/listen",
            {"notifications": {"taskIds": task_ids}},
            request_id="listener",
            **{CAPABILITIES_KEY: self.capabilities},
        )
        listener = Listener()
        body = msgspec.json.encode(message)
        listener.reply = await self.wire.endpoint.handle_post(
            body, build_headers(message), self.principal, listener.outbound
        )
        return listener


class Listener:
    """A stream of `subscriptions/listen`."""

    def __init__(self) -> None:
        self.outbound = FakeOutbound()
        self.reply: object = None
        self._seen = 0

    async def hear(self) -> Json:
        """The next message."""
        await until(lambda: len(self.outbound.sent) > self._seen)
        self._seen += 1
        return self.outbound.sent[self._seen - 1]

    async def hear_task(self) -> Json:
        """The next task that it is told of."""
        message = await self.hear()
        assert message["method"] == "notifications/tasks", message
        params: Json = message["params"]
        assert params["_meta"] == {"io.modelcontextprotocol/subscriptionId": "listener"}
        return {name: value for name, value in params.items() if name != "_meta"}

    def leave(self) -> None:
        assert self.outbound.reader is not None
        self.outbound.reader.detach()


def find_live(wire: Wire, task_id: str) -> LiveTask | None:
    return wire.endpoint.tasks._live.get(hashlib.sha256(task_id.encode()).digest())


def check_acknowledged(answer: Answer) -> None:
    """An empty acknowledgement (Task Update Requests, Task Cancellation)."""
    assert answer.status == 200
    assert set(answer.result) == {"resultType", "_meta"}
    assert answer.result["resultType"] == "complete"
