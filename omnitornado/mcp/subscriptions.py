"""Implements: MCP 2025-11-25 server/resources (Subscriptions), MCP 2026-07-28 basic/patterns/subscriptions:
how many resources a session, or one `subscriptions/listen`, may hear of.
"""

from collections.abc import Collection

from omnitornado.mcp.jsonrpc import INVALID_PARAMS, JsonRpcError

MAX_SUBSCRIPTIONS = 256
MAX_CHARACTERS = 64 * 1024
"""Of their URIs together: a session keeps them on the disk, and a template takes URIs of any length."""


def check_subscriptions(uris: Collection[str]) -> None:
    """Raises: JsonRpcError, -32602, they are too many or too long."""
    if len(uris) > MAX_SUBSCRIPTIONS:
        message = f"Invalid params: more than {MAX_SUBSCRIPTIONS} subscriptions"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    if sum(map(len, uris)) > MAX_CHARACTERS:
        message = f"Invalid params: subscriptions of more than {MAX_CHARACTERS} characters together"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
