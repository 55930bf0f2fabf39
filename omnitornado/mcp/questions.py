"""Implements: MCP 2026-07-28 basic/patterns/mrtr (InputRequests), and server requests of earlier revisions:
what questions of every kind have.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from omnitornado.mcp.jsonrpc import Json

T = TypeVar("T")


class Question(msgspec.Struct, Generic[T], frozen=True):
    """A request to the client."""

    method: str
    params: Json
    required: Json
    """ClientCapabilities that it needs."""
    parse: Callable[[Any], T]
    """Reads the client's result. Raises ValueError, with words that may be sent."""
    key: str
    """Its name among the questions of a call."""


class Names:
    """The names of the questions of one run of a function: the second of a name is another question."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def find(self, name: str) -> str:
        """A name that none had before; the same one for the same question in the next run."""
        numbered, count = name, 1
        while numbered in self._taken:
            count += 1
            numbered = f"{name}-{count}"
        self._taken.add(numbered)
        return numbered


def parse_result(result: Any, kind: type[T]) -> T:
    """A client's result as a type.

    Raises:
        ValueError: it does not fit.
    """
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
