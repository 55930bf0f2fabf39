"""How a person proves to be themselves."""

import asyncio
import itertools
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bcrypt
import pytest

from omnitornado.oauth import login, throttle
from omnitornado.oauth.login import (
    MAX_NEWCOMERS,
    MAX_WAITING,
    PASSWORD_NICENESS,
    SignIn,
    SignInError,
    step_back,
)
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.throttle import build_address_key
from omnitornado.store.records import KnownAddress

from .world import ADA, BOB, World, run

HOME = "192.0.2.1"


def hash_at(password: bytes, cost: int) -> bytes:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost))


def sign_in_at(
    body: Callable[[World, SignIn], Awaitable[None]], people: People | None = None, **options: Any
) -> None:
    """Run with a SignIn of its own."""

    async def scenario(world: World) -> None:
        service = SignIn(people or People([ADA, BOB]), world.store, **options)
        try:
            await body(world, service)
        finally:
            service.close()

    run(scenario)


async def try_in(world: World, service: SignIn, name: str, password: str, address: str = HOME) -> str:
    """The name of who is in, or the reason why nobody is."""
    try:
        return (await service.sign_in(name, password, address, now=world.now)).username
    except SignInError as error:
        return error.reason


def test_the_right_password_signs_in() -> None:
    """Our choice."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ada", "ada's password") == "ada"
        assert await try_in(world, service, "bob", "bob's password") == "bob"

    sign_in_at(body)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "bob's password"),
        ("ada", ""),
        ("ada", "Ada's password"),
        ("ada", "ada's password "),
        ("ada", "ada's password\0"),
        ("ada", "-"),
        ("Ada", "ada's password"),
        ("ada ", "ada's password"),
        ("nobody", "x"),
        ("", ""),
        ("\ud800", "\ud800"),
        ("x" * 100_000, "x" * 100_000),
        ("nohash", ""),
        ("nohash", "x"),
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_one_answer(name: str, password: str) -> None:
    """Required by OWASP's advice (authentication responses); our choice of words."""

    async def body(world: World, service: SignIn) -> None:
        with pytest.raises(SignInError) as caught:
            await service.sign_in(name, password, HOME, now=world.now)
        assert (caught.value.reason, caught.value.retry_after) == ("wrong_name_or_password", None)
        assert not password.strip() or password not in str(vars(caught.value))

    sign_in_at(body, People([ADA, BOB, Person("nohash")]))


