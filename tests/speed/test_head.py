"""The head of a request: what is taken, and what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from omnitornado.speed.head import (
    HEAD_END,
    MAX_EMPTY_LINES,
    HeadError,
    check_partial,
    parse_head,
    skip_empty_lines,
)
from omnitornado.speed.limits import Limits

LIMITS = Limits(max_head=2000, max_headers=10)
POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"


def parse(data: bytes) -> object:
    return parse_head(data + b"\r\n", LIMITS)


def test_a_head_becomes_tornados_records() -> None:
    """Required by RFC 9112 §3 and §5; names in Tornado's spelling, values without the space around them."""
    head = parse_head(
        b"PUT /a?b=%20c HTTP/1.1\r\nHOST: a\r\nx-two:  1 \t\r\nX-Two: 2\r\nContent-Length: 3\r\n\r\n", LIMITS
    )
    assert head.start_line == ("PUT", "/a?b=%20c", "HTTP/1.1")
    assert list(head.headers.get_all()) == [
        ("Host", "a"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("Content-Length", "3"),
    ]
    assert (head.length, head.is_chunked, head.keeps_alive) == (3, False, True)


@pytest.mark.parametrize(
    ("start_line", "target"),
    [
        (b"FOO / HTTP/1.1", "/"),
        (b"PRI * HTTP/1.1", "*"),
        (b"GET http://a/b HTTP/1.1", "http://a/b"),
        (b"GET /\xc3\xa9 HTTP/1.1", "/\xc3\xa9"),
        (b"CONNECT a:1 HTTP/1.1", "a:1"),
    ],
)
def test_any_method_and_any_form_of_target_reach_the_application(start_line: bytes, target: str) -> None:
    """Required by RFC 9110 §9.1 (an unknown method is the application's to refuse) and RFC 9112 §3.2."""
    assert parse_head(start_line + b"\r\nHost: a\r\n\r\n", LIMITS).start_line.path == target


def test_a_look_at_one_field_says_what_tornado_says_before_and_after_a_change() -> None:
    """Our choice: most requests' fields are never taken apart."""
    data = b"POST / HTTP/1.1\r\nHost: a\r\nX-One:  1, 2 \r\nX-Empty:\r\n\r\n"
    late, usual = (
        parse_head(data, Limits()).headers,
        HTTPHeaders({"Host": "a", "X-One": "1, 2", "X-Empty": ""}),
    )
    for _ in range(2):
        for name in ("host", "HOST", "x-one", "X-Empty", "x-none"):
            assert late.get(name) == usual.get(name)
            assert late.get(name, "other") == usual.get(name, "other")
            assert late.get_list(name) == usual.get_list(name)
        for headers in (late, usual):
            headers["X-None"] = "now"
            headers.add("Host", "b")
            del headers["X-One"]
            headers["X-One"] = "3"


@pytest.mark.parametrize(
    ("fields", "version", "expected"),
    [
        (b"", b"1.1", True),
        (b"Connection: close\r\n", b"1.1", False),
        (b"Connection: x, CLOSE\r\n", b"1.1", False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", b"1.1", False),
        (b"", b"1.0", False),
        (b"Connection: Keep-Alive\r\n", b"1.0", True),
    ],
)
def test_the_client_says_whether_the_connection_persists(
    fields: bytes, version: bytes, expected: bool
) -> None:
    """Required by RFC 9112 §9.3."""
    head = parse_head(b"GET / HTTP/" + version + b"\r\nHost: a\r\n" + fields + b"\r\n", LIMITS)
    assert head.keeps_alive is expected


def test_an_upgrade_that_is_asked_for_is_not_done() -> None:
    """Required by RFC 9110 §7.8: a server may ignore it; the body keeps its framing."""
    head = parse_head(POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n", LIMITS)
    assert head.length == 3


START_LINES = [
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b" GET / HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET\t/ HTTP/1.1",
    b"GET / HTTP/2.0",
    b"GET / HTTP/1.2",
    b"GET / HTTP/1.10",
    b"GET / http/1.1",
    b"GET /",
    b"GET / RTSP/1.0",
    b"G\x00T / HTTP/1.1",
    b"G:T / HTTP/1.1",
    b"GET /\x00 HTTP/1.1",
    b"GET /\n HTTP/1.1",
    b"GET /\r HTTP/1.1",
    b"GET  HTTP/1.1",
    b"",
]


@pytest.mark.parametrize("line", START_LINES)
def test_a_malformed_request_line_is_refused(line: bytes) -> None:
    """Required by RFC 9112 §3 (no lenient reading: it is how two readers come to differ)."""
    with pytest.raises(HeadError) as caught:
        parse(line + b"\r\nHost: a\r\n")
    assert caught.value.status == 400


FIELDS = {
    "space before the colon": b"Transfer-Encoding : chunked",
    "folded line": b"X: a\r\n b",
    "folded first line": b" X: a",
    "bare LF": b"X: a\nY: b",
    "bare CR": b"X: a\rY: b",
    "NUL in a value": b"X: a\x00b",
    "NUL in a name": b"X\x00: b",
    "DEL in a value": b"X: a\x7f",
    "control character": b"X: a\x01",
    "no colon": b"X",
    "no name": b": a",
    "name that is no token": b"X(: a",
    "name beyond ASCII": b"X\xe9: a",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4",
    "the same length twice": b"Content-Length: 3\r\nContent-Length: 3",
    "list of lengths": b"Content-Length: 3, 3",
    "signed length": b"Content-Length: +3",
    "negative length": b"Content-Length: -3",
    "hexadecimal length": b"Content-Length: 0x3",
    "length with a space": b"Content-Length: 3 3",
    "empty length": b"Content-Length:",
    "length and coding": b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 3",
    "unknown coding": b"Transfer-Encoding: xchunked",
    "identity": b"Transfer-Encoding: identity",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "chunked, then another": b"Transfer-Encoding: chunked, gzip",
    "another, then chunked": b"Transfer-Encoding: gzip, chunked",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "quoted coding": b'Transfer-Encoding: "chunked"',
    "coding behind a vertical tab": b"Transfer-Encoding: \x0bchunked",
}


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_a_field_that_two_readers_could_read_differently_is_refused(field: bytes) -> None:
    """Required by RFC 9112 §2.2, §5.1, §5.2, §6.1 and §6.3 (request smuggling, §11.2)."""
    with pytest.raises(HeadError) as caught:
        parse(POST + field + b"\r\n")
    assert caught.value.status == 400


def test_chunks_in_http_1_0_are_refused() -> None:
    """Required by RFC 9112 §6.1: such framing is faulty."""
    with pytest.raises(HeadError):
        parse(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n")


def test_a_length_that_no_number_holds_is_too_long() -> None:
    """Our choice: 413 as for other lengths over the limit."""
    with pytest.raises(HeadError) as caught:
        parse(POST + b"Content-Length: " + b"9" * 50 + b"\r\n")
    assert caught.value.status == 413


def test_more_fields_than_allowed_are_431() -> None:
    """Required by RFC 6585 §5."""
    parse(POST + b"X: a\r\n" * 9)
    with pytest.raises(HeadError) as caught:
        parse(POST + b"X: a\r\n" * 10)
    assert caught.value.status == 431


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\x00", 400),
        (b" GET", 400),
        (b"G" * 2001, 431),
    ],
)
def test_what_can_not_become_a_head_is_refused_before_it_is_whole(data: bytes, status: int) -> None:
    """Our choice: nobody waits for the end of a TLS greeting, or of lines that end in LF."""
    with pytest.raises(HeadError) as caught:
        check_partial(data, LIMITS)
    assert caught.value.status == status


def test_an_unfinished_head_is_waited_for() -> None:
    """Our choice: any beginning of a good head."""
    data = POST + b"X: a\r\n"
    for end in range(1, len(data)):
        check_partial(data[:end], LIMITS)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_an_error(data: bytes) -> None:
    """Our choice: no other exception leaves."""
    if HEAD_END not in data:
        data += HEAD_END
    with contextlib.suppress(HeadError):
        parse_head(data[: data.find(HEAD_END) + 4], LIMITS)


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"\r\nGET", b"GET"),
        (b"\r\n" * MAX_EMPTY_LINES + b"GET", b"GET"),
        (b"\r\n", b""),
        (b"\r", b"\r"),
        (b"\r\n\r", b"\r"),
        (b"GET", b"GET"),
    ],
)
def test_empty_lines_before_a_request_are_skipped(data: bytes, left: bytes) -> None:
    """Required by RFC 9112 §2.2."""
    assert skip_empty_lines(data) == left


@pytest.mark.parametrize(
    "data", [b"\r\n" * (MAX_EMPTY_LINES + 1), b"\r\n" * 100_000, b"\n\rGET", b"\n\n", b"\r\r\nGET"]
)
def test_what_looks_like_them_or_comes_in_masses_is_refused(data: bytes) -> None:
    """Our choice: a stranger must not keep the event loop busy with nothing."""
    with pytest.raises(HeadError):
        skip_empty_lines(data)
