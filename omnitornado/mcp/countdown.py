"""Our choice: many things that run out after the same time, on one timer of the event loop.

Nearly all of them end before. A timer for each costs more than its look-up here: the loop keeps timers in a
heap, stopped ones too. Of things that take equally long, the one that began first is due first.
"""

import asyncio
from collections.abc import Callable, Hashable


class Countdown:
    """Rings for each thing that is not stopped within `seconds` of its start."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[Hashable, tuple[float, Callable[[], object]]] = {}
        """In the order of time."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where the timer runs; None while there is none."""

    def __len__(self) -> int:
        return len(self._due)

    def start(self, thing: Hashable, ring: Callable[[], object]) -> None:
        """Call `ring` from the running loop, unless the thing is stopped before. Not one that is started."""
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._loop = asyncio.get_running_loop()
            loop.call_later(self.seconds, self._look, loop)
        self._due[thing] = (loop.time() + self.seconds, ring)

    def stop(self, thing: Hashable) -> None:
        """Don't ring for it. It may have rung, or never been started."""
        self._due.pop(thing, None)

    def find_left(self, thing: Hashable) -> float:
        """Seconds until it rings; 0 for what has rung, or was never started."""
        found = self._due.get(thing)
        return 0.0 if found is None or self._loop is None else max(0.0, found[0] - self._loop.time())

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return  # the timer of a loop before
        now = loop.time()
        while self._due:
            thing, (due_at, ring) = next(iter(self._due.items()))
            if due_at > now:
                loop.call_at(due_at, self._look, loop)
                return
            del self._due[thing]
            loop.call_soon(ring)
        self._loop = None
