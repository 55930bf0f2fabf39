"""`/par`, and `/authorize` with what it gave: a client pushes its request, the browser brings the name."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import CALLBACK, CHALLENGE, CLIENTS, SECRET, Site, build_initialize, read_json, read_query

REQUEST = {
    "client_id": "preset",
    "client_secret": SECRET,
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "state": "xyz",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
NATIVE = {"client_id": "native", "client_secret": "", "redirect_uri": "http://127.0.0.1:4321/callback"}


async def post(site: Site, **changed: str) -> HTTPResponse:
    return await site.open_browser().post("/par", REQUEST | changed)


async def push(site: Site, **changed: str) -> str:
    """The address that the client sends the browser to."""
    response = await post(site, **changed)
    assert (response.code, response.headers["Cache-Control"]) == (201, "no-store"), response.body
    document = read_json(response)
    assert set(document) == {"request_uri", "expires_in"}
    query = {"client_id": changed.get("client_id", "preset"), "request_uri": document["request_uri"]}
    return "/authorize?" + urlencode(query)


@pytest.mark.gen_test
async def test_a_person_approves_what_was_pushed(site: Site, browser: Browser) -> None:
    """Required by RFC 9126 §4: the whole way, over a login page that is reloaded, to a token."""
    url = await push(site, scope="mcp")
    for _ in range(3):
        page = await browser.follow(await browser.get(url))
        assert "Preset app" in page.body.decode()
    assert "/login?next=" + quote(url, safe="") in page.effective_url
    location = await browser.approve(url)
    answer = read_query(location)
    assert location.startswith(CALLBACK + "?")
    assert (set(answer), answer["state"]) == ({"code", "state", "iss"}, "xyz")
    tokens = read_json(await site.redeem(answer["code"]))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_a_name_is_used_up_by_its_code(site: Site, browser: Browser) -> None:
    """Required by RFC 9126 §7.3: for the person who goes back, and for whoever found the address."""
    url = await push(site)
    page = await browser.open_consent(url)
    await browser.submit(find_forms(page)[0], action="approve")
    again = await browser.submit(find_forms(page)[0], action="approve")
    for response in (again, await browser.get(url), await site.open_browser().get(url)):
        assert response.code == 400
        assert "start again in the app" in response.body.decode()
        assert "Location" not in response.headers


@pytest.mark.gen_test
async def test_a_denial_is_told_to_the_client(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §4.1.2.1: at the address that was pushed."""
    page = await browser.open_consent(await push(site))
    answer = await browser.submit(find_forms(page)[0], action="deny")
    location = answer.headers["Location"]
    assert location.startswith(CALLBACK + "?")
    assert (read_query(location)["error"], read_query(location)["state"]) == ("access_denied", "xyz")


@pytest.mark.gen_test
async def test_what_stands_beside_the_name_changes_nothing(site: Site, browser: Browser) -> None:
    """Required by RFC 9101 §6.3: neither what is shown nor where the answer goes."""
    url = await push(site, scope="mcp")
    beside = {"redirect_uri": "https://evil.example/", "state": "theirs", "scope": "admin", "prompt": "none"}
    page = await browser.open_consent(url + "&" + urlencode(beside))
    assert "https://evil.example" not in page.body.decode()
    answer = await browser.submit(find_forms(page)[0], action="approve")
    assert answer.headers["Location"].startswith(CALLBACK + "?")
    assert read_query(answer.headers["Location"])["state"] == "xyz"


@pytest.mark.gen_test
async def test_no_consent_is_taken_for_another_request_than_was_shown(site: Site, browser: Browser) -> None:
    """Our choice: the form is bound to the name."""
    shown, other = await push(site), await push(site, scope="mcp admin")
    page = await browser.open_consent(shown)
    form = find_forms(page)[0]
    answer = await browser.post(other.replace("/authorize", "/consent"), form.fields | {"action": "approve"})
    assert (answer.code, "Location" in answer.headers) == (403, False)


@pytest.mark.gen_test
async def test_two_browsers_can_not_both_have_a_code(site: Site) -> None:
    """Required by RFC 9126 §7.3: two people, or one twice, in the same moment."""
    url = await push(site)
    forms = []
    for username in ("ada", "bob"):
        browser = site.open_browser()
        forms.append((browser, find_forms(await browser.open_consent(url, username))[0]))
    answers = await asyncio.gather(*(browser.submit(form, action="approve") for browser, form in forms))
    assert sorted(answer.code for answer in answers) == [303, 400]


