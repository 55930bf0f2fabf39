"""Our choice, after RFC 6749 §3.1 (which leaves it open): how a person proves to be themselves.

bcrypt runs on a bounded pool of threads: the event loop never waits for it. An unknown name costs the same
time and gives the same answer as a wrong password.
"""

import asyncio
import contextlib
import inspect
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt
import msgspec

from omnitornado.oauth.people import People, Person
from omnitornado.oauth.throttle import SignInThrottle, build_address_key
from omnitornado.passwords import MAX_PASSWORD_BYTES
from omnitornado.store.records import KnownAddress
from omnitornado.store.transitions import Store

logger = logging.getLogger(__name__)

ValidateUser = Callable[[str, str], bool | Person | Awaitable[bool | Person]]
"""`check(username, password)`, plain (run on a thread) or async. A `Person` says under which name it is
known: a directory may take several spellings for one.
"""

MAX_WAITING: Final = 64
"""Checks that may be under way or wait for a thread; beyond that the answer is to come back later."""
MAX_NEWCOMERS: Final = 48
"""The same for those who have never signed in from where they are: a flood from many addresses leaves room
for people at their own.
"""
KNOWN_ADDRESS_LIFETIME: Final = 90 * 86400.0
BUSY_RETRY: Final = 5.0
PASSWORD_NICENESS: Final = 10
"""Of the threads that check passwords; the event loop's is 0."""
CHECK_TIMEOUT: Final = 30.0
"""Seconds. A directory that does not answer must not keep its callers' places for ever."""


class SignInError(Exception):
    """`retry_after`: seconds to wait; None for a wrong name or password, whichever it was."""

    def __init__(self, *, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class _Ladder(msgspec.Struct, frozen=True):
    """Hashes of nothing, one for each cost below the highest, and the highest itself."""

    hashes: dict[int, bytes]
    highest: int


class SignIn:
    """Checks names and passwords. `threads`: how many checks run at once."""

    def __init__(
        self,
        people: People,
        store: Store,
        *,
        threads: int = 2,
        validate_user: ValidateUser | None = None,
    ) -> None:
        self._people = people
        self._store = store
        self._validate_user = validate_user
        self.throttle = SignInThrottle()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="password", initializer=step_back)
        self._waiting = 0
        self._is_closed = False
        self._ladder = _build_ladder(people)

    async def sign_in(self, username: str, password: str, address: str, *, now: float) -> Person:
        """The person whose name and password these are. Raises: SignInError."""
        key = build_address_key(username, address)
        is_known = await self._store.is_known_address(key, now=now)
        # Before the attempt is counted: what was never checked is no guess.
        self._check_room(is_known=is_known)
        wait = self.throttle.begin(username, address, is_known=is_known, now=now)
        if wait > 0:
            raise SignInError(reason="throttled", retry_after=wait)
        try:
            person = await self._check_bounded(username, password)
        except SignInError:
            self.throttle.forget(username, address, is_known=is_known)
            raise
        if person is None:
            raise SignInError(reason="wrong_name_or_password")
        self.throttle.succeed(username, address, is_known=is_known)
        known = KnownAddress(username=person.username, expires_at=now + KNOWN_ADDRESS_LIFETIME)
        await self._store.know_address(key, known)
        return person

    def close(self) -> None:
        """Let running checks end, and start no other."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_room(self, *, is_known: bool) -> None:
        limit = MAX_WAITING if is_known else MAX_NEWCOMERS
        if self._is_closed or self._waiting >= limit:
            raise SignInError(reason="sign_in_busy", retry_after=BUSY_RETRY)

    async def _check_bounded(self, username: str, password: str) -> Person | None:
        self._waiting += 1
        try:
            person = self._people.find_by_spelling(username)
            if self._validate_user is not None and (person is None or person.password_hash is None):
                return await self._ask(self._validate_user, username, password)
            expected = None if person is None else person.password_hash
            return person if await self._run(self._check_hash, password, expected) else None
        except asyncio.CancelledError:
            if not self._is_closed:
                raise
            raise SignInError(reason="sign_in_busy", retry_after=BUSY_RETRY) from None
        finally:
            self._waiting -= 1

    async def _ask(self, validate_user: ValidateUser, username: str, password: str) -> Person | None:
        """What the application says. One that fails has not said yes."""
        if not password:
            # RFC 4513 §5.1.2: to a directory a bind without a password is no wrong one, but an anonymous one.
            return None
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                answer = await self._call(validate_user, username, password)
        except Exception:
            logger.exception("validate_user failed")
            raise SignInError(reason="validate_user_failed", retry_after=BUSY_RETRY) from None
        if isinstance(answer, Person) and answer.scopes is None:
            # Under its own name, and with what the configuration says of that one.
            return self._people.find_by_spelling(answer.username)
        if isinstance(answer, Person):
            # They could not be kept to the person's tokens, and must not seem to be.
            logger.error("validate_user gave a Person with scopes: set them in [[users]]")
            raise SignInError(reason="validate_user_failed", retry_after=BUSY_RETRY)
        if answer is not True and answer is not False:
            # A truthy object is no answer to "is this the person?": an error text would let anyone in.
            logger.error("validate_user must return True or False, not %s", type(answer).__name__)
        return self._people.find_by_spelling(username) if answer is True else None

    async def _call(self, validate_user: ValidateUser, username: str, password: str) -> object:
        if inspect.iscoroutinefunction(validate_user):
            return await validate_user(username, password)
        answer = await self._run(validate_user, username, password)
        return await answer if inspect.isawaitable(answer) else answer

    async def _run(self, function: Callable[..., object], *args: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def _check_hash(self, password: str, expected: bytes | None) -> bool:
        """Costs the same for every name: what a cheaper hash saves is spent on the ladder."""
        raw = password.encode("utf-8", "surrogatepass")
        # bcrypt's limit: a longer password is wrong; it is never cut.
        fits = len(raw) <= MAX_PASSWORD_BYTES and b"\0" not in raw
        attempt = raw if fits else b"-"
        highest = self._ladder.highest
        if expected is None:
            bcrypt.checkpw(attempt, self._ladder.hashes[highest])
            return False
        is_right = bcrypt.checkpw(attempt, expected)
        # 2^c + (2^c + … + 2^(highest-1)) = 2^highest: the remaining rounds, exactly.
        for cost in range(_find_cost(expected), highest):
            bcrypt.checkpw(attempt, self._ladder.hashes[cost])
        return is_right and fits


def step_back() -> None:
    """Let this thread yield the processor to the event loop's: a password may take a little longer, and
    nobody else's call waits for it. Linux alone has priorities for threads.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own + PASSWORD_NICENESS)


def _build_ladder(people: People) -> _Ladder:
    """No hash is computed for this: a well-formed one that no password is known for takes as long."""
    costs = [_find_cost(person.password_hash) for person in people.listed if person.password_hash]
    highest = max(costs, default=12)
    lowest = min(costs, default=highest)
    tail = b"." * 21 + b"e" + b"." * 30 + b"e"
    return _Ladder(
        hashes={cost: b"$2b$%02d$" % cost + tail for cost in range(lowest, highest + 1)}, highest=highest
    )


def _find_cost(password_hash: bytes) -> int:
    return int(password_hash.split(b"$")[2])
