"""Which era serves a message, and what the stateless era demands of its headers."""

import base64
from typing import Any

import pytest
from mcp_samples import CAPABILITIES_KEY, META, STATELESS, VERSION_KEY, Json

from omnitornado.mcp.errors import find_status
from omnitornado.mcp.inbound import (
    Accept,
    Era,
    check_request,
    classify,
    decode_header_value,
    parse_accept,
)
from omnitornado.mcp.jsonrpc import Batch, JsonRpcError, Message, Notification, Request, Response
from omnitornado.mcp.param_headers import check_param_headers, parse_param_headers
from omnitornado.mcp.versions import HANDSHAKE_VERSIONS, SUPPORTED_VERSIONS, negotiate_version

LIST = Request(1, "tools/list", {})
INITIALIZE = Request(1, "initialize", {"protocolVersion": "2025-11-25"})
MODERN = Request(1, "tools/list", {"_meta": META})

ERAS: list[tuple[str, Message | Batch, str | None, Era]] = [
    ("initialize alone", INITIALIZE, None, Era.HANDSHAKE),
    ("initialize with its own version", INITIALIZE, "2025-11-25", Era.HANDSHAKE),
    ("initialize with a version long gone", INITIALIZE, "2024-11-05", Era.HANDSHAKE),
    ("initialize with a stateless header only", INITIALIZE, STATELESS, Era.HANDSHAKE),
    ("initialize with stateless _meta", Request(1, "initialize", {"_meta": META}), STATELESS, Era.STATELESS),
    ("no header", LIST, None, Era.HANDSHAKE),
    ("2025-03-26", LIST, "2025-03-26", Era.HANDSHAKE),
    ("2025-11-25", LIST, "2025-11-25", Era.HANDSHAKE),
    ("discover with a handshake header", Request(1, "server/discover", {}), "2025-11-25", Era.HANDSHAKE),
    ("stateless header without _meta", LIST, STATELESS, Era.STATELESS),
    ("stateless _meta without a header", MODERN, None, Era.STATELESS),
    ("stateless _meta with a handshake header", MODERN, "2025-11-25", Era.STATELESS),
    ("stateless _meta with an unknown header", MODERN, "1900-01-01", Era.STATELESS),
    ("capabilities alone", Request(1, "x", {"_meta": {CAPABILITIES_KEY: {}}}), None, Era.STATELESS),
    ("a progress token is no era", Request(1, "x", {"_meta": {"progressToken": 1}}), None, Era.HANDSHAKE),
    ("_meta of a wrong type", Request(1, "x", {"_meta": 5}), None, Era.HANDSHAKE),
    ("notification", Notification("notifications/initialized", {}), None, Era.HANDSHAKE),
    ("stateless notification", Notification("notifications/cancelled", {}), STATELESS, Era.STATELESS),
    ("response", Response(1, {}), "2025-06-18", Era.HANDSHAKE),
    ("batch", [LIST], "2025-03-26", Era.HANDSHAKE),
    ("stateless batch", [LIST], STATELESS, Era.STATELESS),
]


@pytest.mark.parametrize(
    ("message", "version", "era"), [row[1:] for row in ERAS], ids=[row[0] for row in ERAS]
)
def test_the_era_follows_from_how_the_client_opens(
    message: Message | Batch, version: str | None, era: Era
) -> None:
    """Required by MCP 2026-07-28 basic/versioning (Backward Compatibility)."""
    assert classify(message, {} if version is None else {"mcp-protocol-version": version}) is era


@pytest.mark.parametrize("version", ["1900-01-01", "2024-11-05", "2027-01-01", "", "draft"])
def test_a_version_of_neither_era_is_told_what_is_supported(version: str) -> None:
    """Required by MCP 2026-07-28 basic/versioning; 400 by 2025-11-25 basic/transports as well."""
    with pytest.raises(JsonRpcError) as caught:
        classify(LIST, {"mcp-protocol-version": version})
    assert caught.value.code == -32022
    assert caught.value.data == {"supported": list(SUPPORTED_VERSIONS), "requested": version}
    assert find_status(caught.value.code) == 400


