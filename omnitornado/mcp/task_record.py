"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Creation, Tasks): what the store keeps of a
task, and for how long.

Our choice: a task has a time to run, and its result a time to be kept for; `ttlMs` is the sum of both, and
never changes.
"""

from collections.abc import Sequence
from typing import Protocol

from omnitornado.mcp.limits import TaskLimits
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.task_support import TaskSupport
from omnitornado.mcp.tools import Tool
from omnitornado.store.records import Grant, Task


class TaskStore(Protocol):
    """The transitions that tasks need of the store."""

    async def start_task(self, task_hash: bytes, task: Task, *, now: float) -> bool: ...

    async def find_task(self, task_hash: bytes, *, now: float) -> Task | None: ...

    async def end_task(
        self, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
    ) -> Task | None: ...

    async def interrupt_tasks(self, *, path: str, now: float) -> int: ...

    async def find_grants(self, username: str, *, now: float) -> Sequence[Grant]: ...


def build_record(
    tool: Tool, principal: Principal, limits: TaskLimits, *, path: str, now: float
) -> tuple[Task, float]:
    """A new task's record, and the seconds that it may run."""
    support = tool.task or TaskSupport()
    time_limit = support.time_limit or limits.time_limit
    kept = support.result_lifetime or limits.result_lifetime
    lifetime = min(time_limit + kept, limits.max_lifetime)
    record = Task(
        username=principal.username,
        client_id=principal.client_id,
        path=path,
        tool=tool.name,
        scopes=tuple(sorted(tool.scopes)),
        status="working",
        created_at=now,
        updated_at=now,
        expires_at=now + lifetime,
        poll_interval=support.poll_interval or limits.poll_interval,
    )
    # Where both don't fit, the result keeps its part of the time.
    return record, min(time_limit, max(lifetime - kept, lifetime / 2))
