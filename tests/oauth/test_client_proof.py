"""Wrong proofs of clients are slowed down, and nobody can shut a client out."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from omnitornado.oauth import attempts, throttle
from omnitornado.oauth.client import ClientKeys, Clients, build_preset
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.introspection import IntrospectionRules, ResourceServer, authenticate_server
from omnitornado.oauth.secrets import digest
from omnitornado.oauth.throttle import CLIENT_LIMIT, CLIENT_PAIR_LIMIT, ClientThrottle

from .keys import make_key, publish
from .world import ISSUER, SECRET, START, World, build_basic, parse, refused, run

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def spread(number: int) -> str:
    """Another address each time."""
    return f"198.51.{number // 250}.{number % 250}"


async def _prove(
    world: World, secret: str, address: str, *, client_id: str = "web", clients: Clients | None = None
) -> None:
    known = (clients or world.clients).asked_by(address)
    members = parse(client_id=client_id, client_secret=secret)
    await authenticate_client(members, None, known, issuer=ISSUER, now=world.now)


async def _guess(world: World, times: int, address: Callable[[int], str], **whose: Any) -> int:
    """How many of so many wrong secrets were looked at, in one moment."""
    looked_at = 0
    for number in range(times):
        try:
            await _prove(world, f"wrong {number}", address(number), **whose)
        except OAuthError as error:
            looked_at += error.reason == "client_secret_wrong"
    return looked_at


def test_the_pause_grows_to_a_minute() -> None:
    """Required by RFC 6749 §2.3.1 (brute force); five free, then 1, 2, 4 … 60 s are our choice."""

    async def scenario(world: World) -> None:
        waits = []
        for _ in range(CLIENT_PAIR_LIMIT.free + 8):
            with refused("invalid_client", "client_secret_wrong"):
                await _prove(world, "wrong", HOME)
            wait = world.clients.throttle.find_wait("client web", HOME, is_chosen=False, now=world.now)
            waits.append(wait)
            if wait > 0:
                # The right secret is not looked at either, or the answer would tell it from a wrong one.
                with refused("temporarily_unavailable", "client_throttled", status=429):
                    await _prove(world, SECRET, HOME)
                world.advance(wait)
        assert waits == [0.0] * 4 + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
        await _prove(world, SECRET, HOME)
        assert await _guess(world, 9, lambda _: HOME) == CLIENT_PAIR_LIMIT.free

    run(scenario)


@pytest.mark.parametrize("way", ["post", "basic"])
def test_the_right_secret_from_another_address_works(way: str) -> None:
    """Our choice: a guesser at one address delays nobody at another."""

    async def scenario(world: World) -> None:
        assert await _guess(world, 1000, lambda _: ELSEWHERE) == CLIENT_PAIR_LIMIT.free
        header = build_basic("web", SECRET) if way == "basic" else None
        members = parse() if way == "basic" else parse(client_id="web", client_secret=SECRET)
        client = await authenticate_client(
            members, header, world.clients.asked_by(HOME), issuer=ISSUER, now=world.now
        )
        assert client.client_id == "web"
        with refused("temporarily_unavailable", "client_throttled", status=429):
            await authenticate_client(
                members, header, world.clients.asked_by(ELSEWHERE), issuer=ISSUER, now=world.now
            )

    run(scenario)


def test_many_addresses_against_one_client_are_bounded() -> None:
    """Our choice: a secret that a person chose may be a poor one. Where the client has proven itself it is
    not held back.
    """

    async def scenario(world: World) -> None:
        await _prove(world, SECRET, HOME)
        assert await _guess(world, 1000, spread) == CLIENT_LIMIT.free
        for _ in range(10):
            world.advance(CLIENT_LIMIT.longest)
            assert await _guess(world, 100, spread) == 1
        await _prove(world, SECRET, HOME)
        with refused("temporarily_unavailable", "client_throttled", status=429):
            await _prove(world, SECRET, "203.0.113.1")
        world.advance(CLIENT_LIMIT.longest)
        await _prove(world, SECRET, "203.0.113.1")
        assert await _guess(world, 1, lambda _: "203.0.113.9") == 1
        await _prove(world, SECRET, "203.0.113.1")

    run(scenario)


def test_nobody_delays_a_client_whose_secret_can_not_be_guessed() -> None:
    """Our choice: 256 random bits need no bound that a crowd could use against the client."""

    async def scenario(world: World) -> None:
        client, secret = await world.register(token_endpoint_auth_method="client_secret_post")
        assert await _guess(world, 200, spread, client_id=client.client_id) == 200
        await _prove(world, secret or "", HOME, client_id=client.client_id)
        assert await _guess(world, 200, lambda _: ELSEWHERE, client_id=client.client_id) == 5

    run(scenario)


def test_an_ipv6_subscriber_is_one_address() -> None:
    """Our choice: a /64 holds more addresses than anyone can count."""

    async def scenario(world: World) -> None:
        assert await _guess(world, 20, lambda number: f"2001:db8::{number:x}") == CLIENT_PAIR_LIMIT.free

    run(scenario)


def test_other_clients_at_the_same_address_are_not_held_back() -> None:
    """Our choice: a vendor's apps come from few addresses, and one of them may have an old secret."""

    async def scenario(world: World) -> None:
        await _guess(world, 20, lambda _: HOME)
        await _prove(world, "bare secret", HOME, client_id="bare")

    run(scenario)


