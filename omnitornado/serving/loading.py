"""The object that `[mcp] app` names."""

import importlib
import sys
from typing import Any

from omnitornado.config import Config, build_key_error
from omnitornado.mcp.server import MCPServer


def find_app(config: Config) -> MCPServer:
    """The object `[mcp] app` names; an empty server where it names none. Raises: ConfigError."""
    if not config.mcp.app:
        return MCPServer(config.mcp.name)
    found = _import_object(config)
    if not isinstance(found, MCPServer):
        reason = f"{config.mcp.app} is a {type(found).__name__}, not an omnitornado.MCPServer"
        raise build_key_error(config, "mcp", "app", reason)
    return found


def _import_object(config: Config) -> Any:
    """Raises: ConfigError, whatever the module does when it is imported."""
    module_name, _, attribute = config.mcp.app.partition(":")
    folder = str(config.folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:
        reason = f"{config.mcp.app}: {type(error).__name__}: {' '.join(str(error).split())}"
        raise build_key_error(config, "mcp", "app", reason) from error
    return found
