"""`/consent`: only the person, in the browser that was asked, for what the page showed, says yes or no."""

import html
import re

import pytest
from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import CALLBACK, SECRET, Site, read_query


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
