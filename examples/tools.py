"""A small MCP application: `app = "examples.tools:mcp"` in the configuration serves it."""

import asyncio
import re
from collections import Counter
from typing import Annotated

from msgspec import Meta, Struct

from omnitornado import Context, MCPServer, ToolError
from omnitornado.mcp.tools import ToolAnnotations

mcp = MCPServer(
    "example",
    title="Example tools",
    version="1.0.0",
    instructions="Small tools to try a connection with: arithmetic, word counts, a countdown, who you are.",
)

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)


@mcp.tool(title="Add", annotations=READ_ONLY)
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


class WordStatistics(Struct):
    """What a text is made of."""

    words: int
    distinct: int
    longest: str
    most_common: dict[str, int]
    """The most frequent words and how often each occurs."""


@mcp.tool(title="Word statistics", annotations=READ_ONLY)
def word_statistics(text: str, top: Annotated[int, Meta(ge=1, le=50)] = 5) -> WordStatistics:
    """Count the words of a text.

    Args:
        text: The text to look at.
        top: How many of the most frequent words to list.
    """
    words = re.findall(r"\w+", text.lower())
    if not words:
        raise ToolError("There are no words in this text.")
    counts = Counter(words)
    return WordStatistics(
        words=len(words),
        distinct=len(counts),
        longest=max(counts, key=len),
        most_common=dict(counts.most_common(top)),
    )


@mcp.tool(title="Countdown", annotations=READ_ONLY)
async def countdown(
    context: Context,
    seconds: Annotated[int, Meta(ge=1, le=30)] = 5,
    interval: Annotated[float, Meta(ge=0.0, le=5.0)] = 1.0,
) -> str:
    """Count down slowly, reporting progress at each step.

    Args:
        seconds: How many steps to count.
        interval: Seconds between two steps.
    """
    for step in range(seconds):
        await context.progress(step, seconds, f"{seconds - step} to go")
        await asyncio.sleep(interval)
    await context.progress(seconds, seconds, "done")
    return "Lift-off!"


class Caller(Struct):
    """The signed-in person and the client that calls for them."""

    username: str
    client: str
    scopes: list[str]


@mcp.tool(title="Who am I", annotations=READ_ONLY)
def whoami(context: Context) -> Caller:
    """Tell who is signed in, through which client, and what that client may do."""
    principal = context.principal
    return Caller(principal.username, principal.client_name or principal.client_id, sorted(principal.scopes))