PEOPLE = People(
    [
        Person("cheap", password_hash=hash_at(b"cheap", 4)),
        Person("middle", password_hash=hash_at(b"middle", 6)),
        Person("dear", password_hash=hash_at(b"dear", 7)),
        Person("nohash"),
    ]
)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (name, password)
        for name in ("cheap", "middle", "dear", "nobody", "nohash", "")
        for password in ("x", "cheap", "middle", "dear", "", "x" * 73, "x" * 5000, "a\0b")
    ],
)
def test_every_attempt_costs_the_same_work(name: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: the time tells neither whether the name exists nor how far the password was right."""
    rounds: list[int] = []
    check = bcrypt.checkpw

    def count(attempt: bytes, hashed: bytes) -> bool:
        assert len(attempt) <= 72
        rounds.append(2 ** int(hashed.split(b"$")[2]))
        return check(attempt, hashed)

    async def body(world: World, service: SignIn) -> None:
        await try_in(world, service, name, password)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    sign_in_at(body, PEOPLE)
    assert sum(rounds) == 2**7


def test_with_nobody_there_an_attempt_still_costs_something() -> None:
    """Our choice: a server whose users are all gone looks like any other."""
    ladder = login._build_ladder(People())
    assert ladder.highest == 12
    assert set(ladder.hashes) == {12}


def test_nothing_fits_the_hashes_of_the_ladder() -> None:
    """Our choice: they are well formed, and no password is known for them."""
    ladder = login._build_ladder(PEOPLE)
    assert set(ladder.hashes) == {4, 5, 6, 7}
    for hashed in ladder.hashes.values():
        assert not bcrypt.checkpw(b"-", hashed)


def test_a_password_over_72_bytes_is_wrong_and_never_cut() -> None:
    """Our choice: bcrypt reads 72 bytes, so a longer one would share its hash with its beginning."""
    longest = "é" * 36
    person = Person("ada", password_hash=hash_at(longest.encode(), 4))

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ada", longest) == "ada"
        for password in (longest + "x", longest * 2, longest + "\0"):
            assert await try_in(world, service, "ada", password) == "wrong_name_or_password"

    sign_in_at(body, People([person]))


def test_a_password_is_not_what_stands_in_for_one_that_does_not_fit() -> None:
    """Our choice: the stand-in is compared for the time it takes, not for its result."""
    person = Person("ada", password_hash=hash_at(b"-", 4))

    async def body(world: World, service: SignIn) -> None:
        for password in ("x" * 73, "a\0", "\0"):
            assert await try_in(world, service, "ada", password) == "wrong_name_or_password"
        assert await try_in(world, service, "ada", "-") == "ada"

    sign_in_at(body, People([person]))


def test_guessing_is_slowed_down() -> None:
    """Our choice: with the seconds to wait, whatever the password is."""

    async def body(world: World, service: SignIn) -> None:
        for _ in range(5):
            assert await try_in(world, service, "ada", "x") == "wrong_name_or_password"
        with pytest.raises(SignInError) as caught:
            await service.sign_in("ada", "ada's password", HOME, now=world.now)
        assert (caught.value.reason, caught.value.retry_after) == ("throttled", 1.0)
        world.advance(1)
        assert await try_in(world, service, "ada", "ada's password") == "ada"

    sign_in_at(body)


def test_a_throttled_attempt_costs_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: a flood takes no time from those who sign in."""

    async def body(world: World, service: SignIn) -> None:
        for _ in range(5):
            await try_in(world, service, "ada", "x")
        monkeypatch.setattr(bcrypt, "checkpw", None)
        assert await try_in(world, service, "ada", "x") == "throttled"

    sign_in_at(body)


def test_a_burst_in_parallel_gains_nothing() -> None:
    """Our choice."""

    async def body(world: World, service: SignIn) -> None:
        outcomes = await asyncio.gather(*(try_in(world, service, "ada", "x") for _ in range(40)))
        assert outcomes.count("wrong_name_or_password") == 5
        assert outcomes.count("throttled") == 35

    sign_in_at(body)


def test_a_known_address_is_not_locked_out_from_elsewhere() -> None:
    """Our choice: who has signed in from an address depends on what happens there alone, for 90 days."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ada", "ada's password") == "ada"
        for n in range(60):
            await try_in(world, service, "ada", "x", f"198.51.100.{n}")
        assert await try_in(world, service, "ada", "ada's password", "203.0.113.1") == "throttled"
        assert await try_in(world, service, "ada", "ada's password") == "ada"

    sign_in_at(body)


def test_no_address_becomes_known_by_a_wrong_password() -> None:
    """Our choice."""

    async def body(world: World, service: SignIn) -> None:
        await try_in(world, service, "ada", "x")
        key = build_address_key("ada", HOME)
        assert not await world.store.is_known_address(key, now=world.now)
        await try_in(world, service, "ada", "ada's password")
        assert await world.store.is_known_address(key, now=world.now)
        assert not await world.store.is_known_address(key, now=world.now + login.KNOWN_ADDRESS_LIFETIME)

    sign_in_at(body)


def test_the_loop_goes_on_while_a_password_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: bcrypt runs on a thread of its own."""
    finish, threads = threading.Event(), []

    async def body(world: World, service: SignIn) -> None:
        started, loop = asyncio.Event(), asyncio.get_running_loop()

        def check(attempt: bytes, hashed: bytes) -> bool:
            threads.append(threading.current_thread().name)
            loop.call_soon_threadsafe(started.set)
            return finish.wait(5)

        monkeypatch.setattr(bcrypt, "checkpw", check)
        attempt = asyncio.create_task(try_in(world, service, "ada", "x"))
        await started.wait()
        finish.set()
        assert await attempt == "ada"
        assert threads[0].startswith("password")

    sign_in_at(body)


def test_checks_have_a_bound_and_leave_room_for_known_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: beyond it the answer is to come back; what was never checked is not counted as a guess."""
    finish = threading.Event()
    monkeypatch.setattr(bcrypt, "checkpw", lambda attempt, hashed: finish.wait(5) and False)
    people = People([Person(f"name{n}", password_hash=ADA.password_hash) for n in range(200)])

    async def body(world: World, service: SignIn) -> None:
        for n in range(100, 200):
            known = KnownAddress(username=f"name{n}", expires_at=world.now + 1000)
            await world.store.know_address(build_address_key(f"name{n}", HOME), known)
        strangers = [
            asyncio.create_task(try_in(world, service, f"name{n}", "x", f"198.51.100.{n}"))
            for n in range(100)
        ]
        await settle()
        assert sum(task.done() for task in strangers) == 100 - MAX_NEWCOMERS
        with pytest.raises(SignInError) as caught:
            await service.sign_in("name99", "x", "203.0.113.1", now=world.now)
        assert (caught.value.reason, caught.value.retry_after) == ("sign_in_busy", login.BUSY_RETRY)
        friends = [asyncio.create_task(try_in(world, service, f"name{n}", "x")) for n in range(100, 200)]
        await settle()
        assert sum(task.done() for task in friends) == 100 - (MAX_WAITING - MAX_NEWCOMERS)
        finish.set()
        outcomes = await asyncio.gather(*strangers, *friends)
        assert outcomes.count("wrong_name_or_password") == MAX_WAITING
        assert outcomes.count("sign_in_busy") == 200 - MAX_WAITING
        busy = [f"198.51.100.{n}" for n, task in enumerate(strangers) if task.result() == "sign_in_busy"]
        name = f"name{busy[0].rpartition('.')[2]}"
        waits = [await try_in(world, service, name, "x", busy[0]) for _ in range(6)]
        assert waits == ["wrong_name_or_password"] * 5 + ["throttled"]

    sign_in_at(body, people)


async def settle() -> None:
    """Let every task go as far as it can without a thread."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_service_that_closes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: no stack trace at shutdown, for those who wait and for those who come."""
    finish = threading.Event()
    monkeypatch.setattr(bcrypt, "checkpw", lambda attempt, hashed: finish.wait(5) and False)

    async def body(world: World, service: SignIn) -> None:
        names = [asyncio.create_task(try_in(world, service, f"name{n}", "x")) for n in range(4)]
        await settle()
        service.close()
        finish.set()
        assert sorted(await asyncio.gather(*names)) == ["sign_in_busy"] * 3 + ["wrong_name_or_password"]
        assert await try_in(world, service, "ada", "ada's password") == "sign_in_busy"

    sign_in_at(body, threads=1)


def _check(name: str, password: str) -> bool:
    return (name, password) == ("eve", "right")


async def _check_async(name: str, password: str) -> bool:
    await asyncio.sleep(0)
    return _check(name, password)


class _Checker:
    async def __call__(self, name: str, password: str) -> bool:
        return _check(name, password)


@pytest.mark.parametrize("check", [_check, _check_async, _Checker(), lambda n, p: _check_async(n, p)])
def test_an_application_may_check_passwords_itself(check: Any) -> None:
    """Our choice (AuthorizationServer): plain or async."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "right") == "eve"
        assert await try_in(world, service, "eve", "wrong") == "wrong_name_or_password"

    sign_in_at(body, People(is_open=True), validate_user=check)


def test_who_has_a_password_here_is_checked_here_alone() -> None:
    """Our choice: a way in when the directory is away, and no second password for one name."""
    asked: list[str] = []

    def check(name: str, password: str) -> bool:
        asked.append(name)
        return True

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ada", "ada's password") == "ada"
        assert await try_in(world, service, "ada", "wrong") == "wrong_name_or_password"
        assert await try_in(world, service, "bob", "anything") == "bob"

    sign_in_at(body, People([ADA, Person("bob")], is_open=True), validate_user=check)
    assert asked == ["bob"]


def test_an_empty_password_is_never_asked_about() -> None:
    """Required by RFC 4513 §5.1.2: to a directory it is no wrong password but an anonymous bind."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "") == "wrong_name_or_password"

    sign_in_at(body, People(is_open=True), validate_user=lambda name, password: True)


def test_the_application_may_say_under_which_name_it_knows_the_person() -> None:
    """Our choice: a directory takes ADA for ada, and both must have the same grants."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "EVE", "x") == "eve"
        person = await service.sign_in("Bob", "x", "192.0.2.1", now=world.now)
        assert (person.username, person.scopes) == ("bob", ("mcp",))

    people = People([Person("bob", scopes=("mcp",))], is_open=True)
    sign_in_at(body, people, validate_user=lambda name, password: Person(name.lower()))


@pytest.mark.parametrize("name", ["Bob", " bob", "BOB\u3000", "\uff42ob"])
def test_no_spelling_of_a_name_gets_around_what_stands_for_it_here(name: str) -> None:
    """Our choice: a directory may take all of these for bob, whose scopes are limited."""

    async def body(world: World, service: SignIn) -> None:
        person = await service.sign_in(name, "x", HOME, now=world.now)
        assert (person.username, person.scopes) == ("bob", ("mcp",))

    people = People([Person("bob", scopes=("mcp",))], is_open=True)
    sign_in_at(body, people, validate_user=lambda name, password: True)


def test_no_spelling_gets_around_a_password_that_is_kept_here() -> None:
    """Our choice."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ADA", "anything") == "wrong_name_or_password"
        assert await try_in(world, service, "ADA", "ada's password") == "ada"

    sign_in_at(body, People([ADA], is_open=True), validate_user=lambda name, password: True)