@pytest.mark.gen_test
async def test_a_name_lives_as_long_as_the_configuration_says(start_site: StartSite) -> None:
    """Required by RFC 9126 §2.2 (expires_in) and §4 (expired ones are refused)."""
    site = await start_site(settings={"pushed_requests": {"lifetime": "90s"}})
    assert read_json(await post(site))["expires_in"] == 90
    url = await push(site)
    browser = site.open_browser()
    page = await browser.open_consent(url)
    site.clock.advance(90)
    for response in (await browser.get(url), await browser.submit(find_forms(page)[0], action="approve")):
        assert response.code == 400
        assert b"This request has expired" in response.body


@pytest.mark.gen_test
async def test_a_name_outlives_a_restart(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: the person is at the login page while the server is updated."""
    path = str(tmp_path / "state")
    site = await start_site(store=path)
    url = await push(site, prompt="consent")
    used = await push(site)
    await site.open_browser().approve(used)
    await site.server.stop()
    site = await start_site(store=path)
    assert (await site.open_browser().get(used)).code == 400
    assert (await site.open_browser().approve(url)).startswith(CALLBACK)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_request"),
        ({"response_type": "token"}, 400, "unsupported_response_type"),
        ({"code_challenge": ""}, 400, "invalid_request"),
        ({"scope": "nonsense"}, 400, "invalid_scope"),
        ({"resource": "https://evil.example/mcp"}, 400, "invalid_target"),
        ({"request": "eyJ"}, 400, "request_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, 400, "invalid_request"),
        ({"state": "x" * 9000}, 413, "invalid_request"),
    ],
)
async def test_errors_are_json(site: Site, changed: dict[str, str], status: int, error: str) -> None:
    """Required by RFC 9126 §2.3: nothing is sent to any redirect address."""
    response = await post(site, **changed)
    assert (response.code, read_json(response)["error"]) == (status, error)
    assert "Location" not in response.headers
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


@pytest.mark.gen_test
async def test_it_takes_a_form_by_post_alone(site: Site) -> None:
    """Required by RFC 9126 §2.3 (405) and §2.1 (the form)."""
    response = await site.fetch("/par")
    assert (response.code, response.headers["Allow"]) == (405, "POST, OPTIONS")
    body = json.dumps(REQUEST)
    response = await site.fetch(
        "/par", method="POST", body=body, headers={"Content-Type": "application/json"}
    )
    assert (response.code, read_json(response)["error"]) == (400, "invalid_request")


@pytest.mark.gen_test
async def test_basic_authentication_names_the_client_as_well(site: Site) -> None:
    """Required by RFC 9126 §2 (as at the token endpoint)."""
    fields = {name: value for name, value in REQUEST.items() if not name.startswith("client_")}
    basic = base64.b64encode(f"preset:{SECRET}".encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"}
    response = await site.fetch("/par", method="POST", body=urlencode(fields), headers=headers)
    assert response.code == 201
    uri = read_json(response)["request_uri"]
    location = await site.open_browser().approve(f"/authorize?client_id=preset&request_uri={uri}")
    assert location.startswith(CALLBACK)


@pytest.mark.gen_test
@pytest.mark.parametrize("prompt", ["login", "login consent"])
async def test_prompt_login_asks_for_one_sign_in_after_the_push(
    site: Site, browser: Browser, prompt: str
) -> None:
    """Required by OpenID Connect Core §3.1.2.1; nobody can take the word out of a pushed request."""
    await browser.sign_in()
    site.clock.advance(60)
    url = await push(site, prompt=prompt)
    assert (await browser.get(url)).headers["Location"].startswith("/login?")
    page = await browser.open_consent(url)
    assert find_forms(page)[0].action.startswith("/consent?")
    assert (await browser.submit(find_forms(page)[0], action="approve")).code == 303


@pytest.mark.gen_test
async def test_prompt_none_in_a_pushed_request_never_asks(site: Site, browser: Browser) -> None:
    """Required by OpenID Connect Core §3.1.2.1 and RFC 9126 §7.3: one code, though nobody was asked."""
    url = await push(site, prompt="none")
    assert read_query((await browser.get(url)).headers["Location"])["error"] == "login_required"
    await browser.approve(site.build_authorize_url())
    assert "code" in read_query((await browser.get(url)).headers["Location"])
    assert (await browser.get(url)).code == 400


@pytest.mark.gen_test
async def test_another_client_can_not_use_a_name(site: Site, browser: Browser) -> None:
    """Required by RFC 9126 §2.2: and the one that pushed it still can."""
    url = await push(site)
    for client_id in ("native", "unbound", "nobody"):
        response = await browser.get(url.replace("client_id=preset", f"client_id={client_id}"))
        assert (response.code, "Location" in response.headers) == (400, False)
    assert (await browser.approve(url)).startswith(CALLBACK)


@pytest.mark.gen_test
async def test_strangers_push_so_many_and_the_operators_own_client_as_it_needs(start_site: StartSite) -> None:
    """Required by RFC 9126 §2.3 (429); whom it holds is our choice."""
    site = await start_site(settings={"pushed_requests": {"rate_per_minute": 2}})
    for _ in range(2):
        await push(site, **NATIVE)
    response = await post(site, **NATIVE)
    assert (response.code, read_json(response)["error"]) == (429, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) == 30
    for _ in range(5):
        await push(site)
    site.clock.advance(30)
    await push(site, **NATIVE)


@pytest.mark.gen_test
async def test_it_is_advertised_and_can_be_switched_off(start_site: StartSite) -> None:
    """Required by RFC 9126 §5; RFC 8414 §2 for what is left out."""
    document = read_json(await (await start_site()).fetch("/.well-known/oauth-authorization-server"))
    assert document["pushed_authorization_request_endpoint"] == document["issuer"] + "/par"
    assert "require_pushed_authorization_requests" not in document
    assert document["request_uri_parameter_supported"] is False
    site = await start_site(settings={"pushed_requests": {"enabled": False}})
    document = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert "pushed_authorization_request_endpoint" not in document
    assert (await post(site)).code == 404


@pytest.mark.gen_test
async def test_where_it_is_required_nothing_else_is_taken(start_site: StartSite) -> None:
    """Required by RFC 9126 §4 and §5, and §6 for one client."""
    site = await start_site(settings={"pushed_requests": {"required": True}})
    document = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert document["require_pushed_authorization_requests"] is True
    answer = read_query((await site.anyone.get(site.build_authorize_url())).headers["Location"])
    assert (answer["error"], answer["state"]) == ("invalid_request", "xyz")
    assert (await site.open_browser().approve(await push(site))).startswith(CALLBACK)

    clients: list[dict[str, Any]] = [CLIENTS[0] | {"require_pushed_authorization_requests": True}, CLIENTS[1]]
    site = await start_site(clients=clients)
    answer = read_query((await site.anyone.get(site.build_authorize_url())).headers["Location"])
    assert answer["error"] == "invalid_request"
    other = site.build_authorize_url(client_id="native", redirect_uri="http://127.0.0.1:1/callback")
    assert (await site.anyone.get(other)).headers["Location"].startswith("/login?")
    assert (await site.open_browser().approve(await push(site))).startswith(CALLBACK)


@pytest.mark.gen_test
async def test_the_audit_log_says_who_pushed_and_no_more(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: neither the name of a request nor what is in it."""
    path = tmp_path / "audit.log"
    site = await start_site(settings={"audit": {"path": str(path)}})
    url = await push(site, scope="mcp", login_hint="ada@example.com")
    await site.open_browser().approve(url)
    await site.anyone.get(url)
    await post(site, client_secret="wrong")
    await site.server.stop()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (pushed,) = [line for line in lines if line["event"] == "par.pushed"]
    assert (pushed["client"], pushed["scope"], pushed["outcome"]) == ("preset", ["mcp"], "done")
    (approved,) = [line for line in lines if line["event"] == "authorize.approved"]
    assert approved["pushed"] is True
    refused = {(line["event"], line["reason"]) for line in lines if line["outcome"] == "refused"}
    assert refused == {
        ("authorize.refused", "request_uri_unknown"),
        ("par.refused", "client_secret_wrong"),
    }
    for secret in (url, "omt_pr_", "login_hint", CHALLENGE):
        assert secret not in path.read_text()


@pytest.mark.gen_test
async def test_who_disconnects_in_the_moment_of_an_answer_is_asked(site: Site, browser: Browser) -> None:
    """Our choice: no code is left that lets the app in again, and no remembered approval."""
    await browser.approve(site.build_authorize_url())
    store = site.services.store
    has_consent = store.has_consent

    async def look(**asked: Any) -> bool:
        found = await has_consent(**asked)
        await store.disconnect_client(username="ada", client_id="preset", grant_id=b"x" * 16)
        return found

    store.has_consent = look  # type: ignore[method-assign]
    page = await browser.get(site.build_authorize_url())
    assert page.code == 200
    assert find_forms(page)[0].action.startswith("/consent?")
    store.has_consent = has_consent  # type: ignore[method-assign]
    assert (await browser.get(site.build_authorize_url())).code == 200
