"""Consent that the person did not give: framed, forged, or remembered for somebody else."""

import pytest
from web.browser import Browser, find_forms
from web.site import CALLBACK, Site
from web.test_base import PAGES


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
