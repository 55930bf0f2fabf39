"""What a client chooses, as markup, script or a command on our pages."""

import json

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import Site, read_json, read_query
from web.test_consent import read_address

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
