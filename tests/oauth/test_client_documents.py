"""From an address to a client: fetched, kept, shared, limited, and what there is when nothing is fetched."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from omnitornado.net.fetched import FetchError
from omnitornado.oauth.client import Clients, DocumentSource, OAuthClient, UnusableClientError, build_preset
from omnitornado.oauth.client_documents import (
    ClientDocuments,
    DocumentRules,
    build_documents,
)
from omnitornado.oauth.fetch_limits import BUSY_LIFETIME, PER_ASKER, PER_HOST
from omnitornado.store.records import ClientDocument

from .fetching import FakeFetch
from .keys import make_key, publish
from .world import START, World, run

URL = "https://app.example/oauth/client.json"
CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
DOCUMENT: dict[str, Any] = {
    "client_id": URL,
    "client_name": "An app",
    "redirect_uris": ["https://app.example/callback"],
}
DOWN = FetchError("it did not answer in time", reason="fetch_timeout")
GONE = FetchError("there is nothing at its address", reason="fetch_gone")
BUSY = FetchError("too much is being fetched already", reason="fetch_busy", is_own=True)


class Bench:
    """Documents of a world whose network is a dictionary."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fetch = FakeFetch()
        self.fetch.documents[URL] = DOCUMENT
        self.start()

    def start(self, **rules: Any) -> None:
        """A new process: what it knows is in the store."""
        self.documents = ClientDocuments(self.world.store, self.fetch, DocumentRules(**rules))

    async def find(self, url: str = URL, *, asker: str = "192.0.2.1") -> OAuthClient:
        return await self.documents.find(url, asker=asker, now=self.world.now)

    async def refuse(self, url: str = URL, *, asker: str = "192.0.2.1") -> UnusableClientError:
        with pytest.raises(UnusableClientError) as caught:
            await self.find(url, asker=asker)
        return caught.value


