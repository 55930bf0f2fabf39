"""The requests that are being answered, so that a server that stops can let them finish."""

import asyncio


class InFlight:
    """Counts requests; whether the server is stopping stands here too."""

    def __init__(self) -> None:
        self._requests: set[object] = set()
        self._empty = asyncio.Event()
        self.is_stopping = False

    def add(self, request: object) -> None:
        self._requests.add(request)
        self._empty.clear()

    def discard(self, request: object) -> None:
        self._requests.discard(request)
        if not self._requests:
            self._empty.set()

    def __len__(self) -> int:
        return len(self._requests)

    async def wait_empty(self, limit: float) -> bool:
        """Wait until nothing is under way, `limit` seconds at most. False when something still is."""
        if not self._requests:
            return True
        try:
            await asyncio.wait_for(self._empty.wait(), limit)
        except TimeoutError:
            return False
        return True
