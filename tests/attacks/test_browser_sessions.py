"""Browser sessions that were planted, copied or read."""

from pathlib import Path

import bcrypt
import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import CALLBACK, Site, build_initialize
from web.test_login import read_cookie
from web.wire import build_request, exchange

HASHED, HASHED_ANEW = (bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode() for _ in range(2))


@pytest.mark.gen_test
async def test_the_cookie_is_out_of_reach_and_changes_at_sign_in(site: Site, browser: Browser) -> None:
    """Required by RFC 6265 §4.1.2.6, RFC 9700 §4.7, OWASP (session fixation)."""
    page = await browser.get("/login")
    name, before = read_cookie(page.headers["Set-Cookie"])
    assert name == f"omnitornado_session_{site.port}"
    answer = await browser.submit(find_forms(page)[0], username="ada", password="password")
    _, after = read_cookie(answer.headers["Set-Cookie"])
    assert after["value"] != before["value"]
    for cookie in (before, after):
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == ("True", "Lax", "/")
        assert "domain" not in cookie
        assert "secure" not in cookie
    assert after["max-age"] == str(12 * 3600)
    old = site.open_browser()
    old.cookies = {name: before["value"]}
    assert (await old.get("/account")).code == 302


@pytest.mark.gen_test
async def test_under_https_the_cookie_is_secure_and_bound_to_the_host(start_site: StartSite) -> None:
    """Required by RFC 6265bis §4.1.3.2 (__Host-)."""
    site = await start_site(public_url="https://mcp.example")
    browser = site.open_browser()
    for response in (await browser.get("/login"), await browser.sign_in()):
        name, cookie = read_cookie(response.headers["Set-Cookie"])
        assert name == "__Host-omnitornado_session"
        assert (cookie["secure"], cookie["path"], cookie["httponly"]) == ("True", "/", "True")
        assert "domain" not in cookie


@pytest.mark.gen_test
async def test_signing_in_again_ends_the_session_before(site: Site, browser: Browser) -> None:
    """Our choice, after OWASP: what somebody copied is worth nothing afterwards."""
    await browser.sign_in()
    copy = site.open_browser()
    copy.cookies = dict(browser.cookies)
    assert (await copy.get("/account")).code == 200
    await browser.sign_in(username="bob")
    assert (await copy.get("/account")).code == 302
    assert b"bob" in (await browser.get("/account")).body


@pytest.mark.gen_test
async def test_a_session_can_not_be_planted(site: Site) -> None:
    """Our choice, after OWASP (session fixation): a value the server did not give for a sign-in is nobody."""
    planted = "A" * 43
    victim, attacker = site.open_browser(), site.open_browser()
    name = f"omnitornado_session_{site.port}"
    victim.cookies = {name: planted}
    attacker.cookies = {name: planted}
    answer = await victim.sign_in()
    assert answer.code == 303
    assert victim.cookies[name] != planted
    assert (await attacker.get("/account")).code == 302


@pytest.mark.gen_test
@pytest.mark.parametrize("value", ["", "x", "é", '"', "A" * 5000, "=;=", "%00", "A" * 42 + "!"])
async def test_a_cookie_that_is_none_of_ours_is_replaced(site: Site, value: str) -> None:
    """Our choice."""
    headers = {"Cookie": f"omnitornado_session_{site.port}={value}"}
    answer = await exchange(site.port, build_request("GET /login", site.port, headers=headers))
    assert answer.status == 200
    assert answer.headers["set-cookie"].startswith(f"omnitornado_session_{site.port}=")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("before", "after", "is_signed_in"),
    [
        ("password", "password", True),
        ("password", "changed", False),
        (HASHED, HASHED, True),
        (HASHED, HASHED_ANEW, False),
        ("password", HASHED, False),
    ],
    ids=["plain", "plain-changed", "hash", "hash-changed", "hash-instead"],
)
async def test_a_session_of_a_changed_password_ends_at_the_next_start(
    start_site: StartSite, tmp_path: Path, before: str, after: str, is_signed_in: bool
) -> None:
    """Our choice: somebody may have signed in with the old one. What apps were given stays."""
    store = tmp_path / "state"
    site = await start_site(users={"ada": before}, store=store)
    browser = site.open_browser()
    tokens = await site.obtain_tokens(browser)
    assert (await browser.get("/account")).code == 200
    await site.server.stop()

    site = await start_site(users={"ada": after}, store=store)
    again = site.open_browser()
    again.cookies = {f"omnitornado_session_{site.port}": value for value in browser.cookies.values()}
    assert (await again.get("/account")).code == (200 if is_signed_in else 302)
    assert (
        (await again.get(site.build_authorize_url(prompt="none")))
        .headers["Location"]
        .startswith(CALLBACK + ("?code=" if is_signed_in else "?error=login_required"))
    )
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_signing_out_ends_the_session_on_the_server(site: Site, browser: Browser) -> None:
    """Required by OWASP (session termination): a copy of the cookie is worth nothing either."""
    await browser.sign_in()
    copy = dict(browser.cookies)
    form = next(f for f in find_forms(await browser.get("/account")) if f.action == "/logout")
    answer = await browser.submit(form)
    assert (answer.code, answer.headers["Location"]) == (303, "/logout")
    assert browser.cookies == {}
    page = await browser.follow(answer)
    assert b"Signed out" in page.body
    browser.cookies = copy
    assert (await browser.get("/account")).code == 302
