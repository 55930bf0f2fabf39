"""`/device_authorization` and `/device`: a device asks, and a person answers elsewhere."""

import json
import re
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import Site, build_initialize, read_json

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TV = {
    "client_id": "tv",
    "client_name": "Living room TV",
    "token_endpoint_auth_method": "none",
    "grant_types": [DEVICE_CODE, "refresh_token"],
}


async def start(start_site: StartSite, **settings: Any) -> Site:
    return await start_site(clients=[TV], settings=settings)


async def ask(site: Site, **fields: str) -> dict[str, Any]:
    response = await site.open_browser().post("/device_authorization", {"client_id": "tv"} | fields)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store"), response.body
    return read_json(response)


async def poll(site: Site, device_code: str, **fields: str) -> HTTPResponse:
    sent = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": "tv"}
    return await site.open_browser().post("/token", sent | fields)


async def open_entry(browser: Browser, url: str = "/device", username: str = "ada") -> HTTPResponse:
    """The page for the code, after signing in where that is asked for."""
    page = await browser.follow(await browser.get(url))
    if "password" in find_forms(page)[0].fields:
        filled = await browser.submit(find_forms(page)[0], username=username, password="password")
        page = await browser.follow(filled)
    assert "user_code" in find_forms(page)[0].fields
    return page


async def enter(browser: Browser, user_code: str, username: str = "ada") -> HTTPResponse:
    page = await open_entry(browser, username=username)
    return await browser.submit(find_forms(page)[0], user_code=user_code)


async def decide(browser: Browser, user_code: str, action: str = "approve") -> HTTPResponse:
    page = await enter(browser, user_code)
    assert page.code == 200, page.body
    return await browser.submit(find_forms(page)[0], action=action)


@pytest.mark.gen_test
async def test_a_device_is_let_in_on_another_screen(start_site: StartSite) -> None:
    """Required by RFC 8628 §3: the whole way, and its token opens the endpoint."""
    site = await start(start_site)
    browser = site.open_browser()
    asked = await ask(site)
    assert asked["verification_uri"] == site.url + "/device"
    response = await poll(site, asked["device_code"])
    assert (response.code, read_json(response)["error"]) == (400, "authorization_pending")
    answer = await decide(browser, asked["user_code"].lower().replace("-", " "))
    assert (answer.code, b"Your device is connected" in answer.body) == (200, True)
    tokens = read_json(await poll(site, asked["device_code"]))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    account = await browser.get("/account")
    assert b"Living room TV" in account.body
    assert b"a device" in account.body
    form = next(form for form in find_forms(account) if "public_id" in form.fields)
    await browser.submit(form)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401


@pytest.mark.gen_test
async def test_the_person_sees_who_asks_for_what_and_is_warned(start_site: StartSite) -> None:
    """Required by RFC 8628 §5.4 (remote phishing) and §3.3: the code, who asks, for what, and from where."""
    site = await start(start_site)
    asked = await ask(site, scope="mcp admin")
    site.clock.advance(130)
    page = await enter(site.open_browser(), asked["user_code"])
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.body.decode()))
    for words in (
        asked["user_code"],
        "Living room TV",
        "2 minutes ago, from 127.0.0.1",
        site.mcp_url,
        "ada",
        "Use test",
        "If somebody gave you the code or the link, choose Deny",
    ):
        assert words in text, words
    assert "Nobody has verified it" not in text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.gen_test
async def test_a_client_that_registered_itself_is_marked(site: Site) -> None:
    """Required by RFC 8628 §5.4: anyone may have chosen the name."""
    body = {
        "client_name": "Windows Update",
        "grant_types": [DEVICE_CODE],
        "token_endpoint_auth_method": "none",
    }
    response = await site.fetch("/register", method="POST", body=json.dumps(body))
    client_id = read_json(response)["client_id"]
    asked = await ask(site, client_id=client_id)
    page = await enter(site.open_browser(), asked["user_code"])
    assert b"The app chose this name. Nobody has verified it." in page.body


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


@pytest.mark.gen_test
async def test_a_refusal_is_told_to_the_device(start_site: StartSite) -> None:
    """Required by RFC 8628 §3.5 (access_denied)."""
    site = await start(start_site)
    asked = await ask(site)
    answer = await decide(site.open_browser(), asked["user_code"], "deny")
    assert b"Nothing was given to the device" in answer.body
    response = await poll(site, asked["device_code"])
    assert (response.code, read_json(response)["error"]) == (400, "access_denied")


@pytest.mark.gen_test
async def test_an_old_code_is_told_to_both_sides(start_site: StartSite) -> None:
    """Required by RFC 8628 §3.5 (expired_token)."""
    site = await start(start_site, device={"code_lifetime": "2m"})
    browser = site.open_browser()
    asked = await ask(site)
    assert asked["expires_in"] == 120
    page = await enter(browser, asked["user_code"])
    site.clock.advance(120)
    late = await browser.submit(find_forms(page)[0], action="approve")
    assert (late.code, b"Too late" in late.body) == (400, True)
    response = await poll(site, asked["device_code"])
    assert (response.code, read_json(response)["error"]) == (400, "expired_token")
    page = await enter(browser, asked["user_code"])
    assert (page.code, b"No device waits with this code" in page.body) == (403, True)


