"""What a client chooses, as markup, script or a command on our pages."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.device_steps import DEVICE_CODE, enter
from web.site import Site, read_json, read_query
from web.test_consent import read_address
from web.test_register import register

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


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


class Shape(HTMLParser):
    """The tags of a page and the names of their attributes: what markup in a value would change."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def read_shape(response: HTTPResponse) -> Shape:
    shape = Shape()
    shape.feed(response.body.decode())
    return shape


MARKUP = [
    XSS,
    "</title></script><svg/onload=alert(1)>",
    "'-alert(1)-'",
    '" autofocus onfocus=alert(1) x="',
    "{{ 7 * 191 }}{% raw 7 * 191 %}{% import os %}",
    "<!-- --><style>*{display:none}</style>",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\x3cscript\x3e\u003cscript\u003e",
    "javascript:alert(1)",
]
FIELDS = ["client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri", "software_id", "scope"]
FIELDS += ["redirect_uris"]


async def open_pages(site: Site, document: dict[str, Any]) -> list[HTTPResponse] | None:
    """Every page that shows something of a client that registered itself; None where it could not."""
    site.clock.advance(5)
    registered = await register(site, {"token_endpoint_auth_method": "none"} | document)
    if registered.code != 201:
        return None
    browser = site.open_browser()
    client_id = read_json(registered)["client_id"]
    device = await browser.post("/device_authorization", {"client_id": client_id})
    url = site.build_authorize_url(client_id=client_id, redirect_uri=None)
    login = await browser.follow(await browser.get(url))
    consent = await browser.open_consent(url)
    shown = await browser.submit(find_forms(consent)[0], action="approve_by_hand")
    code = read_address(shown).partition("code=")[2].partition("&")[0]
    await site.redeem(code, client_id=client_id, client_secret="")
    asked = await enter(browser, read_json(device)["user_code"])
    return [login, consent, shown, asked, await browser.get("/account")]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("field", FIELDS)
async def test_no_field_of_a_client_changes_a_page(site: Site, field: str) -> None:
    """Required by RFC 6749 §10.14 and RFC 7591 §5: every field on every page, for markup, attributes, links
    and templates. The same tags are there as for a client of good manners.
    """
    good: dict[str, Any] = {
        "client_name": "An app",
        "client_uri": "https://app.example/",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "grant_types": ["authorization_code", DEVICE_CODE],
    }
    pages = await open_pages(site, good)
    assert pages is not None
    shapes = [read_shape(page) for page in pages]
    shown = 0
    for text in MARKUP:
        value: object = text
        if field == "redirect_uris":
            value = ["http://127.0.0.1/cb?x=" + "".join(c for c in text if c not in '<>"{}\\ #|')]
        elif field.endswith("_uri"):
            value = text if text.startswith("javascript") else "https://app.example/" + text
        hostile = await open_pages(site, good | {field: value})
        for before, page in zip(shapes, hostile or [], strict=False):
            shown += 1
            after = read_shape(page)
            assert after.found <= before.found, after.found - before.found
            assert not [link for link in after.links if link.lower().startswith(("javascript:", "data:text"))]
            assert b"1337" not in page.body
            assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert shown or field in ("client_uri", "scope", "logo_uri", "tos_uri", "policy_uri")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("text", MARKUP)
async def test_no_parameter_changes_a_page(site: Site, browser: Browser, text: str) -> None:
    """Required by RFC 6749 §10.14: what comes in an address or a form is at most text on the page that says
    what is wrong with it.
    """
    await browser.sign_in()
    names = ["client_id", "redirect_uri", "scope", "state", "resource", "response_type", "code_challenge"]
    names += ["prompt", "request", "request_uri", "response_mode", "nonce"]
    stranger = site.open_browser()
    answers = []
    for name in names:
        for each in (browser, stranger):
            answers.append(await each.get(site.build_authorize_url(**{name: text})))
    answers += [await stranger.sign_in(username=text, password=text), await enter(browser, text)]
    agent = {"User-Agent": text.encode().decode("latin-1")}
    answers.append(await stranger.request("GET", "/login", headers=agent))
    form = find_forms(await browser.get("/account"))[0]
    answers.append(await browser.post("/account", form.fields | {"public_id": text}))
    for answer in answers:
        assert answer.code < 500
        shape = read_shape(answer)
        assert not {"script", "style", "svg", "iframe", "object"} & {tag for tag, _ in shape.found}
        assert not [name for _, attributes in shape.found for name in attributes if name.startswith("on")]
        assert b"1337" not in answer.body
