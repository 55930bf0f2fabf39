"""`/register` and `/register/{client_id}`: a client introduces itself, and manages its registration."""

import hashlib
import json
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from omnitornado.oauth.registration import register as register_client

from .conftest import StartSite
from .site import Site, build_initialize, read_json

REDIRECT = "http://localhost:3000/callback"
PUBLIC = {
    "redirect_uris": [REDIRECT],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
}


async def register(site: Site, document: object, **headers: str) -> HTTPResponse:
    body = document if isinstance(document, bytes) else json.dumps(document)
    sent = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await site.fetch("/register", method="POST", body=body, headers=sent)


@pytest.mark.gen_test
async def test_a_client_gets_what_it_asked_for(site: Site) -> None:
    """Required by RFC 7591 §3.2.1: everything registered, as it was registered."""
    asked = {
        "redirect_uris": [REDIRECT],
        "client_name": "My app",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "client_uri": "https://app.example",
        "scope": "",
    }
    response = await register(site, asked)
    assert (response.code, response.headers["Cache-Control"]) == (201, "no-store")
    document = read_json(response)
    for name in (
        "redirect_uris",
        "client_name",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
    ):
        assert document[name] == asked[name]
    assert document["client_id_issued_at"] == int(site.clock())
    assert "client_secret" not in document


@pytest.mark.gen_test
async def test_a_client_that_names_no_method_gets_a_secret(site: Site) -> None:
    """Required by RFC 7591 §2 (Basic is the default) and §3.2.1 (expiry stands beside the secret)."""
    document = read_json(await register(site, {"redirect_uris": [REDIRECT]}))
    assert document["token_endpoint_auth_method"] == "client_secret_basic"
    assert document["client_secret_expires_at"] == 0
    assert len(document["client_secret"]) >= 43


@pytest.mark.gen_test
async def test_a_registered_client_goes_all_the_way(site: Site) -> None:
    """Required by MCP 2026-07-28 (Dynamic Client Registration)."""
    document = read_json(
        await register(
            site, {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"}
        )
    )
    client_id, secret = document["client_id"], document["client_secret"]
    code = await site.obtain_code(client_id=client_id, redirect_uri="http://localhost:1/callback")
    assert (await site.redeem(code, client_id=client_id, client_secret=secret)).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://app.example/cb"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/\r\nX: y"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user@app.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [REDIRECT] * 33}, "invalid_redirect_uri"),
        ({"redirect_uris": [REDIRECT], "client_name": 1}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT], "client_name": "x" * 1000}, "invalid_client_metadata"),
        (
            {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt"},
            "invalid_client_metadata",
        ),
        ({"redirect_uris": [REDIRECT], "grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT], "grant_types": {}}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT], "client_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"redirect_uris": [REDIRECT], "scope": ["mcp"]}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        ("text", "invalid_client_metadata"),
        (None, "invalid_client_metadata"),
        (b"", "invalid_client_metadata"),
        (b"{", "invalid_client_metadata"),
        (b"\xff", "invalid_client_metadata"),
        (b'{"a": "\xff"}', "invalid_client_metadata"),
        (b"[" * 60000, "invalid_client_metadata"),
        (b"redirect_uris=x", "invalid_client_metadata"),
    ],
)
async def test_what_can_not_be_registered_is_refused_with_its_code(
    site: Site, document: Any, error: str
) -> None:
    """Required by RFC 7591 §3.2.2."""
    response = await register(site, document)
    assert (response.code, read_json(response)["error"]) == (400, error)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "text", ["\\ud800", "\\udfff x", "\\u0000", "\\ud83d\\ude00", "\\u202e", "\\u001b[31m"]
)
async def test_strange_characters_are_an_answer(site: Site, text: str) -> None:
    """Our choice: half a surrogate pair is JSON (RFC 8259 §8.2), and nothing that can be sent on."""
    for name in (
        "client_name",
        "software_id",
        "software_version",
        "client_uri",
        "application_type",
        "scope",
        "x",
    ):
        body = f'{{"redirect_uris": ["{REDIRECT}"], "{name}": "{text}"}}'.encode()
        response = await register(site, body)
        assert response.code in (201, 400), (name, response.body)
        read_json(response)
    response = await register(site, f'{{"redirect_uris": ["{REDIRECT}"], "contacts": ["{text}"]}}'.encode())
    assert response.code in (201, 400)


@pytest.mark.gen_test
async def test_registration_that_is_off_says_so(start_site: StartSite) -> None:
    """Our choice ([registration] enabled)."""
    site = await start_site(settings={"registration": {"enabled": False}})
    response = await register(site, {"redirect_uris": [REDIRECT]})
    assert (response.code, read_json(response)["error"]) == (403, "access_denied")


