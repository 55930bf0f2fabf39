"""Implements: MCP extension io.modelcontextprotocol/tasks (Tasks, Task Status, Task Execution Errors): a task
as the client sees it.

What a task came to is sealed under its id, of which the store knows the digest alone: it opens for who has
the id, and for nobody who reads the disk.
"""

import datetime
from types import MappingProxyType

import msgspec

from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, Json, JsonRpcError, build_error
from omnitornado.mcp.sealing import open_sealed, seal
from omnitornado.store.records import Task

PURPOSE = b"task"

MESSAGES = MappingProxyType(
    {
        "interrupted": "The server was stopped while the task ran.",
        "cancelled": "The client cancelled it.",
        "revoked": "The person has withdrawn what they allowed the client.",
    }
)
"""`statusMessage` by the cause in the task's record."""


def build_task(task_id: str, task: Task) -> Json:
    """`Task`, what all its shapes have in common."""
    built: Json = {
        "taskId": task_id,
        "status": task.status,
        "createdAt": _build_time(task.created_at),
        "lastUpdatedAt": _build_time(task.updated_at),
        "ttlMs": round((task.expires_at - task.created_at) * 1000),
        "pollIntervalMs": max(1, round(task.poll_interval * 1000)),
    }
    if task.cause in MESSAGES:
        built["statusMessage"] = MESSAGES[task.cause]
    return built


def build_ended_task(task_id: str, task: Task) -> Json:
    """`CompletedTask`, `FailedTask` or `CancelledTask`."""
    built = build_task(task_id, task)
    if task.sealed:
        opened = open_sealed(task_id.encode("ascii"), task.sealed, purpose=PURPOSE)
        if opened is None:
            raise ValueError("a task's result does not open with its id")
        return built | msgspec.json.decode(opened, type=dict[str, msgspec.Raw])
    if task.status == "failed":
        error = JsonRpcError(code=INTERNAL_ERROR, message=MESSAGES.get(task.cause, "Internal error"))
        built["error"] = build_error(error)["error"]
    return built


def seal_result(task_id: str, result: Json, nonce: bytes) -> bytes:
    """What a `completed` task came to."""
    return _seal(task_id, {"result": result}, nonce)


def seal_error(task_id: str, error: JsonRpcError, nonce: bytes) -> bytes:
    """What a `failed` task came to."""
    return _seal(task_id, {"statusMessage": error.message, "error": build_error(error)["error"]}, nonce)


def _seal(task_id: str, details: Json, nonce: bytes) -> bytes:
    return seal(task_id.encode("ascii"), msgspec.json.encode(details), nonce, purpose=PURPOSE)


def _build_time(at: float) -> str:
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
