"""The audit log: who did what, from where, and how it ended, as JSON lines in a file of its own.

A line is handed over and written by a thread: no request waits for it. What is promised:

- Lines stand in the order in which things happened, each whole, and none holds a secret or what a tool was
  called with.
- A file that was moved or deleted (logrotate) is noticed before the next line, and begun anew at its path.
  The server also turns it over by itself, at `max_size`.
- A disk that takes nothing keeps nobody from signing in. Up to `MAX_WAITING` lines wait for it; what has to
  be left out beyond that is counted, and the count stands in the file once it can be written again.
- It is not fsynced for each line: a power failure may cost the last seconds, a clean stop nothing.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from omnitornado.log import log_event

MAX_WAITING: Final = 10_000
"""Lines."""
MAX_BATCH: Final = 500
"""Lines that are written at once."""
MAX_VALUE: Final = 1000
"""Characters of one value."""
RETRY_INTERVAL: Final = 1.0
"""Seconds between two tries to write to a disk that fails."""

OUTCOMES: Final[Mapping[str, str]] = {
    "refused": "refused",
    "denied": "refused",
    "unavailable": "failed",
    "failed": "failed",
}
"""By the last part of an event's name; anything else was done."""
DONE: Final = "done"


class AuditFile:
    """The file and its older generations `.1` to `.keep`. Used by one thread."""

    def __init__(self, path: Path, *, max_size: int, keep: int) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._file: int | None = None
        self._is_torn = False

    def open(self) -> None:
        """Raises: OSError."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises: OSError; what was written of them stays, and is ended by a line feed
        before anything else follows.
        """
        file = self._find_file(len(lines))
        if self._is_torn:
            lines = b"\n" + lines
        while lines:
            written = os.write(file, lines)
            self._is_torn = not lines[:written].endswith(b"\n")
            lines = lines[written:]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _find_file(self, coming: int) -> int:
        if self._file is not None and self._has_moved():
            self.close()
        if self._file is None:
            self.open()
            self._is_torn = False
        assert self._file is not None  # noqa: S101 - for the type checker
        size = os.fstat(self._file).st_size
        if size and size + coming > self._max_size:
            self._turn_over()
        return self._file

    def _has_moved(self) -> bool:
        assert self._file is not None  # noqa: S101 - for the type checker
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        mine = os.fstat(self._file)
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)

    def _turn_over(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self._name(number - 1)
            if older.exists():
                os.replace(older, self._name(number))
        if not self._keep:
            self._path.unlink(missing_ok=True)
        self.close()
        self.open()

    def _name(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


class AuditLog:
    """Lines for the file, from any thread. `close` writes what waits."""

    def __init__(
        self,
        path: Path,
        *,
        max_size: int = 50 * 1024 * 1024,
        keep: int = 5,
        tool_calls: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`max_size` in bytes: beyond it the file becomes `path.1`, and the oldest of `keep` is forgotten.
        `tool_calls`: whether those who serve tools are to write each call here. Raises: OSError for a file
        that can't be written.
        """
        self._file = AuditFile(path, max_size=max_size, keep=keep)
        self._file.open()
        self.tool_calls = tool_calls
        self._clock = clock
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._counting = threading.Lock()
        self._is_failing = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def record(self, event: str, **fields: Any) -> None:
        """One thing that happened. Fields that are None are left out; those with a value that JSON has no
        name for are written as text.
        """
        line = self._build_line(event, fields)
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            with self._counting:
                self._dropped += 1

    def close(self) -> None:
        """Write what waits and end. Blocks; a disk that takes nothing is tried once more."""
        self._closing.set()
        with contextlib.suppress(queue.Full):  # The thread looks at `_closing` after each batch.
            self._lines.put_nowait(None)
        self._thread.join()
        self._file.close()

    def _build_line(self, event: str, fields: Mapping[str, Any]) -> bytes:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "outcome": find_outcome(event),
        }
        line |= {name: _shorten(value) for name, value in fields.items() if value is not None}
        return msgspec.json.encode(line) + b"\n"

    # On the thread

    def _run(self) -> None:
        waiting: list[bytes] = []
        is_last = False
        while not is_last or waiting:
            if not waiting:
                waiting, is_last = self._take()
            try:
                self._write(waiting)
                waiting = []
            except OSError as error:
                self._note_failure(error)
                if self._closing.wait(RETRY_INTERVAL):
                    # Once more, for what is here; the process can't wait for a disk to heal.
                    self._write_last(waiting)
                    return

    def _take(self) -> tuple[list[bytes], bool]:
        """The next lines, and whether nothing follows."""
        lines: list[bytes] = []
        line = self._lines.get()
        while line is not None:
            lines.append(line)
            if len(lines) == MAX_BATCH:
                break
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
        return lines, line is None or (self._closing.is_set() and self._lines.empty())

    def _write(self, lines: list[bytes]) -> None:
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        try:
            extra = [self._build_line("audit.dropped", {"lines": dropped})] if dropped else []
            if lines or extra:
                self._file.write(b"".join([*lines, *extra]))
        except OSError:
            with self._counting:
                self._dropped += dropped
            raise
        if self._is_failing:
            self._is_failing = False
            log_event("audit.recovered", level=logging.WARNING, lines=dropped)

    def _write_last(self, lines: list[bytes]) -> None:
        while not self._lines.empty():
            line = self._lines.get_nowait()
            if line is not None:
                lines.append(line)
        try:
            self._write(lines)
        except OSError as error:
            log_event(
                "audit.lost", level=logging.ERROR, reason="audit_unwritable", detail=error, lines=len(lines)
            )

    def _note_failure(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            log_event("audit.failing", level=logging.ERROR, reason="audit_unwritable", detail=error)


def find_outcome(event: str) -> str:
    """How it ended, by the last part of the event's name."""
    return OUTCOMES.get(event.rpartition(".")[2], DONE)


def _shorten(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return [_shorten(one) for one in value]
    # UTF-8 has no halves of surrogate pairs, which JSON can carry in.
    return str(value)[:MAX_VALUE].encode(errors="replace").decode()
