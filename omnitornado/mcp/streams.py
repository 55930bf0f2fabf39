"""Implements: MCP 2025-11-25 basic/transports (Listening for Messages, Multiple Connections),
MCP 2026-07-28 basic/patterns/subscriptions.

What a server says unasked: changes of lists and resources, to the GET streams of sessions and to
`subscriptions/listen`. A change is worth one message however often it happens, so a slow reader costs a few
bytes and never a growing queue.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from functools import partial
from typing import Protocol, TypeAlias

import msgspec

from omnitornado.mcp.event_stream import EventStream, Reader
from omnitornado.mcp.host import Host
from omnitornado.mcp.jsonrpc import Json

LIST_KINDS = frozenset({"tools", "prompts", "resources"})
"""The lists that may change while a server runs."""


class Change(msgspec.Struct, frozen=True):
    """What has changed: a list, or with `uri` the content of one resource."""

    kind: str
    uri: str | None = None

    is_large = False

    def is_for(self, kinds: frozenset[str], uris: Collection[str]) -> bool:
        """Whether who listens to these lists, and the resources at these URIs, is told."""
        return self.kind in kinds if self.uri is None else self.uri in uris

    def build(self, build: "BuildNotification") -> Json:
        """The notification that tells of it."""
        if self.uri is not None:
            return build("notifications/resources/updated", {"uri": self.uri})
        return build(f"notifications/{self.kind}/list_changed", None)


class News(Protocol):
    """What a stream may be told of, once however often it happens before the stream is read. Hashable."""

    @property
    def is_large(self) -> bool:
        """Whether it is read alone."""

    def is_for(self, kinds: frozenset[str], uris: Collection[str]) -> bool: ...

    def build(self, build: "BuildNotification") -> Json: ...


BuildNotification: TypeAlias = Callable[[str, Json | None], Json]
"""From method and params."""

MAX_STREAMS_PER_SESSION = 8
"""The oldest is closed when a session opens one more."""


class Outbound(Protocol):
    """A POST's own way to its client, given by the web handler."""

    cancels_on_disconnect: bool
    """Set by the endpoint before any work starts: whether a client that leaves has cancelled its request."""
    begin: Callable[[], object] | None
    """Set by the endpoint: makes the answer an event stream, though there is nothing to say yet. None where
    the client takes no stream, or the message gets no answer that takes time."""
    begins_early: bool
    """Set by the endpoint: whether `begin` is worth it soon, and not only to keep the connection."""
    host: Host | None
    """What drives the answer, if anything does: then a function may run in the same task."""

    def open(self, reader: Reader) -> None:
        """From here on the answer is an event stream: what the reader gives until `receive` gives None."""


class Feed:
    """Changes for one stream: of lists of these `kinds`, and of the resources that `uris` holds at the time.

    They wait here until the stream is read, so that a change is told once however often it happens meanwhile.
    """

    __slots__ = (
        "_build",
        "_changed",
        "_kinds",
        "_last",
        "_on_close",
        "_on_end",
        "_uris",
        "audience",
        "closed",
        "stream",
    )

    def __init__(
        self,
        stream: EventStream,
        kinds: frozenset[str],
        uris: Collection[str],
        build: BuildNotification,
        on_close: Callable[["Feed"], None],
        last: Callable[[], bytes] | None = None,
        audience: Hashable = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.stream = stream
        self.closed = False
        self.audience = audience
        self._on_end = on_end
        self._kinds = kinds
        self._uris = uris
        self._build = build
        self._on_close = on_close
        self._last = last
        self._changed: dict[News, None] = {}
        stream.source = self.take
        stream.on_end = self.close

    @property
    def has_uris(self) -> bool:
        """Whether it hears of a resource."""
        return bool(self._uris)

    def offer(self, change: News) -> None:
        """Note a change, once."""
        if not self.closed and change.is_for(self._kinds, self._uris):
            self._changed[change] = None
            self.stream.wake()

    def take(self) -> Iterator[Json]:
        """The notifications that wait. What was unsubscribed meanwhile is left out."""
        while self._changed:
            change = next(iter(self._changed))
            del self._changed[change]
            if change.is_for(self._kinds, self._uris):
                yield change.build(self._build)
                if change.is_large:
                    return

    def close(self) -> None:
        """Hear no more, and end the stream."""
        if not self.closed:
            self.closed = True
            self._on_close(self)
            if self._on_end is not None:
                self._on_end()
            self.stream.finish(None if self._last is None else self._last())


class Hub:
    """Every stream that hears of changes, by the session or subscription it belongs to."""

    def __init__(self) -> None:
        self._groups: dict[object, list[Feed]] = {}
        self.is_silent: Callable[[object], bool] | None = None
        """Whether a group is spoken to elsewhere."""

    def feed(
        self,
        group: object,
        stream: EventStream,
        kinds: frozenset[str],
        uris: Collection[str],
        build: BuildNotification,
        *,
        last: Callable[[], bytes] | None = None,
        audience: Hashable = None,
        on_end: Callable[[], None] | None = None,
    ) -> Feed:
        """Tell a stream of changes, until it ends.

        Args:
            group: of a group's streams, each message goes to one.
            stream: where to.
            kinds: of lists.
            uris: of resources; what it holds when something happens counts.
            build: makes a notification.
            last: makes what the stream ends with when the server ends it.
            audience: whose changes it hears of.
            on_end: called when it ends, whoever ends it.
        """
        feed = Feed(stream, kinds, uris, build, partial(self._forget, group), last, audience, on_end)
        feeds = self._groups.setdefault(group, [])
        feeds.append(feed)
        if len(feeds) > MAX_STREAMS_PER_SESSION:
            next((one for one in feeds if one.stream.reader is None), feeds[0]).close()
        return feed

    def send(self, group: object, message: Json) -> bool:
        """A message that belongs to no call, to one of a group's streams; False where there is none."""
        feed = self._pick(group)
        if feed is None:
            return False
        feed.stream.add(message)
        return True

    def is_read(self, group: object) -> bool:
        """Whether a group has a stream with a client at its other end."""
        return any(one.stream.reader is not None for one in self._groups.get(group, ()))

    def tell(self, change: Change, audience: Hashable = None) -> None:
        """Something has changed, for this audience."""
        for group in list(self._groups):
            feed = self._pick(group)
            if feed is not None and feed.audience == audience:
                feed.offer(change)

    def is_heard(self, audience: Hashable) -> bool:
        """Whether somebody with this audience listens to a resource now."""
        feeds = (feed for group in self._groups.values() for feed in group)
        return any(
            feed.audience == audience and feed.stream.reader is not None and feed.has_uris for feed in feeds
        )

    def _pick(self, group: object) -> Feed | None:
        """The newest that has a client at its other end (2025-11-25 basic/transports, Multiple Connections:
        no message on two streams)."""
        feeds = self._groups.get(group)
        if not feeds or (self.is_silent is not None and self.is_silent(group)):
            return None
        return next((one for one in reversed(feeds) if one.stream.reader is not None), feeds[-1])

    def close(self, group: object) -> None:
        """End a group's."""
        for feed in list(self._groups.get(group, ())):
            feed.close()

    def close_all(self) -> None:
        """End them all."""
        for group in list(self._groups):
            self.close(group)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def _forget(self, group: object, feed: Feed) -> None:
        feeds = self._groups[group]
        feeds.remove(feed)
        if not feeds:
            del self._groups[group]
