"""Two real servers on one Redis: whichever of them a request lands on, the answer is the same."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from store.redis_server import RedisServer

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess
from .raw import RawClient, find_code

CACHE = 2.0
"""Seconds: the default of `[store] cache`."""


@pytest.fixture
def redis(ledger: Ledger) -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server
        assert ledger.find_leaks(server.read_files().decode("latin-1")) == []


@pytest.fixture
def servers(redis: RedisServer, serve: Serve) -> tuple[ServerProcess, ServerProcess]:
    store = {"path": "", "url": redis.url}
    return serve(store=store), serve(store=store)


@pytest.fixture
def raws(
    servers: tuple[ServerProcess, ServerProcess], ledger: Ledger
) -> Iterator[tuple[RawClient, RawClient]]:
    """The same client, to both servers."""
    with RawClient(servers[0].issuer, ledger) as one, RawClient(servers[1].issuer, ledger) as other:
        other._verifier = one._verifier
        yield one, other


def _give(one: RawClient, other: RawClient) -> None:
    """What the client holds, for its next request to the other server."""
    other.client_id, other.access_token, other.refresh_token = (
        one.client_id,
        one.access_token,
        one.refresh_token,
    )


def _until(status: int, send: Any) -> float:
    """Seconds until the answer has this status."""
    began = time.monotonic()
    while send().status_code != status:
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.01)
    return time.monotonic() - began


def _add(raw: RawClient) -> httpx.Response:
    return raw.call_tool("add", {"a": 2, "b": 3})


def test_a_login_goes_on_at_whichever_server_it_lands(
    raws: tuple[RawClient, RawClient], ledger: Ledger
) -> None:
    """Our choice: registered and signed in at one, redeemed at the other, refreshed at the first, called at
    both, and taken back at one: then refused at the other, within what docs/operations.md promises.
    """
    one, other = raws
    assert one.register().status_code == 201
    with Person(one.issuer, ledger) as person:
        code = find_code(person.approve(one.build_authorization_url()))
    _give(one, other)
    assert other.redeem(code).status_code == 200
    _give(other, one)
    first_access = one.access_token
    assert one.refresh().status_code == 200
    _give(one, other)
    for raw in raws:
        for _ in range(3):  # the later ones from memory
            answer = _add(raw)
            assert answer.status_code == 200, answer.text
            assert answer.json()["result"]["structuredContent"] == 5
    assert other.revoke(other.refresh_token).status_code == 200
    assert _add(other).status_code == 401
    assert _until(401, lambda: _add(one)) < CACHE + 0.5
    one.access_token = first_access
    assert _add(one).status_code == 401
    assert one.refresh().status_code == 400


def test_a_code_that_was_used_at_one_server_is_used_at_the_other(
    raws: tuple[RawClient, RawClient], ledger: Ledger
) -> None:
    """Required by RFC 6749 §4.1.2: the second use is refused, and ends what the first one gave."""
    one, other = raws
    assert one.register().status_code == 201
    with Person(one.issuer, ledger) as person:
        code = find_code(person.approve(one.build_authorization_url()))
    _give(one, other)
    assert one.redeem(code).status_code == 200
    assert _add(one).status_code == 200
    assert other.redeem(code).status_code == 400
    assert _until(401, lambda: _add(one)) < CACHE + 0.5


def test_a_server_that_is_killed_takes_nothing_with_it(
    servers: tuple[ServerProcess, ServerProcess], raws: tuple[RawClient, RawClient], ledger: Ledger
) -> None:
    """Our choice: what it had answered the other knows, and it comes back to the same."""
    one, other = raws
    with Person(one.issuer, ledger) as person:
        one.connect(person)
        code = find_code(person.approve(one.build_authorization_url()))
    _give(one, other)
    servers[0].kill()
    assert _add(other).status_code == 200
    assert other.refresh().status_code == 200
    assert other.redeem(code).status_code == 200
    servers[0].start()
    _give(other, one)
    assert _add(one).status_code == 200


def test_without_its_redis_a_server_grants_nothing_and_it_heals_by_itself(
    servers: tuple[ServerProcess, ServerProcess],
    raws: tuple[RawClient, RawClient],
    ledger: Ledger,
    redis: RedisServer,
) -> None:
    """Our choice: 503 with Retry-After, soon, and no word of why to the client."""
    one, other = raws
    with Person(one.issuer, ledger) as person:
        one.connect(person)
    _give(one, other)
    for server in servers:
        server.expected += ["store.failed", "store.recovered", "unavailable"]
    redis.kill()
    began = time.monotonic()
    for answer in (one.refresh(), one.register(), one.revoke(one.refresh_token), _add(other)):
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        assert "redis" not in answer.text.lower()
    assert time.monotonic() - began < 8
    health = one.http.get(f"{one.issuer}/healthz")
    assert (health.status_code, health.text) == (200, "degraded store=unreachable")
    redis.start()
    _until(200, lambda: _add(other))
    assert one.refresh().status_code == 200
    assert one.http.get(f"{one.issuer}/healthz").text == "ok"
