"""Keys that clients registered: chosen before they are read, read once, on a thread, and bounded."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from omnitornado.oauth import inline_keys, jose
from omnitornado.oauth.client_metadata import check_key_set
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.inline_keys import CAPACITY, InlineKeys
from omnitornado.oauth.jose import MAX_INLINE_KEYS, JoseError, PublicKey, Token, UnknownKeyError, parse_token

from .keys import ALGORITHMS, make_key, publish, publish_key, sign

MANY = [publish_key(make_key("ES256", f"key {number}"), kid=f"{number}") for number in range(MAX_INLINE_KEYS)]


class Reading:
    """What was read, and where."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[Any] = []
        self.threads: set[int] = set()
        monkeypatch.setattr(inline_keys, "find_key", self.find_key)

    def find_key(self, jwk: object) -> PublicKey | None:
        self.keys.append(jwk)
        self.threads.add(threading.get_ident())
        return jose.find_key(jwk)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def build_token(name: str = "key 0", algorithm: str = "ES256", **header: Any) -> Token:
    key = make_key(algorithm, name)
    return parse_token(sign({"sub": "x"}, key=key, algorithm=algorithm, **header), algorithms=ALGORITHMS)


def run(scenario: Callable[[InlineKeys], Awaitable[None]]) -> None:
    asyncio.run(_run(scenario))


async def _run(scenario: Callable[[InlineKeys], Awaitable[None]]) -> None:
    await scenario(InlineKeys())


def test_a_key_is_read_once_however_many_assertions_come(reading: Reading) -> None:
    """Our choice: anyone can send them, and large keys take long to read; the loop never does it."""

    async def scenario(keys: InlineKeys) -> None:
        for _ in range(20):
            await keys.verify(build_token(kid="0"), {"keys": [dict(key) for key in MANY]})
        assert reading.keys == MANY[:1]
        assert threading.get_ident() not in reading.threads

    run(scenario)


def test_only_keys_that_may_be_the_one_are_read(reading: Reading) -> None:
    """Required by RFC 7515 §4.1.4: `kid` chooses, and a key's type has to fit the algorithm."""
    rsa = publish_key(make_key("RS256"))

    async def scenario(keys: InlineKeys) -> None:
        nameless = publish_key(make_key())
        await keys.verify(build_token("key 3", kid="3"), {"keys": [rsa, None, 5, *MANY, nameless]})
        assert reading.keys == [MANY[3], nameless]
        with pytest.raises(UnknownKeyError):
            await keys.verify(build_token(kid="another"), {"keys": [rsa, *MANY]})
        assert len(reading.keys) == 2

    run(scenario)


def test_a_key_that_is_changed_is_another_one(reading: Reading) -> None:
    """Our choice: what was kept is found by all of the key, so that a rotated one counts at once."""

    async def scenario(keys: InlineKeys) -> None:
        old, new = (publish(make_key("ES256", name), kid="1") for name in ("old", "new"))
        await keys.verify(build_token("old", kid="1"), old)
        with pytest.raises(JoseError, match="signature"):
            await keys.verify(build_token("old", kid="1"), new)
        await keys.verify(build_token("new", kid="1"), new)
        assert len(reading.keys) == 2

    run(scenario)


def test_what_is_kept_is_bounded(reading: Reading) -> None:
    """Our choice: the key not used for longest goes first."""

    async def scenario(keys: InlineKeys) -> None:
        for number in range(CAPACITY + 5):
            await keys.verify(build_token(), publish(make_key("ES256", "key 0"), note=number))
            await keys.verify(build_token(kid="0"), {"keys": MANY})
        assert len(keys._read) == CAPACITY
        assert reading.keys.count(MANY[0]) == 1

    run(scenario)


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [publish_key(make_key("ES256", "key 0")), dict(make_key().as_dict(private=True))]},
        {"keys": [publish_key(make_key("ES256", "key 0")) | {"x": "AA"}]},
        {"keys": [publish_key(make_key("ES256", "key 0")) | {"alg": ["ES256"]}]},
    ],
)
def test_a_set_without_a_key_that_can_be_used_believes_nothing(jwks: Any) -> None:
    """Required by RFC 7517 §9.2: a set with a private key in it has been given away."""

    async def scenario(keys: InlineKeys) -> None:
        with pytest.raises(JoseError):
            await keys.verify(build_token(), jwks)

    run(scenario)


def test_a_large_key_is_worked_with_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: others are served meanwhile."""
    threads: list[int] = []
    check = jose._check_signature

    def note(token: Token, keys: Any) -> Token:
        threads.append(threading.get_ident())
        return check(token, keys)

    monkeypatch.setattr(jose, "_check_signature", note)

    async def scenario(keys: InlineKeys) -> None:
        large = {"kty": "RSA", "n": "_" * 1365 + "w", "e": "AQAB"}
        with pytest.raises(JoseError, match="signature"):
            await keys.verify(build_token("one", "RS256"), {"keys": [large]})
        await keys.verify(build_token(), {"keys": MANY})
        assert [thread == threading.get_ident() for thread in threads] == [False, True]

    run(scenario)


def test_a_registration_has_so_many_keys_and_no_more() -> None:
    """Our choice: as many as one signature is tried with."""
    assert len(check_key_set({"keys": MANY})["keys"]) == MAX_INLINE_KEYS
    with pytest.raises(OAuthError) as caught:
        check_key_set({"keys": [*MANY, MANY[0]]})
    assert caught.value.code == "invalid_client_metadata"
