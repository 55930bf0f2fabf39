"""This server led to ask what only it can reach: through each address that a stranger names."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from net.https_site import HttpsSite, build_answer, open_site
from oauth.keys import sign
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop
from web.conftest import StartSite
from web.site import CALLBACK, Site, read_json

from omnitornado.net.guarded_fetch import GuardedFetch
from omnitornado.net.public_address import is_public_address
from omnitornado.oauth.client_assertion import ASSERTION_TYPE

INSIDE = [
    "https://127.0.0.1:{port}/x",
    "https://127.1:{port}/x",
    "https://2130706433:{port}/x",
    "https://017700000001:{port}/x",
    "https://0x7f000001:{port}/x",
    "https://0x7f.0.0.1:{port}/x",
    "https://127.0.0.1.:{port}/x",
    "https://[::1]:{port}/x",
    "https://[::ffff:127.0.0.1]:{port}/x",
    "https://[::ffff:7f00:1]:{port}/x",
    "https://[64:ff9b::7f00:1]:{port}/x",
    "https://localhost:{port}/x",
    "https://LOCALHOST.:{port}/x",
    "https://client.example@127.0.0.1:{port}/x",
    "https://127.0.0.1:{port}\\@client.example/x",
    "https://127.0.0.1:{port}#@client.example/x",
    "https://169.254.169.254/latest/meta-data",
    "https://\u2460\u2461\u2466.0.0.1:{port}/x",
    "http://127.0.0.1:{port}/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/x",
    "ftp://127.0.0.1:{port}/x",
    "dict://127.0.0.1:{port}/x",
]
"""Spellings of this machine, and of what else is inside."""


@pytest.fixture
def inside(io_loop: IOLoop) -> Iterator[HttpsSite]:
    """A service on this machine that nobody may reach through the server."""
    opened = open_site()
    yield io_loop.run_sync(opened.__aenter__)
    io_loop.run_sync(lambda: opened.__aexit__(None, None, None))


async def ask_everywhere(site: Site, url: str) -> list[HTTPResponse]:
    """Name an address wherever a client that nobody knows may."""
    browser = site.open_browser()
    target = site.build_authorize_url(client_id=url)
    sent = {"client_id": url, "redirect_uri": CALLBACK}
    return [
        await browser.get(target),
        await browser.get("/login?next=" + quote(target, safe="")),
        await browser.post("/token", sent | {"grant_type": "authorization_code", "code": "x"}),
        await browser.post("/revoke", sent | {"token": "x"}),
        await browser.post("/par", sent | {"response_type": "code"}),
        await browser.post("/device_authorization", sent),
    ]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("address", INSIDE)
async def test_no_spelling_of_an_address_inside_is_asked(
    start_site: StartSite, inside: HttpsSite, address: str
) -> None:
    """Required by OAuth Client ID Metadata Document §6.5 and MCP security best practices (Server-Side Request
    Forgery): by the server as it is, with the system's own resolver.
    """
    site = await start_site(fetch=GuardedFetch().fetch)
    for response in await ask_everywhere(site, address.format(port=inside.port)):
        assert response.code in (200, 400, 401, 503), response.body
        assert b"root:" not in response.body
    assert inside.accepted == 0


Addresses = list[tuple[int, Any]]

RESOLVED: dict[str, Addresses] = {
    "one inside among public ones": [
        (socket.AF_INET, ("192.88.98.1", 443)),
        (socket.AF_INET, ("127.0.0.1", 443)),
    ],
    "inside alone": [(socket.AF_INET, ("127.0.0.1", 443))],
    "a mapped one": [(socket.AF_INET6, ("::ffff:127.0.0.1", 443, 0, 0))],
    "private": [(socket.AF_INET, ("10.0.0.1", 443))],
    "link-local": [(socket.AF_INET, ("169.254.169.254", 443))],
}


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", list(RESOLVED))
async def test_no_name_leads_inside_whatever_it_resolves_to(
    start_site: StartSite, inside: HttpsSite, kind: str
) -> None:
    """Required by OAuth Client ID Metadata Document §6.5: every address of a name is checked."""

    async def resolve(host: str, port: int) -> Addresses:
        return RESOLVED[kind]

    fetch = inside.build_fetch(resolve=resolve, is_allowed=is_public_address)
    site = await start_site(fetch=fetch.fetch)
    client_id = inside.publish("/client.json", {})
    response = await site.fetch(site.build_authorize_url(client_id=client_id))
    assert (response.code, b"not public" in response.body) == (400, True)
    assert inside.accepted == 0


@pytest.mark.gen_test
async def test_a_name_that_resolves_anew_leads_nowhere_else(start_site: StartSite, inside: HttpsSite) -> None:
    """Required by OAuth Client ID Metadata Document §6.5 (DNS rebinding): it is resolved once, and what was
    checked is what is connected to.
    """
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Addresses:
        # Nobody listens at the first one, which counts as public here; the service is at the second.
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.2" if len(asked) == 1 else "127.0.0.1", port))]

    fetch = inside.build_fetch(resolve=resolve, is_allowed=lambda address: address == "127.0.0.2")
    site = await start_site(fetch=fetch.fetch)
    response = await site.fetch(site.build_authorize_url(client_id=inside.publish("/client.json", {})))
    assert (response.code, asked, inside.accepted) == (400, ["client.example"], 0)


@pytest.mark.gen_test
async def test_a_redirect_leads_nowhere(start_site: StartSite, inside: HttpsSite) -> None:
    """Required by OAuth Client ID Metadata Document §4: neither to another site nor to its own pages."""
    site = await start_site(fetch=inside.build_fetch().fetch)
    for number, target in enumerate(
        ("https://other.example:1/x", "/moved", "http://127.0.0.1/x", "file:///x")
    ):
        for status in ("301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"):
            path = f"/{number}-{status[:3]}.json"
            inside.pages[path] = build_answer(b"{}", status=status, Location=target)
            response = await site.fetch(site.build_authorize_url(client_id=inside.build_url(path)))
            assert response.code == 400
            site.clock.advance(60)
    assert "/moved" not in [asked.path for asked in inside.asked]


@pytest.mark.gen_test
@pytest.mark.parametrize("address", [*INSIDE[:6], "https://[::1]:{port}/x", "http://127.0.0.1:{port}/x"])
async def test_keys_are_not_fetched_from_inside(
    start_site: StartSite, inside: HttpsSite, address: str
) -> None:
    """Required by RFC 7591 §5: an address in a registration is as little to be trusted as any."""
    site = await start_site(fetch=GuardedFetch().fetch)
    document = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": address.format(port=inside.port),
    }
    response = await site.open_browser().request(
        "POST",
        "/register",
        body=__import__("json").dumps(document),
        headers={"Content-Type": "application/json"},
    )
    if response.code == 201:
        client_id = read_json(response)["client_id"]
        claims = {"iss": client_id, "sub": client_id, "aud": site.url, "exp": site.clock() + 60}
        sent = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": sign(claims)}
        answer = await site.open_browser().post("/token", sent | {"grant_type": "refresh_token"})
        assert answer.code in (401, 503)
    assert inside.accepted == 0