def test_a_handshake_gets_the_version_it_asks_for_or_the_newest_of_its_era() -> None:
    """Required by MCP 2025-11-25 basic/lifecycle (Version Negotiation)."""
    assert [negotiate_version(version) for version in HANDSHAKE_VERSIONS] == list(HANDSHAKE_VERSIONS)
    for unknown in ("2024-11-05", "2026-07-28", "2099-01-01", ""):
        assert negotiate_version(unknown) == "2025-11-25"


CALL = {"name": "add", "arguments": {}, "_meta": META}
HEADERS = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "add"}


def without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def with_meta(**changes: Any) -> Json:
    return CALL | {"_meta": META | changes}


LADDER: list[tuple[str, Json, dict[str, str], int]] = [
    ("no _meta", without(CALL, "_meta"), HEADERS, -32602),
    ("_meta of a wrong type", CALL | {"_meta": []}, HEADERS, -32602),
    ("no version in _meta", CALL | {"_meta": without(META, VERSION_KEY)}, HEADERS, -32602),
    ("no capabilities in _meta", CALL | {"_meta": without(META, CAPABILITIES_KEY)}, HEADERS, -32602),
    ("version of a wrong type", with_meta(**{VERSION_KEY: 1}), HEADERS, -32602),
    ("capabilities of a wrong type", with_meta(**{CAPABILITIES_KEY: []}), HEADERS, -32602),
    ("client info of a wrong type", with_meta(**{"io.modelcontextprotocol/clientInfo": 1}), HEADERS, -32602),
    ("an unknown log level", with_meta(**{"io.modelcontextprotocol/logLevel": "loud"}), HEADERS, -32602),
    ("a log level of a wrong type", with_meta(**{"io.modelcontextprotocol/logLevel": []}), HEADERS, -32602),
    ("a progress token of a wrong type", with_meta(progressToken=True), HEADERS, -32602),
    ("a fractional progress token", with_meta(progressToken=1.5), HEADERS, -32602),
    ("no version header", CALL, without(HEADERS, "mcp-protocol-version"), -32020),
    ("no method header", CALL, without(HEADERS, "mcp-method"), -32020),
    ("no name header", CALL, without(HEADERS, "mcp-name"), -32020),
    ("another version in the header", CALL, HEADERS | {"mcp-protocol-version": "2025-11-25"}, -32020),
    ("another method in the header", CALL, HEADERS | {"mcp-method": "tools/list"}, -32020),
    ("the method in capitals", CALL, HEADERS | {"mcp-method": "TOOLS/CALL"}, -32020),
    ("another name in the header", CALL, HEADERS | {"mcp-name": "sub"}, -32020),
    ("two copies of a header", CALL, HEADERS | {"mcp-name": "add,add"}, -32020),
    ("control characters in the name", CALL, HEADERS | {"mcp-name": "add\x00"}, -32020),
    ("a name the body lacks", without(CALL, "name"), HEADERS, -32020),
    ("unknown version, contradicting itself", with_meta(**{VERSION_KEY: "v9"}), HEADERS, -32020),
    (
        "unknown version, in one voice",
        with_meta(**{VERSION_KEY: "v9"}),
        HEADERS | {"mcp-protocol-version": "v9"},
        -32022,
    ),
    (
        "a version of the other era",
        with_meta(**{VERSION_KEY: "2025-11-25"}),
        HEADERS | {"mcp-protocol-version": "2025-11-25"},
        -32022,
    ),
]


@pytest.mark.parametrize(
    ("params", "headers", "code"), [row[1:] for row in LADDER], ids=[row[0] for row in LADDER]
)
def test_a_stateless_request_is_checked_in_the_order_of_the_ladder(
    params: Json, headers: dict[str, str], code: int
) -> None:
    """Required by MCP 2026-07-28 basic/index (`_meta`) and streamable-http (Server Validation)."""
    with pytest.raises(JsonRpcError) as caught:
        check_request(Request(7, "tools/call", params), headers)
    assert caught.value.code == code
    assert find_status(code) == 400


