"""Tokens of others at the MCP endpoint, and good ones where tokens don't belong."""

import base64
import json
from urllib.parse import urlencode

import pytest
from web.site import SECRET, Site, build_initialize, read_json
from web.wire import build_request, exchange


def build_jwt(header: dict[str, str], claims: dict[str, object]) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.gen_test
async def test_no_token_but_one_of_this_servers_own_opens_the_endpoint(site: Site) -> None:
    """Required by MCP security best practices (Token Passthrough): a token that another server issued, of
    whatever kind, and every other secret that this server knows.
    """
    browser = site.open_browser()
    tokens = await site.obtain_tokens(browser)
    claims = {"iss": site.url, "aud": site.mcp_url, "sub": "ada", "scope": "mcp", "exp": 9_999_999_999}
    (cookie,) = browser.cookies.values()
    access = tokens["access_token"]
    foreign = [
        build_jwt({"alg": "none", "typ": "at+jwt"}, claims),
        build_jwt({"alg": "HS256"}, claims) + "AAAA",
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
        tokens["refresh_token"],
        cookie,
        SECRET,
        "preset",
        access[:-1],
        access + "A",
        access.swapcase(),
        access.removeprefix("omt_at_"),
        "",
        "null",
        "undefined",
    ]
    for token in foreign:
        response = await site.call(token, build_initialize())
        assert response.code == 401, token
        assert "resource_metadata=" in response.headers["WWW-Authenticate"]
        if len(token) > 20:
            assert token.encode() not in response.body
            assert token not in response.headers["WWW-Authenticate"]


@pytest.mark.gen_test
async def test_a_token_counts_in_the_header_alone(site: Site) -> None:
    """Required by RFC 6750 §5.3 and OAuth 2.1 §5.1: an address ends up in logs and histories. A cookie is no
    token either, so no page can call the endpoint with it.
    """
    browser = site.open_browser()
    token = (await site.obtain_tokens(browser))["access_token"]
    message = json.dumps(build_initialize())
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    response = await site.fetch(f"/mcp?access_token={token}", method="POST", body=message, headers=headers)
    assert response.code == 401
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"access_token": token})
    assert (await site.fetch("/mcp", method="POST", body=body, headers=form)).code == 401
    assert (await browser.request("POST", "/mcp", body=message, headers=headers)).code == 401
    for name in ("X-Access-Token", "X-Authorization", "Proxy-Authorization", "X-Forwarded-Access-Token"):
        response = await site.fetch(
            "/mcp", method="POST", body=message, headers=headers | {name: f"Bearer {token}"}
        )
        assert response.code == 401, name


@pytest.mark.gen_test
async def test_two_tokens_are_none(each_site: Site) -> None:
    """Required by RFC 9110 §5.3: two readers must not each take another one."""
    token = (await each_site.obtain_tokens())["access_token"]
    body = json.dumps(build_initialize()).encode()
    for lines in (
        f"Authorization: Bearer {token}\r\nAuthorization: Bearer x",
        f"Authorization: Bearer x\r\nAuthorization: Bearer {token}",
        f"Authorization: Bearer {token}, Bearer x",
        f"Authorization: Bearer x Bearer {token}",
        f"Authorization: Bearer {token}\r\n\tx",
    ):
        head = build_request("POST /mcp", each_site.port, body=body)
        head = head.replace(b"\r\n\r\n", f"\r\n{lines}\r\nContent-Type: application/json\r\n\r\n".encode(), 1)
        answer = await exchange(each_site.port, head)
        assert answer.status in (400, 401), lines


@pytest.mark.gen_test
async def test_no_answer_carries_a_token_but_the_one_that_issues_it(site: Site) -> None:
    """Required by RFC 6749 §10.3: not an address, not a page, and nothing that a cache may keep."""
    browser = site.open_browser()
    location = await browser.approve(site.build_authorize_url(prompt="consent"))
    assert "token" not in location
    response = await site.redeem(location.partition("code=")[2].partition("&")[0])
    assert response.headers["Cache-Control"] == "no-store"
    tokens = read_json(response)
    for path in ("/account", "/", "/login", "/device"):
        page = await browser.get(path)
        for secret in (tokens["access_token"], tokens["refresh_token"], *browser.cookies.values()):
            assert secret.encode() not in page.body
