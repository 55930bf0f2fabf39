"""What is known of an object's tools, and when it is asked anew.

Our choice. Asking costs as much as a `tools/list` of a client's, so it is done when a consent page is shown,
when a tool is called that nobody has seen, and when a call comes a minute after the last time. An object may
show a tool to some people alone, so what it doesn't show to nobody is asked for as the one who calls. What
can't be found out is an error: it would let a call through that lacks a scope.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.identity import Caller
from omnitornado.sdk.listing import ListedTool, ListingError, ScopeError

log = logging.getLogger("omnitornado.sdk")

MAX_AGE = 60.0
"""Seconds after which scopes are read anew before they decide about a call."""
PATIENCE = 5.0
"""Seconds that an object may take to list its tools."""
MAX_CALLERS = 100
"""How many tokens' own lists are kept; the one that was asked for longest ago goes."""


class _Listing:
    """The tools as they were last listed to one caller, or (None) to nobody."""

    def __init__(self, hosting: Hosting, clock: Callable[[], float], caller: Caller | None) -> None:
        self._hosting = hosting
        self._clock = clock
        self._caller = caller
        self.tools: dict[str, ListedTool] = {}
        self.has_failed = False
        """Whether the last attempt did."""
        self._listed_at: float | None = None
        """When the last attempt began."""
        self._lock = asyncio.Lock()

    async def read(self) -> None:
        """List anew. Raises: ListingError, ScopeError, TimeoutError, and what the object does."""
        self._listed_at, self.has_failed = self._clock(), True
        async with asyncio.timeout(PATIENCE):
            tools = await self._hosting.list_tools(self._caller)
        self.tools, self.has_failed = {tool.name: tool for tool in tools}, False

    async def refresh(self, max_age: float) -> None:
        """List anew what is older than `max_age` seconds; where that fails, what was known stays."""
        asked_at = self._clock()
        async with self._lock:
            if self._listed_at is not None and self._listed_at > asked_at - max_age:
                return
            try:
                await self.read()
            except Exception as error:
                note_failure(error)


class Catalog:
    """The tools of a running object, as they were last listed. `clock` in seconds."""

    def __init__(self, hosting: Hosting, *, clock: Callable[[], float]) -> None:
        self._hosting = hosting
        self._clock = clock
        self._shown = _Listing(hosting, clock, None)
        self._callers: dict[str, _Listing] = {}
        """By the name of the token."""

    @property
    def tools(self) -> Sequence[ListedTool]:
        return list(self._shown.tools.values())

    async def open(self) -> None:
        """The first time. Raises: ScopeError; an object that lists its tools to somebody alone has none."""
        try:
            await self._shown.read()
        except ScopeError:
            raise
        except Exception as error:
            note_failure(error)

    async def refresh(self, *, max_age: float = MAX_AGE) -> None:
        """List anew what is older than `max_age` seconds; where that fails, what was known stays."""
        await self._shown.refresh(max_age)

    async def find_scopes(self, names: Collection[str], caller: Caller) -> frozenset[str]:
        """What calls of these tools need beyond the endpoint's own scope. A tool that the object doesn't show
        to its caller needs nothing: the object says that there is none.

        Raises: ListingError, where it can't be found out.
        """
        if not names:
            return frozenset()
        await self.refresh()
        shown = self._shown.tools
        hidden = [name for name in names if name not in shown]
        needed = [shown[name].scopes for name in names if name in shown]
        if hidden:
            needed += await self._find_hidden(hidden, caller)
        return frozenset().union(*needed)

    async def _find_hidden(self, names: Sequence[str], caller: Caller) -> list[frozenset[str]]:
        listing = self._find_listing(caller)
        await listing.refresh(MAX_AGE if all(name in listing.tools for name in names) else 0.0)
        if listing.has_failed and not all(name in listing.tools for name in names):
            raise ListingError("what the tool needs can't be found out")
        return [listing.tools[name].scopes for name in names if name in listing.tools]

    def _find_listing(self, caller: Caller) -> _Listing:
        listing = self._callers.pop(caller.token_name, None) or _Listing(self._hosting, self._clock, caller)
        self._callers[caller.token_name] = listing
        if len(self._callers) > MAX_CALLERS:
            del self._callers[next(iter(self._callers))]
        return listing


def note_failure(error: Exception) -> None:
    log.warning("tools not listed: %s: %r", type(error).__name__, str(error)[:200])
