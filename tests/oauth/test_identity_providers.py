"""Where a provider's keys are, if nobody has said so: in the document at its own address."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from omnitornado.app import AuthorizationServer
from omnitornado.net.fetched import FetchError
from omnitornado.oauth.identity_providers import IdentityProvider, IdentityProviders, list_document_urls
from omnitornado.oauth.jose import JoseError, Token, parse_token
from omnitornado.oauth.provider_people import AdmissionRules

from .fetching import FakeFetch
from .keys import make_key, publish, sign
from .world import START

ISSUER = "https://idp.example/tenant"
OPENID = "https://idp.example/tenant/.well-known/openid-configuration"
OAUTH = "https://idp.example/.well-known/oauth-authorization-server/tenant"
KEYS = "https://keys.example/tenant.json"
PROVIDER = IdentityProvider(name="acme", issuer=ISSUER)


class Bench:
    def __init__(self) -> None:
        self.fetch = FakeFetch()
        self.fetch.documents = {KEYS: publish(make_key())}
        self.providers = IdentityProviders([PROVIDER], self.fetch)

    async def verify(self, provider: IdentityProvider = PROVIDER, *, now: float = START) -> Token:
        token = parse_token(sign({"iss": ISSUER}), algorithms=["ES256"])
        return await self.providers.verify(token, provider, now=now)


def on_bench(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def start() -> None:
        await scenario(Bench())

    asyncio.run(start())


@pytest.mark.parametrize(("address", "asked"), [(OPENID, [OPENID]), (OAUTH, [OPENID, OAUTH])])
def test_the_document_is_where_either_specification_puts_it(address: str, asked: list[str]) -> None:
    """Required by OpenID Connect Discovery §4.1 and RFC 8414 §3.1. It is kept, as the keys are."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[address] = {"issuer": ISSUER, "jwks_uri": KEYS}
        for _ in range(3):
            await bench.verify()
        assert bench.fetch.asked == [*asked, KEYS]
        assert set(bench.fetch.askers) == {"acme"}
        await bench.verify(now=START + 301)
        assert len(bench.fetch.asked) == 2 * len([*asked, KEYS])

    on_bench(scenario)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"issuer": "https://evil.example", "jwks_uri": KEYS}, "provider_issuer"),
        ({"issuer": ISSUER + "/", "jwks_uri": KEYS}, "provider_issuer"),
        ({"jwks_uri": KEYS}, "provider_issuer"),
        ({"issuer": ISSUER}, "provider_keys"),
        ({"issuer": ISSUER, "jwks_uri": "http://keys.example/"}, "provider_keys"),
        ({"issuer": ISSUER, "jwks_uri": "https://127.0.0.1/"}, "provider_keys"),
        ({"issuer": ISSUER, "jwks_uri": 7}, "provider_keys"),
        (b"no json", "fetch_not_json"),
    ],
)
def test_a_document_of_another_issuer_is_not_believed(document: Any, reason: str) -> None:
    """Required by RFC 8414 §3.3; keys are asked for by https alone."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[OPENID] = document
        with pytest.raises(FetchError) as caught:
            await bench.verify()
        assert caught.value.reason == reason
        assert KEYS not in bench.fetch.asked

    on_bench(scenario)


def test_a_document_that_can_not_be_had_is_replaced_by_the_last_good_one() -> None:
    """Our choice: for a day, as key sets are; and one that was never had is asked for again soon."""

    async def scenario(bench: Bench) -> None:
        with pytest.raises(FetchError):
            await bench.verify()
        bench.fetch.documents[OPENID] = {"issuer": ISSUER, "jwks_uri": KEYS}
        with pytest.raises(FetchError):
            await bench.verify(now=START + 14)
        await bench.verify(now=START + 16)
        del bench.fetch.documents[OPENID]
        await bench.verify(now=START + 86_000)
        with pytest.raises(FetchError):
            await bench.verify(now=START + 87_000)

    on_bench(scenario)


def test_keys_that_are_given_ask_nobody() -> None:
    """Our choice: where the provider can't be asked."""

    async def scenario(bench: Bench) -> None:
        inline = IdentityProvider(name="acme", issuer=ISSUER, jwks=publish(make_key()))
        await bench.verify(inline)
        wrong = IdentityProvider(name="acme", issuer=ISSUER, jwks=publish(make_key(name="two")))
        with pytest.raises(JoseError):
            await bench.verify(wrong)
        assert bench.fetch.asked == []

    on_bench(scenario)


def test_a_final_slash_of_an_issuer_is_not_doubled() -> None:
    """Required by OpenID Connect Discovery §4.1 and RFC 8414 §3.1: "any terminating / must be removed"."""
    assert list_document_urls("https://idp.example/") == (
        "https://idp.example/.well-known/openid-configuration",
        "https://idp.example/.well-known/oauth-authorization-server",
    )
    assert list_document_urls("https://idp.example:8443/a/b/")[1] == (
        "https://idp.example:8443/.well-known/oauth-authorization-server/a/b"
    )


def test_people_who_sign_in_need_somewhere_to_sign_in() -> None:
    """Our choice: said when the server is put together, and not at the first assertion."""
    provider = IdentityProvider(name="acme", issuer=ISSUER, sign_in=AdmissionRules(everyone=True))
    with pytest.raises(ValueError, match="needs the provider that people sign in through"):
        AuthorizationServer(issuer="https://auth.example.com", store=None, identity_providers=[provider])
