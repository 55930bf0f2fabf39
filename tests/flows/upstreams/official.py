"""A server of the official SDK, over stdio: `python official.py`."""

import json
import os

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel

mcp = MCPServer("official")


class Name(BaseModel):
    name: str


@mcp.tool()
def whoami() -> str:
    """Who I am told that the caller is."""
    return json.dumps({name: os.environ.get(name) for name in sorted(os.environ)})


@mcp.tool()
async def caller(ctx: Context) -> str:
    """What the request says of the caller."""
    return json.dumps(dict(ctx.request_context.meta or {})["omnitornado/caller"])


@mcp.tool()
async def steps(count: int, ctx: Context) -> str:
    """Report some steps."""
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return "done"


@mcp.tool()
async def ask(ctx: Context) -> str:
    """Ask the person for a name."""
    answer = await ctx.elicit("Your name?", Name)
    return f"hello {answer.data.name}" if answer.action == "accept" else answer.action


if __name__ == "__main__":
    mcp.run("stdio")