@pytest.mark.gen_test
async def test_any_web_page_may_register(site: Site) -> None:
    """Required by clients in browsers (Fetch §3.2)."""
    response = await register(site, {"redirect_uris": [REDIRECT]}, Origin="https://page.example")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def manage(
    site: Site, method: str, registered: dict[str, Any], document: object = None, *, token: str | None = None
) -> HTTPResponse:
    """A request to the address the registration came with."""
    token = token if token is not None else registered["registration_access_token"]
    body = None if document is None else json.dumps(document)
    headers = {"Authorization": f"Bearer {token}"}
    url = registered["registration_client_uri"]
    return await site.open_browser().request(method, url, body=body, headers=headers)


@pytest.mark.gen_test
async def test_a_client_reads_changes_and_deletes_its_registration(site: Site) -> None:
    """Required by RFC 7592 §2.1, §2.2 and §2.3."""
    first = read_json(await register(site, PUBLIC))
    assert first["registration_client_uri"] == f"{site.url}/register/{first['client_id']}"
    response = await manage(site, "GET", first)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
    assert read_json(response) == first

    changed = PUBLIC | {"client_id": first["client_id"], "client_name": "New name"}
    response = await manage(site, "PUT", first, changed)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
    second = read_json(response)
    assert second["client_name"] == "New name"
    assert second["registration_access_token"] != first["registration_access_token"]
    for method, document in (("GET", None), ("PUT", changed), ("DELETE", None)):
        assert (await manage(site, method, first, document)).code == 401
    assert read_json(await manage(site, "GET", second)) == second

    response = await manage(site, "DELETE", second)
    assert (response.code, response.body) == (204, b"")
    for method, document in (("GET", None), ("PUT", changed), ("DELETE", None)):
        assert (await manage(site, method, second, document)).code == 401


@pytest.mark.gen_test
async def test_deleting_a_client_ends_its_access_at_once(site: Site) -> None:
    """Required by RFC 7592 §2.3."""
    registered = read_json(await register(site, PUBLIC))
    browser = site.open_browser()
    code = await site.obtain_code(browser, client_id=registered["client_id"], redirect_uri=REDIRECT)
    public = {"client_id": registered["client_id"], "client_secret": ""}
    tokens = read_json(await site.redeem(code, **public))
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200
    assert (await manage(site, "DELETE", registered)).code == 204
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]} | public
    response = await site.post_token(fields)
    assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
    assert b"No app is connected yet." in (await browser.get("/account")).body


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"redirect_uris": ["http://evil.example/"]}, "invalid_redirect_uri"),
        ({"client_id": "preset"}, "invalid_request"),
        ({"client_secret": "mine"}, "invalid_request"),
        ({"registration_access_token": "mine"}, "invalid_request"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"software_statement": "a.b.c"}, "unapproved_software_statement"),
        ([], "invalid_client_metadata"),
        (None, "invalid_client_metadata"),
    ],
)
async def test_an_update_that_can_not_be_is_refused_and_changes_nothing(
    site: Site, document: Any, error: str
) -> None:
    """Required by RFC 7592 §2.2 and RFC 7591 §3.2.2."""
    registered = read_json(await register(site, PUBLIC))
    body = (
        PUBLIC | {"client_id": registered["client_id"]} | document if isinstance(document, dict) else document
    )
    response = await manage(site, "PUT", registered, body)
    assert (response.code, read_json(response)["error"]) == (400, error)
    assert read_json(await manage(site, "GET", registered)) == registered


@pytest.mark.gen_test
async def test_a_registration_is_managed_where_nobody_can_register_any_more(start_site: StartSite) -> None:
    """Our choice ([registration] enabled)."""
    site = await start_site(settings={"registration": {"enabled": False}})
    assert (await register(site, PUBLIC)).code == 403
    earlier, _ = await register_client(PUBLIC, site.services.registration, now=site.clock())
    registered = earlier.build_response(site.url)
    assert (await manage(site, "DELETE", registered)).code == 204


@pytest.mark.gen_test
async def test_an_initial_access_token_lets_a_client_register(start_site: StartSite) -> None:
    """Required by RFC 7591 §3."""
    token = "an-initial-access-token"
    hashed = "sha256:" + hashlib.sha256(b"another-initial-token").hexdigest()
    site = await start_site(settings={"registration": {"initial_access_tokens": [token, hashed]}})
    response = await register(site, PUBLIC)
    assert (response.code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    for wrong in ("wrong", hashed, ""):
        response = await register(site, PUBLIC, Authorization=f"Bearer {wrong}")
        assert (response.code, read_json(response)["error"]) == (401, "invalid_token")
    for right in (token, "another-initial-token"):
        assert (await register(site, PUBLIC, Authorization=f"Bearer {right}")).code == 201


@pytest.mark.gen_test
async def test_a_web_page_may_manage_its_registration(site: Site) -> None:
    """Required by clients in browsers (Fetch §3.2): the preflight of PUT with a token."""
    headers = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = await site.fetch("/register/x", method="OPTIONS", headers=headers)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "PUT" in response.headers["Access-Control-Allow-Methods"]
    assert "authorization" in response.headers["Access-Control-Allow-Headers"]
