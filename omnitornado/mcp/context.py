"""Implements: MCP 2026-07-28 basic/patterns/progress, basic/patterns/cancellation, server/utilities/logging,
as the author of a tool sees them.
"""

import contextlib
import math
from collections.abc import Awaitable, Generator
from typing import Any, Protocol

import msgspec

from omnitornado.mcp.content import clean_text
from omnitornado.mcp.jsonrpc import Json, RequestId, build_notification
from omnitornado.mcp.log_levels import LOG_LEVELS, is_logged
from omnitornado.mcp.principal import Principal


class CallEndedError(Exception):
    """The call was cancelled or ran out of time: nobody waits for the tool any more, it should stop."""


class Delivery(Protocol):
    """Where a call's notifications go."""

    @property
    def ended(self) -> bool: ...

    def deliver(self, message: Json) -> Awaitable[None]: ...

    def check_alive(self) -> None: ...


class Delivered:
    """Nothing left to wait for."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DELIVERED = Delivered()


class Context:
    """The call a tool runs in: who calls, and how to talk back. Give a parameter this type to get it."""

    __slots__ = (
        "_delivery",
        "_last_progress",
        "_log_level",
        "_principal",
        "_progress_token",
        "protocol_version",
    )

    def __init__(
        self,
        *,
        principal: Principal,
        protocol_version: str,
        delivery: Delivery,
        progress_token: RequestId | None = None,
        log_level: str | None = None,
    ) -> None:
        self.protocol_version = protocol_version
        self._principal = principal
        self._delivery = delivery
        self._progress_token = progress_token
        self._log_level = log_level
        self._last_progress = -math.inf

    @property
    def principal(self) -> Principal:
        """The signed-in person, their client and what they allowed it."""
        return self._principal

    @property
    def username(self) -> str:
        """The signed-in person."""
        return self._principal.username

    @property
    def client_id(self) -> str:
        """The client that calls for them."""
        return self._principal.client_id

    @property
    def scopes(self) -> frozenset[str]:
        """What they allowed it."""
        return self._principal.scopes

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more: a long sync tool looks here and returns early."""
        return self._delivery.ended

    def progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]:
        """Tell the client how far the call is. A sync tool just calls it; an async tool awaits it.

        Values must increase (basic/patterns/progress): one that doesn't, or isn't finite, is not sent.
        Nothing is sent to a client that didn't ask.

        Args:
            progress: how much is done.
            total: how much there is, in the same unit.
            message: for a person to read.

        Raises:
            CallEndedError: in a sync tool whose call was cancelled or ran out of time.
        """
        self._delivery.check_alive()
        if self._progress_token is None or not math.isfinite(progress) or progress <= self._last_progress:
            return DELIVERED
        self._last_progress = progress
        params: Json = {"progressToken": self._progress_token, "progress": progress}
        if total is not None and math.isfinite(total):
            params["total"] = total
        if message is not None:
            params["message"] = clean_text(message)
        return self._delivery.deliver(build_notification("notifications/progress", params))

    def log(self, level: str, message: Any, logger: str | None = None) -> Awaitable[None]:
        """Send the client a log message, if it wants messages of this level. Awaited by async tools alone.

        Args:
            level: debug, info, notice, warning, error, critical, alert or emergency.
            message: text, or anything with a JSON form (else its `str`). Never a secret.
            logger: a name for what speaks.

        Raises:
            ValueError: no such level.
            CallEndedError: in a sync tool whose call was cancelled or ran out of time.
        """
        if level not in LOG_LEVELS:
            raise ValueError(f"log level {level!r} is none of {', '.join(LOG_LEVELS)}")
        self._delivery.check_alive()
        if not is_logged(level, self._log_level):
            return DELIVERED
        params: Json = {"level": level, "data": _build_data(message)}
        if logger is not None:
            params["logger"] = clean_text(logger)
        return self._delivery.deliver(build_notification("notifications/message", params))


def _build_data(message: Any) -> Any:
    """Must not break the stream that carries it: what has no JSON form is shown as Python shows it."""
    with contextlib.suppress(ValueError, RecursionError):  # a lone surrogate, a circle
        return msgspec.Raw(msgspec.json.encode(message, enc_hook=str))
    return ascii(message)
