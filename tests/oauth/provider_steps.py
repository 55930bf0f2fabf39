"""Signing in through the fake provider, step by step."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.pending_sign_in import PendingSignIn
from omnitornado.oauth.people import People, Person, ProviderPeople
from omnitornado.oauth.provider import Failure, OpenIDProvider, ProviderError
from omnitornado.oauth.provider_people import AdmissionRules
from omnitornado.oauth.provider_sign_in import Departure, ProviderLogin, ProviderSignIn
from omnitornado.store.embedded import EmbeddedStore

from .openid import CLIENT_ID, CLIENT_SECRET, NOW, PROVIDER, FakeProvider

REDIRECT_URI = "https://mcp.example.com/login/oidc/callback"
PREFIX = "id.example.com:"
ADDRESS = "192.0.2.7"


class Steps:
    """A server that signs people in through the provider, and a browser."""

    def __init__(self, provider: FakeProvider, store: EmbeddedStore, **changed: Any) -> None:
        self.fake = provider
        self.store = store
        self.now = NOW
        people = changed.pop("people", People(provider=ProviderPeople(prefix=PREFIX)))
        admission = changed.pop("admission", AdmissionRules(everyone=True))
        settings = OpenIDProvider(issuer=PROVIDER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        self.login = ProviderLogin(
            provider=replace(settings, **changed), admission=admission, people=ProviderPeople(prefix=PREFIX)
        )
        self.people = people
        self.sign_in = self.build()

    def build(self) -> ProviderSignIn:
        """A process of its own, on the same store."""
        return ProviderSignIn(self.login, self.people, self.store, self.fake)

    async def begin(self, target: str = "/account", *, is_switching: bool = False) -> Departure:
        return await self.sign_in.begin(
            target, redirect_uri=REDIRECT_URI, is_switching=is_switching, now=self.now
        )

    async def find_pending(self, query: str, sealed: str | None) -> PendingSignIn | None:
        state = parse_parameters(query).get("state")
        return await self.sign_in.find_pending(state, sealed, now=self.now)

    async def finish(self, query: str, sealed: str | None, *, redirect_uri: str = REDIRECT_URI) -> Person:
        pending = await self.find_pending(query, sealed)
        return await self.sign_in.finish(
            parse_parameters(query), pending, redirect_uri=redirect_uri, address=ADDRESS, now=self.now
        )

    async def go(self, **changed: str | None) -> Person:
        """All of it; `changed` is what the provider says otherwise in its answer."""
        departure = await self.begin()
        return await self.finish(self.fake.authorize(departure.url, **changed), departure.sealed)


Scenario = Callable[[Steps], Awaitable[None]]


def run(scenario: Scenario, *, provider: FakeProvider | None = None, **changed: Any) -> None:
    async def main() -> None:
        store = EmbeddedStore.open(None, clock=lambda: NOW)
        await store.start()
        try:
            await scenario(Steps(provider or FakeProvider(), store, **changed))
        finally:
            await store.close()

    asyncio.run(main())


@contextmanager
def refused(reason: str, failure: Failure | None = None) -> Iterator[None]:
    with pytest.raises(ProviderError) as caught:
        yield
    assert caught.value.reason == reason, (caught.value.reason, str(caught.value))
    assert failure is None or caught.value.failure is failure
    for secret in (CLIENT_SECRET, "at-1234"):
        assert secret not in str(caught.value)
