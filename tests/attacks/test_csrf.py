"""Forms that another website posts with the person's cookies, or with a field from elsewhere."""

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.device_steps import ask, enter, open_entry, poll, start
from web.site import Site, build_initialize, read_json
from web.test_account import find_disconnect


@pytest.mark.gen_test
async def test_the_login_form_needs_its_token_and_its_browser(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.12, OWASP (login CSRF)."""
    form = find_forms(await browser.get("/login"))[0]
    other = find_forms(await site.open_browser().get("/login"))[0]
    elsewhere = find_forms(await browser.get("/login?next=/"))[0]
    for token in ("", "x", other.fields["csrf_token"], elsewhere.fields["csrf_token"]):
        answer = await browser.submit(form, username="ada", password="password", csrf_token=token)
        assert (answer.code, answer.headers.get("Set-Cookie")) == (403, None), token
    stranger = site.open_browser()
    assert (await stranger.submit(form, username="ada", password="password")).code == 403


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
async def test_nobody_disconnects_another_persons_app(site: Site, browser: Browser) -> None:
    """Our choice: whose app it is decides, not who knows its name."""
    tokens = await site.obtain_tokens(browser)
    (form,) = await find_disconnect(browser)
    other = site.open_browser()
    await other.sign_in("bob")
    own_token = find_forms(await other.get("/account"))[0].fields["csrf_token"]
    answer = await other.post("/account", form.fields | {"csrf_token": own_token})
    assert b"not connected any more" in answer.body
    assert (await other.submit(form)).code == 403
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_the_account_form_needs_its_token(site: Site, browser: Browser) -> None:
    """Required by OWASP (CSRF)."""
    await site.obtain_tokens(browser)
    (form,) = await find_disconnect(browser)
    for token in ("", "x", form.fields["csrf_token"] + "x"):
        assert (await browser.submit(form, csrf_token=token)).code == 403
    assert len(await find_disconnect(browser)) == 1


@pytest.mark.gen_test
async def test_a_consent_form_without_its_token_or_with_another_is_refused(
    site: Site, browser: Browser
) -> None:
    """Required by RFC 6749 §10.12 (CSRF)."""
    other = site.open_browser()
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    theirs = find_forms(await other.open_consent(site.build_authorize_url(), "bob"))[0]
    own_login = find_forms(await browser.get("/login"))[0].fields["csrf_token"]
    own_account = find_forms(await browser.get("/account"))[0].fields["csrf_token"]
    good = form.fields["csrf_token"]
    for token in (
        "",
        "x",
        "é",
        good[:-1],
        good + "A",
        good.lower(),
        theirs.fields["csrf_token"],
        own_login,
        own_account,
    ):
        answer = await browser.submit(form, action="approve", csrf_token=token)
        assert (answer.code, answer.headers.get("Location")) == (403, None), token
    answer = await browser.post(form.action, {"action": "approve"})
    assert answer.code == 403


@pytest.mark.gen_test
async def test_a_consent_token_is_for_the_request_that_was_shown(site: Site, browser: Browser) -> None:
    """Our choice, after RFC 9700 §4.7: approving one request approves no other."""
    shown = find_forms(await browser.open_consent(site.build_authorize_url(scope="mcp")))[0]
    for change in (
        {"scope": "mcp admin"},
        {"state": "other"},
        {"client_id": "native"},
        {"code_challenge": "A" * 43},
    ):
        action = site.build_authorize_url(**({"scope": "mcp"} | change)).replace("/authorize", "/consent")
        answer = await browser.post(action, shown.fields | {"action": "approve"})
        assert (answer.code, answer.headers.get("Location")) == (403, None), change
    assert (await browser.post(shown.action, shown.fields | {"action": "approve"})).code == 303


@pytest.mark.gen_test
async def test_another_browser_can_not_use_a_consent_form(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.12: bound to the browser, signed in as whoever."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    for other in (site.open_browser(), site.open_browser()):
        assert (await other.submit(form, action="approve")).code == 403
        await other.sign_in()
        assert (await other.submit(form, action="approve")).code == 403


@pytest.mark.gen_test
async def test_no_other_page_can_approve_a_device(start_site: StartSite) -> None:
    """Required by RFC 6749 §10.12 (CSRF): the field is for this browser, this code and this very request."""
    site = await start(start_site)
    browser, other = site.open_browser(), site.open_browser()
    mine, theirs = await ask(site), await ask(site)
    page = await enter(browser, mine["user_code"])
    (form,) = find_forms(page)
    shown = find_forms(await enter(other, theirs["user_code"], "bob"))[0].fields
    for changed in (
        {"csrf_token": ""},
        {"csrf_token": "x"},
        {"csrf_token": shown["csrf_token"]},
        {"user_code": theirs["user_code"]},
        {"device": shown["device"]},
        {"user_code": theirs["user_code"], "device": shown["device"]},
        {"device": "zz"},
        {"device": ""},
    ):
        answer = await browser.submit(form, action="approve", **changed)
        assert answer.code == 403, changed
    answer = await other.submit(form, action="approve")
    assert answer.code == 403
    entry = find_forms(await open_entry(browser))[0]
    answer = await browser.submit(entry, user_code=mine["user_code"], csrf_token="x")
    assert answer.code == 403
    for asked in (mine, theirs):
        assert read_json(await poll(site, asked["device_code"]))["error"] == "authorization_pending"
