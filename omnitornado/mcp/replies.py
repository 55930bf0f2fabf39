"""From JSON-RPC to what the web handler sends.

Implements: MCP 2026-07-28 basic/transports/streamable-http (Sending Messages).
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from omnitornado.mcp.errors import find_status
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.jsonrpc import JsonRpcError, RequestId, build_error, encode

log = logging.getLogger("omnitornado.mcp")

RETRY_AFTER = MappingProxyType({429: "1", 503: "5"})
"""Status to seconds."""

CONTENT_TYPE: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})


def build_reply(status: int, body: Any, headers: Mapping[str, str] = CONTENT_TYPE) -> Reply:
    """A JSON answer."""
    return Reply(status, encode(body), headers if headers is CONTENT_TYPE else {**CONTENT_TYPE, **headers})


def build_error_reply(error: JsonRpcError, request_id: RequestId | None = None) -> Reply:
    """An error, with the status it says itself or the table gives it."""
    status = find_status(error.code) if error.status is None else error.status
    headers = {"Retry-After": RETRY_AFTER[status]} if status in RETRY_AFTER else CONTENT_TYPE
    return build_reply(status, build_error(error, request_id), headers)


def log_refusal(error: JsonRpcError) -> None:
    """Why a request was refused, for the operator. Quoted: the words may come from the client."""
    log.info("refused with %d: %r", error.code, error.reason)
