"""A device without a browser asks for access."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.device import (
    ALPHABET,
    build_device_key,
    build_user_code,
    find_grantable,
    find_open_device,
    parse_device_code,
    parse_user_code,
)
from omnitornado.oauth.people import Person
from omnitornado.oauth.secrets import digest
from omnitornado.oauth.throttle import USER_CODE_ADDRESS_LIMIT, USER_CODE_LIMIT, UserCodeThrottle
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits

from .world import ADA, BOB, ISSUER, PROPERTY, SECRET, START, World, build_basic, refused, run

HOME = "192.0.2.1"


def test_a_request_gets_its_two_codes() -> None:
    """Required by RFC 8628 §3.2. The files hold neither code (our choice)."""

    async def scenario(world: World) -> None:
        request = await world.ask_device(scope="mcp files")
        response = request.build_response(ISSUER)
        user_code = response["user_code"]
        assert response == {
            "device_code": request.device_code,
            "user_code": user_code,
            "verification_uri": ISSUER + "/device",
            "verification_uri_complete": f"{ISSUER}/device?user_code={user_code}",
            "expires_in": 600,
            "interval": 5,
        }
        kept = await find_open_device(user_code, world.store, now=world.now)
        assert kept is not None
        assert (kept.client_id, kept.client_name, kept.address) == ("tv", "TV", HOME)
        assert (kept.scope, kept.resources) == (("mcp", "files"), ("/mcp",))
        assert kept.device_hash == digest(request.device_code)
        written = msgspec.msgpack.encode([build_device_key(user_code), kept])
        for secret in (request.device_code, user_code, user_code.replace("-", "")):
            assert secret.encode() not in written
        assert parse_device_code(request.device_code) == build_device_key(user_code)

    run(scenario)


def test_what_is_left_out_is_as_in_an_authorization_request() -> None:
    """Required by RFC 8628 §3.1 (scope); RFC 8707 for the resource."""

    async def scenario(world: World) -> None:
        device = (await world.ask_device(resource=None)).device
        assert (device.scope, device.resources) == (("mcp", "files"), ("/mcp", "/files/mcp"))
        device = (
            await world.ask_device(resource=ISSUER + "/files/mcp", scope="openid offline_access")
        ).device
        assert (device.scope, device.resources) == (("files",), ("/files/mcp",))

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        ({"client_id": None}, "invalid_client", "client_id_missing"),
        ({"client_id": "nobody"}, "invalid_client", "client_unknown"),
        ({"client_id": "box"}, "invalid_client", "client_auth_method"),
        ({"client_id": "box", "client_secret": "wrong"}, "invalid_client", "client_secret_wrong"),
        ({"client_id": "native"}, "unauthorized_client", "grant_type_not_registered"),
        ({"scope": "admin"}, "invalid_scope", "scope_unknown"),
        ({"scope": 'a"b'}, "invalid_scope", "scope_malformed"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target", "resource_unknown"),
        ({"scope": ["mcp", "files"]}, "invalid_request", "duplicate_parameter"),
    ],
)
def test_a_request_is_checked_like_one_for_a_token(changed: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 8628 §3.1 and §3.2 (errors of RFC 6749 §5.2): the client proves itself, and registered
    for it.
    """

    async def scenario(world: World) -> None:
        with refused(code, reason):
            await world.ask_device(**changed)

    run(scenario)


def test_a_confidential_client_proves_itself() -> None:
    """Required by RFC 8628 §3.1 and RFC 6749 §3.2.1."""

    async def scenario(world: World) -> None:
        request = await world.ask_device(client_id="box", client_secret=SECRET)
        assert request.device.client_id == "box"
        request = await world.ask_device(client_id=None, authorization=build_basic("box", SECRET))
        assert request.device.client_id == "box"

    run(scenario)


def test_a_code_is_eight_letters_of_twenty_each_as_likely() -> None:
    """Required by RFC 8628 §6.1: no vowels, and none that is taken for another; §5.1: enough to guess in."""
    assert len(ALPHABET) == len(set(ALPHABET)) == 20
    assert not set(ALPHABET) & set("AEIOUY")
    counts = Counter(letter for _ in range(2000) for letter in build_user_code().replace("-", ""))
    assert set(counts) == set(ALPHABET)
    assert max(counts.values()) < 1.3 * min(counts.values())
    drawn = iter([bytes([255] * 8), bytes([240, 239, 0, 19, 20, 250, 1, 2]), bytes([5] * 8)])
    assert build_user_code(token_bytes=lambda size: next(drawn)) == "ZBZB-CDHH"


@pytest.mark.parametrize(
    "typed",
    ["WDJB-MJHT", "wdjbmjht", "WDJB MJHT", " wdjb.mjht ", "W D J B M J H T", "wdjb—mjht", "WDJB\tMJHT\n"],
)
def test_a_code_is_understood_however_it_is_typed(typed: str) -> None:
    """Required by RFC 8628 §6.1: case and punctuation don't count."""
    assert parse_user_code(typed) == "WDJB-MJHT"