def bench(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def in_world(world: World) -> None:
        await scenario(Bench(world))

    run(in_world)


def test_a_document_is_fetched_once_and_kept_as_it_says() -> None:
    """Required by OAuth Client ID Metadata Document §4.4 and §6.6: five minutes at least, a day at most."""

    async def scenario(bench: Bench) -> None:
        for seconds, headers, asked in (
            (0, {}, 1),
            (299, {}, 1),
            (1, {"cache-control": "max-age=3600"}, 2),
            (3599, {}, 2),
            (1, {"cache-control": "max-age=9999999"}, 3),
            (86_399, {}, 3),
            (1, {"cache-control": "no-store"}, 4),
            (299, {}, 4),
            (1, {}, 5),
        ):
            bench.world.advance(seconds)
            bench.fetch.headers = headers
            client = await bench.find()
            assert (client.client_name, client.is_verified) == ("An app", True)
            assert len(bench.fetch.asked) == asked
        assert bench.fetch.limits == {5 * 1024}
        assert set(bench.fetch.askers) == {"192.0.2.1"}

    bench(scenario)


def test_a_changed_document_counts_once_the_old_one_is_no_longer_fresh() -> None:
    """Required by OAuth Client ID Metadata Document §6.3: redirects that were taken out are good no more."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.fetch.documents[URL] = DOCUMENT | {"redirect_uris": ["https://app.example/new"]}
        assert (await bench.find()).redirect_uris == ("https://app.example/callback",)
        bench.world.advance(300)
        assert (await bench.find()).redirect_uris == ("https://app.example/new",)

    bench(scenario)


def test_many_who_come_at_once_cause_one_fetch() -> None:
    """Our choice: a crowd is one request to the client's host."""

    async def scenario(bench: Bench) -> None:
        found = await asyncio.gather(*(bench.find(asker=f"192.0.2.{number}") for number in range(25)))
        assert {client.client_id for client in found} == {URL}
        assert bench.fetch.asked == [URL]

    bench(scenario)


def test_the_last_good_copy_outlives_a_restart_and_serves_while_the_address_fails() -> None:
    """Our choice: vendors' hosts may refuse this server; 30 days after the last good answer it is over."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.start()
        assert (await bench.find()).is_verified
        assert bench.fetch.asked == [URL]  # fresh, by what the store knows
        bench.fetch.documents[URL] = DOWN
        for seconds in (300, 1, 3600, 29 * 86_400):
            bench.world.advance(seconds)
            assert (await bench.find()).redirect_uris == ("https://app.example/callback",)
            bench.start()
        bench.world.advance(86_400)
        error = await bench.refuse()
        assert (error.reason, error.is_passing) == ("fetch_timeout", True)

    bench(scenario)


def test_what_its_own_domain_takes_back_is_gone() -> None:
    """Our choice: 404 and 410 are an answer, not a failure to answer."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.world.advance(300)
        bench.fetch.documents[URL] = GONE
        assert (await bench.refuse()).reason == "fetch_gone"

    bench(scenario)


@pytest.mark.parametrize("later", [DOWN, BUSY])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_taken_back_stays_gone_whatever_fails_later(later: FetchError, is_restarted: bool) -> None:
    """Our choice: the last good copy is forgotten with the answer that it is gone, here and on disk."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.world.advance(300)
        bench.fetch.documents[URL] = GONE
        await bench.refuse()
        if is_restarted:
            bench.start()
        bench.world.advance(15)
        bench.fetch.documents[URL] = later
        assert (await bench.refuse()).reason == later.reason
        assert await bench.world.store.find_document(URL, now=bench.world.now) is None
        # Published again, it counts again.
        bench.fetch.documents[URL] = DOCUMENT
        bench.world.advance(15)
        assert (await bench.find()).is_verified

    bench(scenario)


def test_a_copy_serves_only_briefly_where_this_server_itself_did_not_ask() -> None:
    """Our choice: who keeps it too busy to ask must not keep withdrawn redirects and keys in force."""

    async def scenario(bench: Bench) -> None:
        for url in (URL, CLAUDE):
            bench.fetch.documents[url] = DOCUMENT | {"client_id": url}
            await bench.find(url)
            bench.fetch.documents[url] = BUSY
        bench.world.advance(300 + BUSY_LIFETIME - 1)
        assert (await bench.find()).is_verified
        bench.world.advance(1)
        for url in (URL, CLAUDE):  # nor does an older, shipped copy come back
            error = await bench.refuse(url)
            assert (error.reason, error.is_passing) == ("fetch_busy", True)
        # An address that fails is another thing: its own domain says nothing new.
        bench.fetch.documents[URL] = DOWN
        assert (await bench.find()).is_verified

    bench(scenario)


def test_nobody_can_use_up_what_a_known_document_is_fetched_anew_by() -> None:
    """Our choice: made-up addresses, at other hosts and at the app's own, leave its renewal alone."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.world.advance(300)
        bench.fetch.documents[URL] = DOCUMENT | {"redirect_uris": ["https://app.example/new"]}
        for number in range(PER_ASKER + 1):
            await bench.refuse(f"https://h{number}.evil.example/x")
        for number in range(PER_HOST + 1):
            await bench.refuse(f"https://app.example/{number}", asker=f"198.51.100.{number}")
        assert (await bench.find()).redirect_uris == ("https://app.example/new",)

    bench(scenario)


@pytest.mark.parametrize(
    "document",
    [
        b"<html>",
        b"[]",
        b"\xff",
        b'{"client_id":' * 3000,
        {},
        DOCUMENT | {"client_id": "https://victim.example/client.json"},
        DOCUMENT | {"client_secret": "x"},
        DOCUMENT | {"redirect_uris": []},
    ],
)
def test_a_document_that_is_none_is_not_kept(document: object) -> None:
    """Required by OAuth Client ID Metadata Document §4.4: neither errors nor invalid documents are cached."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[URL] = document
        error = await bench.refuse()
        assert error.reason in ("client_document_invalid", "fetch_not_json")
        assert not error.is_passing
        assert await bench.world.store.find_document(URL, now=START) is None
        # Put right, it counts as soon as it is asked again, a moment later.
        bench.fetch.documents[URL] = DOCUMENT
        bench.world.advance(15)
        assert (await bench.find()).is_verified

    bench(scenario)


def test_an_address_that_failed_is_asked_again_only_after_a_moment() -> None:
    """Our choice: nobody can have this server ask another host all the time."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[URL] = DOWN
        for _ in range(20):
            await bench.refuse()
        assert bench.fetch.asked == [URL]
        bench.world.advance(15)
        await bench.refuse()
        assert len(bench.fetch.asked) == 2

    bench(scenario)


def test_one_asker_and_one_host_have_so_many_fetches_a_minute() -> None:
    """Our choice: addresses without end are made up in no time; what is known needs no fetch."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        for number in range(PER_ASKER):
            await bench.refuse(f"https://host{number}.example/client.json", asker="198.51.100.7")
        asked = len(bench.fetch.asked)
        error = await bench.refuse("https://more.example/client.json", asker="198.51.100.7")
        assert (error.reason, error.is_passing) == ("client_document_rate", True)
        assert len(bench.fetch.asked) == asked
        assert (await bench.find(asker="198.51.100.7")).is_verified
        for number in range(PER_HOST + 5):
            await bench.refuse(f"https://victim.example/{number}", asker=f"192.0.2.{number}")
        assert sum(url.startswith("https://victim.example/") for url in bench.fetch.asked) == PER_HOST

    bench(scenario)


def test_well_known_clients_are_known_by_the_copies_that_came_along() -> None:
    """Our choice: when their address fails, and not as verified; a fetched document always counts more."""

    async def scenario(bench: Bench) -> None:
        bench.fetch.documents[CLAUDE] = DOWN
        shipped = await bench.find(CLAUDE)
        assert shipped.origin is not None
        assert (shipped.origin.source, shipped.is_verified) == (DocumentSource.SHIPPED, False)
        bench.fetch.documents[CLAUDE] = {
            "client_id": CLAUDE,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/new"],
        }
        bench.world.advance(15)
        fetched = await bench.find(CLAUDE)
        assert (fetched.redirect_uris, fetched.is_verified) == (("http://localhost/new",), True)
        bench.fetch.documents[CLAUDE] = DOWN
        bench.world.advance(400)
        assert (await bench.find(CLAUDE)).redirect_uris == ("http://localhost/new",)

    bench(scenario)


def test_a_fetched_document_that_differs_from_the_copy_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: a vendor's change, or a vendor's trouble, is something to look at."""
    caplog.set_level(logging.INFO, "omnitornado")

    async def scenario(bench: Bench) -> None:
        same = {
            "client_id": CLAUDE,
            "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
        }
        bench.fetch.documents[CLAUDE] = same
        await bench.find(CLAUDE)
        assert "client_document.differs" not in caplog.text
        bench.fetch.documents[CLAUDE] = same | {"redirect_uris": ["https://attacker.example/"]}
        bench.world.advance(300)
        await bench.find(CLAUDE)
        line = next(r.getMessage() for r in caplog.records if "client_document.differs" in r.getMessage())
        assert "added=https://attacker.example/" in line
        assert 'missing="http://127.0.0.1/callback http://localhost/callback"' in line

    bench(scenario)


def test_known_asks_nobody() -> None:
    """Our choice ([client_documents] mode): the copies alone, and no others."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.start(mode="known")
        asked = len(bench.fetch.asked)
        assert not (await bench.find(CLAUDE)).is_verified
        assert (await bench.refuse()).reason == "client_document_unknown"
        assert len(bench.fetch.asked) == asked
        assert build_documents(bench.world.store, bench.fetch, DocumentRules(mode="off")) is None

    bench(scenario)


@pytest.mark.parametrize(
    ("rules", "is_let_in"),
    [
        ({}, True),
        ({"allowed_hosts": ["app.example"]}, True),
        ({"allowed_hosts": ["*.example"]}, True),
        ({"allowed_hosts": ["other.example"]}, False),
        ({"allowed_hosts": ["*.app.example"]}, False),
        ({"denied_hosts": ["app.example"]}, False),
        ({"denied_hosts": ["*.example"]}, False),
        ({"denied_hosts": ["pp.example"]}, True),
        ({"allowed_hosts": ["app.example"], "denied_hosts": ["app.example"]}, False),
    ],
)
def test_hosts_are_let_in_as_the_operator_says(rules: dict[str, Any], is_let_in: bool) -> None:
    """Required by MCP 2026-07-28 (trust policies); a document that is kept counts no more than a new one."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        bench.start(**rules)
        if is_let_in:
            assert await bench.find()
        else:
            assert (await bench.refuse()).reason == "client_document_host"
        bench.start(mode="known", denied_hosts=["claude.ai"])
        assert (await bench.refuse(CLAUDE)).reason == "client_document_host"

    bench(scenario)


@pytest.mark.parametrize(
    "url", ["https://app.example", "https://", "https://127.0.0.1/x", "https://a@app.example/x", "https:///x"]
)
def test_an_id_that_is_no_address_of_a_document_is_refused_without_a_fetch(url: str) -> None:
    """Required by OAuth Client ID Metadata Document §3."""

    async def scenario(bench: Bench) -> None:
        error = await bench.refuse(url)
        assert (error.reason, error.is_passing) == ("client_document_url", False)
        assert bench.fetch.asked == []

    bench(scenario)


def test_a_copy_that_today_would_be_refused_is_not_used() -> None:
    """Our choice: rules may have grown stricter since it was kept."""

    async def scenario(bench: Bench) -> None:
        record = ClientDocument({"client_id": "another"}, START, START + 300, START + 86_400)
        await bench.world.store.keep_document(URL, record)
        assert (await bench.find()).is_verified
        assert bench.fetch.asked == [URL]

    bench(scenario)


def test_a_document_with_keys_outlives_a_restart_as_well() -> None:
    """Our choice: what was kept reads as what was fetched."""

    async def scenario(bench: Bench) -> None:
        members = {"token_endpoint_auth_method": "private_key_jwt", "jwks": publish(make_key(), kid="1")}
        bench.fetch.documents[URL] = DOCUMENT | members
        first = await bench.find()
        assert first.is_confidential
        bench.start()
        assert await bench.find() == first

    bench(scenario)


def test_a_preset_client_counts_more_than_a_document() -> None:
    """Required by OAuth Client ID Metadata Document §6.10: its address may be registered beforehand."""

    async def scenario(bench: Bench) -> None:
        preset = build_preset(client_id=URL, client_secret=None, redirect_uris=["https://app.example/preset"])
        clients = Clients([preset], bench.world.store, documents=bench.documents)
        assert await clients.find(URL, now=START) == preset
        assert bench.fetch.asked == []
        nobody = Clients([], bench.world.store)
        assert await nobody.find(URL, now=START) is None

    bench(scenario)


def test_what_is_kept_is_what_was_said_and_bounded() -> None:
    """Our choice: the store holds the document, and one that nobody let in makes room for newer ones."""

    async def scenario(bench: Bench) -> None:
        await bench.find()
        record = await bench.world.store.find_document(URL, now=START)
        assert record is not None
        assert msgspec.json.encode(record.document) == msgspec.json.encode(DOCUMENT)
        assert (record.fetched_at, record.fresh_until, record.used_at) == (START, START + 300, None)

    bench(scenario)
