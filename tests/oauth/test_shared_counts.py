"""Counts of guesses and requests, as several processes keep them together."""

import asyncio
from collections.abc import Awaitable, Callable

from store.local_bus import LocalBus

from omnitornado.oauth.shared_counts import Counter, SharedCounts
from omnitornado.oauth.throttle import ClientThrottle, RateLimit, SignInThrottle


class Process:
    """What one process counts with."""

    def __init__(self, wire: LocalBus, name: bytes) -> None:
        self.sign_in, self.clients, self.requests = SignInThrottle(), ClientThrottle(), RateLimit(3)
        counters: dict[str, Counter] = {
            "passwords": self.sign_in.attempts,
            "clients": self.clients.attempts,
            "requests": self.requests,
        }
        self.shared = SharedCounts(wire, counters, token_bytes=lambda size: name.ljust(size)[:size])
        self.shared.start()

    def guess(self, *, address: str = "203.0.113.1", now: float = 0.0) -> float:
        return self.sign_in.begin("ada", address, is_known=False, now=now)


def run(scenario: Callable[[LocalBus, Process, Process], Awaitable[None]]) -> None:
    async def main() -> None:
        wire = LocalBus()
        one, other = Process(wire, b"one"), Process(wire, b"other")
        await scenario(wire, one, other)
        wire.is_broken = False
        await one.shared.close()
        await other.shared.close()

    asyncio.run(main())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_guesses_count_wherever_they_are_made() -> None:
    """Our choice: two processes let nobody guess faster than one (RFC 6749 §10.10)."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        for number in range(5):
            assert (one, other)[number % 2].guess() == 0.0
            await settle()
        assert one.guess() > 0
        assert other.guess() == one.guess()

    run(scenario)


def test_who_is_right_is_forgotten_everywhere() -> None:
    """Our choice."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        for _ in range(4):
            one.guess()
        await settle()
        other.guess()
        other.sign_in.succeed("ada", "203.0.113.1", is_known=False)
        await settle()
        for _ in range(5):
            assert one.guess() == 0.0

    run(scenario)


def test_client_secrets_and_requests_count_together() -> None:
    """Our choice."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        for number in range(6):
            (one, other)[number % 2].clients.fail("app", "203.0.113.1", is_chosen=False, now=0.0)
        for process in (one, other, one):
            assert process.requests.take("203.0.113.1", now=0.0) == 0
        await settle()
        for process in (one, other):
            assert process.clients.find_wait("app", "203.0.113.1", is_chosen=False, now=0.0) > 0
            assert process.requests.take("203.0.113.1", now=0.0) > 0
            assert process.requests.take("203.0.113.2", now=0.0) == 0

    run(scenario)


def test_without_messages_each_counts_by_itself() -> None:
    """Our choice: an outage lets nobody guess without limit, and stops nobody."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        wire.is_broken = True
        for _ in range(5):
            assert one.guess() == 0.0
        await settle()
        assert one.guess() > 0
        assert other.guess() == 0.0

    run(scenario)


def test_no_name_and_no_password_is_on_the_line() -> None:
    """Our choice: people type passwords where a name is asked."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        one.sign_in.begin("correct horse battery staple", "203.0.113.1", is_known=False, now=0.0)
        await settle()
        assert wire.heard
        assert not any(b"horse" in message for message in wire.heard)

    run(scenario)


def test_what_can_not_be_read_is_left_alone(warnings: list[str]) -> None:
    """Our choice: another version of the program may be on the line for a while."""

    async def scenario(wire: LocalBus, one: Process, other: Process) -> None:
        await wire.publish("counts", b"\xc1")
        await wire.publish("counts", b"\x92\xc4\x01x\x93\xa5Taken\xa7unknown\xa1k")
        assert one.guess() == 0.0

    run(scenario)
    assert len(warnings) == 4
    warnings.clear()
