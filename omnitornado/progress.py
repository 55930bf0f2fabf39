"""A bar for what takes long, on a terminal alone: nothing of it reaches a log or a pipe."""

import time
from typing import Final, TextIO

PATIENCE: Final = 0.3
"""Seconds. What is over sooner shows no bar."""
INTERVAL: Final = 0.1
WIDTH: Final = 30


class ProgressBar:
    """Call it with what is done and what there is to do; `close` takes the bar away."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self._label = label
        self._stream = stream
        self._due_at = time.monotonic() + PATIENCE if stream.isatty() else float("inf")
        self._is_shown = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._due_at and total > 0:
            self._due_at = now + INTERVAL
            self._is_shown = True
            share = min(done / total, 1.0)
            bar = "#" * round(share * WIDTH)
            self._stream.write(f"\r{self._label} [{bar:<{WIDTH}}] {share:4.0%}")
            self._stream.flush()

    def close(self) -> None:
        if self._is_shown:
            self._stream.write(f"\r{' ' * (len(self._label) + WIDTH + 8)}\r")
            self._stream.flush()
            self._is_shown = False
