"""`/token`: who may have what, and what everybody else is told."""

import base64
import logging
from typing import Any

import pytest
from oauth.keys import make_key, publish, sign
from tornado.httpclient import HTTPResponse

from omnitornado.oauth.client_assertion import ASSERTION_TYPE

from .browser import Browser
from .conftest import StartSite
from .site import CALLBACK, CLIENTS, SECRET, VERIFIER, Clock, Site, build_initialize, read_json
from .wire import build_request, exchange

FORM = "application/x-www-form-urlencoded"


def build_basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def check_error(response: HTTPResponse, error: str, status: int = 400) -> dict[str, Any]:
    """RFC 6749 §5.2: the one shape of an error."""
    document = read_json(response)
    assert (response.code, document["error"]) == (status, error), document
    assert set(document) <= {"error", "error_description", "error_uri"}
    assert response.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    return document


@pytest.mark.gen_test
async def test_a_code_becomes_tokens_that_no_cache_keeps(site: Site) -> None:
    """Required by RFC 6749 §5.1: expires_in and scope always, no-store."""
    response = await site.redeem(await site.obtain_code(), redirect_uri=CALLBACK)
    assert response.code == 200
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")
    document = read_json(response)
    assert (document["token_type"], document["expires_in"], document["scope"]) == ("Bearer", 3600, "mcp")
    assert set(document) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (await site.call(document["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_a_code_does_not_last(site: Site) -> None:
    """Required by RFC 6749 §4.1.2."""
    code = await site.obtain_code()
    site.clock.advance(60)
    check_error(await site.redeem(code), "invalid_grant")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_grant"),
        ({"client_id": "unbound"}, "invalid_grant"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
    ],
)
async def test_what_is_wrong_is_named_and_uses_nothing_up(
    site: Site, fields: dict[str, str], error: str
) -> None:
    """Required by RFC 6749 §5.2, RFC 7636 §4.6, RFC 8707 §2."""
    code = await site.obtain_code()
    sent = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER} | fields
    check_error(await site.post_token(sent), error)
    assert (await site.redeem(code)).code == 200


@pytest.mark.gen_test
async def test_a_client_may_use_the_way_it_registered_and_no_other(site: Site) -> None:
    """Required by RFC 6749 §2.3 and §5.2: 401 invalid_client with a challenge."""
    ways: list[tuple[dict[str, str], str | None, int]] = [
        ({"client_id": "preset", "client_secret": SECRET}, None, 200),
        ({}, build_basic("preset", SECRET), 200),
        ({"client_id": "preset"}, build_basic("preset", SECRET), 200),
        ({"client_id": "preset"}, build_basic("unbound", SECRET), 400),
        ({"client_secret": SECRET}, build_basic("preset", SECRET), 400),
        ({"client_id": "preset"}, None, 401),
        ({"client_id": "preset", "client_secret": "wrong"}, None, 401),
        ({"client_id": "nobody", "client_secret": SECRET}, None, 401),
        ({}, None, 401),
        ({}, build_basic("preset", "wrong"), 401),
        ({}, build_basic("nobody", SECRET), 401),
        ({}, "Basic", 401),
        ({}, "Basic !!!", 401),
        ({}, "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), 401),
        ({}, "Basic " + base64.b64encode(b"no colon").decode(), 401),
        ({}, "Bearer " + SECRET, 401),
        ({"client_id": "native", "client_secret": "x"}, None, 400),
        ({"client_id": "native"}, None, 400),
    ]
    for fields, authorization, status in ways:
        code = await site.obtain_code()
        headers = {"Content-Type": FORM} | ({"Authorization": authorization} if authorization else {})
        sent = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER} | fields
        body = "&".join(f"{name}={value}" for name, value in sent.items())
        response = await site.open_browser().request("POST", "/token", body=body, headers=headers)
        assert response.code == status, (fields, authorization, response.body)
        if status == 401:
            check_error(response, "invalid_client", 401)
            assert response.headers["WWW-Authenticate"] == f'Basic realm="{site.url}"'


@pytest.mark.gen_test
async def test_two_authorization_headers_are_one_too_many(site: Site) -> None:
    """Required by RFC 9110 §5.3."""
    basic = build_basic("preset", SECRET)
    body = b"grant_type=refresh_token&refresh_token=x"
    request = build_request("POST /token", site.port, body=body, headers={"Content-Type": FORM})
    twice = request.replace(
        b"\r\n\r\n", f"\r\nAuthorization: {basic}\r\nAuthorization: {basic}\r\n\r\n".encode()
    )
    assert (await exchange(site.port, twice)).status == 400


@pytest.mark.gen_test
async def test_a_public_client_redeems_without_a_secret(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §3.2.1: client_id alone; PKCE does the rest."""
    parameters = {"client_id": "native", "redirect_uri": "http://127.0.0.1:7/callback"}
    code = await site.obtain_code(browser, **parameters)
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    response = await browser.post("/token", {"client_id": "native"} | fields)
    assert response.code == 200


@pytest.mark.gen_test
async def test_a_refresh_rotates_and_a_retry_gets_the_same(site: Site) -> None:
    """Required by OAuth 2.1 §4.3.1; the grace is our choice."""
    tokens = await site.obtain_tokens()
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    first, retry = await site.post_token(fields), await site.post_token(fields)
    assert read_json(first) == read_json(retry)
    assert read_json(first)["refresh_token"] != tokens["refresh_token"]
    site.clock.advance(31)
    check_error(await site.post_token(fields), "invalid_grant")
    latest = fields | {"refresh_token": read_json(first)["refresh_token"]}
    check_error(await site.post_token(latest), "invalid_grant")


@pytest.mark.gen_test
async def test_a_refresh_keeps_or_narrows_the_scope(site: Site) -> None:
    """Required by RFC 6749 §6. A resource that is none of the grant's is passed over."""
    tokens = await site.obtain_tokens(scope="mcp admin")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    check_error(await site.post_token(fields | {"scope": "mcp more"}), "invalid_scope")
    narrowed = read_json(await site.post_token(fields | {"scope": "mcp", "resource": "https://else.example"}))
    assert narrowed["scope"] == "mcp"
    again = fields | {"refresh_token": narrowed["refresh_token"]}
    assert read_json(await site.post_token(again))["scope"] == "mcp admin"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", '{"grant_type": "refresh_token"}'),
        ("", "grant_type=refresh_token"),
        ("multipart/form-data; boundary=x", "--x\r\n\r\n--x--"),
        (FORM, ""),
        (FORM, "grant_type=%ff"),
        (FORM, "grant_type=%00"),
        (FORM, "grant_type=a&grant_type=b"),
        (FORM, "client_id=preset&client_id=preset"),
        (FORM, "&".join(f"p{n}=1" for n in range(65))),
    ],
)
async def test_a_body_that_is_no_form_is_invalid(site: Site, content_type: str, body: str) -> None:
    """Required by RFC 6749 §3.2 and §5.2."""
    headers = {"Content-Type": content_type}
    response = await site.fetch("/token", method="POST", headers=headers, body=body)
    assert response.code in (400, 401)
    check_error(response, "invalid_client" if body == "" else "invalid_request", response.code)


