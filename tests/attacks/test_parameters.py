"""Parameters that come twice, in the wrong place, or in a form that two programs read differently."""

import json
from urllib.parse import urlencode

import pytest
from tornado.httpclient import HTTPResponse
from web.browser import Browser, find_forms
from web.site import CALLBACK, CHALLENGE, SECRET, VERIFIER, Site, build_initialize, read_json
from web.wire import build_request, exchange

FORM = "application/x-www-form-urlencoded"
MULTIPART = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--'

ENDPOINTS: dict[str, dict[str, str]] = {
    "/token": {
        "grant_type": "authorization_code",
        "code": "x",
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
        "client_id": "preset",
        "client_secret": SECRET,
        "scope": "mcp",
    },
    "/revoke": {"token": "x", "token_type_hint": "x", "client_id": "preset", "client_secret": SECRET},
    "/par": {
        "client_id": "preset",
        "client_secret": SECRET,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    },
}


async def post(site: Site, path: str, body: str, **headers: str) -> HTTPResponse:
    return await site.fetch(path, method="POST", body=body, headers={"Content-Type": FORM} | headers)


@pytest.mark.gen_test
@pytest.mark.parametrize("path", list(ENDPOINTS))
async def test_a_parameter_that_comes_twice_is_refused(site: Site, path: str) -> None:
    """Required by RFC 6749 §3.2: whichever of the two another program would take, also if they are alike."""
    fields = ENDPOINTS[path]
    for name, value in fields.items():
        for second in (value, "other"):
            for pairs in ([*fields.items(), (name, second)], [(name, second), *fields.items()]):
                response = await post(site, path, urlencode(pairs))
                assert (response.code, read_json(response)["error"]) == (400, "invalid_request"), name


@pytest.mark.gen_test
@pytest.mark.parametrize("path", list(ENDPOINTS))
async def test_a_parameter_counts_in_the_body_alone(site: Site, path: str) -> None:
    """Required by OAuth 2.1 §3.2 and RFC 9126 §2: nothing is added to it, or taken, from the address."""
    fields = ENDPOINTS[path]
    right = await post(site, path, urlencode(fields))
    beside = await post(site, f"{path}?{urlencode(dict.fromkeys(fields, 'other'))}", urlencode(fields))
    assert (beside.code, set(json.loads(beside.body or "{}"))) == (
        right.code,
        set(json.loads(right.body or "{}")),
    )
    response = await post(site, f"{path}?{urlencode(fields)}", "x=1")
    assert response.code in (400, 401)


SPELLINGS = ["client_id[]", "client_id[0]", "Client_Id", "client_id ", " client_id", "client_id\u200b"]
SPELLINGS += ["\u0441lient_id"]


@pytest.mark.gen_test
@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_name_that_is_almost_a_parameters_is_none(site: Site, name: str) -> None:
    """Our choice: what a proxy, or another language, would fold into `client_id` is another name here."""
    response = await post(site, "/token", urlencode({"grant_type": "refresh_token", name: "preset"}))
    assert (response.code, read_json(response)["error"]) == (401, "invalid_client")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps(ENDPOINTS["/token"])),
        ("text/plain", urlencode(ENDPOINTS["/token"])),
        (
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--',
        ),
        ("", urlencode(ENDPOINTS["/token"])),
        (f"text/plain, {FORM}", urlencode(ENDPOINTS["/token"])),
    ],
)
async def test_a_form_is_a_form(site: Site, browser: Browser, content_type: str, body: str) -> None:
    """Required by RFC 6749 §3.2: no other body is read as one."""
    for path in ("/token", "/revoke", "/par", "/login", "/consent", "/logout", "/account", "/device"):
        headers = {"Content-Type": content_type}
        response = await browser.request("POST", path, body=body, headers=headers)
        assert response.code == 400, path
    for charset in ("utf-16", "utf-7", "iso-2022-jp"):
        response = await post(
            site, "/token", "grant_type=%00x", **{"Content-Type": f"{FORM}; charset={charset}"}
        )
        assert (response.code, read_json(response)["error"]) == (400, "invalid_request")


@pytest.mark.gen_test
async def test_two_decisions_are_none(site: Site, browser: Browser) -> None:
    """Our choice: a form with both buttons, or a field twice, goes nowhere."""
    form = find_forms(await browser.open_consent(site.build_authorize_url()))[0]
    for extra in (
        [("action", "deny"), ("action", "approve")],
        [("action", "approve"), ("action", "deny")],
        [("action", "approve"), ("csrf_token", "x")],
    ):
        answer = await browser.post(form.action, [*form.fields.items(), *extra])
        assert (answer.code, answer.headers.get("Location")) == (400, None), extra


OVERRIDES = [
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-HTTP-Method": "DELETE"},
    {"X-Method-Override": "PUT"},
    {"X-Original-URL": "/account", "X-Rewrite-URL": "/account"},
]


@pytest.mark.gen_test
@pytest.mark.parametrize("override", OVERRIDES)
async def test_no_header_makes_a_request_another_one(each_site: Site, override: dict[str, str]) -> None:
    """Our choice: the method and the target are those of the request line."""
    token = (await each_site.obtain_tokens())["access_token"]
    session = await each_site.open_session(token)
    sent = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session, "Content-Type": "application/json"}
    sent |= override | {"Accept": "application/json, text/event-stream"}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    for path in ("/mcp", "/mcp?_method=DELETE"):
        answer = await exchange(
            each_site.port, build_request(f"POST {path}", each_site.port, body=body, headers=sent)
        )
        assert (answer.status, json.loads(answer.body)["result"]) == (200, {})
    request = build_request("GET /login?_method=POST", each_site.port, headers=override)
    assert b"csrf_token" in (await exchange(each_site.port, request)).body
    assert (await each_site.call(token, build_initialize())).code == 200


@pytest.mark.gen_test
async def test_nul_and_what_is_no_text_end_nothing_early(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.14: a name is never cut at a NUL to become another one."""
    for name in ("ada%00", "ada%00x", "%00ada", "ada%ff", "ada%C0%80"):
        form = find_forms(await browser.get("/login"))[0]
        body = f"csrf_token={form.fields['csrf_token']}&username={name}&password=password"
        answer = await browser.request("POST", form.action, body=body, headers={"Content-Type": FORM})
        assert (answer.code, answer.headers.get("Set-Cookie")) == (400, None), name
    for query in (
        "client_id=preset%00",
        "client_id=preset&redirect_uri=https://app.example/callback%00.evil.example",
    ):
        response = await browser.get("/authorize?response_type=code&" + query)
        assert (response.code, response.headers.get("Location")) == (400, None)


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [70_000, 5_000_000])
async def test_a_field_without_end_is_refused(site: Site, browser: Browser, size: int) -> None:
    """Required by RFC 6749 §10.14: nothing is worked on that is longer than any honest field."""
    form = find_forms(await browser.get("/login"))[0]
    for name in ("username", "password", "csrf_token"):
        answer = await browser.submit(form, **{"username": "ada", "password": "x", name: "x" * size})
        assert answer.code == 413
    for path in ("/token", "/register", "/par"):
        assert (await post(site, path, "client_id=" + "x" * size)).code == 413
    long = site.build_authorize_url(state="x" * 60_000)
    assert (await browser.get(long)).code in (302, 431)
