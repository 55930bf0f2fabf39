"""What real objects show to one person alone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token as get_fast_token
from fastmcp.server.middleware import Middleware, MiddlewareContext
from fastmcp.tools import Tool
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult
from mcp_types import Tool as OfficialTool

from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.objects import find_guest

from .test_catalog import build_caller

META = {"securitySchemes": [{"type": "oauth2", "scopes": ["admin"]}]}


class ForAdaAlone(Middleware):
    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: Any) -> Sequence[Tool]:
        token = get_fast_token()
        shown: list[Tool] = list(await call_next(context))
        if token is not None and token.subject == "ada":
            shown.append(Tool.from_function(lambda: "", name="purge", meta=META))
        return shown


def build_fast() -> FastMCP[Any]:
    return FastMCP("fast", middleware=[ForAdaAlone()])


def build_official() -> Server[Any]:
    async def list_tools(context: Any, params: Any) -> ListToolsResult:
        token = get_access_token()
        if token is None or token.subject != "ada":
            return ListToolsResult(tools=[])
        return ListToolsResult(
            tools=[OfficialTool(name="purge", input_schema={"type": "object"}, _meta=META)]
        )

    return Server("official", on_list_tools=list_tools)


@pytest.mark.parametrize("build", [build_fast, build_official])
def test_an_object_is_asked_as_the_one_who_calls(build: Any) -> None:
    """Our choice: a tool's scopes count also where it is shown to some people alone."""

    async def scenario() -> None:
        guest = find_guest(build())
        assert guest is not None
        hosting = Hosting(guest, path="/mcp", max_body=100_000)
        await hosting.start()
        try:
            assert await hosting.list_tools() == []
            assert await hosting.list_tools(build_caller("bob")) == []
            (tool,) = await hosting.list_tools(build_caller("ada"))
            assert (tool.name, set(tool.scopes)) == ("purge", {"admin"})
        finally:
            await hosting.close()

    asyncio.run(scenario())
