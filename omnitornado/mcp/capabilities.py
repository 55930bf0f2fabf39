"""Implements: MCP 2026-07-28 schema.ts (ServerCapabilities), basic/versioning (Extension Negotiation), and
earlier shapes.

Exactly what a server has. A list that was filled once stays announced while it is empty.
"""

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.prompts import Prompt
from omnitornado.mcp.resources import Resource
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.skills import SKILLS_EXTENSION, SKILLS_SETTINGS
from omnitornado.mcp.string_arguments import find_choices
from omnitornado.mcp.versions import EXTENSIONS_SINCE


def build_capabilities(server: MCPServer, version: str) -> Json:
    """`ServerCapabilities`, in the words of a revision."""
    capabilities: Json = {"logging": {}}
    if server.resources.was_used or server.resource_templates.was_used or server.skills is not None:
        capabilities["resources"] = {"subscribe": True, "listChanged": True}
    if server.prompts.was_used:
        capabilities["prompts"] = {"listChanged": True}
    if _has_completions(server):
        capabilities["completions"] = {}
    if server.tools.was_used or len(capabilities) == 1:  # a server that has nothing yet will have tools
        capabilities["tools"] = {"listChanged": True}
    extensions = dict(server.extensions) if version >= EXTENSIONS_SINCE else {}
    if server.skills is not None:  # in any revision: it rests on resources alone
        extensions[SKILLS_EXTENSION] = SKILLS_SETTINGS
    if extensions:
        capabilities["extensions"] = extensions
    return capabilities


def _has_completions(server: MCPServer) -> bool:
    if server.completions.was_used:
        return True
    described: list[Prompt | Resource] = [*server.prompts.list_all(), *server.resource_templates.list_all()]
    return any(
        find_choices(one.arguments, parameter.name) is not None
        for one in described
        for parameter in one.arguments.parameters
    )
