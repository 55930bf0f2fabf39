"""A server process under measurement: pinned to a core, its CPU time and memory read from /proc."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
START_LIMIT = 60.0
STOP_LIMIT = 15.0
"""Seconds."""


def pin(core: int) -> None:
    """Keep this process on one core, where the system has that core."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})


class MeasuredProcess:
    """A server that prints lines `key: value` and is then ready."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        ready: str,
        core: int | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`core`: None for any."""
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(TOP), "PYTHONUNBUFFERED": "1", **(environment or {})},
            cwd=TOP,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said: dict[str, str] = {}
        timer = threading.Timer(START_LIMIT, self._process.kill)
        timer.start()
        try:
            self._read_until(ready)
        finally:
            timer.cancel()
        for task in Path(f"/proc/{self.pid}/task").iterdir() if core is not None else ():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(task.name), {core})

    def _read_until(self, ready: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            key, _, value = line.rstrip("\n").partition(": ")
            self.said[key] = value
            if key == ready:
                return
        raise RuntimeError(f"the server ended with {self._process.wait()} before it was ready")

    @property
    def pid(self) -> int:
        return self._process.pid

    def find_cpu_seconds(self) -> float:
        """CPU time of all its threads, user and system, from the scheduler's own nanoseconds."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return total / 1e9

    def find_resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Ask it to end, and end it after a while."""
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
