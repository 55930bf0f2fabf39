"""The requests that are being answered, so that a server that stops can let them finish."""

import asyncio


class InFlight:
    """Counts requests; whether the server is stopping stands here too."""

    def __init__(self) -> None:
        self._requests: set[object] = set()
        self._empty: asyncio.Event | None = None
        """Only while somebody waits for it: each request would have to set and clear it."""
        self.is_stopping = False

    def add(self, request: object) -> None:
        self._requests.add(request)

    def discard(self, request: object) -> None:
        self._requests.discard(request)
        if self._empty is not None and not self._requests:
            self._empty.set()

    def __len__(self) -> int:
        return len(self._requests)

    async def wait_empty(self, limit: float) -> bool:
        """Wait until nothing is under way, `limit` seconds at most. False when something still is."""
        try:
            async with asyncio.timeout(limit):
                while self._requests:
                    self._empty = asyncio.Event()
                    await self._empty.wait()
        except TimeoutError:
            return False
        finally:
            self._empty = None
        return True