@pytest.mark.gen_test
async def test_parameters_in_the_query_count_for_nothing(site: Site) -> None:
    """Required by OAuth 2.1 §3.2: in the body alone; a query ends up in logs."""
    code = await site.obtain_code()
    query = f"grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&client_id=preset"
    response = await site.fetch(
        f"/token?{query}&client_secret={SECRET}", method="POST", headers={"Content-Type": FORM}, body=""
    )
    check_error(response, "invalid_client", 401)


@pytest.mark.gen_test
async def test_any_web_page_may_be_a_client(site: Site) -> None:
    """Required by clients in browsers (Fetch §3.2): nothing here rests on a cookie."""
    headers = {"Origin": "https://page.example", "Content-Type": FORM}
    response = await site.fetch("/token", method="POST", headers=headers, body="client_id=preset")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    headers |= {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = await site.fetch("/token", method="OPTIONS", headers=headers)
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"


@pytest.mark.gen_test
async def test_lifetimes_are_the_configurations(start_site: StartSite) -> None:
    """Our choice ([tokens])."""
    site = await start_site(settings={"tokens": {"access_token_lifetime": "90s"}})
    tokens = await site.obtain_tokens()
    assert tokens["expires_in"] == 90
    site.clock.advance(89)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    site.clock.advance(1)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401


@pytest.mark.gen_test
async def test_no_secret_reaches_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: each stage has a reason, and no code, token, secret or password is in it."""
    caplog.set_level(logging.DEBUG)
    code = await site.obtain_code()
    tokens = read_json(await site.redeem(code))
    await site.call(tokens["access_token"], build_initialize())
    await site.post_token({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    await site.post_token({"token": tokens["access_token"]}, path="/revoke")
    await site.redeem(code)
    for secret in (code, tokens["access_token"], tokens["refresh_token"], SECRET, VERIFIER, "password"):
        assert secret not in caplog.text
    for step in ("authorize.approved", "token.issued reason=code_redeemed", "token.refused", "code_replayed"):
        assert step in caplog.text


@pytest.mark.gen_test
async def test_a_client_that_signs_gets_refreshes_and_gives_back_its_tokens(
    start_site: StartSite, clock: Clock
) -> None:
    """Required by RFC 7523 §2.2: at the token and the revocation endpoint, for every grant."""
    key = make_key()
    client = {"client_id": "signer", "redirect_uris": [CALLBACK], "jwks": publish(key, kid="1")}
    site = await start_site(clients=[*CLIENTS, client])
    numbers = iter(range(100))

    def sign_in(**changed: object) -> dict[str, str]:
        claims = {"iss": "signer", "sub": "signer", "aud": site.url, "jti": str(next(numbers))}
        assertion = sign(claims | {"exp": clock() + 60} | changed, kid="1")
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    async def post(fields: dict[str, str], path: str = "/token") -> HTTPResponse:
        return await site.open_browser().post(path, fields)

    code = await site.obtain_code(client_id="signer")
    asked = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    check_error(await post(asked | {"client_id": "signer"}), "invalid_client", 401)
    check_error(await post(asked | sign_in(aud="https://other.example")), "invalid_client", 401)
    proof = sign_in()
    tokens = read_json(await post(asked | proof))
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    check_error(await post(refresh | proof), "invalid_client", 401)
    tokens = read_json(await post(refresh | sign_in()))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    check_error(await post({"token": tokens["refresh_token"]} | proof, "/revoke"), "invalid_client", 401)
    assert (await post({"token": tokens["refresh_token"]} | sign_in(), "/revoke")).code == 200
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
