"""The Python objects that the configuration names."""

import importlib
import sys
from typing import Any, Final

from omnitornado.config import Config, build_key_error
from omnitornado.mcp.server import MCPServer
from omnitornado.oauth.login import ValidateUser
from omnitornado.sdk.objects import Guest, UnservableError, describe_type, find_guest

SERVABLE: Final = (
    "an omnitornado.MCPServer, nor an MCPServer or low-level Server of the MCP SDK, nor a FastMCP of fastmcp"
)


def find_app(config: Config) -> MCPServer | Guest | None:
    """The object `[mcp] app` names. Where it names none an empty server, for there may be skills; None where
    there are upstreams alone. Raises: ConfigError.
    """
    if not config.mcp.app:
        return MCPServer(config.mcp.name) if config.has_own_endpoint else None
    try:
        return adopt(_import_object(config, "mcp", "app", config.mcp.app))
    except TypeError as error:
        raise build_key_error(config, "mcp", "app", f"{config.mcp.app}: {error}") from error


def adopt(found: object) -> MCPServer | Guest:
    """An object as it can be served. Raises: TypeError that says why it can't be."""
    if isinstance(found, MCPServer):
        return found
    try:
        guest = find_guest(found)
    except UnservableError as error:
        raise TypeError(f"{describe_type(found)} can't be served: {error}") from error
    if guest is None:
        raise TypeError(f"{describe_type(found)} is not {SERVABLE}")
    return guest


def find_validate_user(config: Config) -> ValidateUser | None:
    """The function `[login] validate_user` names, or None. Raises: ConfigError."""
    place = config.login.validate_user
    if not place:
        return None
    found = _import_object(config, "login", "validate_user", place)
    if not callable(found):
        reason = f"{place} is a {type(found).__name__}, not a function of a name and a password"
        raise build_key_error(config, "login", "validate_user", reason)
    check: ValidateUser = found
    return check


def _import_object(config: Config, section: str, key: str, place: str) -> Any:
    """Raises: ConfigError, whatever the module does when it is imported."""
    module_name, _, attribute = place.partition(":")
    folder = str(config.folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:
        reason = f"{place}: {type(error).__name__}: {' '.join(str(error).split())}"
        raise build_key_error(config, section, key, reason) from error
    return found
