"""Redirects to where nobody registered: tampered addresses, and this server as an open redirector."""

from urllib.parse import quote

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.device_steps import start
from web.site import CALLBACK, Site, read_query

TAMPERED = [
    "https://app.example/callback/../evil",
    "https://app.example/callback/..;/evil",
    "https://app.example/%63allback",
    "https://app.example/callback%2f..%2fevil",
    "https://app.example/callbackevil",
    "https://app.example//callback",
    "https://app.example/callback?",
    "https://app.example/callback&redirect_uri=https://evil.example",
    "https://app.example/callback;evil",
    "https://app.example/callback#",
    "https://app.example/CALLBACK",
    "https://APP.example/callback",
    "https://app.example./callback",
    "https://app.example:443/callback",
    "https://app.example:8443/callback",
    "https://evil.app.example/callback",
    "https://app.example.evil.example/callback",
    "https://app.exampIe/callback",
    "https://\u0430pp.example/callback",
    "https://app.example%00.evil.example/callback",
    "https://app.example%2eevil.example/callback",
    "https://user:password@app.example/callback",
    "https:app.example/callback",
    "https:/app.example/callback",
    "https:///app.example/callback",
    "https:\\\\app.example\\callback",
    "http://app.example/callback",
    "HTTPS://app.example/callback",
    " https://app.example/callback",
    "https://app.example/callback ",
    "https://app.example/callback\t",
    "https://app.example/callback\r\nLocation: https://evil.example",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://app.example/callback",
    "about:blank",
    "/callback",
    "callback",
    "https://app.example/callback,https://evil.example/",
    "https://app.example/callback https://evil.example/",
]
TAMPERED_LOOPBACK = [
    "http://127.0.0.1/callback/evil",
    "http://127.0.0.1:4711/evil",
    "http://127.0.0.1:4711/callback?x=1",
    "http://127.0.0.1:4711@evil.example/callback",
    "http://127.0.0.1:4711.evil.example/callback",
    "http://127.0.0.1:99999/callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1:0/callback",
    "http://127.0.0.1:-1/callback",
    "http://localhost/callback",
    "http://[::1]/callback",
    "http://127.1/callback",
    "http://2130706433/callback",
    "http://0x7f000001/callback",
    "http://0177.0.0.1/callback",
    "http://127.0.0.2/callback",
    "http://0.0.0.0/callback",
    "http://[::ffff:127.0.0.1]/callback",
    "https://127.0.0.1/callback",
    "http://evil.example#@127.0.0.1/callback",
    "http://evil.example\\@127.0.0.1/callback",
]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "<script>alert(1)</script>"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK + "#x"},
        {"redirect_uri": "https://app.example@evil.example/callback"},
        {"redirect_uri": "https://app.example\\.evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "//evil.example"},
        {"client_id": "unbound", "redirect_uri": None},
        {"client_id": "unbound", "redirect_uri": "javascript:alert(1)//"},
        {"client_id": "unbound", "redirect_uri": "http://evil.example/callback"},
        {"client_id": "native", "redirect_uri": "http://127.0.0.1.evil.example/callback"},
        *({"redirect_uri": uri} for uri in TAMPERED),
        *({"client_id": "native", "redirect_uri": uri} for uri in TAMPERED_LOOPBACK),
    ],
)
async def test_without_a_safe_address_the_person_sees_a_page(
    site: Site, browser: Browser, change: dict[str, str | None]
) -> None:
    """Required by RFC 6749 §3.1.2.4 and §4.1.2.1: never a redirect. 400: clients register anew on it."""
    response = await browser.get(site.build_authorize_url(**change))
    assert response.code == 400
    assert "Location" not in response.headers
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"<script" not in response.body
    assert b"evil.example" not in response.body


@pytest.mark.gen_test
async def test_a_duplicate_of_what_decides_the_address_is_a_page_and_of_the_rest_an_answer(
    site: Site, browser: Browser
) -> None:
    """Required by RFC 6749 §3.1: parameters come once."""
    url = site.build_authorize_url()
    for name in ("client_id", "redirect_uri", "state"):
        assert (await browser.get(f"{url}&{name}=https://evil.example")).code == 400
    for name in ("scope", "code_challenge", "response_type", "prompt"):
        response = await browser.get(f"{url}&{name}=mcp&{name}=mcp")
        assert read_query(response.headers["Location"])["error"] == "invalid_request"
    twice = f"{url}&resource={quote(site.mcp_url)}&resource={quote(site.url)}"
    assert (await browser.get(twice)).headers["Location"].startswith("/login?")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/authorize",
        "/authorize/../x?",
        "/account/../../evil",
        "/account\r\nSet-Cookie: a=b",
        "/authorize?a\r\nSet-Cookie: a=b",
        "/authorize?a\x7f",
        "/authorize?é",
        "/authorize? b",
        "/authorize\t?",
        "/logout",
        "",
        "\\",
        "/login?next=/login",
        "/consent?x",
    ],
)
async def test_sign_in_leads_nowhere_else(site: Site, browser: Browser, target: str) -> None:
    """Required by RFC 9700 §4.11.2 (no open redirector), RFC 9112 §11.1 (response splitting)."""
    answer = await browser.sign_in(url="/login?next=" + quote(target, safe=""))
    assert (answer.code, answer.headers["Location"]) == (303, "/account")


@pytest.mark.gen_test
async def test_the_sign_in_for_a_device_leads_on_to_its_page_and_nowhere_else(start_site: StartSite) -> None:
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


@pytest.mark.gen_test
async def test_no_redirect_after_a_form_takes_the_form_along(site: Site, browser: Browser) -> None:
    """Required by RFC 9700 §4.12: never 307 or 308, with which a browser posts the password to the client."""
    page = await browser.get(site.build_authorize_url())
    login = find_forms(await browser.follow(page))[0]
    answers = [await browser.submit(login, username="ada", password="password")]
    consent = find_forms(await browser.follow(answers[0]))[0]
    answers.append(await browser.submit(consent, action="deny"))
    answers.append(await browser.submit(consent, action="approve"))
    query = site.build_authorize_url().partition("?")[2]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answers.append(await browser.request("POST", "/authorize", body=query, headers=headers))
    account = next(form for form in find_forms(await browser.get("/account")) if form.action == "/logout")
    answers.append(await browser.submit(account))
    assert [answer.code for answer in answers] == [303] * 5
    assert all(answer.headers["Referrer-Policy"] == "no-referrer" for answer in answers)
    assert all(answer.headers["Cache-Control"] == "no-store" for answer in answers)
