"""Secrets of clients and of resource servers guessed, from one address and from many."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tornado.httpclient import HTTPResponse
from web.conftest import StartSite
from web.site import CLIENTS, SECRET, Site, read_json

GUARD = {"server_id": "guard", "server_secret": "guard-secret", "resources": ["https://files.example/mcp"]}
TV = {
    "client_id": "tv",
    "client_secret": SECRET,
    "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
}
SETTINGS: dict[str, Any] = {
    "server": {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0},
    "resource_servers": [GUARD],
}
RIGHT = {
    "/token": ({"client_id": "preset", "client_secret": SECRET, "grant_type": "none"}, 400),
    "/revoke": ({"client_id": "preset", "client_secret": SECRET, "token": "x"}, 200),
    "/par": ({"client_id": "preset", "client_secret": SECRET}, 400),
    "/device_authorization": ({"client_id": "tv", "client_secret": SECRET}, 200),
    "/introspect": ({"client_id": "guard", "client_secret": "guard-secret", "token": "x"}, 200),
}
"""A request with the right secret for each endpoint that asks for one, and its answer."""


async def start(start_site: StartSite, **settings: Any) -> Site:
    return await start_site(clients=[*CLIENTS, TV], settings=SETTINGS | settings)


async def post(
    site: Site, path: str, *, address: str = "203.0.113.9", secret: str | None = None
) -> HTTPResponse:
    """The right request; with `secret` that one in place of the right one."""
    fields = RIGHT[path][0] | ({} if secret is None else {"client_secret": secret})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
    return await site.fetch(path, method="POST", body=urlencode(fields), headers=headers)


@pytest.mark.gen_test
@pytest.mark.parametrize("path", list(RIGHT))
async def test_guessing_a_secret_is_slowed_down_at_every_endpoint(start_site: StartSite, path: str) -> None:
    """Required by RFC 6749 §2.3.1, RFC 6585 §4 (429, Retry-After); for the right secret as well."""
    site = await start(start_site)
    for number in range(5):
        response = await post(site, path, secret=f"wrong {number}")
        assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
    for secret in ("wrong", None):
        response = await post(site, path, secret=secret)
        assert (response.code, response.headers["Retry-After"]) == (429, "1")
        assert read_json(response)["error"] == "temporarily_unavailable"
        assert "WWW-Authenticate" not in response.headers
    assert (await post(site, path, address="198.51.100.7")).code == RIGHT[path][1]
    site.clock.advance(1)
    assert (await post(site, path)).code == RIGHT[path][1]


@pytest.mark.gen_test
async def test_a_guess_at_one_endpoint_counts_at_all(start_site: StartSite) -> None:
    """Our choice: it is one secret."""
    site = await start(start_site)
    codes = [(await post(site, path, secret="wrong")).code for path in ("/token", "/revoke", "/par") * 2]
    assert codes == [401] * 5 + [429]
    assert (await post(site, "/device_authorization")).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_a_crowd_is_held_back_where_the_client_is_new(start_site: StartSite) -> None:
    """Required by RFC 6749 §2.3.1: against a secret that a person chose."""
    site = await start(start_site)
    codes = [
        (await post(site, "/token", address=f"198.51.100.{number}", secret="wrong")).code
        for number in range(100)
    ]
    assert codes == [401] * 30 + [429] * 70


@pytest.mark.gen_test(timeout=20)
async def test_nobody_shuts_a_client_out_of_its_own_address(start_site: StartSite) -> None:
    """Our choice, after OWASP (account lockout as denial of service)."""
    site = await start(start_site)
    home = "192.0.2.1"
    assert (await post(site, "/revoke", address=home)).code == 200
    for number in range(60):
        await post(site, "/token", address=f"198.51.100.{number}", secret="wrong")
    assert (await post(site, "/revoke", address="203.0.113.1")).code == 429
    assert (await post(site, "/revoke", address=home)).code == 200


@pytest.mark.gen_test
async def test_what_was_guessed_is_not_written_down(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: a guess may be somebody's secret; the audit log says which client, from where, and why."""
    path = tmp_path / "audit.jsonl"
    site = await start(start_site, audit={"path": str(path)})
    for number in range(7):
        await post(site, "/introspect", secret=f"guessed-{number}")
    await site.server.stop()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    refused = [
        (line["reason"], line["client"], line["address"])
        for line in lines
        if line["event"] == "introspect.refused"
    ]
    assert refused == [
        *[("resource_server_unknown", "guard", "203.0.113.9")] * 5,
        *[("client_throttled", "guard", "203.0.113.9")] * 2,
    ]
    assert "guessed-" not in path.read_text()
