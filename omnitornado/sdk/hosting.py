"""The life of a served object: entered when the server starts, left when it stops, in a task of its own (the
scopes of anyio want to be left where they were entered).

Our choice.
"""

import asyncio
import logging
from collections.abc import Sequence

from omnitornado.sdk.asgi import App, Message, Receive, Send
from omnitornado.sdk.identity import Caller, build_identity
from omnitornado.sdk.listing import ListedTool
from omnitornado.sdk.objects import Guest

log = logging.getLogger("omnitornado.sdk")

START_TIMEOUT = 60.0
"""Seconds that the object's lifespan has to begin."""
STOP_TIMEOUT = 5.0
"""Seconds that it has to end."""


class Hosting:
    """Runs one `Guest`. Belongs to one event loop."""

    def __init__(self, guest: Guest, *, path: str, max_body: int) -> None:
        self.guest = guest
        self._path = path
        self._max_body = max_body
        self._app: App | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._app is not None

    async def start(self) -> None:
        """Raises: TimeoutError, and what the object's lifespan raises."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(begun))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await begun
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave the object's lifespan. What it still does is cancelled."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stop.set()
        await asyncio.wait({task}, timeout=STOP_TIMEOUT)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_TIMEOUT)

    async def list_tools(self, caller: Caller | None = None) -> Sequence[ListedTool]:
        """What it shows to a caller, or to nobody. Raises: ListingError, and what the object does."""
        identity = {} if caller is None else build_identity(caller)
        return await self.guest.list_tools(self.app, self._path, identity)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        """Raises: RuntimeError once the object has ended."""
        if self._app is None:
            raise RuntimeError("the served object has ended")
        await self._app(scope, receive, send)

    async def _run(self, begun: "asyncio.Future[None]") -> None:
        try:
            async with self.guest.serve(path=self._path, max_body=self._max_body) as app:
                self._app = app
                if not begun.done():
                    begun.set_result(None)
                await self._stop.wait()
        except Exception as error:
            if not begun.done():
                begun.set_exception(error)
            else:
                log.error("the served object has ended", exc_info=error)
        finally:
            self._app = None
            if not begun.done():
                begun.cancel()