@pytest.mark.gen_test
async def test_a_decision_is_made_once(start_site: StartSite) -> None:
    """Our choice: a second click, another tab or another person changes nothing."""
    site = await start(start_site)
    ada, bob = site.open_browser(), site.open_browser()
    asked = await ask(site)
    hers, his = await enter(ada, asked["user_code"]), await enter(bob, asked["user_code"], "bob")
    assert (await ada.submit(find_forms(hers)[0], action="approve")).code == 200
    for browser, page in ((ada, hers), (bob, his)):
        for action in ("approve", "deny"):
            assert (await browser.submit(find_forms(page)[0], action=action)).code == 400
    tokens = read_json(await poll(site, asked["device_code"]))
    (grant,) = await site.services.store.find_grants("ada", now=site.clock())
    assert tokens["scope"] == "mcp"
    assert await site.services.store.find_grants("bob", now=site.clock()) == []
    assert grant.client_id == "tv"


@pytest.mark.gen_test
async def test_no_other_page_can_approve(start_site: StartSite) -> None:
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


@pytest.mark.gen_test
async def test_guessing_is_slowed_down_and_leaks_nothing(start_site: StartSite) -> None:
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


def response_to(user_code: str) -> str:
    """Where the page sends a browser that is not signed in."""
    return "/login?next=%2Fdevice%3Fuser_code%3D" + user_code


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
@pytest.mark.parametrize(
    "typed", ["", "WDJB", "hello world", "<script>alert(1)</script>", "é" * 8, "0000-0000"]
)
async def test_what_is_no_code_is_said_and_costs_no_guess(start_site: StartSite, typed: str) -> None:
    """Our choice: a slip of the finger is no attack. What was typed is text on the page."""
    site = await start(start_site)
    browser = site.open_browser()
    for _ in range(10):
        page = await enter(browser, typed)
        assert (page.code, b"A code has eight letters" in page.body) == (403, True)
    assert b"<script>" not in page.body


@pytest.mark.gen_test
async def test_a_person_who_may_grant_nothing_of_it_is_told(start_site: StartSite) -> None:
    """Our choice ([[users]] scopes)."""
    site = await start(start_site)
    asked = await ask(site, scope="admin")
    person = site.services.people.find("ada")
    assert person is not None
    site.services.people._people = {"ada": type(person)("ada", person.password_hash, ("mcp",))}
    page = await enter(site.open_browser(), asked["user_code"])
    assert (page.code, b"may not grant any of these scopes" in page.body) == (403, True)


@pytest.mark.gen_test
async def test_one_address_gets_so_many_codes(start_site: StartSite) -> None:
    """Our choice ([device] rate_per_minute); RFC 6585 §4."""
    site = await start(start_site, device={"rate_per_minute": 2})
    await ask(site)
    await ask(site)
    response = await site.open_browser().post("/device_authorization", {"client_id": "tv"})
    assert (response.code, read_json(response)["error"]) == (429, "temporarily_unavailable")
    assert response.headers["Retry-After"] == "30"


@pytest.mark.gen_test
async def test_errors_are_those_of_the_token_endpoint(start_site: StartSite) -> None:
    """Required by RFC 8628 §3.2."""
    site = await start(start_site)
    for fields, status, error in (
        ({}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "tv", "scope": "nothing"}, 400, "invalid_scope"),
        ({"client_id": "tv", "resource": "https://evil.example"}, 400, "invalid_target"),
    ):
        response = await site.open_browser().post("/device_authorization", fields)
        assert (response.code, read_json(response)["error"]) == (status, error)
    response = await poll(site, "omt_dc_x")
    assert (response.code, read_json(response)["error"]) == (400, "invalid_grant")


@pytest.mark.gen_test
async def test_the_flow_is_advertised_and_can_be_switched_off(start_site: StartSite) -> None:
    """Required by RFC 8628 §4."""
    site = await start(start_site)
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert metadata["device_authorization_endpoint"] == site.url + "/device_authorization"
    assert DEVICE_CODE in metadata["grant_types_supported"]
    site = await start(start_site, device={"enabled": False})
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert "device_authorization_endpoint" not in metadata
    assert DEVICE_CODE not in metadata["grant_types_supported"]
    response = await site.open_browser().post("/device_authorization", {"client_id": "tv"})
    assert (response.code, read_json(response)["error"]) == (403, "access_denied")
    assert (await site.anyone.get("/device")).code == 404


@pytest.mark.gen_test
async def test_the_sign_in_leads_on_to_the_page_and_nowhere_else(start_site: StartSite) -> None:
    """Our choice: no open redirect by way of it."""
    site = await start(start_site)
    for target in ("/device?user_code=WDJB-MJHT", "/device"):
        page = await site.open_browser().sign_in(url="/login?next=" + target.replace("?", "%3F"))
        assert page.headers["Location"] == target
    for target in (
        "/device/../x",
        "/device?next=//evil.example",
        "/device?user_code=//evil.example",
        "/devices",
    ):
        page = await site.open_browser().sign_in(url="/login?next=" + target.replace("?", "%3F"))
        assert page.headers["Location"] == "/account"
