"""`/logout`: a form of the person's own, and the session is over on the server too."""

import pytest

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import Site


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


@pytest.mark.gen_test
async def test_no_other_page_can_sign_a_person_out(site: Site, browser: Browser) -> None:
    """Required by OWASP (CSRF)."""
    await browser.sign_in()
    other = site.open_browser()
    await other.sign_in("bob")
    theirs = find_forms(await other.get("/account"))[0].fields["csrf_token"]
    for fields in ({}, {"csrf_token": ""}, {"csrf_token": "x"}, {"csrf_token": theirs}):
        assert (await browser.post("/logout", fields)).code == 403
    assert (await browser.get("/logout")).headers["Location"] == "/account"
    assert (await browser.get("/account")).code == 200


@pytest.mark.gen_test
async def test_signing_out_twice_is_an_answer(site: Site, browser: Browser) -> None:
    """Our choice: the back button and a second click."""
    await browser.sign_in()
    form = find_forms(await browser.get("/account"))[0]
    copy = dict(browser.cookies)
    assert (await browser.submit(form)).code == 303
    browser.cookies = copy
    assert (await browser.submit(form)).code == 303
    assert (await site.open_browser().get("/logout")).code == 200


@pytest.mark.gen_test
async def test_under_https_the_cookie_is_taken_back_as_it_was_given(start_site: StartSite) -> None:
    """Required by RFC 6265bis §5.7: a browser ignores a __Host- cookie that is not Secure."""
    site = await start_site(public_url="https://mcp.example")
    browser = site.open_browser()
    await browser.sign_in()
    answer = await browser.submit(find_forms(await browser.get("/account"))[0])
    line = answer.headers["Set-Cookie"]
    assert line.startswith('__Host-omnitornado_session="";')
    assert "Secure" in line
    assert "Path=/" in line
    assert "expires=" in line
