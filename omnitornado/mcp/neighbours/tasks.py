"""Implements: MCP extension io.modelcontextprotocol/tasks, across processes.

Our choice. The process that works on a task knows how it stands and takes its client's answers; the others
ask it. What they can't reach they know from the store alone: that it works, or what it came to.
"""

import asyncio
from typing import Any

from omnitornado.mcp.jsonrpc import Json, JsonRpcError
from omnitornado.mcp.live_task import LiveTask, TaskChange, TaskView
from omnitornado.mcp.neighbours.messages import TaskMoved
from omnitornado.mcp.neighbours.network import Network
from omnitornado.mcp.streams import Feed
from omnitornado.mcp.tasks import Tasks
from omnitornado.store.records import Task

PAUSE = 0.2
"""Seconds between two words about one task, at least: its progress may change often."""


class FarTasks:
    """The tasks of an endpoint that other processes work on (`mcp.tasks.Elsewhere`)."""

    def __init__(self, network: Network, tasks: Tasks) -> None:
        self._network = network
        self._tasks = tasks
        self._heard: dict[bytes, list[FarTask]] = {}
        """Those that streams here are told of, each as the stream's request has found it."""
        self._moved: set[bytes] = set()
        tasks.elsewhere = self
        tasks.on_move = self._tell_moved
        network.answer("task", self._answer)
        network.hear(TaskMoved, self._hear_moved)

    async def find(self, task_id: str, key: bytes, record: Task) -> TaskView | None:
        """A task that has not ended, as the process that works on it knows it; None where nobody says so."""
        said = await self.ask(key, "describe", {})
        return None if said is None else FarTask(self, task_id, key, record, said)

    async def ask(self, key: bytes, what: str, args: Json) -> Json | None:
        """DetailedTask without its id, after `what` has been done.

        Raises:
            JsonRpcError: -32602, answers that do not fit.
        """
        found = await self._network.ask("task", [key, what, args])
        said: Json = {"ended": True} if found is None else found[1]
        if "ended" in said:
            return None
        if "refused" in said:
            raise JsonRpcError(code=said["refused"], message=said["message"])
        return said

    def listen(self, task: "FarTask") -> None:
        """Look again whenever the task moves."""
        self._heard.setdefault(task.key, []).append(task)

    # Tasks of ours

    async def _answer(self, args: Any) -> Any:
        key, what, given = args
        task = self._tasks.find_here(key)
        if task is None:
            return None
        try:
            if what == "update":
                await task.take_answers(given)
            elif what == "cancel":
                await task.cancel()
        except JsonRpcError as error:
            return {"refused": error.code, "message": error.message}
        if task.has_ended.done():
            return {"ended": True}  # what it came to is in the store
        described = task.describe()
        del described["taskId"]
        return described

    def _tell_moved(self, task: LiveTask) -> None:
        if not self._network.others or task.key in self._moved:
            return
        self._moved.add(task.key)
        asyncio.get_running_loop().call_later(PAUSE, self._tell_now, task.key)

    def _tell_now(self, key: bytes) -> None:
        self._moved.discard(key)
        self._network.tell(TaskMoved(key))

    # Tasks of others

    def _hear_moved(self, message: TaskMoved, node: bytes) -> None:
        heard = self._heard.get(message.task)
        if heard:
            self._network.spawn(self._look_again(heard[0].task_id, message.task))

    async def _look_again(self, task_id: str, key: bytes) -> None:
        view = await self._tasks.look_up(task_id, key)
        left = [task for task in self._heard.pop(key, ()) if task.follow(view)]
        if left:
            self._heard[key] = left


class FarTask(TaskView):
    """A task that another process works on, as it stood when that was asked."""

    def __init__(self, far: FarTasks, task_id: str, key: bytes, record: Task, said: Json) -> None:
        super().__init__(task_id, key, record)
        self._far = far
        self._said: Json | None = said
        self._feeds: list[Feed] = []
        self._change = TaskChange(self)

    def describe(self) -> Json:
        """`DetailedTask`."""
        if self._said is None:
            return super().describe()
        return {"taskId": self.task_id, **self._said}

    async def take_answers(self, responses: Json) -> None:
        await self._far.ask(self.key, "update", responses)

    async def cancel(self) -> None:
        await self._far.ask(self.key, "cancel", {})

    def add_feed(self, feed: Feed) -> None:
        self._feeds.append(feed)
        self._far.listen(self)
        feed.offer(self._change)

    def follow(self, view: TaskView | None) -> bool:
        """How it stands now; False where there is nothing more to hear."""
        self._feeds = [one for one in self._feeds if not one.closed]
        if view is None or not self._feeds:
            return False
        is_far = isinstance(view, FarTask)
        self._said = view._said if isinstance(view, FarTask) else None
        self.record = view.record
        for feed in self._feeds:
            feed.offer(self._change)
        return is_far
