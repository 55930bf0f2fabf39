"""Implements: MCP 2026-07-28 basic/patterns/cancellation, basic/patterns/progress: one call in flight.

Our choice: its time. While the client has a question to answer it stands still.
"""

import asyncio
import concurrent.futures
import contextlib
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from omnitornado.mcp.context import DELIVERED, CallEndedError
from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.host import Host
from omnitornado.mcp.jsonrpc import Json

log = logging.getLogger("omnitornado.mcp")

T = TypeVar("T")

Send = Callable[[Json], Awaitable[None]]

_ENDED = "the call was cancelled or ran out of time"


class CallCancelledError(Exception):
    """The client took its request back (`notifications/cancelled`): nothing is answered."""


class ServerStoppingError(Exception):
    """The server stops and can't wait for this call."""


class CallTimedOutError(Exception):
    """The tool did not finish in its time."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.limit = limit


class CallSuspendedError(Exception):
    """The call ends here for now, and that is no failure: whoever runs it says what to answer."""


class Tally:
    """How many pieces of the author's work run for a call: a thread can't be stopped, and an async function
    may not listen, so that some may outlast it. `on_empty` is called once, when the call is over and none
    runs any more."""

    def __init__(self, on_empty: Callable[[], None]) -> None:
        self._on_empty = on_empty
        self._count = 1  # the call itself

    def begin(self) -> None:
        self._count += 1

    def end(self, _: object = None) -> None:
        """One piece, or the call, is over."""
        self._count -= 1
        if self._count == 0:
            self._on_empty()


class Call:
    """One request in flight: its notifications' way out, its time, and the switch that ends it.

    Lives in the event loop; `deliver`, `wait` and `check_alive` may also be called from the tool's thread.
    `host` is where the author's function may run in the request's own task.
    """

    __slots__ = (
        "_clock",
        "_countdown",
        "_helping",
        "_nested",
        "_send",
        "_stopped",
        "_thread",
        "ended",
        "host",
        "loop",
        "on_stop",
        "stop_reason",
        "tally",
    )

    def __init__(self, send: Send | None, host: Host | None = None, *, tally: Tally | None = None) -> None:
        self.tally = tally
        self.host = host
        self.on_stop: Callable[[], object] | None = None
        """Called, once, when the call is stopped early."""
        self.stop_reason: Exception | None = None
        self.ended = False
        self._send = send
        self.loop: asyncio.AbstractEventLoop | None = None
        """Set for a function in a thread."""
        self._thread = threading.get_ident()
        self._helping: set[asyncio.Task[Any]] | None = None
        self._nested: set[Call] | None = None
        self._countdown: Countdown | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._clock: Clock | None = None
        """Takes the countdown's place once the time has stood still."""

    # In the event loop

    @contextlib.contextmanager
    def nest(self) -> "Iterator[Call]":
        """A call within this one: its time stands still with this one's."""
        nested = Call(self._send, tally=self.tally)
        if self._nested is None:
            self._nested = set()
        self._nested.add(nested)
        try:
            yield nested
        finally:
            self._nested.discard(nested)

    def start_clock(self, countdown: Countdown | None) -> None:
        """Give the call its time; what waits for the client's answer takes none of it. None: no limit."""
        if countdown is not None and self._countdown is None:
            self._countdown = countdown
            countdown.start(self, self._run_out)

    def _run_out(self) -> None:
        if self._countdown is not None and not self.ended:
            self.stop(CallTimedOutError(self._countdown.seconds))

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Stop the clock for a while."""
        clocks = [call._find_clock() for call in (self, *(self._nested or ())) if call._countdown is not None]
        for clock in clocks:
            clock.pause()
        try:
            yield
        finally:
            for clock in clocks:
                clock.resume()

    def _find_clock(self) -> "Clock":
        if self._clock is None:
            assert self._countdown is not None  # noqa: S101 - for the type checker: there is a limit
            self._clock = Clock(self._countdown.find_left(self), self._run_out)
            self._countdown.stop(self)
        return self._clock

    def stop(self, reason: Exception) -> None:
        """End the call early; whoever runs it raises `reason`."""
        if self.stop_reason is None:
            self.stop_reason = reason
            if self._stopped is not None:
                self._stopped.set_result(None)
            if self.on_stop is not None:
                self.on_stop()

    @property
    def stopped(self) -> "asyncio.Future[None]":
        """Done once the call is stopped early."""
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
            if self.stop_reason is not None:
                self._stopped.set_result(None)
        return self._stopped

    def end(self) -> None:
        """No notification leaves any more, and a thread that waits is let go."""
        self.ended = True
        if self._countdown is not None:
            self._countdown.stop(self)
        if self._clock is not None:
            self._clock.pause()
        own = None if self.host is None else self.host.task
        for task in self._helping or ():
            if task is not own:  # whose function hears of it by the host, and whose answer must not
                task.cancel()

    # In the tool's thread as well

    @property
    def is_in_loop(self) -> bool:
        return threading.get_ident() == self._thread

    def check_alive(self) -> None:
        """Stop a sync tool that nobody waits for, so that its thread comes free.

        Raises:
            CallEndedError
        """
        if self.ended and not self.is_in_loop:
            raise CallEndedError(_ENDED)

    def deliver(self, message: Json) -> Awaitable[None]:
        """Send a notification of this call: awaited in the event loop, blocking in a tool's thread."""
        if self._send is None or self.ended:
            return DELIVERED
        if self.is_in_loop:
            return self._deliver(message)
        # Blocks: a tool that reports faster than the client reads is slowed down, not buffered.
        self._wait(self._deliver(message))
        return DELIVERED

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for something of the event loop's, in a tool's thread.

        Raises:
            RuntimeError: this is the event loop's thread.
            CallEndedError
        """
        if self.is_in_loop:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError("wait() is for sync tools; an async tool awaits")
        self.check_alive()
        return self._wait(self._help(awaitable))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        assert self.loop is not None  # noqa: S101 - this is a thread
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result()
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            work.close()
            raise CallEndedError("the server has stopped") from None
        except concurrent.futures.CancelledError:
            raise CallEndedError(_ENDED) from None

    async def _help(self, awaitable: Awaitable[T]) -> T:
        task = asyncio.current_task()
        if self.ended or task is None:
            raise CallEndedError(_ENDED)
        if self._helping is None:
            self._helping = set()
        self._helping.add(task)
        try:
            return await awaitable
        finally:
            self._helping.discard(task)

    async def _deliver(self, message: Json) -> None:
        task = asyncio.current_task()
        if self._send is None or self.ended or task is None:
            return
        if self._helping is None:
            self._helping = set()
        self._helping.add(task)
        try:
            await self._send(message)
        except Exception as error:
            self._send = None
            log.debug("a notification was not delivered: %s", type(error).__name__)
        finally:
            self._helping.discard(task)


class Clock:
    """Seconds that run out, unless it is paused: then it stands still. It runs at first."""

    def __init__(self, left: float, ring: Callable[[], None]) -> None:
        self._left = left
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._paused = 1
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.resume()

    def resume(self) -> None:
        self._paused -= 1
        if self._paused == 0:
            self._since = self._loop.time()
            self._timer = self._loop.call_later(self._left, self._ring)

    def pause(self) -> None:
        self._paused += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._left -= self._loop.time() - self._since
