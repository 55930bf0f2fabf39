"""Our choice, after RFC 6749 §10.10 and OWASP: growing delays for password guessing, without a way to lock
anyone out.

Three counters. For a person at an address: always. For an address and for a person everywhere: only where
that person has never signed in from that address before, so that a guesser elsewhere delays newcomers, never
somebody at their own address. Attempts count when they begin, so a burst in parallel gains nothing.
"""

import hashlib
import ipaddress
from collections import OrderedDict
from typing import Final

import msgspec

MAX_COUNTERS: Final = 100_000
"""The counters used longest ago make room beyond this."""
FORGET_AFTER: Final = 3600.0
"""Seconds without an attempt after which a counter starts anew."""


class Limit(msgspec.Struct, frozen=True):
    """`free` attempts without delay, then 1, 2, 4 … seconds up to `longest`."""

    free: int
    longest: float


PAIR_LIMIT: Final = Limit(free=5, longest=900.0)
ADDRESS_LIMIT: Final = Limit(free=20, longest=900.0)
PERSON_LIMIT: Final = Limit(free=20, longest=900.0)


class _Counter(msgspec.Struct):
    attempts: int = 0
    last_at: float = 0.0
    open_at: float = 0.0


class SignInThrottle:
    """Counts in memory: a restart forgets, and nobody without access to the machine can cause one."""

    def __init__(self) -> None:
        self._counters: OrderedDict[tuple[str, ...], _Counter] = OrderedDict()

    def begin(self, username: str, address: str, *, is_known: bool, now: float) -> float:
        """Start an attempt. 0.0 when it may go on, else the seconds to wait; a refused one does not count.

        `is_known`: this person has signed in from this address before.
        """
        keys = self._keys(username, address, is_known=is_known)
        # A refused attempt leaves no counter behind: refusals are cheap, and could push the others out.
        wait = max(self._find_wait(key, now=now) for key, _ in keys)
        if wait > 0:
            return wait
        for key, limit in keys:
            self._count(key, limit, now=now)
        return 0.0

    def succeed(self, username: str, address: str, *, is_known: bool) -> None:
        """The attempt was right: forget the person's count here, and take it back from the counters it was
        added to. `is_known` as at its beginning: who has a good account must not be able to wear down the
        count of an address by signing in again and again between guesses at others.
        """
        (pair, _), *others = self._keys(username, address, is_known=is_known)
        self._counters.pop(pair, None)
        for key, limit in others:
            counter = self._counters.get(key)
            if counter is None:
                continue
            counter.attempts = max(counter.attempts - 1, 0)
            if counter.attempts < limit.free:
                counter.open_at = 0.0

    def _keys(self, username: str, address: str, *, is_known: bool) -> list[tuple[tuple[str, ...], Limit]]:
        network, person = find_network(address), _fold(username)
        keys: list[tuple[tuple[str, ...], Limit]] = [(("pair", person, network), PAIR_LIMIT)]
        if not is_known:
            keys += [(("address", network), ADDRESS_LIMIT), (("person", person), PERSON_LIMIT)]
        return keys

    def _find_wait(self, key: tuple[str, ...], *, now: float) -> float:
        counter = self._counters.get(key)
        return 0.0 if counter is None else counter.open_at - now

    def _find(self, key: tuple[str, ...], *, now: float) -> _Counter:
        counter = self._counters.get(key)
        if counter is None or now - counter.last_at > FORGET_AFTER:
            counter = self._counters[key] = _Counter(last_at=now)
        self._counters.move_to_end(key)
        while len(self._counters) > MAX_COUNTERS:
            self._counters.popitem(last=False)
        return counter

    def _count(self, key: tuple[str, ...], limit: Limit, *, now: float) -> None:
        counter = self._find(key, now=now)
        counter.attempts += 1
        counter.last_at = now
        beyond = counter.attempts - limit.free
        if beyond >= 0:
            counter.open_at = now + min(2.0 ** min(beyond, 20), limit.longest)


class RateLimit:
    """At most `limit` events for each key in each `period` seconds: a bucket that refills evenly."""

    def __init__(self, limit: int, period: float = 60.0, *, max_keys: int = 10_000) -> None:
        self._limit = limit
        self._rate = limit / period
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, *, now: float) -> float:
        """0.0 when the event may happen, else the seconds to wait."""
        key = find_network(address)
        level, at = self._buckets.get(key, (float(self._limit), now))
        level = min(level + max(now - at, 0.0) * self._rate, self._limit)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._buckets[key] = (level - 1 if wait == 0.0 else level, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait


def find_network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def build_address_key(username: str, address: str) -> bytes:
    """The store's key for a person at an address: a digest, so that the files hold no list of addresses."""
    return hashlib.sha256(
        f"{_fold(username)}\0{find_network(address)}".encode("utf-8", "surrogatepass")
    ).digest()


def _fold(username: str) -> str:
    """A name of any length as a short key."""
    return (
        username
        if len(username) <= 128
        else hashlib.sha256(username.encode("utf-8", "surrogatepass")).hexdigest()
    )
