"""What of a client's own JSON can be kept: no client may send what stops a write or, worse, a load."""

from typing import Any

_MAX_DEPTH = 32
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1  # what MessagePack has


def build_plain(members: dict[str, Any]) -> dict[str, Any]:
    """A copy of a JSON object. Integers beyond 64 bits become floats, halves of surrogate pairs "?", and what
    is nested deeper than 32 levels, or is no JSON, None."""
    return {build_text(name): _build_value(value, _MAX_DEPTH) for name, value in members.items()}


def build_text(text: str) -> str:
    """The text with halves of surrogate pairs as "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _build_value(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return build_text(value)
    if isinstance(value, int):
        return value if _MIN_INTEGER <= value <= _MAX_INTEGER else _build_float(value)
    if depth > 0 and isinstance(value, list | tuple):
        return [_build_value(item, depth - 1) for item in value]
    if depth > 0 and isinstance(value, dict):
        return {build_text(str(name)): _build_value(item, depth - 1) for name, item in value.items()}
    return None


def _build_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
