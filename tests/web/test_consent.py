"""`/consent`: only the person, in the browser that was asked, for what the page showed, says yes or no."""

import html
import json
import re

import pytest
from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import CALLBACK, SECRET, Site, read_json, read_query

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


LOOPBACK = "http://127.0.0.1:4711/callback"


def read_address(page: HTTPResponse) -> str:
    """The address that a person is to take to the app."""
    found = re.search(r'<pre class="copy" dir="ltr"><code>(.*?)</code></pre>', page.body.decode())
    assert found is not None, page.body
    return html.unescape(found[1])


@pytest.mark.gen_test
async def test_an_app_on_another_computer_is_told_by_hand(site: Site, browser: Browser) -> None:
    """Our choice (requirement of people who work on a server): the page shows what the redirect would have
    told the app, and the code lives long enough to be carried.
    """
    page = await browser.open_consent(site.build_authorize_url(client_id="native", redirect_uri=LOOPBACK))
    assert b"The app runs on another computer" in page.body
    shown = await browser.submit(find_forms(page)[0], action="approve_by_hand")
    assert (shown.code, shown.headers["Cache-Control"]) == (200, "no-store")
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    address = read_address(shown)
    assert address.startswith(LOOPBACK + "?code=")
    query = read_query(address)
    assert (query["state"], query["iss"]) == ("xyz", site.url)
    assert f'curl "{address}"' in html.unescape(shown.body.decode())
    site.clock.advance(299)
    response = await site.redeem(query["code"], client_id="native", client_secret="")
    assert response.code == 200


@pytest.mark.gen_test
async def test_it_is_offered_and_taken_only_where_the_answer_stays_on_the_computer(
    site: Site, browser: Browser
) -> None:
    """Our choice: a web application is always reached by redirect."""
    page = await browser.open_consent(site.build_authorize_url(prompt="consent"))
    assert b"another computer" not in page.body
    assert (await browser.submit(find_forms(page)[0], action="approve_by_hand")).code == 400


@pytest.mark.gen_test
async def test_who_comes_back_is_shown_the_way(site: Site, browser: Browser) -> None:
    """Our choice: the redirect is sent at once all the same; the very same request again, in the same browser
    and within ten minutes, means that it led nowhere.
    """
    url = site.build_authorize_url(client_id="native", redirect_uri=LOOPBACK)
    page = await browser.open_consent(url)
    assert b"Did the app not open?" not in page.body
    answer = await browser.submit(find_forms(page)[0], action="approve")
    assert (answer.code, answer.headers["Location"].startswith(LOOPBACK)) == (303, True)
    assert "code" not in answer.headers["Set-Cookie"]
    back = await browser.get(url)
    assert (back.code, b"Did the app not open?" in back.body) == (200, True)
    another = site.build_authorize_url(client_id="native", redirect_uri=LOOPBACK, state="another")
    assert b"Did the app not open?" not in (await browser.get(another)).body
    stranger = await site.open_browser().open_consent(url)
    assert b"Did the app not open?" not in stranger.body


@pytest.mark.gen_test
async def test_a_remembered_app_that_was_not_reached_is_asked_about_again(start_site: StartSite) -> None:
    """Our choice: only there can the person be shown the address. One that asked not to be asked gets its
    answer.
    """
    client = {"client_id": "app", "client_secret": SECRET, "redirect_uris": ["http://127.0.0.1/callback"]}
    site = await start_site(clients=[client])
    browser = site.open_browser()
    url = site.build_authorize_url(client_id="app", redirect_uri=LOOPBACK)
    await browser.submit(find_forms(await browser.open_consent(url))[0], action="approve")
    later = site.build_authorize_url(client_id="app", redirect_uri=LOOPBACK, state="later")
    assert (await browser.get(later)).code == 302
    back = await browser.get(later)
    assert (back.code, b"Did the app not open?" in back.body) == (200, True)
    shown = await browser.submit(find_forms(back)[0], action="approve_by_hand")
    assert read_query(read_address(shown))["state"] == "later"
    silent = site.build_authorize_url(client_id="app", redirect_uri=LOOPBACK, prompt="none")
    for _ in range(2):
        assert (await browser.get(silent)).code == 302


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/cb';calc;'", "/cb?x=$(calc)", "/cb?a&calc", "/cb!x", "/cb*"])
async def test_no_address_that_means_something_to_a_shell_is_put_into_a_command(
    start_site: StartSite, path: str
) -> None:
    """Our choice: a client chooses its address, and a person would paste it. (`&` is safe between double
    quotes.)
    """
    uri = "http://127.0.0.1:4711" + path
    client = {"client_id": "x", "redirect_uris": [uri], "token_endpoint_auth_method": "none"}
    site = await start_site(clients=[client])
    browser = site.open_browser()
    page = await browser.open_consent(
        site.build_authorize_url(client_id="x", redirect_uri=uri, state="';calc")
    )
    shown = await browser.submit(find_forms(page)[0], action="approve_by_hand")
    assert read_address(shown).startswith(uri)
    assert (b"curl" in shown.body) is (path == "/cb?a&calc")


@pytest.mark.gen_test
async def test_nothing_is_sent_to_an_address_that_nobody_approved(site: Site, browser: Browser) -> None:
    """Required by RFC 9700 §4.11.2: the person's own no is the one thing that an unbound address is told."""
    evil = "https://evil.example/callback"
    for changed in ({"response_type": "token"}, {"scope": "nothing"}, {"prompt": "none"}):
        page = await browser.get(site.build_authorize_url(client_id="unbound", redirect_uri=evil, **changed))
        assert (page.code, page.headers.get("Location")) == (400, None)
    page = await browser.open_consent(site.build_authorize_url(client_id="unbound", redirect_uri=evil))
    answer = await browser.submit(find_forms(page)[0], action="deny")
    assert answer.headers["Location"].startswith(evil + "?error=access_denied")
