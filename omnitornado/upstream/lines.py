"""Implements: MCP 2026-07-28 basic/transports/stdio (framing): bytes to lines, bounded.

Our choice: how long a line may be, and how many are taken in one turn of the event loop, so that one child's
flood leaves the loop to others.
"""

from collections.abc import Callable

LINES_A_TURN = 64


class TooLongError(Exception):
    """A line has no end within its bound."""


class LineReader:
    """Takes bytes in pieces of any size, gives lines without their ends."""

    __slots__ = ("_limit", "_parts", "_size")

    def __init__(self, limit: int) -> None:
        """`limit`, of a line, in bytes."""
        self._limit = limit
        self._parts: list[bytes] = []
        """The beginning of a line whose end has not come."""
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end with this piece; empty ones are left out.

        Raises:
            TooLongError
        """
        head, end, rest = data.partition(b"\n")
        self._parts.append(head)
        self._size += len(head)
        if self._size > self._limit:
            raise TooLongError
        if not end:
            return []
        lines = [b"".join(self._parts), *rest.split(b"\n")]
        tail = lines.pop()
        self._parts, self._size = [tail], len(tail)
        if self._size > self._limit or any(len(line) > self._limit for line in lines):
            raise TooLongError
        return [line for line in (line.removesuffix(b"\r") for line in lines) if line]

    def finish(self) -> bytes:
        """What stands without an end, once nothing more comes."""
        rest = b"".join(self._parts)
        self._parts, self._size = [], 0
        return rest


class Allowance:
    """So much at once, and so much a second: what a child may say unasked, and into the log."""

    __slots__ = ("_clock", "_left", "_most", "_rate", "_since")

    def __init__(self, most: float, rate: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._rate = rate
        self._clock = clock
        self._left = most
        self._since = clock()

    def take(self, amount: float = 1.0) -> bool:
        """Whether there is as much left; if so it is taken."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < amount:
            return False
        self._left -= amount
        return True
