"""Growing delays for password guessing, without a way to lock anyone out."""

from collections.abc import Callable

import pytest

from omnitornado.oauth import attempts
from omnitornado.oauth.attempts import FORGET_AFTER
from omnitornado.oauth.throttle import (
    ADDRESS_LIMIT,
    PAIR_LIMIT,
    PERSON_LIMIT,
    RateLimit,
    SignInThrottle,
    build_address_key,
    find_network,
)

from .world import START

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def guess(
    throttle: SignInThrottle, times: int, name: Callable[[int], str], address: Callable[[int], str]
) -> list[float]:
    return [throttle.begin(name(n), address(n), is_known=False, now=START) for n in range(times)]


def test_the_delay_grows_and_has_an_end() -> None:
    """Our choice: five attempts free, then 1, 2, 4 … seconds up to a quarter of an hour."""
    sign_in = SignInThrottle()
    now, waits = START, []
    for _ in range(PAIR_LIMIT.free + 13):
        waits.append(sign_in.begin("ada", HOME, is_known=True, now=now))
        if waits[-1] > 0:
            now += waits[-1]
            assert sign_in.begin("ada", HOME, is_known=True, now=now) == 0.0
    doubling = [float(2**n) for n in range(10)]
    assert waits == [0.0] * PAIR_LIMIT.free + doubling + [PAIR_LIMIT.longest] * 3


def test_a_refused_attempt_costs_nothing_more() -> None:
    """Our choice: pressing the button again and again doesn't lengthen the wait."""
    sign_in = SignInThrottle()
    for _ in range(PAIR_LIMIT.free):
        sign_in.begin("ada", HOME, is_known=True, now=START)
    for step in range(9):
        assert sign_in.begin("ada", HOME, is_known=True, now=START + step / 10) == pytest.approx(
            1 - step / 10
        )
    assert sign_in.begin("ada", HOME, is_known=True, now=START + 1) == 0.0


def test_a_burst_in_parallel_gains_nothing() -> None:
    """Our choice: attempts count when they begin, not when they turn out wrong."""
    sign_in = SignInThrottle()
    waits = guess(sign_in, 1000, lambda n: "ada", lambda n: HOME)
    assert waits.count(0.0) == PAIR_LIMIT.free


def test_guessing_at_many_names_from_one_address_slows_down() -> None:
    """Our choice: the address has a count of its own."""
    waits = guess(SignInThrottle(), 1000, lambda n: f"name{n}", lambda n: ELSEWHERE)
    assert waits.count(0.0) == ADDRESS_LIMIT.free


def test_guessing_at_one_name_from_many_addresses_slows_down() -> None:
    """Our choice: the person has a count of their own."""
    waits = guess(SignInThrottle(), 1000, lambda n: "ada", lambda n: f"198.51.{n // 250}.{n % 250}")
    assert waits.count(0.0) == PERSON_LIMIT.free


def test_an_ipv6_subscriber_is_one_address() -> None:
    """Our choice: a /64 holds more addresses than anyone can count."""
    waits = guess(SignInThrottle(), 1000, lambda n: f"name{n}", lambda n: f"2001:db8::{n:x}")
    assert waits.count(0.0) == ADDRESS_LIMIT.free


def test_a_flood_from_elsewhere_does_not_lock_a_person_out_of_their_own_address() -> None:
    """Our choice: an address they have signed in from depends on what happens there alone."""
    sign_in = SignInThrottle()
    guess(sign_in, 2000, lambda n: "ada", lambda n: f"198.51.{n // 250}.{n % 250}")
    guess(sign_in, 2000, lambda n: f"name{n}", lambda n: HOME)
    assert sign_in.begin("ada", HOME, is_known=True, now=START) == 0.0
    assert sign_in.begin("ada", "203.0.113.9", is_known=False, now=START) > 0


def test_a_known_address_is_no_free_pass() -> None:
    """Our choice: guessing where somebody has signed in slows down like anywhere."""
    sign_in = SignInThrottle()
    waits = [sign_in.begin("ada", HOME, is_known=True, now=START) for _ in range(100)]
    assert waits.count(0.0) == PAIR_LIMIT.free
    assert sign_in.begin("bob", HOME, is_known=True, now=START) == 0.0


