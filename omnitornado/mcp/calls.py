"""Implements: MCP 2026-07-28 server/tools (Error Handling), basic/patterns/cancellation; the time limit and
the bounded threads are our choice.

What goes wrong inside a tool is a result with `isError`, for the model to read: the author's own words for a
`ToolError`, a reference to the log for anything else. No traceback leaves the server.
"""

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from omnitornado.mcp.call import (
    Call,
    CallCancelledError,
    CallSuspendedError,
    CallTimedOutError,
    ServerStoppingError,
)
from omnitornado.mcp.client_capabilities import ClientCapabilityError
from omnitornado.mcp.content import build_text
from omnitornado.mcp.context import Context
from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.host import Host
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.principal import PRINCIPAL, Principal
from omnitornado.mcp.resources import ResourceNotFoundError
from omnitornado.mcp.schema import ArgumentError
from omnitornado.mcp.threads import PoolBusyError, ToolThreads
from omnitornado.mcp.tool_error import ToolError
from omnitornado.mcp.tools import Outcome, Tool
from omnitornado.mcp.versions import STATELESS_VERSIONS
from omnitornado.mcp.witness import WITNESS

log = logging.getLogger("omnitornado.mcp")

T = TypeVar("T")


class Declared(Protocol):
    """A function as an author offers it: a tool's, a resource's, a prompt's or a completion's."""

    @property
    def label(self) -> str:
        """What it is and its name, for people: "tool add"."""

    @property
    def function(self) -> Callable[..., Any]: ...

    @property
    def is_async(self) -> bool: ...

    @property
    def timeout(self) -> float | msgspec.UnsetType | None: ...


class ToolRunner:
    """Runs tools: async ones in the event loop, sync ones in a bounded pool, each within its time."""

    def __init__(
        self,
        *,
        threads: int,
        timeout: float | None,
        patience: float | None,
        token_bytes: Callable[[int], bytes],
    ) -> None:
        """`timeout`, of a call, and `patience`, for a free thread, in seconds; None for no limit."""
        self._threads = ToolThreads(threads)
        self._token_bytes = token_bytes
        self._timeout = timeout
        self._patience = patience
        self._countdowns: dict[float, Countdown] = {}
        """By their seconds, as tools have them."""
        self._running: set[Call] = set()
        self._left_behind: set[asyncio.Future[Any]] = set()

    async def run(
        self,
        tool: Tool,
        arguments: Json,
        principal: Principal,
        call: Call,
        build_context: Callable[[Call], Context],
        version: str,
    ) -> Outcome:
        """Call a tool. `build_context` makes what it sees of the request, if it wants to; `version` is the
        client's revision.

        Raises:
            JsonRpcError: a protocol failure that the tool's context raised.
            CallCancelledError: the client took the request back.
            CallSuspendedError: the client has to answer first.
        """
        self._running.add(call)
        witness = WITNESS.get()
        reason: str | None = None
        try:
            values = tool.arguments.parse(arguments)
            if tool.arguments.context_names:
                values |= dict.fromkeys(tool.arguments.context_names, build_context(call))
            outcome = tool.build_outcome(await self._execute(tool, values, principal, call))
            reason = "tool_error" if outcome.is_error else None
            return outcome
        except CallSuspendedError:
            witness = None  # It goes on, and ends another time.
            raise
        except (JsonRpcError, CallCancelledError) as error:
            reason = _find_reason(error)
            raise
        except (Exception, SystemExit) as error:
            reason = _find_reason(error)
            _check_capability(error, version)
            return self._build_failure(tool, error)
        finally:
            if witness is not None:
                witness.tell(principal, tool.name, reason)
            call.end()
            self._running.discard(call)

    async def run_function(
        self,
        declared: Declared,
        values: dict[str, Any],
        context: Context,
        call: Call,
        build: Callable[[Any], T],
    ) -> T:
        """Call a function that is no tool, and `build` what its return value becomes.

        Raises:
            JsonRpcError: it failed; the words are safe to send.
            ResourceNotFoundError: it said so.
            CallCancelledError: the client took the request back.
            CallSuspendedError: the client has to answer first.
        """
        self._running.add(call)
        try:
            return build(await self._execute(declared, values, context.principal, call))
        except (JsonRpcError, CallCancelledError, CallSuspendedError, ResourceNotFoundError):
            raise
        except (Exception, SystemExit) as error:
            _check_capability(error, context.protocol_version)
            code = INVALID_PARAMS if isinstance(error, ArgumentError) else INTERNAL_ERROR
            # An answer of the author's function, received well: not a failure of the server's, hence 200.
            status = 200 if code == INTERNAL_ERROR else None
            raise JsonRpcError(code=code, message=self._explain(declared, error), status=status) from None
        finally:
            call.end()
            self._running.discard(call)

    def close(self) -> None:
        """End what runs and let the threads go."""
        for call in list(self._running):
            call.stop(ServerStoppingError())
        self._threads.close()

    async def _execute(
        self, declared: Declared, values: dict[str, Any], principal: Principal, call: Call
    ) -> Any:
        if declared.is_async and call.host is not None and call.host.is_free:
            # The request's own task: its context is nobody else's.
            PRINCIPAL.set(principal)
            call.start_clock(self._find_countdown(declared))
            return await _run_hosted(declared.function, values, call, call.host)
        scope = contextvars.copy_context()
        scope.run(PRINCIPAL.set, principal)
        work: asyncio.Future[Any]
        if declared.is_async:
            work = self._begin(declared.function(**values), scope, call)
        else:
            work = await self._submit(partial(scope.run, partial(declared.function, **values)), call)
        call.start_clock(self._find_countdown(declared))
        value = await self._wait(work, call)
        if declared.is_async:
            return value
        value, error = value
        if error is not None:
            raise error
        if inspect.isawaitable(value):  # a sync wrapper around an async function
            return await self._wait(self._begin(value, scope, call), call)
        return value

    def _begin(
        self, awaitable: Awaitable[Any], scope: contextvars.Context, call: Call
    ) -> asyncio.Future[Any]:
        work = asyncio.create_task(_guard(awaitable), context=scope)
        if call.tally is not None:
            call.tally.begin()
            work.add_done_callback(call.tally.end)
        return work

    async def _submit(self, function: Callable[[], Any], call: Call) -> asyncio.Future[Any]:
        call.loop = asyncio.get_running_loop()
        try:
            return await self._threads.submit(
                function, patience=self._patience, stopped=call.stopped, tally=call.tally
            )
        except PoolBusyError:
            if call.stop_reason is not None:
                raise call.stop_reason from None
            raise

    def _find_countdown(self, declared: Declared) -> Countdown | None:
        limit = self._timeout if isinstance(declared.timeout, msgspec.UnsetType) else declared.timeout
        if limit is None:
            return None
        countdown = self._countdowns.get(limit)
        if countdown is None:
            countdown = self._countdowns[limit] = Countdown(limit)
        return countdown

    async def _wait(self, work: asyncio.Future[Any], call: Call) -> Any:
        # What `asyncio.wait` does, at a fifth of its cost.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake(_: object = None) -> None:
            if not waiter.done():
                waiter.set_result(None)

        work.add_done_callback(wake)
        call.on_stop = wake
        if call.stop_reason is not None:
            wake()
        try:
            await waiter
        finally:
            work.remove_done_callback(wake)
            call.on_stop = None
            finished = work.done()
            if not finished:
                self._leave_behind(work, call)
        if call.stop_reason is not None:
            raise call.stop_reason
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
        if isinstance(error, ArgumentError):
            return build_error_outcome(f"Invalid arguments for {tool.name}: {error}")
        return build_error_outcome(self._explain(tool, error))

    def _explain(self, declared: Declared, error: BaseException) -> str:
        """What went wrong, in words that are safe to send; the rest stands in the log."""
        label = declared.label
        if isinstance(error, ToolError | ArgumentError):
            return str(error)
        if isinstance(error, CallTimedOutError):
            log.warning("%s ran out of its %g s", label, error.limit)
            return f"The {label} did not finish within {error.limit:g} seconds."
        if isinstance(error, PoolBusyError):
            log.warning("%s found no free thread within %g s", label, self._patience)
            return "The server is busy with other calls. Try again in a moment."
        if isinstance(error, ServerStoppingError):
            return "The server is stopping. Try again in a moment."
        reference = self._token_bytes(4).hex()
        log.error("%s failed, reference %s", label, reference, exc_info=error)
        return f"The {label} failed. The server's log has the details: {reference}."


