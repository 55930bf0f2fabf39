"""Implements: MCP 2026-07-28 basic/transports/streamable-http (statuses), MCP 2025-11-25 basic/transports.

The one table from JSON-RPC error code to HTTP status. The stateless revision names a status for each code.
In the handshake era a request inside a session was received well, and its error is an answer like any other:
200. What fails before that (an unreadable body, a missing or unknown session) says its own status.
"""

from types import MappingProxyType

from omnitornado.mcp.jsonrpc import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
)

HTTP_STATUS = MappingProxyType(
    {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        METHOD_NOT_FOUND: 404,
        INVALID_PARAMS: 400,
        INTERNAL_ERROR: 500,
        HEADER_MISMATCH: 400,
        MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
        UNSUPPORTED_PROTOCOL_VERSION: 400,
    }
)
"""Stateless era, and every error of a body that reached no method."""

ANSWERED_IN_SESSION = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR})
"""Codes a method answers with inside a session of the handshake era."""


def find_status(code: int, *, in_session: bool = False) -> int:
    """The HTTP status of an error; a code of an application's own (outside the table) is an answer: 200."""
    if in_session and code in ANSWERED_IN_SESSION:
        return 200
    return HTTP_STATUS.get(code, 200)
