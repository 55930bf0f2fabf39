"""Requests under a name, or with a proxy's word, that is not this server's."""

import json

import pytest
from web.conftest import StartSite
from web.site import Site
from web.test_base import PATHS
from web.wire import build_request, exchange

HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost.", "127.0.0.2"]
HOSTS += ["[::2]", "[127.0.0.1]", "::1", "0.0.0.0", "localhost:99999", "localhost:80:80", "", "2130706433"]


@pytest.mark.gen_test(timeout=10)
async def test_a_host_that_is_not_this_server_is_refused_everywhere(site: Site) -> None:
    """Our choice against DNS rebinding: 421, RFC 9110 §15.5.20 (or 400 where it is no Host at all)."""
    for path, methods in PATHS.items():
        if path in ("/healthz", "/omnitornado/style.css"):
            continue
        for host in HOSTS:
            for origin in ({}, {"Origin": f"http://{host}"}):
                line = f"{methods.split()[0]} {path}"
                answer = await exchange(
                    site.port, build_request(line, site.port, headers={"Host": host} | origin)
                )
                assert answer.status in (400, 421), (path, host)
                assert b"evil" not in answer.raw
    for host in HOSTS[:5]:
        answer = await exchange(site.port, build_request("GET /", site.port, headers={"Host": host}))
        assert answer.status == 421


@pytest.mark.gen_test
async def test_what_proxies_forward_counts_only_from_a_trusted_one(start_site: StartSite) -> None:
    """Our choice ([server] trusted_proxies): anyone can write such a header."""
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
    }
    body = json.dumps({"redirect_uris": ["https://app.example/cb"]})
    for trusted, statuses, scheme in (([], [201, 429], "http"), (["127.0.0.1"], [201, 201], "https")):
        settings = {
            "registration": {"rate_per_minute": 1},
            "server": {"trusted_proxies": trusted, "shutdown_grace": 0},
        }
        site = await start_site(settings=settings)
        first = await site.fetch("/register", method="POST", body=body)
        second = await site.fetch("/register", method="POST", body=body, headers=forged)
        assert [first.code, second.code] == statuses
        metadata = await site.fetch("/.well-known/oauth-authorization-server", headers=forged)
        scheme = "https" if trusted else "http"
        assert json.loads(metadata.body)["issuer"] == site.url.replace("http", scheme, 1)
