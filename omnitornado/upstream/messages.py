"""Implements: JSON-RPC 2.0, as servers behind us write it.

Our choice: generous where clients are met strictly. What a server says goes through our own encoder before
anyone else reads it, so that two readers can't disagree about it.
"""

from typing import Any

import msgspec

from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Json,
    JsonRpcError,
    RequestId,
)

MAX_MESSAGE = 2048
"""Characters of an upstream's error message that are passed on."""
RESOURCE_NOT_FOUND = -32002
"""Before 2026-07-28."""
_TABLED = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS})
"""Errors whose HTTP status the table gives. Every other one is an answer, received well: 200."""


class Received(msgspec.Struct, gc=False):
    """A message of an upstream's: a request, a notification or a response."""

    id: RequestId | None = None
    method: str | None = None
    params: Json | None = None
    result: Any = msgspec.UNSET
    error: Any = msgspec.UNSET


_DECODER = msgspec.json.Decoder(Received)


def parse_line(line: bytes) -> Received | None:
    """A message; None for a line that is none."""
    try:
        message = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if message.method is None and message.result is msgspec.UNSET and message.error is msgspec.UNSET:
        return None
    return message


def build_request(request_id: RequestId, method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def adapt_error(error: Any, *, is_stateless: bool) -> JsonRpcError:
    """An upstream's error as our client gets it: its words and data, bounded."""
    found = error if isinstance(error, dict) else {}
    code, message = found.get("code"), found.get("message")
    if not isinstance(code, int) or isinstance(code, bool):
        code = INTERNAL_ERROR
    if is_stateless and code == RESOURCE_NOT_FOUND:
        code = INVALID_PARAMS
    words = message[:MAX_MESSAGE] if isinstance(message, str) and message else "The upstream server failed"
    status = None if code in _TABLED else 200
    return JsonRpcError(
        code=code,
        message=words,
        data=found.get("data"),
        reason=f"the upstream answered {code}",
        status=status,
    )
