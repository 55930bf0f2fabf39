"""A server of fastmcp, over stdio: `python fast.py`."""

import json
import os

from fastmcp import Context, FastMCP

mcp = FastMCP("fast")


@mcp.tool
def whoami() -> str:
    """Who I am told that the caller is."""
    return json.dumps({name: os.environ.get(name) for name in sorted(os.environ)})


@mcp.tool
async def steps(count: int, ctx: Context) -> str:
    """Report some steps."""
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return "done"


if __name__ == "__main__":
    mcp.run(transport="stdio", show_banner=False)
