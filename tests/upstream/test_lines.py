"""Bytes to lines, and allowances."""

import pytest

from omnitornado.upstream.lines import Allowance, LineReader, TooLongError


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"o", b"ne", b"\n", b"two\nthr", b"ee\n"], [b"one", b"two", b"three"]),
        ([b"one\r\ntwo\r\n"], [b"one", b"two"]),
        ([b"\n\n\r\none\n\n"], [b"one"]),
        ([b"no end"], []),
        ([b"", b"a\n"], [b"a"]),
    ],
)
def test_lines_are_whole_whatever_the_pieces(pieces: list[bytes], lines: list[bytes]) -> None:
    """Required by MCP 2026-07-28 basic/transports/stdio: messages are delimited by newlines."""
    reader = LineReader(10)
    assert [line for piece in pieces for line in reader.feed(piece)] == lines


@pytest.mark.parametrize(
    "pieces", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"a\n" + b"x" * 11], [b"x" * 11 + b"\n"]]
)
def test_a_line_beyond_its_bound_is_refused(pieces: list[bytes]) -> None:
    """Our choice."""
    reader = LineReader(10)
    *before, last = pieces
    assert [line for piece in before for line in reader.feed(piece)] == []
    with pytest.raises(TooLongError):
        reader.feed(last)


def test_what_stands_without_an_end_is_kept_for_the_end() -> None:
    """Our choice."""
    reader = LineReader(10)
    assert reader.feed(b"a\nb") == [b"a"]
    assert (reader.finish(), reader.finish()) == (b"b", b"")


def test_an_allowance_is_used_up_and_comes_back_with_time() -> None:
    """Our choice."""
    now = [0.0]
    allowance = Allowance(3, 1, lambda: now[0])
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 1.5
    assert [allowance.take() for _ in range(2)] == [True, False]
    now[0] = 100
    assert not allowance.take(4)
    assert allowance.take(3)
