"""Codes of devices: guessed, or sent to somebody else by mail."""

import pytest
from web.browser import find_forms
from web.conftest import StartSite
from web.device_steps import ask, enter, open_entry, poll, start
from web.site import read_json


def response_to(user_code: str) -> str:
    """Where the page sends a browser that is not signed in."""
    return "/login?next=%2Fdevice%3Fuser_code%3D" + user_code


@pytest.mark.gen_test
async def test_guessing_codes_is_slowed_down_and_leaks_nothing(start_site: StartSite) -> None:
    """Required by RFC 8628 §5.1: five free guesses for a person, also through the other form of the page."""
    site = await start(start_site)
    browser = site.open_browser()
    asked = await ask(site)
    for _ in range(5):
        page = await enter(browser, "BBBB-BBBB")
        assert (page.code, b"No device waits with this code" in page.body) == (403, True)
    page = await enter(browser, asked["user_code"])
    assert (page.code, b"Try again in 1 second." in page.body) == (429, True)
    assert page.headers["Retry-After"] == "1"
    assert asked["user_code"].encode() not in page.body
    fields = {"user_code": asked["user_code"], "device": "00" * 32, "action": "approve", "csrf_token": "x"}
    for code in (asked["user_code"], "BBBB-BBBB"):
        assert (await browser.post("/device", fields | {"user_code": code})).code == 403
    site.clock.advance(2)
    assert (await enter(browser, asked["user_code"])).code == 200


@pytest.mark.gen_test
async def test_who_is_not_signed_in_can_guess_nothing(start_site: StartSite) -> None:
    """Our choice: every guess has a name to it. A code in the address comes along to the sign-in."""
    site = await start(start_site)
    asked = await ask(site)
    stranger = site.open_browser()
    response = await stranger.get(f"/device?user_code={asked['user_code']}")
    assert response.code == 302
    assert response.headers["Location"] == response_to(asked["user_code"])
    response = await stranger.get("/device?user_code=javascript:alert(1)")
    assert response.headers["Location"] == "/login?next=%2Fdevice"
    (form,) = find_forms(await open_entry(stranger))
    site.clock.advance(12 * 3600)
    answer = await stranger.submit(form, user_code=asked["user_code"])
    assert answer.code == 303
    assert answer.headers["Location"] == response_to(asked["user_code"])


@pytest.mark.gen_test
async def test_a_code_in_the_address_is_filled_in_and_still_confirmed(start_site: StartSite) -> None:
    """Required by RFC 8628 §3.3.1: the person compares it with the device; a link alone approves nothing."""
    site = await start(start_site)
    browser = site.open_browser()
    asked = await ask(site)
    complete = asked["verification_uri_complete"]
    page = await open_entry(browser, complete)
    assert page.effective_url == complete
    (form,) = find_forms(page)
    assert form.fields["user_code"] == asked["user_code"]
    assert b"Is this the code that your device shows?" in page.body
    assert read_json(await poll(site, asked["device_code"]))["error"] == "authorization_pending"
    consent = await browser.submit(form)
    assert (await browser.submit(find_forms(consent)[0], action="approve")).code == 200
    assert (await poll(site, asked["device_code"])).code == 200
