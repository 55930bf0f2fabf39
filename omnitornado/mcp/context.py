"""Implements: MCP 2026-07-28 basic/patterns/progress, basic/patterns/cancellation, server/utilities/logging,
as the author of a tool sees them.
"""

import contextlib
import inspect
import math
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

import msgspec

from omnitornado.mcp.content import clean_text
from omnitornado.mcp.conversation import Asker, Conversation, NoAsker
from omnitornado.mcp.jsonrpc import Json, RequestId, build_notification
from omnitornado.mcp.log_levels import LOG_LEVELS, is_logged
from omnitornado.mcp.principal import Principal

if TYPE_CHECKING:
    from omnitornado.mcp.resources import ResourceContent

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class CallEndedError(Exception):
    """The call was cancelled or ran out of time: nobody waits for the tool any more, it should stop."""


class Delivery(Protocol):
    """Where a call's notifications go."""

    @property
    def ended(self) -> bool: ...

    def deliver(self, message: Json) -> Awaitable[None]: ...

    def check_alive(self) -> None: ...

    @property
    def is_in_loop(self) -> bool:
        """Whether this is the event loop's thread."""

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for something of the event loop's, in a tool's thread."""


class Done(Generic[T_co]):
    """Nothing left to wait for."""

    __slots__ = ("value",)

    def __init__(self, value: T_co) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, T_co]:
        yield from ()
        return self.value


DELIVERED = Done(None)


class Context(Conversation):
    """The call a tool runs in: who calls, and how to talk back. Give a parameter this type to get it."""

    __slots__ = (
        "_close_stream",
        "_delivery",
        "_last_progress",
        "_log_level",
        "_principal",
        "_progress_token",
        "_read",
    )

    def __init__(
        self,
        *,
        principal: Principal,
        protocol_version: str,
        delivery: Delivery,
        progress_token: RequestId | None = None,
        log_level: str | None = None,
        asker: Asker | None = None,
        close_stream: Callable[[float | None], bool] | None = None,
        read: "Callable[[Context, str], Awaitable[tuple[ResourceContent, ...]]] | None" = None,
    ) -> None:
        super().__init__(protocol_version=protocol_version, asker=asker or NoAsker())
        self._close_stream = close_stream
        self._read = read
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
    def is_machine(self) -> bool:
        """Whether no person is behind the call, and the client acts for itself."""
        return self._principal.is_machine

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

    def wait(self, awaitable: Awaitable[T]) -> T:
        """In a sync tool: wait for what an async tool would await, `answer = ctx.wait(ctx.elicit(…))`.

        Raises:
            RuntimeError: in an async tool.
            CallEndedError: the call was cancelled, ran out of time, or goes on in another round.
        """
        if isinstance(awaitable, Done):
            done: Done[T] = awaitable
            return done.value
        return self._delivery.wait(awaitable)

    @overload
    def once(self, key: str, make: Callable[[], Any]) -> Awaitable[Any]: ...

    @overload
    def once(self, key: str, make: Callable[[], Any], kind: type[T]) -> Awaitable[T]: ...

    def once(self, key: str, make: Callable[[], Any], kind: Any = Any) -> Awaitable[Any]:
        """Do something once in a call, though the function runs again with each answer that it asks for.

        The result goes through the client with the state of the call, sealed, so that a client can't read or
        change it. It can send the same state twice, and what follows then happens twice: for what must never
        happen again, make a key here and have it refused where it is used up.

        Args:
            key: a name of its own for each thing.
            make: does it, a plain or an async function; its result must have a JSON form.
            kind: the result's type, where it is not just what JSON has.
        """
        if self._delivery.is_in_loop:
            return self._make_once(key, make, kind)
        value = self._asker.find_made(key)
        if value is msgspec.UNSET:
            value = self._asker.keep_made(key, make())
        return Done(msgspec.convert(value, kind))

    async def _make_once(self, key: str, make: Callable[[], Any], kind: Any) -> Any:
        value = self._asker.find_made(key)
        if value is msgspec.UNSET:
            with self._asker.making():
                value = make()
                value = self._asker.keep_made(key, await value if inspect.isawaitable(value) else value)
        return msgspec.convert(value, kind)

    async def start_task(self) -> bool:
        """Go on as a task, for a tool with `task=TaskSupport(starts_at_once=False)`: the client gets a handle
        to look for the result with, and what follows may take long.

        The function runs again from its start, as after a question: what was answered is answered at once,
        what `once` made stays, and here it then gets True.

        Returns:
            Whether the call is a task now. False with a client that takes none: the call goes on as it is.
        """
        return await self._asker.start_task()

    async def read_resource(self, uri: str) -> "tuple[ResourceContent, ...]":
        """Read a resource of this server, as the client would; its function may ask, too.

        Raises:
            ResourceNotFoundError: there is none at this URI.
            ToolError: the person has not allowed the client what it needs.
        """
        if self._read is None:
            raise LookupError("there are no resources here")
        return await self._read(self, uri)

    def close_stream(self, retry: float | None = None) -> bool:
        """End the connection that waits for this call; the client comes back for the result (SEP-1699).
        For before something long, so that no connection has to last.

        Args:
            retry: seconds after which it may come back; the endpoint's when left out.

        Returns:
            False where nothing was ended: the client could not come back (no stream, or another revision than
            2025-11-25).
        """
        if self._close_stream is None:
            return False
        if self._delivery.is_in_loop:
            return self._close_stream(retry)
        return self._delivery.wait(_call_soon(self._close_stream, retry))


async def _call_soon(function: Callable[[float | None], bool], retry: float | None) -> bool:
    return function(retry)


def _build_data(message: Any) -> Any:
    """Must not break the stream that carries it: what has no JSON form is shown as Python shows it."""
    with contextlib.suppress(ValueError, RecursionError):  # a lone surrogate, a circle
        return msgspec.Raw(msgspec.json.encode(message, enc_hook=str))
    return ascii(message)
