"""Implements: MCP 2026-07-28 basic/transports/stdio (Shutdown), MCP 2025-11-25 basic/transports (stdio): one
child process, lines in and lines out.

Our choice: its keeper (`keeper.py`) sees to it that nothing of it stays; here are the pipes. Everything is
bounded: how long a line may be, how much waits for a child that does not read, how much of its standard error
is logged. What goes beyond ends the child, and whoever waits for it is told why.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from omnitornado.log import log_event
from omnitornado.upstream.errors import ChildError
from omnitornado.upstream.lines import LINES_A_TURN, Allowance, LineReader, TooLongError

KEEPER = Path(__file__).with_name("keeper.py")
GRACE = 1.0
"""Seconds that a child has to see that its input is over, and as many again after SIGTERM."""
MAX_UNREAD = 1 << 20
"""Bytes, beyond the message itself, that wait for a child that does not read them."""
MAX_LOG_LINE = 400
"""Characters of a line of standard error that are logged."""
LOG_LINES = 200
LOG_LINES_A_SECOND = 20.0
STDERR_A_SECOND = 1 << 20
"""Bytes of standard error that are read, whether they are logged or not."""


class Command(msgspec.Struct, frozen=True):
    """What to run."""

    name: str
    """Of the upstream, for the log."""
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    max_line: int
    """Bytes of a message."""
    grace: float = GRACE


class Listener(Protocol):
    """Who has started a child."""

    def take_line(self, line: bytes) -> None:
        """A line of its standard output."""

    def note_end(self, error: ChildError) -> None:
        """It has ended, or is being ended, and says nothing more. Once."""


class Child:
    """A process on its way. Belongs to the event loop."""

    def __init__(
        self, command: Command, listener: Listener, clock: Callable[[], float] = time.monotonic
    ) -> None:
        loop = asyncio.get_running_loop()
        self._command = command
        self._listener = listener
        self._clock = clock
        self._keeper: subprocess.Popen[bytes] | None = None
        self._control: asyncio.WriteTransport | None = None
        self._input: asyncio.WriteTransport | None = None
        self._outputs: dict[asyncio.BaseProtocol, asyncio.ReadTransport] = {}
        """Those that are open: standard output, standard error."""
        self._can_write = asyncio.Event()
        self._code: int | None = None
        self._error: ChildError | None = None
        self._is_gone = False
        self._started: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done once nothing of it is left."""
        self.pid: int | None = None
        """The process's own; its keeper has another."""

    # Beginning

    async def start(self) -> None:
        """Run it. Not to be cancelled.

        Raises:
            ChildError: its program can't be run.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        pipes: list[int] = []
        try:
            ours.setblocking(False)
            for _ in range(3):
                pipes += os.pipe()
            self._launch(theirs, pipes)
        except OSError as error:
            for one in pipes:
                os.close(one)
            ours.close()
            theirs.close()
            self.ended.set_result(None)
            raise self._fail(f"can't be started: {error.strerror}") from None
        theirs.close()
        for one in (pipes[0], pipes[3], pipes[5]):
            os.close(one)
        # Each of the others is its transport's from here on, which closes it.
        self._control, _ = await loop.create_unix_connection(
            lambda: _Control(self._take_word, self._note_gone), sock=ours
        )
        writer = _Input(self._can_write, self._note_closed)
        self._input, _ = await loop.connect_write_pipe(lambda: writer, os.fdopen(pipes[1], "wb", 0))
        lines = LineReader(self._command.max_line)
        await self._read(
            _Output(lines, self._listener.take_line, self._refuse_line, self._note_output_end), pipes[2]
        )
        await self._read(_Stderr(self._command.name, self._clock, self._note_read), pipes[4])
        await self._started

    def _launch(self, control: socket.socket, pipes: Sequence[int]) -> None:
        command = self._command
        arguments = [sys.executable, "-I", "-S", str(KEEPER), str(control.fileno()), str(command.grace)]
        self._keeper = subprocess.Popen(  # noqa: S603 - what the operator has configured
            [*arguments, *command.arguments],
            stdin=pipes[0],
            stdout=pipes[3],
            stderr=pipes[5],
            cwd=command.folder,
            env=dict(command.environment),
            pass_fds=(control.fileno(),),
            start_new_session=True,
        )

    async def _read(self, protocol: asyncio.Protocol, pipe: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(pipe, "rb", 0))
        self._outputs[protocol] = transport

    # Talking

    async def send(self, line: bytes) -> None:
        """Write a line. Waits while the child is far behind.

        Raises:
            ChildError: it has ended.
        """
        while self._error is None and not self._can_write.is_set():
            await self._can_write.wait()
        self.send_now(line)

    def send_now(self, line: bytes) -> None:
        """Write a line without waiting; a child that reads nothing at all is ended.

        Raises:
            ChildError: it has ended.
        """
        if self._error is not None or self._input is None:
            raise self._error or self._fail("is not there")
        if self._input.get_write_buffer_size() > MAX_UNREAD + self._command.max_line:
            raise self.kill("did not read what it was sent")
        self._input.write(line + b"\n")

    # Ending

    def end(self) -> None:
        """Tell it that it is over: its input closes, then it gets its time, SIGTERM and SIGKILL."""
        self._fail("was ended")
        for one in (self._input, self._control):
            if one is not None and not one.is_closing() and one.can_write_eof():
                one.write_eof()

    def kill(self, reason: str) -> ChildError:
        """End it at once, for what it did."""
        if self._error is None and self._control is not None:
            log_event("upstream.killed", upstream=self._command.name, reason=reason)
            self._control.write(b"k")
        return self._fail(reason)

    def _take_word(self, words: list[str]) -> None:
        match words:
            case ["started", pid]:
                self.pid = int(pid)
                if not self._started.done():
                    self._started.set_result(None)
            case ["failed", number]:
                self._fail(f"can't be started: {os.strerror(int(number))}")
            case ["ended", code]:
                self._code = int(code)

    def _refuse_line(self) -> None:
        self.kill(f"sent a message of more than {self._command.max_line} bytes")

    def _note_closed(self) -> None:
        """It reads or writes no more. Its end is about to follow; without it, it is of no use."""
        asyncio.get_running_loop().call_later(
            self._command.grace, self.kill, "closed its input or its output"
        )

    def _note_output_end(self, protocol: asyncio.BaseProtocol) -> None:
        self._note_closed()
        self._note_read(protocol)

    def _note_read(self, protocol: asyncio.BaseProtocol) -> None:
        """An output has been read to its end."""
        self._outputs.pop(protocol, None)
        self._finish()

    def _note_gone(self) -> None:
        """The keeper has ended, and with it everything else: what was written stands in the pipes."""
        self._is_gone = True
        if self._code is None and self._error is None:
            self._fail("ended")
        asyncio.get_running_loop().call_later(self._command.grace, self._close_outputs)
        self._finish()

    def _close_outputs(self) -> None:
        for one in self._outputs.values():
            one.close()

    def _fail(self, reason: str) -> ChildError:
        """Nothing is expected of it any more."""
        if self._error is not None:
            return self._error
        self._error = error = ChildError(self._command.name, reason)
        self._can_write.set()
        for protocol, transport in self._outputs.items():
            if isinstance(protocol, _Output):
                transport.close()
        if not self._started.done():
            self._started.set_exception(error)
            self._started.exception()  # whoever starts it may wait no more
        self._listener.note_end(error)
        return error

    def _finish(self) -> None:
        if not self._is_gone or self._outputs:
            return
        self._fail(f"ended {describe_code(self._code or 0)}")
        if self._input is not None:
            if not self._input.is_closing():
                self._input.abort()
            self._input = None
        self._collect()

    def _collect(self) -> None:
        code = None if self._keeper is None else self._keeper.poll()
        if self._keeper is not None and code is None:
            # It has closed its socket, and has a few instructions to go.
            asyncio.get_running_loop().call_later(0.002, self._collect)
            return
        if code and self.pid is not None:
            # Somebody has killed the keeper itself. The child died with it; what it had started may not have.
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        if not self.ended.done():
            self.ended.set_result(None)


def describe_code(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"


class _Control(asyncio.Protocol):
    """The socket to the keeper."""

    def __init__(self, take: Callable[[list[str]], None], on_end: Callable[[], None]) -> None:
        self._take = take
        self._on_end = on_end
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode("ascii", "replace").split())

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end()


class _Input(asyncio.BaseProtocol):
    """The child's standard input: whether there is room in it."""

    def __init__(self, can_write: asyncio.Event, on_lost: Callable[[], None]) -> None:
        self._can_write = can_write
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._can_write.set()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._can_write.set()
        self._on_lost()


