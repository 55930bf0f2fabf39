"""An `MCPServer` of the official SDK, as its author would write it. `app = "objects.official:mcp"`."""

from typing import Annotated

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

from . import gate

mcp = MCPServer("official", instructions="Tools of the tests.")


class Name(BaseModel):
    name: str


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
def whoami() -> dict[str, object]:
    """Who calls."""
    token = get_access_token()
    return {} if token is None else token.model_dump()


@mcp.tool()
async def headers(ctx: Context) -> dict[str, str]:
    """What reached the object of the request."""
    request = ctx.request_context.request
    assert request is not None
    return dict(request.headers) | {"user": request.user.display_name}


@mcp.tool()
async def countdown(steps: int, ctx: Context) -> str:
    """Report progress."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
    return "done"


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model() -> Sample:
    message = SamplingMessage(role="user", content=TextContent(type="text", text="Hello"))
    return Sample([message], max_tokens=10)


@mcp.tool()
async def ask(name: Annotated[Name, Resolve(ask_name)]) -> str:
    """Ask the person."""
    return f"hello {name.name}"


@mcp.tool()
async def sample(said: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Ask the model."""
    return f"it said {said.content.text}" if isinstance(said.content, TextContent) else "?"


@mcp.tool()
async def hold(ctx: Context) -> str:
    """Wait, once the stream is there."""
    await ctx.report_progress(0, 1)
    return await gate.hold()


@mcp.tool()
async def count_tasks() -> int:
    """Of the process."""
    return gate.count_tasks()


@mcp.tool()
async def tell(ctx: Context) -> str:
    """Tell whoever listens that the tools have changed."""
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "told"


@mcp.tool(meta={"securitySchemes": [{"type": "oauth2", "scopes": ["admin"]}]})
def reset() -> str:
    """Needs more than the endpoint's scope."""
    return "reset"


@mcp.resource("test://greeting")
def greeting() -> str:
    """A text."""
    return "hello"


@mcp.resource("test://greeting/{name}")
def greeting_for(name: str) -> str:
    """A text for somebody."""
    return f"hello {name}"


@mcp.prompt()
def review(code: str) -> str:
    """Ask for a review."""
    return f"Review {code}"
