"""The children of one upstream: one for each owner, started on first use, ended when idle.

Our choice. An owner is a person, a session or a client of theirs, or everyone. What fails to start, or ends
by itself soon after, is started again at once, then after a second, two, four, up to a minute; whoever asks
meanwhile is told so at once. The back-off is one person's: who makes a server crash makes it crash for nobody
else. And a person has at most a quarter of the children that there may be, however many sessions they open.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from omnitornado.log import log_event
from omnitornado.upstream.child import Command
from omnitornado.upstream.errors import BusyError, UpstreamError
from omnitornado.upstream.news import News
from omnitornado.upstream.peer import Peer, Terms

STEADY = 60.0
"""Seconds after which a child that ends by itself counts as a first failure again."""
MAX_DELAY = 60.0
SHARE = 4
"""Of so many parts of all children, a person has one at most."""
MAX_FAILURES = 10_000
"""People whose failures are remembered."""
CLOSE_TIMEOUT = 15.0


class Owner(msgspec.Struct, frozen=True):
    """Whose a child is."""

    person: str | None = None
    """None for everyone's."""
    key: str | bytes | None = None
    """The session, or the client; None for all that the person uses."""


class Failures(msgspec.Struct, frozen=True):
    """How often a person's child has failed, one time after the other."""

    count: int
    retry_at: float
    reason: str


class PoolLimits(msgspec.Struct, frozen=True):
    """Seconds, and a number."""

    idle_time: float
    max_children: int