def test_a_whole_request_passes_and_is_read() -> None:
    """Required by MCP 2026-07-28 basic/index; client info is optional, 0 is a progress token."""
    meta = without(META, "io.modelcontextprotocol/clientInfo") | {
        "progressToken": 0,
        "io.modelcontextprotocol/logLevel": "warning",
    }
    envelope = check_request(Request(7, "tools/call", CALL | {"_meta": meta}), HEADERS)
    assert envelope.version == STATELESS
    assert envelope.client_info is None
    assert envelope.progress_token == 0
    assert envelope.log_level == "warning"


def test_only_methods_with_a_name_need_the_name_header() -> None:
    """Required by MCP 2026-07-28 streamable-http (Standard Request Headers)."""
    check_request(MODERN, {"mcp-protocol-version": STATELESS, "mcp-method": "tools/list"})
    read = Request(1, "resources/read", {"uri": "file:///ä", "_meta": META})
    encoded = base64.b64encode("file:///ä".encode()).decode()
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "resources/read"}
    check_request(read, headers | {"mcp-name": f"=?base64?{encoded}?="})
    with pytest.raises(JsonRpcError):
        check_request(read, headers)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("us-west1", "us-west1"),
        ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
        ("=?base64?IHBhZGRlZCA=?=", " padded "),
        ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
        ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
        ("=?base64??=", ""),
        ("  add\t", "add"),
        ("=?BASE64?SGk=?=", "=?BASE64?SGk=?="),
        ("=?base64?SGk=", "=?base64?SGk="),
    ],
)
def test_header_values_are_decoded(sent: str, value: str) -> None:
    """Required by MCP 2026-07-28 streamable-http (Value Encoding); OWS by RFC 9110 §5.5."""
    assert decode_header_value(sent, "Mcp-Name") == value


@pytest.mark.parametrize(
    "sent",
    [
        "=?base64?SGVsbG8?=",
        "=?base64?SGVs!!!bG8=?=",
        "=?base64?SGl=?=",
        "=?base64?/w==?=",
        "a\nb",
        "caf\xe9",
        "\x7f",
    ],
)
def test_header_values_that_are_not_well_encoded_are_refused(sent: str) -> None:
    """Required by MCP 2026-07-28 streamable-http (Server Validation)."""
    with pytest.raises(JsonRpcError) as caught:
        decode_header_value(sent, "Mcp-Name")
    assert caught.value.code == -32020


SCHEMA: Json = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "deep": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}},
    },
}

PARAMS: list[tuple[str, Json, dict[str, str], bool]] = [
    ("nothing at all", {}, {}, True),
    ("null counts as absent", {"region": None}, {}, True),
    ("equal", {"region": "eu"}, {"region": "eu"}, True),
    ("encoded", {"region": "Hello"}, {"region": "=?base64?SGVsbG8=?="}, True),
    ("different", {"region": "eu"}, {"region": "us"}, False),
    ("header missing", {"region": "eu"}, {}, False),
    ("argument missing", {}, {"region": "eu"}, False),
    ("argument null", {"region": None}, {"region": "null"}, False),
    ("badly encoded", {"region": "Hello"}, {"region": "=?base64?SGVsbG8?="}, False),
    ("integer", {"count": 42}, {"count": "42"}, True),
    ("integer as a float", {"count": 42}, {"count": "42.0"}, True),
    ("float as an integer", {"count": 42.0}, {"count": "42"}, True),
    ("another integer", {"count": 42}, {"count": "43"}, False),
    ("integer with a fraction", {"count": 42}, {"count": "42.5"}, False),
    ("integer as words", {"count": 42}, {"count": "many"}, False),
    ("integer of 5000 digits", {"count": 1}, {"count": "1" * 5000}, False),
    ("integer beyond 2^53", {"count": 2**53}, {"count": str(2**53)}, False),
    ("boolean", {"dry": True}, {"dry": "true"}, True),
    ("boolean in capitals", {"dry": True}, {"dry": "True"}, False),
    ("nested", {"deep": {"zone": "a"}}, {"zone": "a"}, True),
    ("nested, different", {"deep": {"zone": "a"}}, {"zone": "b"}, False),
    ("nested in something else", {"deep": 5}, {}, True),
    ("wrong type, mirrored", {"region": 5}, {"region": "5"}, True),
    ("a list can't be mirrored", {"region": ["a"]}, {"region": "a"}, False),
    ("headers nobody declared", {}, {"else": "x"}, True),
]