def test_scopes_that_could_not_be_kept_are_refused(warnings: list[str]) -> None:
    """Our choice: tokens are checked against the configuration, long after this answer."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "x") == "validate_user_failed"

    sign_in_at(body, People(is_open=True), validate_user=lambda name, password: Person("eve", scopes=("a",)))
    assert warnings == ["validate_user gave a Person with scopes: set them in [[users]]"]
    warnings.clear()


def test_a_guesser_gets_no_count_for_each_spelling() -> None:
    """Our choice: from many addresses, at a directory that takes them all for one."""
    spellings = ["".join(letters) for letters in itertools.product(*((c, c.upper()) for c in "admin"))]

    async def body(world: World, service: SignIn) -> None:
        answers = [
            await try_in(world, service, name, "x", f"192.0.2.{number}")
            for number, name in enumerate(spellings)
        ]
        assert answers.count("wrong_name_or_password") == throttle.PERSON_LIMIT.free
        assert answers[-1] == "throttled"

    sign_in_at(body, People(is_open=True), validate_user=lambda name, password: False)


def test_a_directory_that_is_away_costs_nobody_an_attempt(warnings: list[str]) -> None:
    """Our choice: nothing was checked, so nothing was guessed."""
    is_away = True

    def check(name: str, password: str) -> bool:
        if is_away:
            raise LookupError("no directory")
        return password == "right"

    async def body(world: World, service: SignIn) -> None:
        nonlocal is_away
        for _ in range(3 * throttle.PERSON_LIMIT.free):
            assert await try_in(world, service, "eve", "right") == "validate_user_failed"
        is_away = False
        assert await try_in(world, service, "eve", "right") == "eve"

    sign_in_at(body, People(is_open=True), validate_user=check)
    warnings.clear()


def test_a_directory_that_hangs_gives_the_place_back(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice."""
    monkeypatch.setattr(login, "CHECK_TIMEOUT", 0.0)

    async def check(name: str, password: str) -> bool:
        await asyncio.Event().wait()
        return True

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "x") == "validate_user_failed"
        assert service._waiting == 0

    sign_in_at(body, People(is_open=True), validate_user=check)
    warnings.clear()


