"""Our choice, after RFC 6749 §2.3.1 and §10.10, RFC 8628 §5.1 and OWASP: growing delays for guessing
passwords, user codes and client secrets, without a way to lock anyone out, and limits for what anybody may
ask for.

Three counters for passwords. For a person at an address: always. For an address and for a person everywhere:
only where that person has never signed in from that address before, so that a guesser elsewhere delays
newcomers, never somebody at their own address.
"""

import functools
import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from omnitornado.oauth.attempts import Attempts, Counted, Limit
from omnitornado.oauth.people import fold_username

PAIR_LIMIT: Final = Limit(free=5, longest=900.0)
ADDRESS_LIMIT: Final = Limit(free=20, longest=900.0)
PERSON_LIMIT: Final = Limit(free=20, longest=900.0)
USER_CODE_LIMIT: Final = Limit(free=5, longest=900.0)
USER_CODE_ADDRESS_LIMIT: Final = Limit(free=20, longest=900.0)
CLIENT_PAIR_LIMIT: Final = Limit(free=5, longest=60.0)
"""Short: a program that sends an old secret again and again is far more likely than somebody who guesses."""
CLIENT_LIMIT: Final = Limit(free=30, longest=10.0)
MAX_KNOWN: Final = 10_000
"""Clients at addresses where they have proven themselves; those of longest ago go."""


class SignInThrottle:
    """Counts the passwords that were tried."""

    def __init__(self) -> None:
        self.attempts = Attempts()

    def begin(self, username: str, address: str, *, is_known: bool, now: float) -> float:
        """Start an attempt. 0.0 when it may go on, else the seconds to wait; a refused one does not count.

        `is_known`: this person has signed in from this address before.
        """
        return self.attempts.begin(self._list(username, address, is_known=is_known), now=now)

    def succeed(self, username: str, address: str, *, is_known: bool) -> None:
        """The attempt was right: forget the person's count here, and take it back from the counters it was
        added to. `is_known` as at its beginning: who has a good account must not be able to wear down the
        count of an address by signing in again and again between guesses at others.
        """
        (pair, _), *others = self._list(username, address, is_known=is_known)
        self.attempts.forget(pair)
        self.attempts.take_back(others)

    def forget(self, username: str, address: str, *, is_known: bool) -> None:
        """Nothing was checked: take the attempt back, for it told nobody anything. `is_known` as at its
        beginning.
        """
        self.attempts.take_back(self._list(username, address, is_known=is_known))

    def _list(self, username: str, address: str, *, is_known: bool) -> list[Counted]:
        network, person = find_network(address), _fold(username)
        counted: list[Counted] = [(("pair", person, network), PAIR_LIMIT)]
        if not is_known:
            counted += [(("address", network), ADDRESS_LIMIT), (("person", person), PERSON_LIMIT)]
        return counted


class UserCodeThrottle:
    """Counts the user codes that were typed in and that no device has: for a person, and for an address."""

    def __init__(self) -> None:
        self.attempts = Attempts()

    def begin(self, username: str, address: str, *, now: float) -> float:
        """Start an attempt. 0.0 when it may go on, else the seconds to wait."""
        return self.attempts.begin(self._list(username, address), now=now)

    def succeed(self, username: str, address: str) -> None:
        """A device has that code. The wrong ones before it still count: whoever guesses may well have a
        device of their own to type in between.
        """
        self.attempts.take_back(self._list(username, address))

    def _list(self, username: str, address: str) -> list[Counted]:
        return [
            (("person", _fold(username)), USER_CODE_LIMIT),
            (("address", find_network(address)), USER_CODE_ADDRESS_LIMIT),
        ]


class ClientThrottle:
    """Counts the proofs of clients that were wrong: for a client at an address, and, where a person may have
    chosen its secret, for the client everywhere. The latter holds back addresses alone from which the client
    has never proven itself: guessing elsewhere never shuts it out of its own.

    A proof counts when it turns out wrong: a secret is compared in no time, and a signature can't be guessed.
    """

    def __init__(self) -> None:
        self.attempts = Attempts()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def find_wait(self, client_id: str, address: str, *, is_chosen: bool, now: float) -> float:
        """Seconds until the client may try to prove itself from there; 0.0 for at once. `is_chosen`: a person
        chose its secret, and it may be a poor one.
        """
        return self.attempts.find_wait(self._list(client_id, address, is_chosen=is_chosen), now=now)

    def fail(self, client_id: str, address: str, *, is_chosen: bool, now: float) -> None:
        """The proof was wrong."""
        self.attempts.begin(self._list(client_id, address, is_chosen=is_chosen), now=now)

    def succeed(self, client_id: str, address: str, *, is_chosen: bool) -> None:
        """The proof was right: forget what was wrong before from there."""
        name, network = _shorten(client_id), find_network(address)
        self.attempts.forget(("pair", name, network))
        if is_chosen:
            self._known[name, network] = None
            self._known.move_to_end((name, network))
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)

    def _list(self, client_id: str, address: str, *, is_chosen: bool) -> list[Counted]:
        name, network = _shorten(client_id), find_network(address)
        counted: list[Counted] = [(("pair", name, network), CLIENT_PAIR_LIMIT)]
        if is_chosen and (name, network) not in self._known:
            counted.append((("client", name), CLIENT_LIMIT))
        return counted


class RateLimit:
    """At most `limit` events for each key in each `period` seconds: a bucket that refills evenly."""

    def __init__(self, limit: int, period: float = 60.0, *, max_keys: int = 10_000) -> None:
        self._limit = limit
        self._rate = limit / period
        self._max_keys = max_keys
        self.tell: Callable[[str, float], None] | None = None
        """Told of each event that was let happen here, for which address and when."""
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, *, now: float) -> float:
        """0.0 when the event may happen, else the seconds to wait."""
        key = find_network(address)
        level = self._find_level(key, now)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._keep(key, level if wait else level - 1, now)
        if self.tell is not None and not wait:
            self.tell(key, now)
        return wait

    def hear(self, key: str, now: float) -> None:
        """An event was let happen in another process."""
        self._keep(key, max(self._find_level(key, now) - 1, 0.0), now)

    def _find_level(self, key: str, now: float) -> float:
        level, at = self._buckets.get(key, (float(self._limit), now))
        return min(level + max(now - at, 0.0) * self._rate, self._limit)

    def _keep(self, key: str, level: float, now: float) -> None:
        self._buckets[key] = (level, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)


@functools.lru_cache(maxsize=1024)
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
    """A name of any length as a short key, one for all spellings that a directory may take for the same: a
    guesser must not get a count for each.
    """
    return _shorten(fold_username(username))


def _shorten(name: str) -> str:
    """A name of any length as a short key."""
    return name if len(name) <= 128 else hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
