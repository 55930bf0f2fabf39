"""Implements: MCP 2026-07-28 server/tools (Error Handling), basic/patterns/cancellation; the time limit and
the bounded threads are our choice.

What goes wrong inside a tool is a result with `isError`, for the model to read: the author's own words for a
`ToolError`, a reference to the log for anything else. No traceback leaves the server.
"""

import asyncio
import concurrent.futures
import contextvars
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from omnitornado.mcp.content import build_text
from omnitornado.mcp.context import DELIVERED, CallEndedError, Context
from omnitornado.mcp.jsonrpc import Json, JsonRpcError
from omnitornado.mcp.principal import PRINCIPAL
from omnitornado.mcp.schema import ArgumentError
from omnitornado.mcp.threads import PoolBusyError, ToolThreads
from omnitornado.mcp.tools import Outcome, Tool, ToolError

log = logging.getLogger("omnitornado.mcp")

Send = Callable[[Json], Awaitable[None]]


class CallCancelledError(Exception):
    """The client took its request back (`notifications/cancelled`): nothing is answered."""


class ServerStoppingError(Exception):
    """The server stops and can't wait for this call."""


class CallTimedOutError(Exception):
    """The tool did not finish in its time."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.limit = limit


class Call:
    """One request in flight: its notifications' way out, and the switch that ends it.

    Lives in the event loop; `deliver` and `check_alive` may also be called from the tool's thread.
    """

    def __init__(self, send: Send | None) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._sending: set[asyncio.Task[Any]] = set()
        self.stopped: asyncio.Future[None] = self._loop.create_future()
        self.stop_reason: Exception | None = None
        self.ended = False

    def stop(self, reason: Exception) -> None:
        """End the call early; whoever runs it raises `reason`."""
        if not self.stopped.done():
            self.stop_reason = reason
            self.stopped.set_result(None)

    def end(self) -> None:
        """No notification leaves any more, and a thread that waits for one is let go."""
        self.ended = True
        for task in self._sending:
            task.cancel()

    def check_alive(self) -> None:
        """Stop a sync tool that nobody waits for, so that its thread comes free.

        Raises:
            CallEndedError
        """
        if self.ended and threading.get_ident() != self._thread:
            raise CallEndedError("the call was cancelled or ran out of time")

    def deliver(self, message: Json) -> Awaitable[None]:
        """Send a notification of this call: awaited in the event loop, blocking in a tool's thread."""
        if self._send is None or self.ended:
            return DELIVERED
        if threading.get_ident() == self._thread:
            return self._deliver(message)
        self._hand_over(self._deliver(message))
        return DELIVERED

    def _hand_over(self, delivery: Coroutine[Any, Any, None]) -> None:
        try:
            # Blocks: a tool that reports faster than the client reads is slowed down, not buffered.
            asyncio.run_coroutine_threadsafe(delivery, self._loop).result()
        except RuntimeError:
            delivery.close()  # the loop is closed
            raise CallEndedError("the server has stopped") from None
        except concurrent.futures.CancelledError:
            raise CallEndedError("the call was cancelled or ran out of time") from None

    async def _deliver(self, message: Json) -> None:
        task = asyncio.current_task()
        if self._send is None or self.ended or task is None:
            return
        self._sending.add(task)
        try:
            await self._send(message)
        except Exception as error:
            self._send = None
            log.debug("a notification was not delivered: %s", type(error).__name__)
        finally:
            self._sending.discard(task)


