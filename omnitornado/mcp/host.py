"""Our choice: one task for a request's answer and for the author's async function that it waits for.

A task for each would cost a tenth of a call. Who drives what:

- the answer is a coroutine that the host drives, by the protocol of coroutines alone (`send`, `throw`);
- when it comes to the author's function it asks the host for it (`run`), and the host drives that one until
  it is done. All of this is one task, the request's;
- a function that is interrupted and does not end at once keeps the task. The answer, which waits for it no
  longer, goes on in a new one.

So a function never changes tasks: its time-outs, task groups and cancel scopes hang on the one it began in.
"""

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("omnitornado.mcp")


_left: set["asyncio.Task[Any]"] = set()
"""Tasks of functions that nobody waits for. The loop alone would not keep them."""


class FunctionLeftError(Exception):
    """The function was interrupted and has not ended: nobody waits for it any more."""


class Function:
    """An author's function on its way."""

    __slots__ = ("error", "is_done", "is_interrupted", "is_left", "on_interrupt", "value", "work")

    def __init__(self, work: Awaitable[Any], on_interrupt: Callable[[], object]) -> None:
        self.work = work
        self.on_interrupt = on_interrupt
        self.value: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.is_interrupted = False
        self.is_left = False


class Host:
    """Drives one answer, in the task that awaits `drive`."""

    __slots__ = ("_answer", "_cancels", "_function", "_moved", "is_cancelled", "task")

    def __init__(self, answer: Coroutine[Any, Any, None], task: "asyncio.Task[Any] | None" = None) -> None:
        """`task`: the one that is going to await `drive`, where that is known."""
        self._answer = answer
        self._function: Function | None = None
        self.task = task
        self._cancels = 0
        """How often the task was told to stop, here."""
        self.is_cancelled = False
        self._moved: asyncio.Task[None] | None = None

    async def drive(self) -> None:
        """Return once the answer is given, and the function has ended too. Raises what the answer raises, and
        CancelledError after `cancel`.
        """
        if self.task is None:
            self.task = asyncio.current_task()
        try:
            await self._step()
            if self._moved is not None:
                await self._moved
        finally:
            self._uncancel()

    # For the answer

    @property
    def is_free(self) -> bool:
        """Whether `run` may be called."""
        return self._function is None and self._moved is None

    async def run(self, work: Awaitable[T], on_interrupt: Callable[[], object]) -> T:
        """Run the author's function, one at a time: what it returns or raises. Only in the answer itself, not
        in a task of its own. `on_interrupt` is called before the function hears that it is interrupted.

        Raises:
            FunctionLeftError: it was interrupted, and has not ended.
            CancelledError: the answer was cancelled.
        """
        function = self._function = Function(work, on_interrupt)
        await _ask(function)
        self._function = None
        if self.is_cancelled:
            raise asyncio.CancelledError
        if function.is_left:
            raise FunctionLeftError
        if function.error is not None:
            try:
                raise function.error
            finally:
                function.error = None  # it holds this frame, which holds it
        value: T = function.value
        return value

    # For whoever does not want to wait

    def interrupt(self) -> None:
        """Cancel the author's function. The answer goes on in a moment, whether it has ended or not."""
        function = self._function
        if function is None or self.task is None or function.is_done or function.is_interrupted:
            return
        function.is_interrupted = True
        function.on_interrupt()
        self._cancels += 1
        self.task.cancel()
        # It hears of it in the loop's next turn.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._leave, function)

    def cancel(self) -> None:
        """Cancel the answer, and the author's function with it."""
        if self.is_cancelled or self.task is None:
            return
        self.is_cancelled = True
        if self._function is not None:
            self.interrupt()
        else:
            self._cancels += 1
            (self._moved or self.task).cancel()

    # The driving

    @types.coroutine
    def _step(self) -> Generator[Any, Any, None]:
        answer, error = self._answer, None
        while True:
            try:
                asked = answer.send(None) if error is None else answer.throw(error)
            except StopIteration:
                return
            finally:
                error = None
            if type(asked) is Function:
                yield from self._drive_function(asked)
                if asked.is_left:
                    return
                continue
            try:
                yield asked
            except BaseException as thrown:
                error = thrown

    @types.coroutine
    def _drive_function(self, function: Function) -> Generator[Any, Any, None]:
        try:
            function.value = yield from function.work.__await__()
        except SystemExit:
            # Out of the task it would stop the whole event loop.
            function.error = RuntimeError("the function called sys.exit()")
        except (Exception, asyncio.CancelledError) as error:
            if function.is_left:
                log.debug("a function failed after its call had ended: %s", type(error).__name__)
            else:
                function.error = error
        function.is_done = True
        if not function.is_left:
            self._uncancel()

    def _leave(self, function: Function) -> None:
        if function.is_done or self.task is None:
            return
        function.is_left = True
        self._moved = asyncio.get_running_loop().create_task(self._go_on())
        _left.add(self.task)
        self.task.add_done_callback(_left.discard)

    async def _go_on(self) -> None:
        await self._step()

    def _uncancel(self) -> None:
        while self._cancels and self.task is not None:
            self._cancels -= 1
            self.task.uncancel()


@types.coroutine
def _ask(function: Function) -> Generator[Function, None, None]:
    yield function
