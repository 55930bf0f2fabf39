"""Implements: MCP 2026-07-28 server/utilities/logging (Log Levels, after RFC 5424 §6.2.1)."""

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the least to the most severe."""

DEFAULT_LOG_LEVEL = "info"
"""What a session of the handshake era gets until it asks for another level with `logging/setLevel`."""


def is_logged(level: str, minimum: str | None) -> bool:
    """Whether a message of `level` is sent to a client that asked for `minimum`; None asks for nothing."""
    return minimum is not None and LOG_LEVELS.index(level) >= LOG_LEVELS.index(minimum)