class ToolRunner:
    """Runs tools: async ones in the event loop, sync ones in a bounded pool, each within its time."""

    def __init__(
        self, *, threads: int, timeout: float | None, patience: float, token_bytes: Callable[[int], bytes]
    ) -> None:
        self._threads = ToolThreads(threads)
        self._token_bytes = token_bytes
        self._timeout = timeout
        self._patience = patience
        self._running: set[Call] = set()
        self._left_behind: set[asyncio.Future[Any]] = set()

    async def run(self, tool: Tool, arguments: Json, context: Context, call: Call) -> Outcome:
        """Call a tool.

        Raises:
            JsonRpcError: a protocol failure that the tool's context raised.
            CallCancelledError: the client took the request back.
        """
        self._running.add(call)
        try:
            values = tool.arguments.parse(arguments)
            for name in tool.arguments.context_names:
                values[name] = context
            return tool.build_outcome(await self._execute(tool, values, context, call))
        except (JsonRpcError, CallCancelledError):
            raise
        except (Exception, SystemExit) as error:
            return self._build_failure(tool, error)
        finally:
            call.end()
            self._running.discard(call)

    def close(self) -> None:
        """End what runs and let the threads go."""
        for call in list(self._running):
            call.stop(ServerStoppingError())
        self._threads.close()

    async def _execute(self, tool: Tool, values: dict[str, Any], context: Context, call: Call) -> Any:
        scope = contextvars.copy_context()
        scope.run(PRINCIPAL.set, context.principal)
        limit = self._timeout if isinstance(tool.timeout, msgspec.UnsetType) else tool.timeout
        work: asyncio.Future[Any]
        if tool.is_async:
            work = asyncio.create_task(_guard(tool.function(**values)), context=scope)
        else:
            function = partial(scope.run, partial(tool.function, **values))
            work = await self._threads.submit(function, patience=self._patience)
        value = await self._wait(work, limit, call)
        if tool.is_async:
            return value
        value, error = value
        if error is not None:
            raise error
        if inspect.isawaitable(value):  # a sync wrapper around an async function
            work = asyncio.create_task(_guard(value), context=scope)
            return await self._wait(work, limit, call)
        return value

    async def _wait(self, work: asyncio.Future[Any], limit: float | None, call: Call) -> Any:
        try:
            await asyncio.wait((work, call.stopped), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished = work.done()
            if not finished:
                self._leave_behind(work, call)
        if call.stop_reason is not None:
            raise call.stop_reason
        if not finished:
            raise CallTimedOutError(limit or 0.0)
        if work.cancelled():
            raise RuntimeError("the tool cancelled itself")
        return work.result()

    def _leave_behind(self, work: asyncio.Future[Any], call: Call) -> None:
        """Tell the work to stop, and wait for it no longer: it may not listen."""
        call.end()
        self._left_behind.add(work)
        work.add_done_callback(self._forget)
        work.cancel()

    def _forget(self, work: asyncio.Future[Any]) -> None:
        self._left_behind.discard(work)
        if not work.cancelled() and work.exception() is not None:
            log.debug("a tool failed after its call had ended: %s", type(work.exception()).__name__)

    def _build_failure(self, tool: Tool, error: BaseException) -> Outcome:
        if isinstance(error, ToolError):
            return build_error_outcome(str(error))
        if isinstance(error, ArgumentError):
            return build_error_outcome(f"Invalid arguments for {tool.name}: {error}")
        if isinstance(error, CallTimedOutError):
            log.warning("tool %s ran out of its %g s", tool.name, error.limit)
            return build_error_outcome(f"The tool {tool.name} did not finish within {error.limit:g} seconds.")
        if isinstance(error, PoolBusyError):
            log.warning("tool %s found no free thread within %g s", tool.name, self._patience)
            return build_error_outcome("The server is busy with other calls. Try again in a moment.")
        if isinstance(error, ServerStoppingError):
            return build_error_outcome("The server is stopping. Try again in a moment.")
        reference = self._token_bytes(4).hex()
        log.error("tool %s failed, reference %s", tool.name, reference, exc_info=error)
        return build_error_outcome(
            f"The tool {tool.name} failed. The server's log has the details: {reference}."
        )


def build_error_outcome(message: str) -> Outcome:
    """A result with `isError` that says what went wrong."""
    return Outcome([build_text(message)], is_error=True)


async def _guard(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except SystemExit as error:
        # Out of a task it would stop the whole event loop.
        raise RuntimeError("the tool called sys.exit()") from error
