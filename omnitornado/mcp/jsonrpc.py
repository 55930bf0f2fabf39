"""Implements: JSON-RPC 2.0 as MCP 2026-07-28 basic/index (Messages) and schema.ts narrow it.

Pure: bytes to messages and back. Strict where two readers could disagree about a body: UTF-8 only, no
NaN or Infinity, no duplicate keys, bounded nesting, ids that every client can hold exactly.
"""

import json
import re
from typing import Any, TypeAlias

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_REQUIRED_CLIENT_CAPABILITY = -32021
UNSUPPORTED_PROTOCOL_VERSION = -32022

MAX_NESTING = 100
"""Levels of objects and arrays in a body, unless it is configured."""
MAX_BATCH = 100
"""Messages in one batch."""
MAX_SAFE_INTEGER = 2**53 - 1
"""Beyond it a JavaScript client can't hold an id exactly, so that it would never match the answer."""

RequestId: TypeAlias = str | int
Json: TypeAlias = dict[str, Any]


class JsonRpcError(Exception):
    """A protocol failure: a JSON-RPC error on the wire. `reason` goes to the log alone; `status` is the HTTP
    status where the table of errors does not decide it."""

    def __init__(
        self,
        *,
        code: int,
        message: str,
        data: Any = None,
        reason: str = "",
        request_id: RequestId | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.reason = reason or message
        self.request_id = request_id
        self.status = status


class Request(msgspec.Struct, frozen=True, gc=False):
    """A call that wants an answer."""

    id: RequestId
    method: str
    params: Json


class Notification(msgspec.Struct, frozen=True, gc=False):
    """A message without an answer."""

    method: str
    params: Json


class Response(msgspec.Struct, frozen=True, gc=False):
    """A client's answer to a request of the server (handshake era only)."""

    id: RequestId
    result: Any = None
    error: Any = None


Message: TypeAlias = Request | Notification | Response
Batch: TypeAlias = list[Message | JsonRpcError]
"""A batch keeps the errors of its unreadable members in their places (JSON-RPC 2.0 §6)."""

_DECODER = msgspec.json.Decoder()
_KEY = re.compile(rb'"[ \t\r\n]*:')
_PARSE_FAILED = "Parse error: the body is not valid JSON"


def parse_body(body: bytes, *, nesting: int = MAX_NESTING) -> Message | Batch:
    """Read the body of a POST, of at most `nesting` levels of objects and arrays.

    Returns:
        One message, or a list for a batch (whether the revision has batches is the era's question).

    Raises:
        JsonRpcError: -32700 for a body that is not strict JSON, -32600 for JSON that is no message.
    """
    value = _decode(body)
    _check_shape(value, body, nesting)
    if not isinstance(value, list):
        return _parse_message(value)
    if not value:
        raise JsonRpcError(code=INVALID_REQUEST, message="Invalid request: an empty batch")
    if len(value) > MAX_BATCH:
        raise JsonRpcError(code=INVALID_REQUEST, message=f"Invalid request: more than {MAX_BATCH} in a batch")
    return [_parse_member(member) for member in value]


def _decode(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JsonRpcError(code=PARSE_ERROR, message=_PARSE_FAILED, reason=str(error)) from None
    except RecursionError:
        raise _build_too_deep() from None


def _build_too_deep() -> JsonRpcError:
    return JsonRpcError(code=PARSE_ERROR, message="Parse error: the body is nested too deep")


def _check_shape(value: Any, body: bytes, nesting: int) -> None:
    """Refuse deep nesting and duplicate keys, which the decoder lets pass."""
    # No more brackets than levels: nothing stands deeper.
    if body.count(b"{") + body.count(b"[") > nesting:
        _check_nesting(value, nesting)
    try:
        if _may_have_duplicates(value, body):
            _check_duplicates(body)
    except RecursionError:  # where more nesting is configured than Python has room for
        raise _build_too_deep() from None


def _check_nesting(value: Any, nesting: int) -> None:
    depth, level = 0, [value]
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below += item.values()
            elif type(item) is list:
                below += item
            else:
                continue
            if depth > nesting:
                raise _build_too_deep()
        level = below


def _may_have_duplicates(value: Any, body: bytes) -> bool:
    """Whether an object may have had the same key twice: the decoder keeps the last member alone."""
    # Each member has a colon, and without escapes every string is written again as it was: a member that was
    # dropped is a colon less.
    if b"\\" not in body and body.count(b":") == encode(value).count(b":"):
        return False
    # Each member has one colon outside strings. As many of them as members decoded: no key came twice.
    return len(_KEY.findall(body)) != _count_members(value)


def _count_members(value: Any) -> int:
    members, level = 0, [value]
    while level:
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                members += len(item)
                below += item.values()
            elif type(item) is list:
                below += item
        level = below
    return members


def _check_duplicates(body: bytes) -> None:
    def check(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            raise JsonRpcError(code=PARSE_ERROR, message="Parse error: an object has the same key twice")

    json.loads(body, object_pairs_hook=check, parse_int=len, parse_float=len)


def _parse_member(value: Any) -> Message | JsonRpcError:
    try:
        return _parse_message(value)
    except JsonRpcError as error:
        return error


def _parse_message(value: Any) -> Message:
    if type(value) is not dict:
        raise JsonRpcError(code=INVALID_REQUEST, message="Invalid request: a message is a JSON object")
    if "id" in value:
        request_id = parse_id(value["id"])
    elif "method" not in value:
        raise JsonRpcError(code=INVALID_REQUEST, message="Invalid request: method is missing")
    else:
        request_id = None
    if value.get("jsonrpc") != "2.0":
        raise _invalid('jsonrpc must be "2.0"', request_id)
    if "method" not in value and request_id is not None:
        return _parse_response(value, request_id)
    method, params = value["method"], value.get("params", {})
    if type(method) is not str or not method:
        raise _invalid("method must be a string", request_id)
    if "result" in value or "error" in value:
        raise _invalid("a message is a request or a response, not both", request_id)
    if type(params) is not dict:
        raise _invalid("params must be an object", request_id)
    return Notification(method, params) if request_id is None else Request(request_id, method, params)


def _parse_response(value: Json, request_id: RequestId) -> Response:
    if ("result" in value) == ("error" in value):
        raise _invalid("a response has either result or error", request_id)
    return Response(request_id, value.get("result"), value.get("error"))


def is_id(value: Any) -> bool:
    """Whether a value can be a request id or progress token: a string or an integer, 0 included."""
    return type(value) is str or (type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)


def parse_id(value: Any) -> RequestId:
    """A request id; null, booleans and fractions are none (basic/index, Requests).

    Raises:
        JsonRpcError: -32600.
    """
    if is_id(value):
        return value  # type: ignore[no-any-return]
    raise JsonRpcError(
        code=INVALID_REQUEST, message="Invalid request: id must be a string or an integer below 2^53"
    )


def _invalid(what: str, request_id: RequestId | None) -> JsonRpcError:
    return JsonRpcError(code=INVALID_REQUEST, message=f"Invalid request: {what}", request_id=request_id)


def build_result(request_id: RequestId, result: Any) -> Json:
    """A successful response."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def build_error(error: JsonRpcError, request_id: RequestId | None = None) -> Json:
    """An error response. The id is null where the request's could not be read (JSON-RPC 2.0 §5)."""
    body: Json = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {
        "jsonrpc": "2.0",
        "id": error.request_id if request_id is None else request_id,
        "error": body,
    }


def build_notification(method: str, params: Json | None = None) -> Json:
    """A notification of the server."""
    message: Json = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = params
    return message


_ENCODER = msgspec.json.Encoder()


def encode(message: Any) -> bytes:
    """A message as JSON on one line, fit for a body and for the data of a server-sent event."""
    return _ENCODER.encode(message)