def test_a_plain_check_runs_on_a_thread() -> None:
    """Our choice: it may wait, the loop may not."""
    names: list[str] = []

    def check(name: str, password: str) -> bool:
        names.append(threading.current_thread().name)
        return True

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "x") == "eve"
        assert names[0].startswith("password")

    sign_in_at(body, People(is_open=True), validate_user=check)


def test_the_application_lets_in_no_one_the_configuration_lacks() -> None:
    """Our choice: with a closed list of people both must agree."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "ada", "x") == "ada"
        assert await try_in(world, service, "eve", "x") == "wrong_name_or_password"

    sign_in_at(body, People([Person("ada")]), validate_user=lambda name, password: True)


@pytest.mark.parametrize("answer", [1, "yes", {"user": "eve"}, None, 0, "", object()])
def test_any_answer_but_true_is_no(answer: object, warnings: list[str]) -> None:
    """Our choice: an error text is truthy, and would let anyone in. The operator is told."""

    async def body(world: World, service: SignIn) -> None:
        assert await try_in(world, service, "eve", "x") == "wrong_name_or_password"

    sign_in_at(body, People(is_open=True), validate_user=lambda name, password: answer)
    assert warnings == [f"validate_user must return True or False, not {type(answer).__name__}"]
    warnings.clear()


async def _fail_async(name: str, password: str) -> bool:
    raise LookupError("no directory")


def _fail(name: str, password: str) -> bool:
    raise LookupError("no directory")


@pytest.mark.parametrize("check", [_fail, _fail_async])
def test_a_check_that_fails_lets_nobody_in_and_is_no_fault_of_the_persons(
    check: Any, warnings: list[str]
) -> None:
    """Our choice: come back later; what happened stands in the log."""

    async def body(world: World, service: SignIn) -> None:
        with pytest.raises(SignInError) as caught:
            await service.sign_in("eve", "hunter2", HOME, now=world.now)
        assert (caught.value.reason, caught.value.retry_after) == ("validate_user_failed", login.BUSY_RETRY)
        assert caught.value.__cause__ is None

    sign_in_at(body, People(is_open=True), validate_user=check)
    assert warnings == ["validate_user failed"]
    warnings.clear()


def test_the_applications_check_is_throttled_and_bounded_too() -> None:
    """Our choice."""
    gate = asyncio.Event()

    async def check(name: str, password: str) -> bool:
        await gate.wait()
        return False

    async def body(world: World, service: SignIn) -> None:
        tasks = [
            asyncio.create_task(try_in(world, service, f"name{n}", "x", f"198.51.100.{n}"))
            for n in range(100)
        ]
        await settle()
        gate.set()
        outcomes = await asyncio.gather(*tasks)
        assert outcomes.count("sign_in_busy") == 100 - MAX_NEWCOMERS
        waits = [await try_in(world, service, "eve", "x") for _ in range(6)]
        assert waits == ["wrong_name_or_password"] * 5 + ["throttled"]

    sign_in_at(body, People(is_open=True), validate_user=check)


def test_passwords_are_checked_behind_the_event_loop() -> None:
    """Our choice: on a busy processor a call must not wait its turn between passwords."""
    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        niceness = pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result()
        own = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness - own == (PASSWORD_NICENESS if sys.platform == "linux" else 0)
