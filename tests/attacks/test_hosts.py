"""Requests under a name, or with a proxy's word, that is not this server's."""

import json

import pytest
from web.conftest import StartSite
from web.site import Site, build_initialize
from web.test_base import PATHS
from web.wire import build_request, exchange

HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost.", "127.0.0.2"]
HOSTS += ["[::2]", "[127.0.0.1]", "::1", "0.0.0.0", "localhost:99999", "localhost:80:80", "", "2130706433"]


@pytest.mark.gen_test(timeout=10)
async def test_a_host_that_is_not_this_server_is_refused_everywhere(each_site: Site) -> None:
    """Our choice against DNS rebinding: 421, RFC 9110 §15.5.20 (or 400 where it is no Host at all)."""
    site = each_site
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


@pytest.mark.gen_test
async def test_a_whole_address_as_the_target_is_the_same_request(each_site: Site) -> None:
    """Required by RFC 9112 §3.2.2: a server must accept it, also for a request with a body and a token."""
    own = f"http://127.0.0.1:{each_site.port}"
    answer = await exchange(each_site.port, build_request(f"GET {own}/healthz", each_site.port))
    assert (answer.status, answer.body) == (200, b"ok")
    for target in (own, own + "?x=1", own.replace("http", "HTTP")):
        answer = await exchange(each_site.port, build_request(f"GET {target}", each_site.port))
        assert (answer.status, b"<h1" in answer.body) == (200, True)
    query = each_site.build_authorize_url()
    answer = await exchange(each_site.port, build_request(f"GET {own}{query}", each_site.port))
    assert answer.headers["location"].startswith("/login?next=%2Fauthorize%3F")
    token = (await each_site.obtain_tokens())["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "*/*"}
    body = json.dumps(build_initialize()).encode()
    request = build_request(f"POST {own}/mcp", each_site.port, body=body, headers=headers)
    answer = await exchange(each_site.port, request)
    assert (answer.status, json.loads(answer.body)["result"]["protocolVersion"]) == (200, "2025-11-25")
    answer = await exchange(each_site.port, build_request(f"GET {own}/mcp", each_site.port))
    assert f'resource_metadata="{own}/' in answer.headers["www-authenticate"]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("authority", "status"),
    [
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1:{port}@evil.example", 400),
        ("evil.example@127.0.0.1:{port}", 400),
        ("", 400),
        (":{port}", 421),
        ("127.0.0.1:{port}\\@evil.example", 400),
        ("127.0.0.1,evil.example", 400),
        ("[::1", 421),
    ],
)
async def test_the_host_of_a_whole_address_is_the_one_that_counts(
    each_site: Site, authority: str, status: int
) -> None:
    """Required by RFC 9112 §3.2.2: the `Host` beside it is ignored: it opens nothing."""
    authority = authority.format(port=each_site.port)
    for path in ("/mcp", "/.well-known/oauth-authorization-server", "/login"):
        request = build_request(f"GET http://{authority}{path}", each_site.port)
        answer = await exchange(each_site.port, request)
        assert answer.status == status, answer.raw[:200]
        assert b"evil" not in answer.raw


@pytest.mark.gen_test
async def test_a_whole_address_is_no_way_around_the_host(each_site: Site) -> None:
    """Required by RFC 9112 §3.2 and §3.2.2: the other way round, one `Host` must be there and be one; and the
    name in the target names this server, whatever the `Host` says.
    """
    own = f"http://localhost:{each_site.port}"
    metadata = f"GET {own}/.well-known/oauth-authorization-server"
    answer = await exchange(
        each_site.port, build_request(metadata, each_site.port, headers={"Host": "evil.example"})
    )
    assert (answer.status, json.loads(answer.body)["issuer"]) == (200, own)
    for head in ("", "Host: localhost\r\nHost: evil.example\r\n", "Host: e vil\r\n"):
        answer = await exchange(each_site.port, f"{metadata} HTTP/1.1\r\n{head}\r\n".encode())
        assert answer.status == 400, head


@pytest.mark.gen_test
async def test_a_target_of_another_scheme_is_refused(start_site: StartSite, each_site: Site) -> None:
    """Required by RFC 9110 §7.4: https is not answered on a connection that nothing secures, unless a trusted
    proxy says that it came by https.
    """
    target = "GET https://mcp.example/login"
    assert (await exchange(each_site.port, build_request(target, each_site.port))).status == 400
    settings = {"server": {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}}
    site = await start_site(public_url="https://mcp.example", settings=settings)
    for headers, status in (({}, 400), ({"X-Forwarded-Proto": "https"}, 200)):
        answer = await exchange(site.port, build_request(target, site.port, headers=headers))
        assert answer.status == status
