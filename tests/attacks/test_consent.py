"""Consent that the person did not give: framed, forged, or remembered for somebody else."""

import html
import re

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import CALLBACK, SECRET, Site, read_json, read_query
from web.test_base import PAGES
from web.test_register import register


@pytest.mark.gen_test
async def test_pages_can_not_be_framed_and_run_nothing(site: Site) -> None:
    """Required by RFC 9700 §4.16. No form-action: Chromium holds it against the redirect to the client. No
    Cross-Origin-Opener-Policy: a client that opened the login in a pop-up would lose hold of it."""
    for path in [*PAGES, "/nowhere"]:
        for method in ("GET", "PUT"):
            response = await site.fetch(path, method=method, body="x" if method == "PUT" else None)
            policy = dict(p.split(" ", 1) for p in response.headers["Content-Security-Policy"].split("; "))
            assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
            assert "form-action" not in policy
            assert "script-src" not in policy
            assert response.headers["X-Frame-Options"] == "DENY"
            assert "Cross-Origin-Opener-Policy" not in response.headers


@pytest.mark.gen_test
async def test_only_the_two_buttons_are_a_decision(site: Site, browser: Browser) -> None:
    """Our choice: anything else is no decision, and goes nowhere."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    for fields in ({}, {"action": ""}, {"action": "APPROVE"}, {"action": "deny approve"}):
        answer = await browser.submit(form, **fields)
        assert (answer.code, answer.headers.get("Location")) == (400, None)


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


EVIL = "https://evil.example/callback"


async def open_page_of(site: Site, browser: Browser, name: str, redirect_uri: str = EVIL) -> str:
    """The consent page of a client that registered itself under a name."""
    site.clock.advance(2)
    document = {"client_name": name, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"}
    client_id = read_json(await register(site, document))["client_id"]
    url = site.build_authorize_url(client_id=client_id, redirect_uri=redirect_uri)
    return (await browser.open_consent(url)).body.decode()


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "name",
    [
        "Claude",
        "CLAUDE\u2003Code",
        "Cl\u0430ude",
        "Claudе by Anthropic",
        "\u202eedualC\u202c Claude",
        "\uff23\uff4c\uff41\uff55\uff44\uff45",
        "C1aude",
        "Chat\u0262PT ChatGPT",
        "V\u0405 Code",
    ],
)
async def test_a_name_that_looks_like_a_known_apps_is_warned_of(
    site: Site, browser: Browser, name: str
) -> None:
    """Our choice, after RFC 7591 §5: whoever registers chooses a name; the page says where it goes."""
    page = await open_page_of(site, browser, name)
    assert "By its name this could be an app of" in page
    assert "Nobody has verified it" in page
    assert page.count("evil.example") >= 2


@pytest.mark.gen_test
async def test_the_real_app_and_an_app_of_good_manners_are_not_warned_of(
    site: Site, browser: Browser
) -> None:
    """Our choice: a warning that comes for nothing teaches people to pass over it."""
    for name, uri in (
        ("Claude", "https://claude.ai/api/mcp/auth_callback"),
        ("Claude", "https://claude.com/api/mcp/auth_callback"),
        ("Cursor", "https://www.cursor.com/agents/mcp/oauth/callback"),
        ("Claude Code", "http://localhost/callback"),
        ("Claudette", EVIL),
        ("Notes", EVIL),
    ):
        assert "By its name" not in await open_page_of(site, browser, name, uri), name


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "name",
    [
        "\u202eevil\u202d\u2066\u2069",
        "App\u200b\u200d\ufeff\u00ad",
        "\u3164\u115f\u1160\u2800\uffa0",
        "\u3164",
        "a" + "\u0300" * 150,
        "Verified\n\n\nPublished by claude.ai",
        "\t \u2028 \u2029 \u0085",
        "App\x1b[31m\x7f\x00",
    ],
)
async def test_a_name_can_not_rearrange_the_page(site: Site, browser: Browser, name: str) -> None:
    """Our choice (bidi overrides, invisible letters): one visible line, isolated from what is around it."""
    page = await open_page_of(site, browser, name)
    shown = re.findall(r'<(bdi|span) class="name">(.*?)</', page, re.DOTALL)
    assert shown
    for tag, text in shown:
        plain = html.unescape(text)
        assert plain.strip("\u3164\u115f\u1160\u2800\uffa0 ")
        assert plain.isprintable()
        assert tag == "bdi" or plain == "Unnamed app"
        assert len(plain) <= 81


@pytest.mark.gen_test
async def test_an_approval_of_one_client_is_none_of_another(start_site: StartSite) -> None:
    """Required by MCP security best practices (Confused Deputy Problem): consent is kept for each client, and
    for each of its addresses, and no cookie speaks for it.
    """
    second = "https://app.example/second"
    clients = [
        {"client_id": "one", "client_secret": SECRET, "redirect_uris": [CALLBACK, second]},
        {"client_id": "two", "client_secret": SECRET, "redirect_uris": [CALLBACK]},
    ]
    site = await start_site(clients=clients)
    browser = site.open_browser()
    await browser.approve(site.build_authorize_url(client_id="one"))
    again = await browser.get(site.build_authorize_url(client_id="one"))
    assert "code" in read_query(again.headers["Location"])
    for change in ({"client_id": "two"}, {"client_id": "one", "redirect_uri": second}):
        assert (await browser.get(site.build_authorize_url(**change))).code == 200
        silent = await browser.get(site.build_authorize_url(prompt="none", **change))
        assert read_query(silent.headers["Location"])["error"] == "consent_required"
    other = site.open_browser()
    await other.sign_in("bob")
    assert (await other.get(site.build_authorize_url(client_id="one"))).code == 200


@pytest.mark.gen_test
async def test_a_form_of_one_person_approves_nothing_for_the_next(site: Site, browser: Browser) -> None:
    """Our choice: who signs in as somebody else in another tab has not approved what was shown before."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    await browser.sign_in("bob")
    answer = await browser.submit(form, action="approve")
    assert (answer.code, answer.headers.get("Location")) == (403, None)