def test_signed_proofs_count_as_well() -> None:
    """Our choice: checking a signature takes the processor some time."""

    async def scenario(world: World) -> None:
        keys = ClientKeys(jwks=publish(make_key()))
        preset = build_preset(client_id="inline", client_secret=None, keys=keys)
        clients = Clients([preset], world.store).asked_by(HOME)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        forged = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpbmxpbmUiLCJzdWIiOiJpbmxpbmUifQ." + "A" * 86
        for _ in range(CLIENT_PAIR_LIMIT.free):
            with refused("invalid_client", "client_assertion_audience"):
                await authenticate_client(
                    parse(client_assertion=forged, client_assertion_type=kind),
                    None,
                    clients,
                    issuer=ISSUER,
                    now=world.now,
                )
        with refused("temporarily_unavailable", "client_throttled", status=429):
            await authenticate_client(
                parse(client_assertion=forged, client_assertion_type=kind),
                None,
                clients,
                issuer=ISSUER,
                now=world.now,
            )

    run(scenario)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"client_id": "nobody", "client_secret": "x"}, "client_unknown"),
        ({}, "client_id_missing"),
        ({"client_id": "web"}, "client_auth_method"),
    ],
)
def test_what_proves_nothing_wrong_is_not_counted(members: dict[str, str], reason: str) -> None:
    """Our choice: a stale registration, or a secret left out, is no guess; ids are no secrets."""

    async def scenario(world: World) -> None:
        clients = world.clients.asked_by(HOME)
        for _ in range(50):
            with refused("invalid_client", reason):
                await authenticate_client(parse(**members), None, clients, issuer=ISSUER, now=world.now)
        await _prove(world, SECRET, HOME)

    run(scenario)


def test_public_clients_are_never_held_back() -> None:
    """Our choice: they prove nothing, so there is nothing to guess, whatever somebody sends in their name."""

    async def scenario(world: World) -> None:
        for _ in range(50):
            await _prove(world, "some secret", HOME, client_id="native")

    run(scenario)


# Resource servers


def _build_rules(world: World) -> IntrospectionRules:
    server = ResourceServer(server_id="files", secret_hash=digest("files secret"), resources=("/files/mcp",))
    return IntrospectionRules(
        store=world.store,
        people=world.tokens.people,
        resources=world.tokens.resources,
        servers={"files": server},
        address=HOME,
    )


@pytest.mark.parametrize("server_id", ["files", "nobody", "", "x" * 10_000])
def test_resource_servers_are_held_back_alike_whether_they_exist_or_not(server_id: str) -> None:
    """Our choice: the pause must not tell which ids there are."""

    async def scenario(world: World) -> None:
        rules = _build_rules(world)
        wrong = parse(client_id=server_id, client_secret="wrong")
        for _ in range(CLIENT_PAIR_LIMIT.free):
            with refused("invalid_client", "resource_server_unknown"):
                authenticate_server(wrong, None, rules, now=world.now)
        with refused("temporarily_unavailable", "client_throttled", status=429):
            authenticate_server(wrong, None, rules, now=world.now)
        right = parse(client_id="files", client_secret="files secret")
        elsewhere = msgspec.structs.replace(rules, address=ELSEWHERE)
        assert authenticate_server(right, None, elsewhere, now=world.now).server_id == "files"

    run(scenario)


def test_a_client_and_a_resource_server_of_one_name_are_two() -> None:
    """Our choice: what is wrong with one says nothing of the other."""

    async def scenario(world: World) -> None:
        rules = msgspec.structs.replace(_build_rules(world), throttle=world.clients.throttle)
        clients = Clients([build_preset(client_id="files", client_secret="its own")], world.store)
        clients.throttle = world.clients.throttle
        await _guess(world, 20, lambda _: HOME, client_id="files", clients=clients)
        right = parse(client_id="files", client_secret="files secret")
        assert authenticate_server(right, None, rules, now=world.now).server_id == "files"

    run(scenario)


# Memory


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice (docs/limits.md): counters, and addresses where clients have proven themselves."""
    monkeypatch.setattr(attempts, "MAX_COUNTERS", 10)
    monkeypatch.setattr(throttle, "MAX_KNOWN", 10)
    counts = ClientThrottle()
    for number in range(1000):
        counts.fail("x" * number, spread(number), is_chosen=True, now=START)
        counts.succeed(f"client {number}", spread(number), is_chosen=True)
    assert len(counts.attempts._counters) <= 10
    assert len(counts._known) == 10
    assert all(len(name) == 32 for name in counts.attempts._counters)


def test_a_count_is_forgotten_after_an_hour() -> None:
    """Our choice."""
    counts = ClientThrottle()
    for _ in range(5):
        counts.fail("web", HOME, is_chosen=True, now=START)
    assert counts.find_wait("web", HOME, is_chosen=True, now=START) == 1.0
    for _ in range(4):
        counts.fail("web", HOME, is_chosen=True, now=START + 3700)
    assert counts.find_wait("web", HOME, is_chosen=True, now=START + 3700) == 0.0
