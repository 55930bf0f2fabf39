"""Another website in the person's browser: reading answers, riding on cookies, and what caches would keep."""

import json

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import Site, build_initialize
from web.test_base import PAGES, PATHS
from web.wire import build_request, exchange

ORIGINS = ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1.evil.example"]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_page_of_another_site_reads_what_a_cookie_opens(
    site: Site, browser: Browser, origin: str
) -> None:
    """Required by Fetch §3.2 and RFC 9700 §2.6 (CORS): neither by an origin that is echoed, nor with
    credentials; and the endpoints that any page may use take no cookie.
    """
    await browser.sign_in()
    for path in PATHS:
        for method in ("GET", "OPTIONS"):
            response = await browser.request(method, path, headers={"Origin": origin})
            assert "Access-Control-Allow-Credentials" not in response.headers, path
            allowed = response.headers.get("Access-Control-Allow-Origin")
            assert allowed in (None, "*"), path
            assert allowed is None or path not in PAGES, path


@pytest.mark.gen_test
async def test_an_origin_that_is_allowed_reads_without_cookies_too(start_site: StartSite) -> None:
    """Our choice ([server] allowed_origins): it may call with a token, and ride on nobody."""
    origin = "https://app.example"
    site = await start_site(settings={"server": {"allowed_origins": [origin], "shutdown_grace": 0}})
    for path in PAGES:
        response = await site.fetch(path, headers={"Origin": origin})
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert (response.headers["Access-Control-Allow-Origin"], response.headers["Vary"]) == (
            origin,
            "Origin",
        )


@pytest.mark.gen_test
@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_page_of_another_site_calls_the_endpoint_with_a_token(each_site: Site, origin: str) -> None:
    """Required by MCP 2025-11-25 basic/transports (Security Warning): DNS rebinding, and stolen tokens."""
    token = (await each_site.obtain_tokens())["access_token"]
    response = await each_site.call(token, build_initialize(), Origin=origin)
    assert response.code == 403


@pytest.mark.gen_test
async def test_the_session_cookie_is_no_other_sites_and_no_scripts(start_site: StartSite) -> None:
    """Required by RFC 6265 §4.1.2 and MCP security best practices (Confused Deputy Problem): every cookie."""
    for public_url in ("", "https://mcp.example"):
        site = await start_site(public_url=public_url)
        browser = site.open_browser()
        lines = []
        page = await browser.get("/login")
        lines += page.headers.get_list("Set-Cookie")
        answer = await browser.submit(find_forms(page)[0], username="ada", password="password")
        lines += answer.headers.get_list("Set-Cookie")
        native = {"client_id": "native", "redirect_uri": "http://127.0.0.1:1/callback"}
        consent = await browser.get(site.build_authorize_url(**native))
        left = await browser.submit(find_forms(consent)[0], action="approve")
        lines += left.headers.get_list("Set-Cookie")
        assert len(lines) == 3
        for line in lines:
            attributes = {part.partition("=")[0].lower() for part in line.split("; ")[1:]}
            assert {"httponly", "samesite", "path"} <= attributes
            assert "SameSite=Lax" in line
            assert "Path=/" in line
            assert "domain" not in attributes
            assert (line.startswith("__Host-") and "secure" in attributes) is bool(public_url)


@pytest.mark.gen_test
async def test_a_cookie_of_the_same_name_from_elsewhere_wins_nothing(site: Site, browser: Browser) -> None:
    """Required by RFC 6265 §8.6: a neighbour on this host can set one for a longer path, which browsers send
    first. The person is still themselves.
    """
    await browser.sign_in()
    ((name, value),) = browser.cookies.items()
    attacker = site.open_browser()
    await attacker.sign_in("bob")
    planted = attacker.cookies[name]
    cookie = {"Cookie": f"{name}={planted}; {name}={value}"}
    answer = await exchange(site.port, build_request("GET /account", site.port, headers=cookie))
    assert b"ada" in answer.body
    assert b"bob" not in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_a_cache_keeps_nothing_that_is_somebodys(site: Site, browser: Browser) -> None:
    """Required by RFC 9111 §5.2.2.5 and RFC 6749 §5.1: what may be kept is public, and named by all that it
    depends on; a suffix that a cache takes for a picture's leads to nothing.
    """
    await browser.sign_in()
    for path in PATHS:
        response = await browser.get(path)
        if "no-store" not in response.headers["Cache-Control"]:
            assert path.startswith(("/.well-known", "/mcp/.well-known", "/omnitornado/"))
            assert "Set-Cookie" not in response.headers
            assert path.startswith("/omnitornado/") or "Host" in response.headers["Vary"]
    for path in ("/account/x.css", "/account.css", "/account;x.css", "/account%2fx.css", "/login/x.svg"):
        response = await browser.get(path)
        assert (response.code, b"ada" in response.body) == (404, False)
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.gen_test(timeout=20)
async def test_no_name_that_a_request_brings_gets_into_an_answer(start_site: StartSite) -> None:
    """Our choice ([server] public_url): links, documents, challenges and redirects name the public address,
    whatever `Host`, the target or a proxy's header says; so no cache and no mail can be poisoned.
    """
    site = await start_site(public_url="https://mcp.example")
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Host": "evil.example",
        "X-Forwarded-Server": "evil.example",
        "Forwarded": "host=evil.example;proto=http",
        "X-Forwarded-Prefix": "//evil.example",
        "X-Forwarded-Proto": "http",
        "Referer": "https://evil.example/",
    }
    query = site.build_authorize_url()
    for path in [*PATHS, query, "/nowhere"]:
        for target in (path, f"http://evil.example{path}"):
            answer = await exchange(site.port, build_request(f"GET {target}", site.port, headers=forged))
            assert b"evil.example" not in answer.raw, target
    metadata = build_request("GET /.well-known/oauth-authorization-server", site.port, headers=forged)
    document = json.loads((await exchange(site.port, metadata)).body)
    addresses = [value for name, value in document.items() if name.endswith(("_endpoint", "issuer"))]
    assert len(addresses) > 4
    assert all(address.startswith("https://mcp.example") for address in addresses)
