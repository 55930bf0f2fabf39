"""Implements: RFC 9112 §6 and §7.1: the body of a request, cut out of the bytes of a connection.

Chunk extensions and trailer fields are refused, as Tornado's connection refuses them: nothing here has a use
for either, and each has been a way to smuggle a request past a proxy.
"""

import re
from typing import Final, Protocol

from omnitornado.speed.head import HeadError

CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
MAX_SIZE_LINE: Final = 17
"""Bytes of a chunk's size with its CRLF."""


class Body(Protocol):
    """Takes bytes as they come."""

    is_complete: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Split into what belongs to the body, framing removed, and what has to wait: an unfinished piece of
        framing, or the next request. Raises: HeadError.
        """


class SizedBody:
    """A body of a known length."""

    __slots__ = ("_remaining", "is_complete")

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.is_complete = length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        if len(data) < self._remaining:
            self._remaining -= len(data)
            return data, b""
        piece, rest = data[: self._remaining], data[self._remaining :]
        self._remaining = 0
        self.is_complete = True
        return piece, rest


class ChunkedBody:
    """A body in chunks. `max_length` in bytes, of all of them."""

    __slots__ = ("_allowed", "_is_last", "_remaining", "is_complete")

    def __init__(self, max_length: int) -> None:
        self._allowed = max_length
        self._remaining = -1
        """Of the chunk under way, with its CRLF; -1 before its size is known."""
        self._is_last = False
        self.is_complete = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        pieces = []
        at = 0
        while not self.is_complete:
            if self._remaining < 0:
                end = data.find(b"\r\n", at, at + MAX_SIZE_LINE)
                if end < 0:
                    _check_partial_size(data[at : at + MAX_SIZE_LINE])
                    break
                self._begin_chunk(data[at:end])
                at = end + 2
            available = min(len(data) - at, self._remaining - 2)
            if available > 0:
                pieces.append(data[at : at + available])
                at += available
                self._remaining -= available
            if self._remaining > 2 or len(data) - at < 2:
                break
            if data[at : at + 2] != b"\r\n":
                raise HeadError(400, "a chunk does not end where its size says, or trailer fields follow")
            at += 2
            self._remaining = -1
            self.is_complete = self._is_last
        return b"".join(pieces), data[at:]

    def _begin_chunk(self, line: bytes) -> None:
        if CHUNK_SIZE.fullmatch(line) is None:
            raise HeadError(400, "a chunk size that is not a number, or an extension")
        size = int(line, 16)
        self._allowed -= size
        if self._allowed < 0:
            raise HeadError(413, "the chunks are too long together")
        self._is_last = size == 0
        self._remaining = size + 2


def _check_partial_size(line: bytes) -> None:
    digits = line.removesuffix(b"\r")
    if len(line) >= MAX_SIZE_LINE or (digits and CHUNK_SIZE.fullmatch(digits) is None):
        raise HeadError(400, "a chunk size that is not a number, or an extension")
