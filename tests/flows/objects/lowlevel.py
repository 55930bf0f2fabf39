"""A low-level `Server` of the official SDK. `app = "objects.lowlevel:mcp"`."""

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.lowlevel import Server

from . import gate

Context = Any
Answer = types.CallToolResult | types.InputRequiredResult
ADMIN = {"securitySchemes": [{"type": "oauth2", "scopes": ["admin"]}]}


def build_text(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def add(ctx: Context, arguments: dict[str, Any]) -> Answer:
    return build_text(str(arguments["a"] + arguments["b"]))


async def whoami(ctx: Context, arguments: dict[str, Any]) -> Answer:
    token = get_access_token()
    return build_text("nobody" if token is None else token.model_dump_json())


async def countdown(ctx: Context, arguments: dict[str, Any]) -> Answer:
    steps = arguments["steps"]
    for step in range(1, steps + 1):
        await ctx.session.report_progress(step, steps)
    return build_text("done")


async def ask(ctx: Context, arguments: dict[str, Any]) -> Answer:
    """In a session the SDK asks on the call's own stream."""
    properties = {"name": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": ["name"]}
    answer = await ctx.session.elicit_form("What is your name?", schema, ctx.request_id)
    return build_text(f"hello {answer.content['name']}")


async def hold(ctx: Context, arguments: dict[str, Any]) -> Answer:
    await ctx.session.report_progress(0, 1)
    return build_text(await gate.hold())


async def count_tasks(ctx: Context, arguments: dict[str, Any]) -> Answer:
    return build_text(str(gate.count_tasks()))


async def reset(ctx: Context, arguments: dict[str, Any]) -> Answer:
    return build_text("reset")


TOOLS: dict[str, Callable[[Context, dict[str, Any]], Awaitable[Answer]]] = {
    tool.__name__: tool for tool in (add, whoami, countdown, ask, hold, count_tasks, reset)
}


async def list_tools(ctx: Context, params: Any) -> types.ListToolsResult:
    schema = {"type": "object"}
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, input_schema=schema, _meta=ADMIN if name == "reset" else None)
            for name in TOOLS
        ]
    )


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Answer:
    return await TOOLS[params.name](ctx, params.arguments or {})


mcp: Server[Any] = Server("lowlevel", on_list_tools=list_tools, on_call_tool=call_tool)