class _Output(asyncio.Protocol):
    """The child's standard output: some lines a turn, while the pipe holds the rest back."""

    def __init__(
        self,
        reader: LineReader,
        take: Callable[[bytes], None],
        refuse: Callable[[], None],
        on_end: Callable[[asyncio.BaseProtocol], None],
    ) -> None:
        self._reader = reader
        self._take = take
        self._refuse = refuse
        self._on_end = on_end
        self._waiting: list[bytes] = []
        self._is_lost = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._reader.feed(data)
        except TooLongError:
            self._refuse()
            return
        if self._waiting or len(lines) > LINES_A_TURN:
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._go_on)
            self._waiting += lines
            self._transport.pause_reading()
            return
        for line in lines:
            self._take(line)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        if not self._waiting:
            self._on_end(self)

    def _go_on(self) -> None:
        now, self._waiting = self._waiting[:LINES_A_TURN], self._waiting[LINES_A_TURN:]
        for line in now:
            self._take(line)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._go_on)
        elif self._is_lost:
            self._on_end(self)
        elif not self._transport.is_closing():
            self._transport.resume_reading()


class _Stderr(asyncio.Protocol):
    """The child's standard error, into the log: some of it, if there is much."""

    def __init__(
        self, name: str, clock: Callable[[], float], on_end: Callable[[asyncio.BaseProtocol], None]
    ) -> None:
        self._name = name
        self._on_end = on_end
        self._reader = LineReader(1 << 16)
        self._lines = Allowance(LOG_LINES, LOG_LINES_A_SECOND, clock)
        self._bytes = Allowance(4 * STDERR_A_SECOND, STDERR_A_SECOND, clock)
        self._left_out = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._reader.feed(data)
        except TooLongError:
            lines = [self._reader.finish()[:MAX_LOG_LINE]]
        for line in lines:
            self._log(line)
        if not self._bytes.take(len(data)):
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(1.0, self._resume)

    def connection_lost(self, error: Exception | None) -> None:
        rest = self._reader.finish()
        if rest:
            self._log(rest)
        self._on_end(self)

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _log(self, line: bytes) -> None:
        if not self._lines.take():
            self._left_out += 1
            return
        text = line[: 4 * MAX_LOG_LINE].decode("utf-8", "replace")[:MAX_LOG_LINE]
        left_out, self._left_out = self._left_out or None, 0
        log_event("upstream.stderr", upstream=self._name, text=text, left_out=left_out)
