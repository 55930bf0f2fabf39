"""What the body of a POST may be."""

import json
from random import Random
from typing import Any

import pytest

from omnitornado.mcp.errors import find_status
from omnitornado.mcp.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JsonRpcError,
    Notification,
    Request,
    Response,
    build_error,
    build_result,
    encode,
    parse_body,
)

NOT_JSON = {
    "nothing": b"",
    "blank": b"  ",
    "words": b"hello",
    "cut off": b'{"jsonrpc":"2.0"',
    "two values": b"{} {}",
    "trailing comma": b'{"a":1,}',
    "comment": b"{} // hi",
    "single quotes": b"{'a':1}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "invalid UTF-8": b'{"a":"\xff"}',
    "invalid UTF-8 in a key": b'{"\xc3\x28":1}',
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "lone surrogate escape": b'"\\ud800"',
    "lone surrogate escape in a key": b'{"\\ud800 ":1}',
    "control character": b'"a\nb"',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "a number too large for a float": b'{"a":1e999}',
    "an integer of 5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "leading zero": b'{"a":01}',
    "duplicate key": b'{"a":1,"a":2}',
    "duplicate key, compact and spaced": b'{"a":1,"a" :2}',
    "duplicate key, escaped": b'{"a":1,"\\u0061":2}',
    "duplicate key, nested": b'{"a":[{"b":{"c":1,"c":1}}]}',
    "duplicate key beside a colon in text": b'{"a":1,"a":"x:y","b":"\\":"}',
    "101 arrays": b"[" * 101 + b"]" * 101,
    "101 objects": b'{"a":' * 101 + b"1" + b"}" * 101,
    "100000 arrays": b"[" * 100_000 + b"]" * 100_000,
    "100000 open arrays": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_strict_json_is_a_parse_error(body: bytes) -> None:
    """Required by JSON-RPC 2.0 §5.1 and RFC 8259 §8.1; duplicate keys and nesting above 100: our choice."""
    with pytest.raises(JsonRpcError) as caught:
        parse_body(body)
    assert caught.value.code == PARSE_ERROR
    assert build_error(caught.value)["id"] is None


NO_MESSAGE: dict[str, Any] = {
    "a string": "hello",
    "a number": 1,
    "null": None,
    "an empty object": {},
    "an empty batch": [],
    "a batch of 101": [{}] * 101,
    "no method": {"jsonrpc": "2.0", "params": {}},
    "no version": {"id": 1, "method": "ping"},
    "JSON-RPC 1.0": {"jsonrpc": "1.0", "id": 1, "method": "ping"},
    "version as a number": {"jsonrpc": 2.0, "id": 1, "method": "ping"},
    "method as a number": {"jsonrpc": "2.0", "id": 1, "method": 1},
    "empty method": {"jsonrpc": "2.0", "id": 1, "method": ""},
    "params as a list": {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
    "params as null": {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": None},
    "id null": {"jsonrpc": "2.0", "id": None, "method": "ping"},
    "id true": {"jsonrpc": "2.0", "id": True, "method": "ping"},
    "id as a fraction": {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
    "id as a whole float": {"jsonrpc": "2.0", "id": 1.0, "method": "ping"},
    "id as an object": {"jsonrpc": "2.0", "id": {}, "method": "ping"},
    "id of 2^53": {"jsonrpc": "2.0", "id": 2**53, "method": "ping"},
    "id of -2^53": {"jsonrpc": "2.0", "id": -(2**53), "method": "ping"},
    "id of 40 digits": {"jsonrpc": "2.0", "id": 10**40, "method": "ping"},
    "request and response": {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}},
    "result and error": {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
    "neither result nor error": {"jsonrpc": "2.0", "id": 1},
    "a result without an id": {"jsonrpc": "2.0", "result": {}},
}


@pytest.mark.parametrize("value", NO_MESSAGE.values(), ids=NO_MESSAGE.keys())
def test_json_that_is_no_message_is_an_invalid_request(value: Any) -> None:
    """Required by JSON-RPC 2.0 §5.1 and MCP basic/index (Messages)."""
    with pytest.raises(JsonRpcError) as caught:
        parse_body(json.dumps(value).encode())
    assert caught.value.code == INVALID_REQUEST
    assert find_status(caught.value.code) == 400


@pytest.mark.parametrize("request_id", [0, 1, -1, 2**53 - 1, "", "0", "x" * 500])
def test_ids_are_strings_or_integers_and_zero_is_one(request_id: Any) -> None:
    """Required by MCP basic/index (Requests)."""
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "ping"}).encode()
    message = parse_body(body)
    assert isinstance(message, Request)
    assert message.id == request_id
    assert type(message.id) is type(request_id)


def test_the_three_kinds_of_message_are_told_apart() -> None:
    """Required by JSON-RPC 2.0 §4 and §5."""
    assert parse_body(b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"b":1}}') == Request(1, "a", {"b": 1})
    assert parse_body(b'{"jsonrpc":"2.0","method":"a"}') == Notification("a", {})
    assert parse_body(b'{"jsonrpc":"2.0","id":1,"result":null}') == Response(1, None, None)
    assert parse_body(b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}') == Response(
        1, None, {"code": 1, "message": "m"}
    )


