"""Implements: MCP 2026-07-28 basic/transports/streamable-http (Request Metadata, Server Validation),
basic/index (`_meta`), basic/versioning (era detection), MCP extension io.modelcontextprotocol/tasks (Routing
Headers), RFC 9110 §12.5.1 (Accept).

Pure: a message and its headers to a verdict. Header names are lower-cased by the caller.
"""

import base64
import binascii
import enum
import functools
import re
from collections.abc import Mapping

import msgspec

from omnitornado.mcp.jsonrpc import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_PROTOCOL_VERSION,
    Batch,
    Json,
    JsonRpcError,
    Message,
    Notification,
    Request,
    RequestId,
    is_id,
)
from omnitornado.mcp.log_levels import LOG_LEVELS
from omnitornado.mcp.versions import HANDSHAKE_VERSIONS, STATELESS_VERSIONS, SUPPORTED_VERSIONS

VERSION_HEADER = "mcp-protocol-version"
METHOD_HEADER = "mcp-method"
NAME_HEADER = "mcp-name"
SESSION_HEADER = "mcp-session-id"

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_KEY = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"

NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Method to the parameter that `Mcp-Name` mirrors."""

_FIELD_VALUE = re.compile(r"[\t\x20-\x7e]*")
_SENTINEL = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)


class Era(enum.Enum):
    """Which of the two protocols serves a message."""

    HANDSHAKE = "handshake"
    STATELESS = "stateless"


class Envelope(msgspec.Struct, frozen=True):
    """What a stateless request says about itself in `params._meta`."""

    version: str
    client_info: Json | None
    client_capabilities: Json
    log_level: str | None
    progress_token: RequestId | None


def classify(message: Message | Batch, headers: Mapping[str, str]) -> Era:
    """Find the era that serves a POST.

    The body decides before the header: `_meta` of the stateless era makes a stateless request, and
    `initialize` without it opens a session, whatever version header a confused client adds.

    Raises:
        JsonRpcError: -32022 when the header names a revision of neither era.
    """
    if isinstance(message, Request | Notification):
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and (VERSION_KEY in meta or CLIENT_CAPABILITIES_KEY in meta):
            return Era.STATELESS
        if message.method == "initialize":
            return Era.HANDSHAKE
    version = headers.get(VERSION_HEADER)
    if version is None or version in HANDSHAKE_VERSIONS:
        return Era.HANDSHAKE
    if version in STATELESS_VERSIONS:
        return Era.STATELESS
    raise build_unsupported_version(version, getattr(message, "id", None))


def build_unsupported_version(requested: str, request_id: RequestId | None = None) -> JsonRpcError:
    """UnsupportedProtocolVersionError (basic/versioning): names what the client may use instead."""
    return JsonRpcError(
        code=UNSUPPORTED_PROTOCOL_VERSION,
        message="Unsupported protocol version",
        data={"supported": list(SUPPORTED_VERSIONS), "requested": requested},
        request_id=request_id,
    )


def check_request(request: Request, headers: Mapping[str, str]) -> Envelope:
    """The ladder of the stateless era: required `_meta`, then headers against body, then the version.

    A client that contradicts itself is told so before it is told that its version is unknown.

    Raises:
        JsonRpcError: -32602, -32020 or -32022, each a 400.
    """
    meta = _check_meta(request.params)
    _check_headers(request, meta[VERSION_KEY], headers)
    if meta[VERSION_KEY] not in STATELESS_VERSIONS:
        raise build_unsupported_version(meta[VERSION_KEY])
    return Envelope(
        version=meta[VERSION_KEY],
        client_info=meta.get(CLIENT_INFO_KEY),
        client_capabilities=meta[CLIENT_CAPABILITIES_KEY],
        log_level=meta.get(LOG_LEVEL_KEY),
        progress_token=find_progress_token(meta),
    )


def _check_meta(params: Json) -> Json:
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        raise _invalid_params(f"params._meta with {VERSION_KEY} and {CLIENT_CAPABILITIES_KEY} is required")
    missing = [key for key in (VERSION_KEY, CLIENT_CAPABILITIES_KEY) if key not in meta]
    if missing:
        raise _invalid_params(f"params._meta is missing {' and '.join(missing)}")
    if not isinstance(meta[VERSION_KEY], str):
        raise _invalid_params(f"{VERSION_KEY} must be a string")
    if not isinstance(meta[CLIENT_CAPABILITIES_KEY], dict):
        raise _invalid_params(f"{CLIENT_CAPABILITIES_KEY} must be an object")
    if not isinstance(meta.get(CLIENT_INFO_KEY, {}), dict):
        raise _invalid_params(f"{CLIENT_INFO_KEY} must be an object")
    if LOG_LEVEL_KEY in meta and meta[LOG_LEVEL_KEY] not in LOG_LEVELS:
        raise _invalid_params(f"{LOG_LEVEL_KEY} must be one of {', '.join(LOG_LEVELS)}")
    return meta


def _check_headers(request: Request, version: str, headers: Mapping[str, str]) -> None:
    _check_header("MCP-Protocol-Version", headers.get(VERSION_HEADER), version)
    _check_header("Mcp-Method", headers.get(METHOD_HEADER), request.method)
    named_by = NAMED_BY.get(request.method)
    if named_by is None:
        return
    name, given = request.params.get(named_by), headers.get(NAME_HEADER)
    if name is None and given is None:
        return  # nothing to mirror; the method says what it misses
    _check_header("Mcp-Name", None if given is None else decode_header_value(given, "Mcp-Name"), name)


def _check_header(name: str, given: str | None, expected: object) -> None:
    if given is None:
        raise build_header_mismatch(f"{name} header is missing")
    if given != expected:
        raise build_header_mismatch(f"{name} header does not match the request body")


def decode_header_value(value: str, name: str) -> str:
    """The value of `Mcp-Name` or `Mcp-Param-*`: plain visible ASCII, or `=?base64?…?=` around UTF-8.

    Raises:
        JsonRpcError: -32020 for other characters, and for base64 that is not canonical.
    """
    if value.isascii() and value.isprintable() and not value.startswith((" ", "=?")):
        return value.rstrip(" ")
    if _FIELD_VALUE.fullmatch(value) is None:
        raise build_header_mismatch(f"{name} header contains invalid characters")
    value = value.strip(" \t")
    sentinel = _SENTINEL.fullmatch(value)
    if sentinel is None:
        return value
    try:
        decoded = base64.b64decode(sentinel[1], validate=True)
        # Python lets spare bits in the last character pass; two spellings of one value are one too many.
        if base64.b64encode(decoded) == sentinel[1].encode("ascii"):
            return decoded.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise build_header_mismatch(f"{name} header is not valid base64 of UTF-8")


def build_header_mismatch(message: str) -> JsonRpcError:
    """HeaderMismatch (streamable-http, Server Validation)."""
    return JsonRpcError(code=HEADER_MISMATCH, message=f"Header mismatch: {message}")


def _invalid_params(message: str) -> JsonRpcError:
    return JsonRpcError(code=INVALID_PARAMS, message=f"Invalid params: {message}")


def find_progress_token(meta: object) -> RequestId | None:
    """The progress token of a request's `_meta`; 0 and "" are tokens.

    Raises:
        JsonRpcError: -32602 when it is neither string nor integer (basic/patterns/progress).
    """
    if not isinstance(meta, dict) or meta.get("progressToken") is None:
        return None
    if not is_id(meta["progressToken"]):
        raise _invalid_params("progressToken must be a string or an integer")
    token: RequestId = meta["progressToken"]
    return token


class Accept(msgspec.Struct, frozen=True):
    """Which of the two content types of Streamable HTTP a client takes."""

    json: bool
    stream: bool


_JSON_RANGES = ("application/json", "application/*", "*/*")
_STREAM_RANGES = ("text/event-stream", "text/*", "*/*")


@functools.lru_cache(maxsize=64)
def parse_accept(value: str | None) -> Accept:
    """Read an Accept header (RFC 9110 §12.5.1); a missing or empty one accepts everything."""
    if value is None or not value.strip():
        return Accept(json=True, stream=True)
    weights: dict[str, bool] = {}
    for part in value.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters)
        weights[media_range] = not refused
    return Accept(json=_accepts(weights, _JSON_RANGES), stream=_accepts(weights, _STREAM_RANGES))


def _accepts(weights: Mapping[str, bool], ranges: tuple[str, ...]) -> bool:
    # The most specific range that matches decides.
    return next((weights[media_range] for media_range in ranges if media_range in weights), False)
