"""The MCP application of the journeys; a copy stands beside each test's configuration."""

import asyncio
from pathlib import Path

from msgspec import Struct

from omnitornado import Context, MCPServer, TaskSupport

mcp = MCPServer("journey", title="Journey", version="1.0.0")


class Caller(Struct):
    """Who calls."""

    username: str
    client: str
    scopes: list[str]


@mcp.tool(title="Add")
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@mcp.tool(title="Who am I")
def whoami(context: Context) -> Caller:
    """Tell who is signed in, and through which client."""
    principal = context.principal
    return Caller(principal.username, principal.client_name or principal.client_id, sorted(principal.scopes))


@mcp.tool(title="Countdown")
async def countdown(context: Context, steps: int) -> str:
    """Report progress `steps` times."""
    for step in range(1, steps + 1):
        await context.progress(step, steps, f"step {step}")
    return "Lift-off!"


@mcp.tool(title="Wait")
def wait(context: Context, pipe: str) -> str:
    """Report progress, then answer what comes through a named pipe: the test says when."""
    context.progress(0, 1, "waiting")
    return Path(pipe).read_text()


@mcp.tool(title="Wait forever")
async def wait_forever(context: Context) -> str:
    """Report progress, then never answer."""
    await context.progress(0, 1, "waiting")
    await asyncio.Event().wait()
    return "never"


@mcp.tool(title="Write a report", task=True)
async def report(words: str) -> str:
    """Return what is given, as a task."""
    return f"Report: {words}"


@mcp.tool(title="Work forever", task=TaskSupport(required=True))
async def work_forever(context: Context) -> str:
    """Say that it works, and never end."""
    await context.progress(1, 2, "at work")
    await asyncio.Event().wait()
    return "never"


@mcp.tool(title="Work in a thread", task=True)
def work_in_thread(pipe: str) -> str:
    """Answer what comes through a named pipe: the test says when."""
    return Path(pipe).read_text()


@mcp.tool(title="Ask in a task", task=True)
async def ask_in_task(context: Context) -> str:
    """Wait for the person's word."""
    return (await context.elicit("Sure?", bool, key="sure")).action
