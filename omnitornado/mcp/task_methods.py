"""Implements: MCP extension io.modelcontextprotocol/tasks (Polymorphic Results, Task Creation, Task Polling,
Task Update Requests, Task Cancellation, Protocol Errors): `tools/call` as a task, and `tasks/get`,
`tasks/update` and `tasks/cancel`.

The client has to declare the extension with each request. A tool's call becomes a task at its start, or where
its function says so; arguments that don't fit never do.
"""

from functools import partial

import msgspec

from omnitornado.mcp.call import Call
from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, Json, JsonRpcError
from omnitornado.mcp.live_task import LiveTask, TaskView
from omnitornado.mcp.nested_read import read_nested
from omnitornado.mcp.param_headers import check_param_headers
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.request_state import CallState
from omnitornado.mcp.rounds import TaskWantedError
from omnitornado.mcp.schema import ArgumentError
from omnitornado.mcp.task_asker import TaskAsker
from omnitornado.mcp.task_support import EXTENSION, build_task_refusal, takes_tasks
from omnitornado.mcp.tool_methods import find_tool, run_tool
from omnitornado.mcp.tools import Tool

MAX_TASK_IDS = 64
"""Tasks that one stream may listen to."""


async def call_tool_or_start_task(services: Services, exchange: Exchange, call: Call) -> Json:
    """`tools/call`: CallToolResult, or CreateTaskResult.

    Raises:
        JsonRpcError: unknown tool, malformed params, a client that lacks what the tool needs, 429.
        InputRequiredError: the client has to answer first.
    """
    tool = find_tool(services, exchange)
    if tool.param_headers:
        check_param_headers(tool.param_headers, exchange.get_object("arguments"), exchange.headers)
    if tool.task is None:
        return await run_tool(services, tool, exchange, call)
    if not takes_tasks(exchange.capabilities):
        if tool.task.required:
            raise build_task_refusal(tool.label).build_error()
        return await run_tool(services, tool, exchange, call)
    if tool.task.starts_at_once and not exchange.is_continued and _fits(tool, exchange):
        return await _start(services, tool, exchange, None)
    try:
        return await run_tool(services, tool, exchange, call)
    except TaskWantedError as wanted:
        return await _start(services, tool, exchange, wanted.state)


async def get_task(services: Services, exchange: Exchange) -> Json:
    """`tasks/get`."""
    return (await _find(services, exchange)).describe()


async def update_task(services: Services, exchange: Exchange) -> Json:
    """`tasks/update`. What is answered, or was never asked, is ignored."""
    task = await _find(services, exchange)
    responses = exchange.params.get("inputResponses")
    if not isinstance(responses, dict):
        message = "Invalid params: inputResponses must be an object"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    await task.take_answers(responses)
    return {}


async def cancel_task(services: Services, exchange: Exchange) -> Json:
    """`tasks/cancel`."""
    await (await _find(services, exchange)).cancel()
    return {}


async def find_listened_tasks(
    services: Services, asked: Json, capabilities: Json, principal: Principal
) -> list[TaskView]:
    """The tasks that a subscription's filter names, of those that the caller has.

    Raises:
        JsonRpcError: -32602, malformed; -32021, the client doesn't declare the extension.
        ScopeError
    """
    task_ids = asked.get("taskIds")
    if task_ids is None or EXTENSION not in services.server.extensions:
        return []
    if not takes_tasks(capabilities):
        raise build_task_refusal("subscription to tasks").build_error()
    if not isinstance(task_ids, list) or not all(isinstance(task_id, str) for task_id in task_ids):
        message = "Invalid params: taskIds must be a list of strings"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    if len(task_ids) > MAX_TASK_IDS:
        raise JsonRpcError(code=INVALID_PARAMS, message=f"Invalid params: more than {MAX_TASK_IDS} taskIds")
    found = [await services.tasks.search(task_id, principal) for task_id in dict.fromkeys(task_ids)]
    return [task for task in found if task is not None]


def _fits(tool: Tool, exchange: Exchange) -> bool:
    try:
        tool.arguments.parse(exchange.get_object("arguments"))
    except ArgumentError:
        return False
    return True


async def _start(services: Services, tool: Tool, exchange: Exchange, state: CallState | None) -> Json:
    """CreateTaskResult."""
    own = msgspec.structs.replace(services, runner=services.tasks.runner)
    # Nothing of the request's connection: the task outlasts it.
    background = msgspec.structs.replace(
        exchange,
        headers={},
        send=None,
        # What the tool says of its progress becomes the task's status message.
        progress_token="task",  # noqa: S106 - no password
        log_level=None,
        build_asker=None,
        read=partial(read_nested, own),
    )
    task = await services.tasks.start(tool, exchange.principal, partial(_work, own, tool, background, state))
    return {"resultType": "task", **task.describe_running()}


async def _work(
    services: Services, tool: Tool, exchange: Exchange, state: CallState | None, task: LiveTask
) -> Json:
    asker = TaskAsker(task, exchange.capabilities, version=exchange.version, state=state)
    exchange = msgspec.structs.replace(exchange, build_asker=lambda _: asker)
    return {"resultType": "complete", **await run_tool(services, tool, exchange, task.call)}


async def _find(services: Services, exchange: Exchange) -> TaskView:
    if EXTENSION not in services.server.extensions:
        method = exchange.request.method
        raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {method}")
    if not takes_tasks(exchange.capabilities):
        raise build_task_refusal(f"method {exchange.request.method}").build_error()
    return await services.tasks.find(exchange.params.get("taskId"), exchange.principal)
