"""Implements: MCP 2026-07-28 server/tools (Protocol Messages): `tools/list`, `tools/call`, for both eras."""

from omnitornado.mcp.call import Call
from omnitornado.mcp.calls import build_error_outcome
from omnitornado.mcp.content import adapt_blocks
from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.task_support import build_task_refusal
from omnitornado.mcp.tools import Outcome, Tool, build_call_result


async def list_tools(services: Services, exchange: Exchange) -> Json:
    """A page of tools. Every caller sees all of them: a tool behind a scope that the caller lacks is there to
    be called, so that the 403 can ask the person for it."""
    tools, cursor = services.server.tools.list_page(exchange.params, services.page_size)
    result: Json = {"tools": [tool.describe(exchange.version) for tool in tools]}
    if cursor is not None:
        result["nextCursor"] = cursor
    return result


def find_tool(services: Services, exchange: Exchange) -> Tool:
    """The tool that a call names.

    Raises:
        JsonRpcError: -32602 (server/tools, Error Handling).
    """
    name = exchange.get_string("name")
    tool = services.server.tools.find(name)
    if tool is None:
        raise JsonRpcError(code=INVALID_PARAMS, message=f"Unknown tool: {name[:128]}")
    return tool


async def call_tool(services: Services, exchange: Exchange, call: Call) -> Json:
    """Run a tool, with a client that takes no tasks.

    Raises:
        JsonRpcError: unknown tool, malformed params.
        CallCancelledError: the client took the request back.
    """
    tool = find_tool(services, exchange)
    if tool.task is not None and tool.task.required:
        return _build_result(build_error_outcome(str(build_task_refusal(tool.label))), exchange.version)
    return await run_tool(services, tool, exchange, call)


async def run_tool(services: Services, tool: Tool, exchange: Exchange, call: Call) -> Json:
    """Run a tool and give its result the revision's shape.

    Raises:
        JsonRpcError: malformed params, or a protocol failure of the tool's.
        CallCancelledError: the client took the request back.
        CallSuspendedError: it goes on elsewhere.
    """
    arguments = exchange.get_object("arguments")
    outcome = await services.runner.run(
        tool, arguments, exchange.principal, call, exchange.build_context, exchange.version
    )
    return _build_result(outcome, exchange.version)


def _build_result(outcome: Outcome, version: str) -> Json:
    return build_call_result(outcome, version, adapt_blocks(outcome.blocks, version))
