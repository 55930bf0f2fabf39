"""`/consent`: only the person, in the browser that was asked, for what the page showed, says yes or no."""

import json

import pytest

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import CALLBACK, Site, read_json, read_query

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.mark.gen_test
async def test_the_page_names_person_client_target_scopes_and_tools(site: Site, browser: Browser) -> None:
    """Required by MCP 2026-07-28 (Security Considerations, consent)."""
    page = (await browser.open_consent(site.build_authorize_url(scope="mcp admin"))).body.decode()
    for fact in (
        "ada",
        "Preset app",
        "app.example",
        site.mcp_url,
        "mcp",
        "admin",
        "Add two numbers",
        "reset",
    ):
        assert fact in page
    assert "verified" not in page


@pytest.mark.gen_test
async def test_denying_tells_the_client(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §4.1.2.1."""
    page = await browser.open_consent(site.build_authorize_url())
    answer = await browser.submit(find_forms(page)[0], action="deny")
    assert answer.code == 303
    assert answer.headers["Location"].startswith(CALLBACK + "?")
    facts = read_query(answer.headers["Location"])
    assert (facts["error"], facts["state"], facts["iss"]) == ("access_denied", "xyz", site.url)


@pytest.mark.gen_test
async def test_only_the_two_buttons_are_a_decision(site: Site, browser: Browser) -> None:
    """Our choice: anything else is no decision, and goes nowhere."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    for fields in ({}, {"action": ""}, {"action": "APPROVE"}, {"action": "deny approve"}):
        answer = await browser.submit(form, **fields)
        assert (answer.code, answer.headers.get("Location")) == (400, None)


@pytest.mark.gen_test
async def test_a_form_without_its_token_or_with_another_is_refused(site: Site, browser: Browser) -> None:
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
async def test_a_token_is_for_the_request_that_was_shown(site: Site, browser: Browser) -> None:
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
async def test_another_browser_can_not_use_a_form(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.12: bound to the browser, signed in as whoever."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    for other in (site.open_browser(), site.open_browser()):
        assert (await other.submit(form, action="approve")).code == 403
        await other.sign_in()
        assert (await other.submit(form, action="approve")).code == 403


@pytest.mark.gen_test
async def test_a_session_that_has_ended_is_asked_to_sign_in_again(site: Site, browser: Browser) -> None:
    """Our choice: nothing is approved for somebody who left."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    site.clock.advance(12 * 3600 + 1)
    answer = await browser.submit(form, action="approve")
    assert answer.code == 303
    assert answer.headers["Location"].startswith("/login?next=%2Fauthorize%3F")


@pytest.mark.gen_test
async def test_an_approval_works_after_its_page_was_opened_twice(site: Site, browser: Browser) -> None:
    """Our choice: a second tab does not void the first."""
    first = find_forms(await browser.open_consent(site.build_authorize_url(state="1")))[0]
    second = find_forms(await browser.open_consent(site.build_authorize_url(state="2")))[0]
    for form in (first, second):
        assert (await browser.submit(form, action="approve")).code == 303


@pytest.mark.gen_test
async def test_a_client_that_can_not_be_forged_is_remembered_and_another_is_asked_again(
    site: Site, browser: Browser
) -> None:
    """Required by RFC 8252 §8.6: a public client at a loopback address may be anybody."""
    await browser.approve(site.build_authorize_url())
    assert (await browser.get(site.build_authorize_url())).headers["Location"].startswith(CALLBACK)
    more = await browser.get(site.build_authorize_url(scope="mcp admin"))
    assert more.code == 200
    uri = "http://127.0.0.1:5/callback"
    native = site.build_authorize_url(client_id="native", redirect_uri=uri)
    await browser.approve(native)
    page = await browser.get(native)
    assert page.code == 200
    assert b"Any program on this computer" in page.body


@pytest.mark.gen_test
async def test_what_others_choose_is_text_on_the_page(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.14: names, states and addresses of a client's own."""
    body = {
        "redirect_uris": ["https://app.example/cb?x='"],
        "client_name": XSS,
        "client_uri": 'https://app.example/"onmouseover=alert(1)//',
        "token_endpoint_auth_method": "none",
    }
    registered = await browser.request("POST", "/register", body=json.dumps(body))
    client_id = read_json(registered)["client_id"]
    url = site.build_authorize_url(client_id=client_id, redirect_uri=None, state=XSS)
    login = await browser.follow(await browser.get(url))
    page = await browser.open_consent(url)
    assert "The app chose this name" in page.body.decode()
    for response in (login, page):
        text = response.body.decode()
        assert "alert(1)" in text
        assert "<script" not in text
        assert "<img src=x" not in text
        assert '"onmouseover' not in text
    location = (await browser.submit(find_forms(page)[0], action="approve")).headers["Location"]
    assert "<" not in location
    assert read_query(location.replace("x='&", "x=1&"))["state"] == XSS


@pytest.mark.gen_test
async def test_a_client_without_addresses_is_bound_by_its_first_approval(
    site: Site, browser: Browser
) -> None:
    """Our choice (README, preset clients): the first address a person approves, and no other from then on."""
    uri = "https://chat.example/aip/g-1/oauth/callback"
    url = site.build_authorize_url(client_id="unbound", redirect_uri=uri)
    page = await browser.open_consent(url)
    assert uri in page.body.decode()
    assert "never connected before" in page.body.decode()
    late = find_forms(await browser.open_consent(url.replace("g-1", "g-2")))[0]
    answer = await browser.submit(find_forms(page)[0], action="approve")
    assert answer.headers["Location"].startswith(uri + "?code=")
    refused = await browser.submit(late, action="approve")
    assert (refused.code, refused.headers.get("Location")) == (400, None)
    assert (await browser.get(url.replace("g-1", "g-2"))).code == 400
    assert (await browser.get(url)).headers["Location"].startswith(uri + "?code=")


@pytest.mark.gen_test
async def test_the_issuer_on_a_denial_is_the_public_one(start_site: StartSite) -> None:
    """Required by RFC 9207 §2; the server may be reached by another name."""
    site = await start_site(public_url="https://mcp.example")
    browser = site.open_browser()
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    answer = await browser.submit(form, action="deny")
    assert read_query(answer.headers["Location"])["iss"] == "https://mcp.example"
