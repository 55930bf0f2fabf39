"""Implements: MCP 2026-07-28 server/discover: the methods of the stateless era, answered by an `MCPServer` of
our own.
"""

from collections.abc import Mapping
from types import MappingProxyType

from omnitornado.mcp.call import Call
from omnitornado.mcp.completion_methods import complete_argument
from omnitornado.mcp.exchange import CallMethod, Exchange, Method, Services
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.prompt_methods import get_prompt, list_prompts
from omnitornado.mcp.resource_methods import list_resource_templates, list_resources, read_resource
from omnitornado.mcp.skill_methods import get_skill, list_skills, read_directory
from omnitornado.mcp.task_methods import call_tool_or_start_task, cancel_task, get_task, update_task
from omnitornado.mcp.tool_methods import list_tools


def _start(work: CallMethod) -> Method:
    """Run the author's function; the handler cancels the task when the client leaves."""

    async def method(services: Services, exchange: Exchange) -> Json:
        return await work(services, exchange, Call(exchange.send, exchange.host))

    return method


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "tools/list": list_tools,
        "tools/call": _start(call_tool_or_start_task),
        "resources/list": list_resources,
        "resources/templates/list": list_resource_templates,
        "resources/read": _start(read_resource),
        "resources/directory/read": read_directory,
        "skills/list": list_skills,
        "skills/get": get_skill,
        "prompts/list": list_prompts,
        "prompts/get": _start(get_prompt),
        "completion/complete": _start(complete_argument),
        "tasks/get": get_task,
        "tasks/update": update_task,
        "tasks/cancel": cancel_task,
    }
)