class Pool:
    """Starts, finds and ends the children of one upstream."""

    def __init__(
        self,
        terms: Terms,
        limits: PoolLimits,
        *,
        build_news: Callable[[Owner], News],
        is_heard: Callable[[Owner], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_heard`: whether somebody listens to an owner's child, so that it is not idle."""
        self._terms = terms
        self._limits = limits
        self._build_news = build_news
        self._is_heard = is_heard
        self._clock = clock
        self._peers: dict[Owner, Peer] = {}
        self._starting: dict[Owner, asyncio.Task[Peer]] = {}
        self._ending: set[Peer] = set()
        self._failures: dict[str | None, Failures] = {}
        """By person."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.last_failure: UpstreamError | None = None
        """None once a child has started well."""
        self.on_open: Callable[[Owner, Peer], Awaitable[None]] | None = None
        """Called with each new one, before anyone gets it."""

    def __len__(self) -> int:
        """Processes that there are."""
        return len(self._peers) + len(self._starting) + len(self._ending)

    def peek(self, owner: Owner) -> Peer | None:
        """An owner's child, if it is there."""
        return self._peers.get(owner)

    async def find(self, owner: Owner, build_command: Callable[[], Command]) -> Peer:
        """An owner's child; it is started if there is none.

        Raises:
            UpstreamError: it does not start, or there are too many.
        """
        peer = self._peers.get(owner)
        if peer is not None:
            peer.used_at = self._clock()
            return peer
        task = self._starting.get(owner)
        if task is None:
            self._check(owner)
            task = asyncio.get_running_loop().create_task(self._start(owner, build_command()))
            self._starting[owner] = task
            task.add_done_callback(lambda done: self._note_started(owner, done))
        # Shielded: who waits for it may leave, and it is of use to the next.
        return await asyncio.shield(task)

    def _check(self, owner: Owner) -> None:
        """Raises: BusyError."""
        if self._closed:
            raise BusyError(self._terms.name, "is stopping")
        failures = self._failures.get(owner.person)
        if failures is not None and self._clock() < failures.retry_at:
            wait = max(1, round(failures.retry_at - self._clock()))
            reason = f"{failures.reason}, {failures.count} times in a row. Next try in {wait} s"
            raise BusyError(self._terms.name, reason)
        own = [one for one in (*self._peers, *self._starting) if one.person == owner.person]
        if owner.person is not None and len(own) >= max(1, self._limits.max_children // SHARE):
            self._make_room(own, "is used by you as often as it may be")
        elif len(self) >= self._limits.max_children:
            self._make_room(list(self._peers), "is in use by as many people as it takes at a time")

    def _make_room(self, owners: Sequence[Owner], refusal: str) -> None:
        """End one that nobody uses. Raises: BusyError."""
        found = [(one, self._peers[one]) for one in owners if one in self._peers]
        idle = [one for one in found if one[1].is_idle and not self._is_heard(one[0])]
        if not idle:
            log_event("upstream.full", upstream=self._terms.name, children=len(self))
            raise BusyError(self._terms.name, refusal)
        owner, _ = min(idle, key=lambda one: one[1].used_at)
        self.end(owner, reason="room_needed")

    async def _start(self, owner: Owner, command: Command) -> Peer:
        peer = Peer(
            self._terms,
            command,
            self._build_news(owner),
            clock=self._clock,
            on_end=lambda ended: self._note_end(owner, ended),
        )
        self._ending.add(peer)
        try:
            await peer.open()
        except UpstreamError as error:
            self._note_failure(owner, error, 0.0)
            self._watch(peer)
            raise
        self._ending.discard(peer)
        if self._closed:
            self._ending.add(peer)
            peer.end()
            self._watch(peer)
            raise BusyError(self._terms.name, "is stopping")
        if self.on_open is not None:
            await self.on_open(owner, peer)
        if peer.error is not None:
            raise peer.error
        self._peers[owner] = peer
        self.last_failure = None
        log_event("upstream.started", upstream=self._terms.name, pid=peer.child.pid, revision=peer.version)
        self._set_timer()
        return peer

    def _note_started(self, owner: Owner, task: "asyncio.Task[Peer]") -> None:
        self._starting.pop(owner, None)
        if not task.cancelled():
            task.exception()  # whoever waited for it has been told

    def _note_end(self, owner: Owner, peer: Peer) -> None:
        """A child has ended, by itself or not."""
        if self._peers.get(owner) is not peer:
            return
        del self._peers[owner]
        self._ending.add(peer)
        self._watch(peer)
        if peer.error is not None:
            self._note_failure(owner, peer.error, self._clock() - peer.opened_at)

    def _note_failure(self, owner: Owner, error: UpstreamError, lived: float) -> None:
        self.last_failure = error
        before = self._failures.pop(owner.person, None)
        count = 1 if before is None or lived >= STEADY else before.count + 1
        delay = 0.0 if count == 1 else min(MAX_DELAY, 2.0 ** (count - 2))
        self._failures[owner.person] = Failures(count, self._clock() + delay, error.reason)
        if len(self._failures) > MAX_FAILURES:
            del self._failures[next(iter(self._failures))]
        log_event("upstream.failed", upstream=self._terms.name, reason=error.reason, retry_in=delay)

    def _watch(self, peer: Peer) -> None:
        peer.child.ended.add_done_callback(lambda _: self._ending.discard(peer))

    # Ending

    def end(self, owner: Owner, *, reason: str) -> None:
        """End an owner's child in order."""
        peer = self._peers.pop(owner, None)
        if peer is not None:
            log_event("upstream.ended", upstream=self._terms.name, pid=peer.child.pid, reason=reason)
            self._failures.pop(owner.person, None)
            self._ending.add(peer)
            peer.end()
            self._watch(peer)

    def look(self) -> None:
        """End what is idle."""
        until = self._clock() - self._limits.idle_time
        for owner, peer in list(self._peers.items()):
            if peer.is_idle and peer.used_at <= until and not self._is_heard(owner):
                self.end(owner, reason="idle")
        self._timer = None
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is None and self._peers and not self._closed:
            pause = max(0.05, min(self._limits.idle_time / 4, 30.0))
            self._timer = asyncio.get_running_loop().call_later(pause, self.look)

    async def close(self) -> None:
        """End them all, and wait until nothing of them is left."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for owner in list(self._peers):
            self.end(owner, reason="server_stopping")
        if self._starting:
            for peer in self._ending:
                peer.child.kill("was ended")
            await asyncio.wait(self._starting.values(), timeout=CLOSE_TIMEOUT)
        if self._ending:
            await asyncio.wait([peer.child.ended for peer in self._ending], timeout=CLOSE_TIMEOUT)