def build_error_outcome(message: str) -> Outcome:
    """A result with `isError` that says what went wrong."""
    return Outcome([build_text(message)], is_error=True)


def _find_reason(error: BaseException) -> str:
    """Why a call failed, as a code for the log."""
    if isinstance(error, CallCancelledError):
        return "call_cancelled"
    if isinstance(error, JsonRpcError):
        return "call_refused"
    if isinstance(error, CallTimedOutError):
        return "tool_timeout"
    return "tool_arguments" if isinstance(error, ArgumentError) else "tool_error"


def _check_capability(error: BaseException, version: str) -> None:
    """A client that lacks what a call needs is told so in its revision's own way.

    Raises:
        JsonRpcError: -32021 in the stateless era.
    """
    if isinstance(error, ClientCapabilityError) and version in STATELESS_VERSIONS:
        raise error.build_error() from None


async def _run_hosted(
    function: Callable[..., Awaitable[Any]], values: dict[str, Any], call: Call, host: Host
) -> Any:
    """Run an async function in the request's own task."""
    if call.stop_reason is not None:
        raise call.stop_reason
    call.on_stop = host.interrupt
    try:
        value = await host.run(function(**values), call.end)
    except (Exception, asyncio.CancelledError) as error:
        if host.is_cancelled:
            raise
        if call.stop_reason is not None:
            raise call.stop_reason from None
        if isinstance(error, asyncio.CancelledError) and not _is_being_cancelled():
            raise RuntimeError("the function cancelled itself") from None
        raise
    finally:
        call.on_stop = None
    if call.stop_reason is not None:
        raise call.stop_reason
    return value


def _is_being_cancelled() -> bool:
    """Whether somebody else has cancelled the task, as when the loop ends."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _guard(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except SystemExit as error:
        # Out of a task it would stop the whole event loop.
        raise RuntimeError("the tool called sys.exit()") from error
