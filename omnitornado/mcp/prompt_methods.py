"""Implements: MCP 2026-07-28 server/prompts (Protocol Messages, Error Handling): `prompts/list`,
`prompts/get`, for both eras.
"""

from omnitornado.mcp.call import Call
from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.prompts import build_messages
from omnitornado.mcp.schema import ArgumentError
from omnitornado.mcp.string_arguments import parse_strings


async def list_prompts(services: Services, exchange: Exchange) -> Json:
    """A page of prompts. Every caller sees all of them, as with tools."""
    prompts, cursor = services.server.prompts.list_page(exchange.params, services.page_size)
    result: Json = {"prompts": [prompt.describe(exchange.version) for prompt in prompts]}
    if cursor is not None:
        result["nextCursor"] = cursor
    return result


async def get_prompt(services: Services, exchange: Exchange, call: Call) -> Json:
    """Run a prompt's function and give its messages the revision's shape.

    Raises:
        JsonRpcError: unknown prompt, missing, unknown or malformed arguments, a failure of the function.
        CallCancelledError: the client took the request back.
    """
    name = exchange.get_string("name")
    prompt = services.server.prompts.find(name)
    if prompt is None:
        raise JsonRpcError(code=INVALID_PARAMS, message=f"Unknown prompt: {name[:128]}")
    try:
        values = parse_strings(prompt.arguments, exchange.get_strings("arguments"))
    except ArgumentError as error:
        message = f"Invalid arguments for {prompt.name}: {error}"
        raise JsonRpcError(code=INVALID_PARAMS, message=message) from None
    context = exchange.build_context(call)
    values |= dict.fromkeys(prompt.arguments.context_names, context)
    messages = await services.runner.run_function(
        prompt, values, context, call, lambda value: build_messages(value, exchange.version)
    )
    result: Json = {"messages": messages}
    if prompt.description:
        result["description"] = prompt.description
    return result
