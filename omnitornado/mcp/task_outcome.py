"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Execution Errors): what a task comes to."""

import logging
from collections.abc import Awaitable, Callable

from omnitornado.mcp.content import build_text
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, Json, JsonRpcError
from omnitornado.mcp.live_task import LiveTask, TaskEndedError
from omnitornado.mcp.sealing import NONCE_BYTES
from omnitornado.mcp.task_shapes import seal_error, seal_result
from omnitornado.mcp.tools import Tool

log = logging.getLogger("omnitornado.mcp")


async def find_end(
    task: LiveTask,
    tool: Tool,
    work: Callable[[LiveTask], Awaitable[Json]],
    *,
    max_result: int,
    token_bytes: Callable[[int], bytes],
) -> tuple[str, str, bytes]:
    """Do the work of a task; status, cause, and what is sealed of it. `max_result` in bytes."""
    nonce = token_bytes(NONCE_BYTES)
    try:
        sealed = seal_result(task.task_id, await work(task), nonce)
        if len(sealed) > max_result:
            log.warning("%s returned more than the %d bytes that are kept", tool.label, max_result)
            sealed = seal_result(task.task_id, _build_too_large(max_result), token_bytes(NONCE_BYTES))
        return "completed", "", sealed
    except TaskEndedError as end:
        return end.status, end.cause, b""
    except JsonRpcError as error:
        return "failed", "", seal_error(task.task_id, error, nonce)
    except Exception as error:
        reference = token_bytes(4).hex()
        log.error("internal error in a task, reference %s", reference, exc_info=error)
        failure = JsonRpcError(code=INTERNAL_ERROR, message=f"Internal error {reference}")
        return "failed", "", seal_error(task.task_id, failure, nonce)


def _build_too_large(limit: int) -> Json:
    message = f"The result is larger than the {limit} bytes that are kept of a task."
    return {"resultType": "complete", "content": [build_text(message)], "isError": True}
