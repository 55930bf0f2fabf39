"""A store that takes nothing: every endpoint says so in its own form, and nothing is promised."""

import pytest

from .browser import find_forms
from .conftest import QuietLog
from .site import Site, build_initialize, build_stateless, read_json, read_query


@pytest.mark.gen_test
async def test_oauth_endpoints_say_try_again_in_json(site: Site, quiet_log: QuietLog) -> None:
    """Our choice: 503 with Retry-After (RFC 9110 §15.6.4), in the shape of RFC 6749 §5.2."""
    code = await site.obtain_code()
    tokens = await site.obtain_tokens()
    site.break_store()
    quiet_log.expect("token.unavailable reason=store_unavailable")
    quiet_log.expect("revoke.unavailable")
    quiet_log.expect("register.unavailable")
    quiet_log.expect("par.unavailable")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    for response in (
        await site.redeem(code),
        await site.post_token(refresh),
        await site.post_token({"token": tokens["refresh_token"]}, path="/revoke"),
        await site.post_token({"token": tokens["access_token"]}, path="/revoke"),
        await site.fetch("/register", method="POST", body='{"redirect_uris": ["https://a.example/"]}'),
        await site.post_token(read_query(site.build_authorize_url()), path="/par"),
    ):
        assert (response.code, response.headers["Retry-After"]) == (503, "5")
        assert read_json(response) == {
            "error": "temporarily_unavailable",
            "error_description": "the server can't save anything at the moment; try again shortly",
        }


@pytest.mark.gen_test
async def test_pages_say_try_again_to_a_person(site: Site, quiet_log: QuietLog) -> None:
    """Our choice: no code leaves, no session opens."""
    browser, stranger = site.open_browser(), site.open_browser()
    consent = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    account = find_forms(await browser.get("/account"))[0]
    login = find_forms(await stranger.get("/login"))[0]
    site.break_store()
    for event in ("authorize", "consent", "account", "login", "logout", "home"):
        quiet_log.expect(f"{event}.unavailable")
    for response in (
        await browser.get(site.build_authorize_url()),
        await browser.get(site.build_authorize_url(client_id="registered-once")),
        await browser.submit(consent, action="approve"),
        await browser.get("/account"),
        await browser.submit(account),
        await browser.get("/"),
        await stranger.submit(login, username="ada", password="password"),
    ):
        assert (response.code, response.headers["Retry-After"]) == (503, "5"), response.request.url
        assert "Location" not in response.headers
        assert response.headers["Content-Type"].startswith("text/html")
        assert b"save anything" in response.body
        assert b"the disk is full" not in response.body


@pytest.mark.gen_test
async def test_the_mcp_endpoint_says_so_in_json_rpc(site: Site, quiet_log: QuietLog) -> None:
    """Our choice: a token that can't be checked is neither good nor bad: no challenge."""
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "add", "arguments": {}})
    find_access = site.server.authorization_server.store.find_access
    site.break_store()
    quiet_log.expect("mcp.unavailable")
    quiet_log.expect("the store did not take a change")
    responses = [
        await site.call(token, message, **headers),
        await site.call(token, None, method="GET"),
        await site.call(token, None, method="DELETE"),
    ]
    setattr(site.server.authorization_server.store, "find_access", find_access)  # noqa: B010 - for the checker
    responses.append(await site.call(token, build_initialize()))
    for response in responses:
        assert response.code == 503
        assert "WWW-Authenticate" not in response.headers
        assert read_json(response)["error"]["code"] == -32603
        assert b"the disk is full" not in response.body
    assert {response.headers["Retry-After"] for response in responses} == {"5"}
    assert (await site.call(token, None, method="HEAD")).code == 200


@pytest.mark.gen_test
async def test_what_needs_no_store_still_answers(site: Site) -> None:
    """Our choice."""
    site.break_store()
    for path in ("/healthz", "/.well-known/oauth-authorization-server", "/login", "/omnitornado/style.css"):
        assert (await site.fetch(path)).code == 200
    assert (await site.fetch("/mcp")).code == 401
