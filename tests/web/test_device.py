"""`/device_authorization` and `/device`: a device asks, and a person answers elsewhere."""

import json
import re

import pytest

from .browser import find_forms
from .conftest import StartSite
from .device_steps import DEVICE_CODE, ask, decide, enter, poll, start
from .site import Site, build_initialize, read_json


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
