"""Scopes that follow from what a tool says of itself, where it names none.

Implements: MCP 2026-07-28 schema.ts (ToolAnnotations, their defaults). Which scope stands for what is the
author's.
"""

from collections.abc import Mapping

from omnitornado.mcp.declaration import check_scopes
from omnitornado.mcp.tools import ToolAnnotations

KINDS = ("read", "write", "destructive")


class ScopeByAnnotation:
    """The scopes that an author configured."""

    def __init__(self, scopes: Mapping[str, str]) -> None:
        """
        Raises:
            ValueError: a key that is none of `KINDS`.
            DeclarationError: a value that is no scope token.
        """
        unknown = [kind for kind in scopes if kind not in KINDS]
        if unknown:
            raise ValueError(f"scope_by_annotation has {', '.join(KINDS)}, not {', '.join(unknown)}")
        check_scopes(tuple(scopes.values()))
        self._scopes = dict(scopes)

    def find_for_tool(self, annotations: ToolAnnotations | None) -> tuple[str, ...]:
        """What a tool needs. One that says nothing may write and destroy, as the schema has it."""
        hints = annotations or ToolAnnotations()
        if hints.read_only_hint:
            return self._find("read")
        return self._find("write") if hints.destructive_hint is False else self._find("write", "destructive")

    def find_for_reading(self) -> tuple[str, ...]:
        """What a resource or a prompt needs."""
        return self._find("read")

    def _find(self, *kinds: str) -> tuple[str, ...]:
        return tuple(self._scopes[kind] for kind in kinds if kind in self._scopes)