def test_success_forgets_the_wrong_attempts_before_it() -> None:
    """Our choice: who mistypes often isn't held to it after they got it right."""
    sign_in = SignInThrottle()
    for _ in range(3):
        for _ in range(PAIR_LIMIT.free):
            assert sign_in.begin("ada", HOME, is_known=True, now=START) == 0.0
        sign_in.succeed("ada", HOME, is_known=True)


def test_an_office_behind_one_address_can_sign_in() -> None:
    """Our choice: a good attempt is taken back from the address's count."""
    sign_in = SignInThrottle()
    for n in range(200):
        assert sign_in.begin(f"name{n}", HOME, is_known=False, now=START) == 0.0
        sign_in.succeed(f"name{n}", HOME, is_known=False)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_good_account_does_not_wear_down_an_address(is_known: bool) -> None:
    """Our choice: signing in between guesses at others takes back no more than it added."""
    sign_in = SignInThrottle()
    guesses = 0
    for n in range(500):
        if sign_in.begin(f"victim{n}", ELSEWHERE, is_known=False, now=START) == 0.0:
            guesses += 1
        if sign_in.begin("mallory", ELSEWHERE, is_known=is_known, now=START) == 0.0:
            sign_in.succeed("mallory", ELSEWHERE, is_known=is_known)
    assert guesses <= ADDRESS_LIMIT.free


def test_a_counter_starts_anew_after_an_hour_of_peace() -> None:
    """Our choice."""
    sign_in = SignInThrottle()
    for _ in range(PAIR_LIMIT.free):
        sign_in.begin("ada", HOME, is_known=True, now=START)
    later = START + FORGET_AFTER + 1
    assert [sign_in.begin("ada", HOME, is_known=True, now=later) for _ in range(PAIR_LIMIT.free)] == [0.0] * 5
    assert sign_in.begin("ada", HOME, is_known=True, now=later) > 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: made-up names fill no memory."""
    monkeypatch.setattr(attempts, "MAX_COUNTERS", 50)
    sign_in = SignInThrottle()
    guess(sign_in, 500, lambda n: f"name{n}", lambda n: f"198.51.{n // 250}.{n % 250}")
    assert len(sign_in.attempts._counters) <= 50
    long = SignInThrottle()
    long.begin("x" * 1_000_000, HOME, is_known=False, now=START)
    assert all(len(name) == 32 for name in long.attempts._counters)


def test_refused_attempts_push_no_counter_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: refusals are cheap, so they could otherwise make the server forget a guesser."""
    monkeypatch.setattr(attempts, "MAX_COUNTERS", 100)
    sign_in = SignInThrottle()
    guess(sign_in, 100, lambda n: "ada", lambda n: f"198.51.0.{n}")
    guess(sign_in, 10_000, lambda n: f"name{n}", lambda n: ELSEWHERE)
    assert sign_in.begin("ada", "203.0.113.1", is_known=False, now=START) > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    """Our choice."""
    assert find_network(address) == network


def test_the_key_of_a_known_address_names_both_and_shows_neither() -> None:
    """Our choice: the files hold no list of addresses."""
    key = build_address_key("ada", HOME)
    assert len(key) == 32
    assert key != build_address_key("ada", ELSEWHERE)
    assert key != build_address_key("bob", HOME)
    assert build_address_key("ada", "2001:db8::1") == build_address_key("ada", "2001:db8::2")
    build_address_key("\ud800", "")


def test_a_rate_refills_evenly() -> None:
    """Our choice: the limit of registrations for each address."""
    rate = RateLimit(3, period=60.0)
    assert [rate.take(HOME, now=START) for _ in range(5)] == [0.0, 0.0, 0.0, 20.0, 20.0]
    assert rate.take(ELSEWHERE, now=START) == 0.0
    assert rate.take(HOME, now=START + 10) == pytest.approx(10.0)
    assert rate.take(HOME, now=START + 20) == 0.0
    assert rate.take(HOME, now=START + 20) == pytest.approx(20.0)
    assert [rate.take(HOME, now=START + 9999) for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    assert rate.take(HOME, now=START) > 0


def test_a_rate_keeps_a_bounded_number_of_addresses() -> None:
    """Our choice."""
    rate = RateLimit(1, max_keys=10)
    for n in range(100):
        rate.take(f"198.51.100.{n}", now=START)
    assert len(rate._buckets) == 10
