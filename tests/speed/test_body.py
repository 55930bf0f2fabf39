"""Bodies, cut out of what a connection brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.speed.body import Body, ChunkedBody, SizedBody
from omnitornado.speed.head import HeadError


def feed(body: Body, data: bytes, size: int) -> tuple[bytes, bytes]:
    """Give a body some bytes at a time; what it made of them, and what is left."""
    received, rest = b"", b""
    for start in range(0, len(data), size):
        if body.is_complete:
            return received, rest + data[start:]
        piece, rest = body.take(rest + data[start : start + size])
        received += piece
    return received, rest


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_sized_body_takes_its_length_and_leaves_the_rest(size: int) -> None:
    """Required by RFC 9112 §6.2."""
    body = SizedBody(10)
    assert feed(body, b"0123456789GET /", size) == (b"0123456789", b"GET /")
    assert body.is_complete


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_are_joined_and_the_rest_is_left(size: int) -> None:
    """Required by RFC 9112 §7.1."""
    body = ChunkedBody(100)
    data = b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET /"
    assert feed(body, data, size) == (b"abc0123456789", b"GET /")
    assert body.is_complete


BROKEN = {
    "extension": b"3;a=b\r\nabc\r\n",
    "space": b"3 \r\nabc\r\n",
    "leading space": b" 3\r\nabc\r\n",
    "no size": b"\r\nabc\r\n",
    "sign": b"+3\r\nabc\r\n",
    "negative": b"-3\r\nabc\r\n",
    "prefix": b"0x3\r\nabc\r\n",
    "underscore": b"1_0\r\nabc\r\n",
    "LF alone": b"3\nabc\n0\n\n",
    "LF behind the chunk": b"3\r\nabc\n0\r\n\r\n",
    "longer than it says": b"3\r\nabcd\r\n0\r\n\r\n",
    "trailer field": b"0\r\nX: a\r\n\r\n",
    "size without an end": b"0" * 17,
    "size that overflows": b"FFFFFFFFFFFFFFFF\r\n",
    "letters beyond hexadecimal": b"G\r\n",
}


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_chunks_are_refused(data: bytes, size: int) -> None:
    """Required by RFC 9112 §7.1 and §11.2; extensions and trailer fields are our choice to refuse, as Tornado
    does.
    """
    with pytest.raises(HeadError) as caught:
        feed(ChunkedBody(10_000), data, size)
    assert caught.value.status == 400


def test_chunks_are_limited_together() -> None:
    """Our choice: 413, by the size that is told, before the chunk has come."""
    body = ChunkedBody(10)
    body.take(b"8\r\n01234567\r\n")
    with pytest.raises(HeadError) as caught:
        body.take(b"3\r\n")
    assert caught.value.status == 413


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 50))
def test_any_chunks_come_out_as_they_went_in(chunks: list[bytes], size: int) -> None:
    """Required by RFC 9112 §7.1.3 (decoding), however the bytes arrive."""
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\nrest"
    body = ChunkedBody(1000)
    assert feed(body, data, size) == (b"".join(chunks), b"rest")


@given(st.binary(max_size=100), st.integers(1, 20))
def test_any_bytes_are_chunks_or_an_error(data: bytes, size: int) -> None:
    """Our choice: no other exception leaves, and no more comes out than went in."""
    body = ChunkedBody(1000)
    try:
        received, rest = feed(body, data, size)
    except HeadError:
        return
    assert len(received) + len(rest) <= len(data)