def test_an_error_carries_the_id_wherever_it_could_be_read() -> None:
    """Required by MCP basic/index (Error Responses)."""
    with pytest.raises(JsonRpcError) as caught:
        parse_body(b'{"jsonrpc":"2.0","id":0,"method":5}')
    assert build_error(caught.value)["id"] == 0


def test_a_batch_keeps_its_unreadable_members_in_place() -> None:
    """Required by JSON-RPC 2.0 §6."""
    batch = parse_body(b'[1,{"jsonrpc":"2.0","method":"a"}]')
    assert isinstance(batch, list)
    assert isinstance(batch[0], JsonRpcError)
    assert batch[1] == Notification("a", {})


WELL_FORMED = {
    "100 arrays": b'{"jsonrpc":"2.0","method":"m","params":{"a":' + b"[" * 98 + b"]" * 98 + b"}}",
    "colons in text": b'{"jsonrpc":"2.0","method":"m","params":{"a":"b:c","d":"\\":"}}',
    "the same key in two objects": b'{"jsonrpc":"2.0","method":"m","params":{"a":{"a":[{"a":1},{"a":2}]}}}',
    "space around everything": b' { "jsonrpc" : "2.0" ,\r\n"method"\t: "m" } ',
    "a surrogate pair": b'{"jsonrpc":"2.0","method":"m","params":{"a":"\\ud83d\\ude00"}}',
    "large integers outside ids": b'{"jsonrpc":"2.0","method":"m","params":{"a":12345678901234567890123}}',
    "unknown members": b'{"jsonrpc":"2.0","method":"m","more":1}',
}


@pytest.mark.parametrize("body", WELL_FORMED.values(), ids=WELL_FORMED.keys())
def test_strictness_refuses_nothing_that_is_well_formed(body: bytes) -> None:
    """Required by RFC 8259."""
    assert isinstance(parse_body(body), Notification)


@pytest.mark.parametrize("seed", range(20))
def test_a_key_that_comes_twice_is_found_whatever_stands_around_it(seed: int) -> None:
    """Our choice: any two readers of a body see the same. Held against the standard library's own pairs."""
    random = Random(seed)

    def write_string() -> str:
        return (
            '"'
            + "".join(
                random.choice(["a", "b", ":", "\\u0061", "\\u003a", '\\":', "é", "{", " "])
                for _ in range(random.randrange(3))
            )
            + '"'
        )

    def write(depth: int) -> str:
        kind = random.randrange(4) if depth else 3
        if kind == 0:
            return "[" + ",".join(write(depth - 1) for _ in range(random.randrange(3))) + "]"
        if kind == 3:
            return random.choice([write_string(), "1", "null", "-0.5e3", "12345678901234567890123"])
        members = [
            f"{write_string()}{random.choice(['', ' '])}:{write(depth - 1)}"
            for _ in range(random.randrange(4))
        ]
        return "{" + random.choice([",", " , "]).join(members) + "}"

    found = {True: 0, False: 0}
    for _ in range(200):
        params = "{" + f'"a":{write(3)},"b":{write(2)}' + "}"
        body = f'{{"jsonrpc":"2.0","method":"m","params":{params}}}'.encode()
        is_strict = all(len(dict(pairs)) == len(pairs) for pairs in read_pairs(body))
        found[is_strict] += 1
        if is_strict:
            assert isinstance(parse_body(body), Notification), body
        else:
            with pytest.raises(JsonRpcError, match="same key twice"):
                parse_body(body)
    assert min(found.values()) > 5


def read_pairs(body: bytes) -> list[list[tuple[str, Any]]]:
    """The members of every object, as they stand there."""
    seen: list[list[tuple[str, Any]]] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        seen.append(pairs)

    json.loads(body, object_pairs_hook=note)
    return seen


def test_more_nesting_than_python_has_room_for_is_an_answer_all_the_same() -> None:
    """Our choice: however deep the configuration allows."""

    def find_words(depth: int) -> str:
        body = b'{"jsonrpc":"2.0","method":"m","params":{"a":' + b"[" * depth + b"]" * depth + b"}}"
        try:
            return type(parse_body(body, nesting=100_000)).__name__
        except JsonRpcError as error:
            return error.message

    words = {find_words(depth) for depth in range(900, 1010)}
    assert words == {"Notification", "Parse error: the body is nested too deep"}


def test_a_message_is_one_line_of_json() -> None:
    """Our choice: so that it fits the data of a server-sent event as it is."""
    encoded = encode(build_result(0, {"text": "a\nb\r\u2028"}))
    assert b"\n" not in encoded
    assert b"\r" not in encoded
    assert json.loads(encoded) == {"jsonrpc": "2.0", "id": 0, "result": {"text": "a\nb\r\u2028"}}


def test_the_reason_of_an_error_stays_out_of_the_answer() -> None:
    """Our choice: what is logged is not what is sent."""
    error = JsonRpcError(code=-32603, message="Internal error", reason="the disk is full")
    assert "disk" not in json.dumps(build_error(error, 1))
