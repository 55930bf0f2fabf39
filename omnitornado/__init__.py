"""A login in front of an MCP server: OAuth 2.1 authorization server and protected MCP endpoint in one
process.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from omnitornado.app import AuthorizationServer, require_token
    from omnitornado.config import ConfigError
    from omnitornado.mcp.context import Context
    from omnitornado.mcp.server import MCPServer
    from omnitornado.mcp.tools import ToolError
    from omnitornado.server import Ready, Server

_HOMES = {
    "AuthorizationServer": "omnitornado.app",
    "ConfigError": "omnitornado.config",
    "Context": "omnitornado.mcp.context",
    "MCPServer": "omnitornado.mcp.server",
    "Ready": "omnitornado.server",
    "Server": "omnitornado.server",
    "ToolError": "omnitornado.mcp.tools",
    "require_token": "omnitornado.app",
}

__all__ = [  # noqa: RUF022 - the order of the documentation
    "MCPServer",
    "Context",
    "ToolError",
    "Server",
    "Ready",
    "AuthorizationServer",
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