@pytest.mark.parametrize(
    "typed",
    [
        None,
        "",
        "WDJB-MJH",
        "WDJB-MJHTT",
        "WDJB-MJHA",
        "WDJB-MJH1",
        "ＷＤＪＢ-ＭＪＨＴ",
        "x" * 10_000,
        "-" * 60,
        "\x00" * 8,
    ],
)
def test_anything_else_is_no_code(typed: str | None) -> None:
    """Our choice: what can't be one is not looked up."""
    assert parse_user_code(typed) is None


@PROPERTY
@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(typed: str) -> None:
    """Our choice."""
    found = parse_user_code(typed)
    assert found is None or (len(found) == 9 and parse_user_code(found) == found)


@pytest.mark.parametrize(
    "code", ["", "x", "omt_dc_", "omt_dc_AAAA", "omt_dc_" + "A" * 65, "omt_rt_" + "A" * 64, "é"]
)
def test_what_is_no_device_code_has_no_key(code: str) -> None:
    """Our choice."""
    assert parse_device_code(code) is None


def test_a_user_code_that_is_taken_is_drawn_again() -> None:
    """Our choice: no two devices wait for the same code."""

    async def scenario(world: World) -> None:
        drawn = iter([bytes(8), bytes(32), bytes(8), bytes(32), bytes([1] * 8), bytes([2] * 32)])
        world.devices = msgspec.structs.replace(world.devices, token_bytes=lambda size: next(drawn))
        assert (await world.ask_device()).user_code == "BBBB-BBBB"
        assert (await world.ask_device()).user_code == "CCCC-CCCC"

    run(scenario)


def test_over_the_cap_a_device_is_told_to_come_back() -> None:
    """Our choice: a flood pushes out no device that waits."""

    async def scenario(world: World) -> None:
        world.store = EmbeddedStore.open(None, clock=world.clock, limits=Limits(device_codes=2))
        await world.store.start()
        world.devices = msgspec.structs.replace(world.devices, store=world.store)
        first = await world.ask_device()
        await world.ask_device()
        with refused("temporarily_unavailable", "device_codes_full"):
            await world.ask_device()
        assert await find_open_device(first.user_code, world.store, now=world.now) is not None
        await world.store.close()

    run(scenario)


def test_a_request_waits_until_it_is_decided_or_over() -> None:
    """Required by RFC 8628 §3.3 and §6.1 (codes are short-lived)."""

    async def scenario(world: World) -> None:
        request = await world.ask_device()
        world.advance(599)
        assert await find_open_device(request.user_code, world.store, now=world.now) is not None
        world.advance(1)
        assert await find_open_device(request.user_code, world.store, now=world.now) is None
        other = await world.ask_device()
        await world.decide(other)
        assert await find_open_device(other.user_code, world.store, now=world.now) is None
        assert await find_open_device("BBBB-BBBB", world.store, now=world.now) is None

    run(scenario)


def test_a_person_grants_what_they_may() -> None:
    """Our choice ([[users]] scopes)."""

    async def scenario(world: World) -> None:
        device = (await world.ask_device(scope="mcp files")).device
        assert find_grantable(device, ADA) == ("mcp", "files")
        assert find_grantable(device, BOB) == ("mcp",)
        assert find_grantable(device, Person("eve", scopes=("other",))) is None
        assert find_grantable(msgspec.structs.replace(device, scope=()), BOB) == ()

    run(scenario)


def test_guessing_codes_gets_slower_and_slower() -> None:
    """Required by RFC 8628 §5.1: for a person from wherever, and for an address with whatever accounts."""
    throttle = UserCodeThrottle()
    waits = [throttle.begin("eve", f"198.51.100.{n}", now=START) for n in range(USER_CODE_LIMIT.free + 1)]
    assert waits[:-1] == [0.0] * USER_CODE_LIMIT.free
    assert waits[-1] > 0
    throttle = UserCodeThrottle()
    waits = [throttle.begin(f"eve{n}", HOME, now=START) for n in range(USER_CODE_ADDRESS_LIMIT.free + 1)]
    assert waits[:-1] == [0.0] * USER_CODE_ADDRESS_LIMIT.free
    assert waits[-1] > 0


def test_a_code_of_ones_own_in_between_wins_a_guesser_nothing() -> None:
    """Our choice: it takes itself back, and no wrong one before it."""
    throttle = UserCodeThrottle()
    for _ in range(USER_CODE_LIMIT.free):
        assert throttle.begin("eve", HOME, now=START) == 0.0
        if throttle.begin("eve", HOME, now=START) == 0.0:
            throttle.succeed("eve", HOME)
    assert throttle.begin("eve", HOME, now=START) > 0


def test_a_person_who_makes_no_mistake_never_waits() -> None:
    """Our choice."""
    throttle = UserCodeThrottle()
    for _ in range(100):
        assert throttle.begin("ada", HOME, now=START) == 0.0
        throttle.succeed("ada", HOME)


def test_a_year_of_guessing_finds_next_to_nothing() -> None:
    """Required by RFC 8628 §5.1: two in a thousand, with one account and a thousand devices at any time."""
    throttle, now, guesses = UserCodeThrottle(), START, 0
    while now < START + 30 * 86400:
        wait = throttle.begin("eve", HOME, now=now)
        guesses += wait == 0.0
        now += max(wait, 0.001)
    assert guesses * 12 * 1000 / 20**8 < 0.002
