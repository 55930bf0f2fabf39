"""Which objects can be served."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fastmcp import FastMCP
from mcp.server.auth.settings import AuthSettings
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer as SdkServer
from starlette.applications import Starlette

from omnitornado import MCPServer
from omnitornado.sdk.objects import UnservableError, find_guest
from omnitornado.serving.loading import adopt


class Verifier:
    async def verify_token(self, token: str) -> None:
        return None


def build_guarded() -> SdkServer[Any]:
    issuer: Any = "https://issuer.example"
    auth = AuthSettings(issuer_url=issuer, resource_server_url=issuer, validate_token_resource=True)
    return SdkServer("guarded", auth=auth, token_verifier=Verifier())


class Child(SdkServer[Any]):
    """An author's own class."""


@pytest.mark.parametrize(
    "build", [lambda: SdkServer("n"), lambda: Server("n"), lambda: FastMCP("n"), lambda: Child("n")]
)
def test_objects_of_the_sdk_and_of_fastmcp_are_served_under_their_names(build: Callable[[], object]) -> None:
    """Our choice."""
    guest = find_guest(build())
    assert guest is not None
    assert guest.name == "n"


def test_our_own_is_served_as_it_is() -> None:
    """Our choice."""
    mcp = MCPServer("own")
    assert adopt(mcp) is mcp


@pytest.mark.parametrize("found", [7, None, "mcp", object(), SdkServer, FastMCP, MCPServer, lambda: None])
def test_anything_else_is_none(found: Any) -> None:
    """Our choice."""
    assert find_guest(found) is None
    with pytest.raises(TypeError, match=r"is not an omnitornado\.MCPServer, nor"):
        adopt(found)


def build_older(module: str, name: str) -> object:
    """An object as another version of a package would have it."""
    return type(name, (), {"__module__": module})()


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (build_guarded, "a login of its own"),
        (lambda: FastMCP("n", auth=object()), "a login of its own"),  # type: ignore[arg-type]
        (Starlette, "an ASGI application"),
        (lambda: build_older("mcp.server.fastmcp.server", "FastMCP"), "version 1 of the MCP SDK"),
        (lambda: build_older("mcp.server.lowlevel.server", "Server"), "another version of the MCP SDK"),
        (lambda: build_older("fastmcp.server.server", "FastMCP"), "another version of fastmcp"),
    ],
)
def test_an_object_that_cannot_be_served_says_why(build: Callable[[], object], reason: str) -> None:
    """Our choice: at the start, not at the first request."""
    with pytest.raises(UnservableError, match=reason):
        find_guest(build())


HEAVY = ("mcp", "mcp_types", "fastmcp", "starlette", "pydantic", "anyio", "uvicorn", "httpx2")


def find_imported(*lines: str) -> set[str]:
    """Which of the heavy packages a program ends up with."""
    program = "\n".join([*lines, "import sys", f"print(*[name for name in {HEAVY} if name in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_nothing_of_them_is_imported_unless_such_an_object_is_there() -> None:
    """Our choice: the extras are optional, and a start takes a fraction of a second."""
    serve = (
        "import asyncio",
        "from omnitornado import MCPServer, Server",
        "async def scenario():",
        "    server = Server(MCPServer('own'), users={'a': 'b'}, port=0, store=None)",
        "    await server.start()",
        "    await server.stop()",
        "asyncio.run(scenario())",
    )
    assert find_imported(*serve) == set()


def test_an_object_of_the_sdk_does_not_bring_fastmcp() -> None:
    """Our choice: who has the one extra needs not the other."""
    lines = (
        "from omnitornado import Server",
        "from mcp.server.lowlevel import Server as Theirs",
        "Server(Theirs('n'), users={'a': 'b'}, port=0, store=None)",
    )
    assert find_imported(*lines) >= {"mcp", "starlette"}
    assert "fastmcp" not in find_imported(*lines)
