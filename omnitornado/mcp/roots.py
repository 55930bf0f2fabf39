"""Implements: MCP 2026-07-28 client/roots (Listing Roots)."""

from typing import Any

import msgspec

from omnitornado.mcp.client_capabilities import ROOTS
from omnitornado.mcp.questions import Question, parse_result


class Root(msgspec.Struct, frozen=True):
    """A folder or file that the client works on. A hint, and no permission."""

    uri: str
    name: str | None = None


def build_roots_question(key: str | None) -> Question[list[Root]]:
    """Ask the client which folders it works on."""
    return Question("roots/list", {}, ROOTS, _parse_roots, key or "roots")


def _parse_roots(result: Any) -> list[Root]:
    return parse_result(result, _Roots).roots


class _Roots(msgspec.Struct):
    roots: list[Root]
