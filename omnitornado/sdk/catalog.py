"""What is known of an object's tools, and when it is asked anew.

Our choice. Asking costs as much as a `tools/list` of a client's, so it is done when a consent page is shown,
when a tool is called that nobody has seen, and when a call comes a minute after the last time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.listing import ListedTool, ScopeError

log = logging.getLogger("omnitornado.sdk")

MAX_AGE = 60.0
"""Seconds after which scopes are read anew before they decide about a call."""
PATIENCE = 5.0
"""Seconds that an object may take to list its tools."""


class Catalog:
    """The tools of a running object, as they were last listed. `clock` in seconds."""

    def __init__(self, hosting: Hosting, *, clock: Callable[[], float]) -> None:
        self._hosting = hosting
        self._clock = clock
        self._tools: dict[str, ListedTool] = {}
        self._listed_at = clock()
        """When the listing began."""
        self._lock = asyncio.Lock()

    @property
    def tools(self) -> Sequence[ListedTool]:
        return list(self._tools.values())

    async def read(self) -> None:
        """List anew. Raises: ListingError, ScopeError, TimeoutError, and what the object does."""
        self._listed_at = self._clock()
        async with asyncio.timeout(PATIENCE):
            tools = await self._hosting.list_tools()
        self._tools = {tool.name: tool for tool in tools}

    async def open(self) -> None:
        """The first time. Raises: ScopeError; an object that lists its tools to somebody alone has none."""
        try:
            await self.read()
        except ScopeError:
            raise
        except Exception as error:
            self._note(error)

    async def refresh(self, *, max_age: float = MAX_AGE) -> None:
        """List anew what is older than `max_age` seconds; where that fails, what was known stays."""
        asked_at = self._clock()
        async with self._lock:
            if self._listed_at > asked_at - max_age:
                return
            try:
                await self.read()
            except Exception as error:
                self._note(error)

    async def find_scopes(self, name: str) -> frozenset[str]:
        """What a call of this tool needs beyond the endpoint's own scope."""
        await self.refresh(max_age=MAX_AGE if name in self._tools else 0.0)
        tool = self._tools.get(name)
        return frozenset() if tool is None else tool.scopes

    def _note(self, error: Exception) -> None:
        log.warning("tools not listed: %s: %r", type(error).__name__, str(error)[:200])
