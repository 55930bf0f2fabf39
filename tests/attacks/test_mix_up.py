"""Responses that a client could take for another server's."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from web.browser import Browser, find_forms
from web.site import CALLBACK, Site, read_json

ERRORS: dict[str, dict[str, str | None]] = {
    "invalid_request": {"code_challenge": None},
    "unsupported_response_type": {"response_type": "token"},
    "invalid_scope": {"scope": "nothing"},
    "invalid_target": {"resource": "https://evil.example"},
    "login_required": {"prompt": "none"},
    "request_not_supported": {"request": "eyJ"},
}


@pytest.mark.gen_test
async def test_every_response_names_this_server_once(site: Site, browser: Browser) -> None:
    """Required by RFC 9207 §2 and RFC 9700 §4.4.2.1: successes, denials and errors; and it is the issuer of
    the document that the client began with.
    """
    metadata = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert metadata["authorization_response_iss_parameter_supported"] is True
    locations = []
    for error, change in ERRORS.items():
        location = (await browser.get(site.build_authorize_url(**change))).headers["Location"]
        assert ("error", error) in parse_qsl(urlsplit(location).query)
        locations.append(location)
    page = await browser.open_consent(site.build_authorize_url())
    locations.append((await browser.submit(find_forms(page)[0], action="deny")).headers["Location"])
    locations.append(await browser.approve(site.build_authorize_url(prompt="consent")))
    for location in locations:
        named = [value for name, value in parse_qsl(urlsplit(location).query) if name == "iss"]
        assert named == [metadata["issuer"]], location


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "extra",
    [
        "&iss=https://evil.example",
        "&state2=1&iss=https://evil.example&code=stolen",
        "&error=access_denied&error_description=x",
    ],
)
async def test_nothing_in_a_request_changes_who_answers(site: Site, browser: Browser, extra: str) -> None:
    """Required by RFC 9207 §2.4: neither a parameter of its own, nor one that hides in `state`."""
    url = site.build_authorize_url(state="x" + extra, prompt="consent") + extra
    location = await browser.approve(url)
    pairs = parse_qsl(urlsplit(location).query)
    assert [name for name, _ in pairs] == ["code", "state", "iss"]
    assert dict(pairs)["state"] == "x" + extra
    assert dict(pairs)["iss"] == site.url
    assert location.startswith(CALLBACK + "?code=")
    assert quote(extra, safe="") in location
