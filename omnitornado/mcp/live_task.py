"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Status, Task Update Requests, Task Status
Notifications): a task while this process works on it.

The questions that wait for an answer live here alone, beside the function that waits for it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from omnitornado.mcp.call import Call, CallSuspendedError, Tally
from omnitornado.mcp.content import clean_text
from omnitornado.mcp.context import CallEndedError
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.questions import Question
from omnitornado.mcp.streams import BuildNotification, Feed
from omnitornado.mcp.task_shapes import build_ended_task, build_task
from omnitornado.store.records import Task

CANCEL_PATIENCE = 1.0
"""Seconds that a cancellation waits for its effect, so that its client finds it at once."""
MAX_MESSAGE = 512
"""Characters of a status message."""


class TaskEndedError(CallSuspendedError):
    """The task ends, and not by its function's doing. `cause` as in the task's record."""

    def __init__(self, status: str, cause: str) -> None:
        super().__init__(cause)
        self.status = status
        self.cause = cause


class TaskView:
    """A task that has ended, for whoever has its id. `key` is the id's digest."""

    def __init__(self, task_id: str, key: bytes, record: Task) -> None:
        self.task_id = task_id
        self.key = key
        self.record = record

    def describe(self) -> Json:
        """`DetailedTask`."""
        return build_ended_task(self.task_id, self.record)

    def add_feed(self, feed: Feed) -> None:
        """Tell a stream how the task stands, and from then on whenever that changes."""
        feed.offer(TaskChange(self))

    async def take_answers(self, responses: Json) -> None:
        """Take answers of its client. One for a question that isn't open is ignored.

        Raises:
            JsonRpcError: -32602, an answer that doesn't fit its question, which stays open.
        """

    async def cancel(self) -> None:
        """End it at its client's request, whether its function listens or not; one that ended before stays
        as it is. The task is over when this returns, unless the disk is slow to take that."""


class TaskChange(msgspec.Struct, frozen=True, eq=False):
    """A task stands differently. How, is looked up when it is told: a task is worth one message at a time."""

    task: TaskView

    is_large = True

    def is_for(self, kinds: object, uris: object) -> bool:
        """Whoever is told has asked for this task."""
        return True

    def build(self, build: BuildNotification) -> Json:
        """The notification that tells of it."""
        return build("notifications/tasks", self.task.describe())


class LiveTask(TaskView):
    """A task that this process works on. Belongs to the event loop."""

    def __init__(
        self,
        task_id: str,
        key: bytes,
        record: Task,
        principal: Principal,
        *,
        time_limit: float,
        grant_ends_at: float | None,
        clock: Callable[[], float],
        on_idle: Callable[[], None],
    ) -> None:
        """
        Args:
            task_id: what the client knows it by.
            key: the id's digest.
            record: as it stands in the store.
            principal: who started it.
            time_limit: seconds that it may run.
            grant_ends_at: when what the person allowed the client ends; None where that is not known.
            clock: seconds since the epoch.
            on_idle: called when nothing of the author's runs for it any more.
        """
        super().__init__(task_id, key, record)
        self.principal = principal
        self.time_limit = time_limit
        self.grant_ends_at = grant_ends_at
        self.tally = Tally(on_idle)
        self.call = Call(self._hear, tally=self.tally)
        self.has_ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock = clock
        self._message = ""
        self._open: dict[str, tuple[Question[Any], asyncio.Future[Any]]] = {}
        self._feeds: list[Feed] = []
        self._change = TaskChange(self)
        self.on_move: Callable[[LiveTask], None] | None = None
        """Called whenever it stands differently."""

    def describe(self) -> Json:
        """`DetailedTask`."""
        return super().describe() if self.has_ended.done() else self.describe_running()

    def describe_running(self) -> Json:
        """`WorkingTask` or `InputRequiredTask`."""
        built = build_task(self.task_id, self.record)
        if self._message:
            built["statusMessage"] = self._message
        if self._open:
            built["status"] = "input_required"
            built["inputRequests"] = {
                key: {"method": question.method, "params": question.params}
                for key, (question, _) in self._open.items()
            }
        return built

    @property
    def is_waiting(self) -> bool:
        """Whether it can't go on without its client."""
        return bool(self._open)

    async def ask(self, key: str, question: Question[Any]) -> Any:
        """The client's answer. The call's time stands still meanwhile."""
        if self.call.ended:
            raise CallEndedError("the task has ended")
        answered = asyncio.get_running_loop().create_future()
        self._open[key] = (question, answered)
        self._tell()
        try:
            with self.call.pause():
                return await answered
        finally:
            if self._open.pop(key, None) is not None:
                self._tell()

    async def take_answers(self, responses: Json) -> None:
        """All of them or none."""
        taken = [(key, self._parse(key, answer)) for key, answer in responses.items() if key in self._open]
        for key, value in taken:
            _, answered = self._open.pop(key)
            if not answered.done():
                answered.set_result(value)
        if taken:
            self._tell()

    async def cancel(self) -> None:
        if not self.has_ended.done():
            self.stop(TaskEndedError("cancelled", "cancelled"))
            await asyncio.wait((self.has_ended,), timeout=CANCEL_PATIENCE)

    def stop(self, reason: Exception) -> None:
        """End it early; its end comes soon, in a turn of its own."""
        self.call.stop(reason)

    def end(self, record: Task) -> None:
        """It has ended, and the store knows."""
        self.record = record
        self.has_ended.set_result(None)
        self._tell(is_end=True)
        self._feeds.clear()

    def add_feed(self, feed: Feed) -> None:
        self._feeds = [one for one in self._feeds if not one.closed]
        if not self.has_ended.done():
            self._feeds.append(feed)
        feed.offer(self._change)

    def _parse(self, key: str, answer: Any) -> Any:
        question, _ = self._open[key]
        try:
            return question.parse(answer)
        except ValueError as error:
            message = f"Invalid params: inputResponses.{key}: {error}"
            raise JsonRpcError(code=INVALID_PARAMS, message=message) from None

    async def _hear(self, message: Json) -> None:
        """What the function reports: its progress is the task's status message, for a task has no
        notifications of its own (Task Status Notifications)."""
        params = message["params"]
        words = params.get("message") or "{:g}".format(params["progress"]) + (
            " of {:g}".format(params["total"]) if "total" in params else ""
        )
        self._message = clean_text(words[:MAX_MESSAGE])
        self._tell()

    def _tell(self, *, is_end: bool = False) -> None:
        if not is_end:
            self.record = msgspec.structs.replace(self.record, updated_at=self._clock())
        for feed in self._feeds:
            feed.offer(self._change)
        if self.on_move is not None:
            self.on_move(self)
