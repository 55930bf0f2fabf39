"""`/authorize`: where each answer goes, and what it carries."""

from urllib.parse import quote, unquote, urlsplit

import pytest

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import CALLBACK, SECRET, Site, read_query
from .wire import build_request, exchange


@pytest.mark.gen_test
async def test_a_stranger_is_sent_to_the_login_and_comes_back(site: Site, browser: Browser) -> None:
    """Required by clients that take a 401 here for a failure; RFC 6749 §3.1 leaves the login open."""
    url = site.build_authorize_url()
    response = await browser.get(url)
    assert response.code == 302
    assert response.headers["Location"] == "/login?next=" + quote(url, safe="")
    page = await browser.follow(response)
    assert "Preset app" in page.body.decode()
    answer = await browser.submit(find_forms(page)[0], username="ada", password="password")
    assert (answer.code, answer.headers["Location"]) == (303, url)


@pytest.mark.gen_test
async def test_an_approval_answers_with_code_state_and_iss(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §4.1.2 and RFC 9207 §2."""
    location = await browser.approve(site.build_authorize_url(state="a b&c=é'\"<>%00"[:-3]))
    assert location.startswith(CALLBACK + "?")
    answer = read_query(location)
    assert answer["state"] == "a b&c=é'\"<>"
    assert answer["iss"] == site.url
    assert set(answer) == {"code", "state", "iss"}


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": 'a"b'}, "invalid_scope"),
        ({"scope": "<script>"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"resource": "not a url"}, "invalid_target"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
    ],
)
async def test_an_error_goes_to_the_client_with_state_and_iss(
    site: Site, browser: Browser, change: dict[str, str | None], error: str
) -> None:
    """Required by RFC 6749 §4.1.2.1, RFC 9207 §2, RFC 8707 §2, RFC 7636 §4.4.1."""
    response = await browser.get(site.build_authorize_url(**change))
    assert response.code == 302
    assert response.headers["Location"].startswith(CALLBACK + "?")
    answer = read_query(response.headers["Location"])
    assert answer["error"] == error
    assert (answer["state"], answer["iss"]) == ("xyz", site.url)
    assert "code" not in answer
    assert not set(answer["error_description"]) & set('"\\')  # RFC 6749 appendix A.8


@pytest.mark.gen_test
async def test_an_error_without_state_has_none(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §4.1.2.1: state if and only if it was sent."""
    response = await browser.get(site.build_authorize_url(state=None, response_type="token"))
    assert "state" not in read_query(response.headers["Location"])


@pytest.mark.gen_test
async def test_loopback_redirects_match_with_any_port(site: Site) -> None:
    """Required by RFC 8252 §7.3."""
    for port in (1, 33418, 65535):
        uri = f"http://127.0.0.1:{port}/callback"
        url = site.build_authorize_url(client_id="native", redirect_uri=uri)
        location = await site.open_browser().approve(url)
        assert location.startswith(uri + "?")


@pytest.mark.gen_test
async def test_the_only_registered_address_may_be_left_out(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §3.1.2.3."""
    assert (await browser.approve(site.build_authorize_url(redirect_uri=None))).startswith(CALLBACK + "?")


@pytest.mark.gen_test
async def test_prompt_none_never_asks(site: Site, browser: Browser) -> None:
    """Required by OpenID Connect Core §3.1.2.1, which MCP clients borrow."""
    await browser.sign_in()
    response = await browser.get(site.build_authorize_url(prompt="none"))
    assert read_query(response.headers["Location"])["error"] == "consent_required"
    await browser.approve(site.build_authorize_url())
    response = await browser.get(site.build_authorize_url(prompt="none"))
    assert response.code == 302
    assert "code" in read_query(response.headers["Location"])


@pytest.mark.gen_test
@pytest.mark.parametrize("prompt", ["login", "login consent", "consent\tlogin"])
async def test_prompt_login_asks_for_the_password_once(site: Site, browser: Browser, prompt: str) -> None:
    """Required by OpenID Connect Core §3.1.2.1."""
    await browser.sign_in()
    response = await browser.get(site.build_authorize_url(prompt=prompt))
    assert response.headers["Location"].startswith("/login?")
    page = await browser.follow(response)
    page = await browser.follow(
        await browser.submit(find_forms(page)[0], username="ada", password="password")
    )
    assert "action" not in find_forms(page)[0].fields
    assert find_forms(page)[0].action.startswith("/consent?")


@pytest.mark.gen_test
async def test_prompt_consent_asks_again(site: Site, browser: Browser) -> None:
    """Required by OpenID Connect Core §3.1.2.1."""
    await browser.approve(site.build_authorize_url())
    assert (await browser.get(site.build_authorize_url())).code == 302
    assert (await browser.get(site.build_authorize_url(prompt="consent"))).code == 200


@pytest.mark.gen_test
async def test_a_request_by_post_goes_on_as_get(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §3.1: POST may be supported. A Lax cookie does not come with it."""
    await browser.sign_in()
    query = urlsplit(site.build_authorize_url(state="a b&é", resource=site.mcp_url)).query
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await browser.request("POST", "/authorize", body=query, headers=headers)
    assert response.code == 303
    page = await browser.get(response.headers["Location"])
    assert "Preset app" in page.body.decode()
    answer = await browser.submit(find_forms(page)[0], action="approve")
    assert read_query(answer.headers["Location"])["state"] == "a b&é"
    twice = await browser.request("POST", "/authorize", body=query + "&state=2", headers=headers)
    assert twice.code == 400
    wrong = await browser.request(
        "POST", "/authorize", body="{}", headers={"Content-Type": "application/json"}
    )
    assert wrong.code == 400


@pytest.mark.gen_test
async def test_bytes_beyond_ascii_reach_the_client_as_they_were_sent(site: Site) -> None:
    """Required by RFC 6749 §4.1.2: the exact value of state. Some programs send such a URL."""
    line = "GET " + site.build_authorize_url(response_type="token", state="STATE").replace("STATE", "Ã©")
    answer = await exchange(site.port, build_request(line, site.port))
    assert answer.status == 302
    assert unquote(answer.headers["location"].partition("state=")[2].partition("&")[0]) == "é"
    line = "GET " + site.build_authorize_url(state="STATE").replace("STATE", "Ã©")
    answer = await exchange(site.port, build_request(line, site.port))
    assert answer.headers["location"].startswith("/login?next=%2Fauthorize%3F")
    assert answer.headers["location"].isascii()


@pytest.mark.gen_test
async def test_the_issuer_is_the_name_the_browser_used(site: Site) -> None:
    """Our choice ([server] public_url): iss equals the issuer of the document the client read."""
    line = "GET " + site.build_authorize_url(response_type="token")
    for name in ("localhost", "[::1]"):
        answer = await exchange(
            site.port, build_request(line, site.port, headers={"Host": f"{name}:{site.port}"})
        )
        assert read_query(answer.headers["location"])["iss"] == f"http://{name}:{site.port}"


@pytest.mark.gen_test
async def test_the_issuer_is_the_public_one_where_there_is_one(start_site: StartSite) -> None:
    """Required by RFC 9207 §2."""
    site = await start_site(public_url="https://mcp.example")
    response = await site.anyone.get(site.build_authorize_url(response_type="token"))
    assert read_query(response.headers["Location"])["iss"] == "https://mcp.example"


@pytest.mark.gen_test
async def test_a_preset_client_keeps_to_its_scopes(start_site: StartSite) -> None:
    """Our choice ([[clients]] scope)."""
    client = {"client_id": "preset", "client_secret": SECRET, "redirect_uris": [CALLBACK], "scope": "mcp"}
    site = await start_site(clients=[client])
    response = await site.anyone.get(site.build_authorize_url(scope="admin"))
    assert read_query(response.headers["Location"])["error"] == "invalid_scope"


@pytest.mark.gen_test
async def test_an_unknown_client_is_told_what_to_do(site: Site) -> None:
    """Required by users of such servers: a page a person can read."""
    response = await site.anyone.get(site.build_authorize_url(client_id="gone"))
    assert b"add it again" in response.body
