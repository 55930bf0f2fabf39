"""A login in front of an MCP server: OAuth 2.1 authorization server and protected MCP endpoint in one
process.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from omnitornado.app import AuthorizationServer, require_token
    from omnitornado.config import ConfigError
    from omnitornado.mcp.client_capabilities import ClientCapabilityError
    from omnitornado.mcp.completion import Completion
    from omnitornado.mcp.content import (
        Annotations,
        Audio,
        Content,
        EmbeddedResource,
        Image,
        ResourceLink,
        Text,
    )
    from omnitornado.mcp.context import Context
    from omnitornado.mcp.declaration import Icon
    from omnitornado.mcp.elicitation import Accepted, Answer, Cancelled, Declined
    from omnitornado.mcp.jsonrpc import JsonRpcError
    from omnitornado.mcp.param_headers import param_header
    from omnitornado.mcp.prompts import Message
    from omnitornado.mcp.resources import ResourceContent, ResourceNotFoundError
    from omnitornado.mcp.roots import Root
    from omnitornado.mcp.sampling import Sample
    from omnitornado.mcp.schema import DeclarationError
    from omnitornado.mcp.server import MCPServer
    from omnitornado.mcp.task_support import TaskSupport
    from omnitornado.mcp.tool_error import ToolError
    from omnitornado.mcp.tools import ToolAnnotations, ToolResult
    from omnitornado.oauth.people import Person
    from omnitornado.server import Ready, Server

_HOMES = {
    "Accepted": "omnitornado.mcp.elicitation",
    "Answer": "omnitornado.mcp.elicitation",
    "Annotations": "omnitornado.mcp.content",
    "Audio": "omnitornado.mcp.content",
    "AuthorizationServer": "omnitornado.app",
    "Cancelled": "omnitornado.mcp.elicitation",
    "ClientCapabilityError": "omnitornado.mcp.client_capabilities",
    "Completion": "omnitornado.mcp.completion",
    "ConfigError": "omnitornado.config",
    "Content": "omnitornado.mcp.content",
    "Context": "omnitornado.mcp.context",
    "DeclarationError": "omnitornado.mcp.schema",
    "Declined": "omnitornado.mcp.elicitation",
    "EmbeddedResource": "omnitornado.mcp.content",
    "Icon": "omnitornado.mcp.declaration",
    "Image": "omnitornado.mcp.content",
    "JsonRpcError": "omnitornado.mcp.jsonrpc",
    "MCPServer": "omnitornado.mcp.server",
    "Message": "omnitornado.mcp.prompts",
    "Ready": "omnitornado.server",
    "ResourceContent": "omnitornado.mcp.resources",
    "ResourceLink": "omnitornado.mcp.content",
    "ResourceNotFoundError": "omnitornado.mcp.resources",
    "Person": "omnitornado.oauth.people",
    "Root": "omnitornado.mcp.roots",
    "Sample": "omnitornado.mcp.sampling",
    "Server": "omnitornado.server",
    "TaskSupport": "omnitornado.mcp.task_support",
    "Text": "omnitornado.mcp.content",
    "ToolAnnotations": "omnitornado.mcp.tools",
    "ToolError": "omnitornado.mcp.tool_error",
    "ToolResult": "omnitornado.mcp.tools",
    "param_header": "omnitornado.mcp.param_headers",
    "require_token": "omnitornado.app",
}

__all__ = [  # noqa: RUF022 - the order of the documentation
    "MCPServer",
    "Context",
    "Text",
    "Image",
    "Audio",
    "ResourceLink",
    "EmbeddedResource",
    "Content",
    "Annotations",
    "Icon",
    "ToolAnnotations",
    "ToolResult",
    "TaskSupport",
    "ResourceContent",
    "Message",
    "Completion",
    "Answer",
    "Accepted",
    "Declined",
    "Cancelled",
    "Sample",
    "Root",
    "param_header",
    "ToolError",
    "ClientCapabilityError",
    "JsonRpcError",
    "ResourceNotFoundError",
    "DeclarationError",
    "Server",
    "Ready",
    "AuthorizationServer",
    "Person",
    "require_token",
    "ConfigError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `--help` and `init` need none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
