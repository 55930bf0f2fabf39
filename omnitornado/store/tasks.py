"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Status, Task Creation): what starting and
ending a task changes.
"""

import msgspec

from omnitornado.store.limits import Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.records import Task

WORKING = "working"
INTERRUPTED = "interrupted"


def start_task(
    state: State, limits: Limits, task_hash: bytes, task: Task, now: float
) -> tuple[bool, Changes]:
    """Whether there was room, and the change."""
    kept = [
        one
        for key in state.tasks.find_members(task.username)
        if (one := state.tasks.find_living(key, now)) is not None
    ]
    has_room = len(kept) < limits.tasks_per_person
    has_room = has_room and sum(len(one.sealed) for one in kept) < limits.task_bytes_per_person
    return has_room, (state.tasks.build_put(task_hash, task),) if has_room else ()


def end_task(
    state: State, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
) -> tuple[Task | None, Changes]:
    """The task as it stands after it, and the change."""
    task = state.tasks.find_living(task_hash, now)
    if task is None or task.status != WORKING:
        return task, ()
    ended = msgspec.structs.replace(task, status=status, cause=cause, sealed=sealed, updated_at=now)
    return ended, (state.tasks.build_put(task_hash, ended),)


def interrupt_tasks(state: State, path: str, now: float) -> tuple[int, Changes]:
    """How many there were, and the changes."""
    changes = [
        state.tasks.build_put(
            key, msgspec.structs.replace(task, status="failed", cause=INTERRUPTED, updated_at=now)
        )
        for piece in state.tasks.iterate_slices(1024)
        for key, task in piece.items()
        if task.status == WORKING and task.path == path and not state.tasks.is_past(task, now)
    ]
    return len(changes), changes
