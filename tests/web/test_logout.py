"""`/logout`: a form of the person's own, and the session is over on the server too."""

import pytest

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import Site


@pytest.mark.gen_test
async def test_signing_out_twice_is_an_answer(site: Site, browser: Browser) -> None:
    """Our choice: the back button and a second click."""
    await browser.sign_in()
    form = find_forms(await browser.get("/account"))[0]
    copy = dict(browser.cookies)
    assert (await browser.submit(form)).code == 303
    browser.cookies = copy
    assert (await browser.submit(form)).code == 303
    assert (await site.open_browser().get("/logout")).code == 200


@pytest.mark.gen_test
async def test_under_https_the_cookie_is_taken_back_as_it_was_given(start_site: StartSite) -> None:
    """Required by RFC 6265bis §5.7: a browser ignores a __Host- cookie that is not Secure."""
    site = await start_site(public_url="https://mcp.example")
    browser = site.open_browser()
    await browser.sign_in()
    answer = await browser.submit(find_forms(await browser.get("/account"))[0])
    line = answer.headers["Set-Cookie"]
    assert line.startswith('__Host-omnitornado_session="";')
    assert "Secure" in line
    assert "Path=/" in line
    assert "expires=" in line
