"""A `FastMCP` of fastmcp. `app = "objects.fast:mcp"`."""

from fastmcp import Context, FastMCP
from fastmcp.dependencies import CurrentAccessToken, TokenClaim
from fastmcp.server.auth import AccessToken, require_scopes
from fastmcp.server.dependencies import get_access_token, get_http_headers

from . import gate

mcp: FastMCP[None] = FastMCP("fast")
child: FastMCP[None] = FastMCP("child")


@mcp.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool
def whoami(
    token: AccessToken = CurrentAccessToken(),  # noqa: B008 - how fastmcp injects
    username: str = TokenClaim("username"),
) -> dict[str, object]:
    """Who calls."""
    found = get_access_token()
    assert found is not None
    assert found.subject == token.subject == username
    return token.model_dump()


@mcp.tool
def headers() -> dict[str, str]:
    """What reached the object of the request."""
    return get_http_headers(include_all=True)


@mcp.tool
async def countdown(steps: int, ctx: Context) -> str:
    """Report progress."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
    return "done"


@mcp.tool
async def ask(ctx: Context) -> str:
    """Ask the person: in a session, as fastmcp has it."""
    answer = await ctx.elicit("What is your name?", response_type=str)
    return f"hello {answer.data}" if answer.action == "accept" else answer.action


@mcp.tool
async def hold(ctx: Context) -> str:
    """Wait, once the stream is there."""
    await ctx.report_progress(0, 1)
    return await gate.hold()


@mcp.tool
async def count_tasks() -> int:
    """Of the process."""
    return gate.count_tasks()


@mcp.tool(auth=require_scopes("admin"))
def reset() -> str:
    """Needs more than the endpoint's scope."""
    return "reset"


@child.tool
def deep() -> str:
    """Of a server mounted in this one."""
    return "deep"


@mcp.resource("test://greeting")
def greeting() -> str:
    """A text."""
    return "hello"


@mcp.resource("test://greeting/{name}")
def greeting_for(name: str) -> str:
    """A text for somebody."""
    return f"hello {name}"


@mcp.prompt
def review(code: str) -> str:
    """Ask for a review."""
    return f"Review {code}"


mcp.mount(child, namespace="child")