@pytest.mark.parametrize(
    ("arguments", "headers", "passes"), [row[1:] for row in PARAMS], ids=[row[0] for row in PARAMS]
)
def test_mirrored_arguments_must_match_their_headers(
    arguments: Json, headers: dict[str, str], passes: bool
) -> None:
    """Required by MCP 2026-07-28 streamable-http (Server Behavior for Custom Headers)."""
    declared = parse_param_headers(SCHEMA)
    given = {f"mcp-param-{name}": value for name, value in headers.items()}
    if passes:
        check_param_headers(declared, arguments, given)
    else:
        with pytest.raises(JsonRpcError) as caught:
            check_param_headers(declared, arguments, given)
        assert caught.value.code == -32020


@pytest.mark.parametrize(
    "subschema",
    [
        {"type": "string", "x-mcp-header": ""},
        {"type": "string", "x-mcp-header": "a b"},
        {"type": "string", "x-mcp-header": "a\r\nb"},
        {"type": "string", "x-mcp-header": 5},
        {"type": "number", "x-mcp-header": "A"},
        {"type": "array", "x-mcp-header": "A"},
        {"x-mcp-header": "A"},
        {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}},
        {"anyOf": [{"type": "string", "x-mcp-header": "A"}]},
        {"$defs": {"D": {"type": "string", "x-mcp-header": "A"}}},
    ],
)
def test_a_header_declared_where_clients_refuse_it_is_an_error(subschema: Json) -> None:
    """Required by MCP 2026-07-28 server/tools (x-mcp-header)."""
    with pytest.raises(ValueError, match="x-mcp-header"):
        parse_param_headers({"type": "object", "properties": {"p": subschema}})


def test_a_header_can_be_declared_once_whatever_its_case() -> None:
    """Required by MCP 2026-07-28 server/tools (x-mcp-header)."""
    properties = {name: {"type": "string", "x-mcp-header": name} for name in ("Region", "region")}
    with pytest.raises(ValueError, match="twice"):
        parse_param_headers({"type": "object", "properties": properties})


@pytest.mark.parametrize(
    ("value", "accept"),
    [
        (None, Accept(json=True, stream=True)),
        ("", Accept(json=True, stream=True)),
        ("*/*", Accept(json=True, stream=True)),
        ("application/json, text/event-stream", Accept(json=True, stream=True)),
        ("Application/JSON;q=0.9,text/event-stream;q=0.1", Accept(json=True, stream=True)),
        ("application/json", Accept(json=True, stream=False)),
        ("application/*", Accept(json=True, stream=False)),
        ("text/event-stream", Accept(json=False, stream=True)),
        ("*/*, text/event-stream;q=0", Accept(json=True, stream=False)),
        ("text/event-stream; q=0.000, application/json", Accept(json=True, stream=False)),
        ("text/html", Accept(json=False, stream=False)),
        (",;,", Accept(json=False, stream=False)),
    ],
)
def test_accept_is_read_as_http_defines_it(value: str | None, accept: Accept) -> None:
    """Required by RFC 9110 §12.5.1."""
    assert parse_accept(value) == accept
