"""Key sets at addresses: fetched, kept, and fetched anew for a key that is missing, but not for every one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.oauth.fetch_limits import BUSY_LIFETIME, PER_ASKER, PER_HOST
from omnitornado.oauth.jose import JoseError, Token, UnknownKeyError, parse_token
from omnitornado.oauth.key_sets import RemoteKeySets

from .fetching import FakeFetch
from .keys import ALGORITHMS, make_key, publish, sign

URL = "https://client.example/jwks.json"
NOW = 1_800_000_000.0
ONE, TWO = make_key("ES256", "one"), make_key("ES256", "two")


def run(scenario: Callable[[FakeFetch, RemoteKeySets], Awaitable[None]]) -> None:
    async def run_scenario() -> None:
        fetch = FakeFetch()
        fetch.documents[URL] = publish(ONE, kid="1")
        await scenario(fetch, RemoteKeySets(fetch))

    asyncio.run(run_scenario())


def build_token(name: str = "one", kid: str | None = "1") -> Token:
    header = {} if kid is None else {"kid": kid}
    return parse_token(sign({"sub": "x"}, key=make_key("ES256", name), **header), algorithms=ALGORITHMS)


def test_a_key_set_is_fetched_once_and_kept() -> None:
    """Required by RFC 7517 §5; kept as its headers say, five minutes at least and a day at most."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        for now in (NOW, NOW + 299):
            assert (await key_sets.verify(build_token(), URL, now=now)).claims == {"sub": "x"}
        assert fetch.asked == [URL]
        fetch.headers["cache-control"] = "max-age=7200"
        for now in (NOW + 300, NOW + 7499):
            await key_sets.verify(build_token(), URL, now=now)
        assert fetch.asked == [URL, URL]
        assert fetch.limits == {64 * 1024}

    run(scenario)


def test_a_new_key_is_found_at_once_where_the_set_is_not_brand_new() -> None:
    """Required by OpenID Connect Core §10.1.1: a key that is not known has the set fetched anew."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        await key_sets.verify(build_token(), URL, now=NOW)
        fetch.documents[URL] = publish(TWO, kid="2")
        with pytest.raises(UnknownKeyError):
            await key_sets.verify(build_token("two", "2"), URL, now=NOW + 59)
        await key_sets.verify(build_token("two", "2"), URL, now=NOW + 60)
        # The old key has been taken out, and so is no longer good.
        with pytest.raises(JoseError):
            await key_sets.verify(build_token("one", "1"), URL, now=NOW + 61)
        assert len(fetch.asked) == 2

    run(scenario)


def test_made_up_keys_do_not_have_the_set_fetched_each_time() -> None:
    """Our choice: anyone can send a token that names some key; the client's host must not pay for it."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        await key_sets.verify(build_token(), URL, now=NOW)
        for number in range(500):
            with pytest.raises(JoseError):
                await key_sets.verify(build_token("two", f"made up {number}"), URL, now=NOW + number / 10)
        assert len(fetch.asked) == 1
        # A wrong signature by a known name tells nothing about the set, and never has it fetched.
        for _ in range(5):
            with pytest.raises(JoseError, match="signature"):
                await key_sets.verify(build_token("two", "1"), URL, now=NOW + 200)
        assert len(fetch.asked) == 1

    run(scenario)


def test_the_last_good_set_serves_while_its_address_fails() -> None:
    """Our choice: for a day, and then no longer."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        await key_sets.verify(build_token(), URL, now=NOW)
        fetch.documents.clear()
        await key_sets.verify(build_token(), URL, now=NOW + 300 + 86_399)
        with pytest.raises(FetchError):
            await key_sets.verify(build_token(), URL, now=NOW + 300 + 86_400)
        with pytest.raises(UnknownKeyError):
            await key_sets.verify(build_token("two", "2"), URL, now=NOW + 400)

    run(scenario)


def test_one_asker_and_one_host_have_so_many_key_sets_a_minute() -> None:
    """Our choice: addresses are made up in no time; a set that is known goes its own way."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        async def refuse(url: str, asker: str) -> str:
            with pytest.raises(FetchError) as caught:
                await key_sets.verify(build_token(), url, asker=asker, now=NOW + 300)
            return caught.value.reason

        await key_sets.verify(build_token(), URL, asker="192.0.2.1", now=NOW)
        for number in range(PER_ASKER):
            assert await refuse(f"https://h{number}.evil.example/", "198.51.100.7") == "fetch_failed"
        asked = len(fetch.asked)
        assert await refuse("https://more.evil.example/", "198.51.100.7") == "key_set_rate"
        assert len(fetch.asked) == asked
        for number in range(PER_HOST):
            await refuse(f"https://client.example/{number}", f"203.0.113.{number}")
        assert await refuse("https://client.example/more", "203.0.113.99") == "key_set_rate"
        fetch.documents[URL] = publish(TWO, kid="2")
        await key_sets.verify(build_token("two", "2"), URL, asker="198.51.100.7", now=NOW + 300)
        assert fetch.askers[-1] == "198.51.100.7"

    run(scenario)


def test_a_set_serves_only_briefly_where_this_server_itself_did_not_ask() -> None:
    """Our choice: who keeps it too busy to ask must not keep keys in force that were taken out."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        await key_sets.verify(build_token(), URL, now=NOW)
        fetch.documents[URL] = FetchError("too much", reason="fetch_busy", is_own=True)
        end = NOW + 300 + BUSY_LIFETIME
        await key_sets.verify(build_token(), URL, now=end - 1)
        with pytest.raises(FetchError, match="too much"):
            await key_sets.verify(build_token("two", "2"), URL, now=end - 1)
        with pytest.raises(FetchError, match="too much"):
            await key_sets.verify(build_token(), URL, now=end)

    run(scenario)


@pytest.mark.parametrize(
    "document", [b"<html>", b"[]", {}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AA"}]}]
)
def test_an_address_without_a_key_set_is_a_failed_fetch(document: object) -> None:
    """Our choice: nothing is verified by it, and what was good before stays."""

    async def scenario(fetch: FakeFetch, key_sets: RemoteKeySets) -> None:
        await key_sets.verify(build_token(), URL, now=NOW)
        fetch.documents[URL] = document
        await key_sets.verify(build_token(), URL, now=NOW + 400)
        with pytest.raises(FetchError):
            await RemoteKeySets(fetch).verify(build_token(), URL, now=NOW)

    run(scenario)
