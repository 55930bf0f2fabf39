"""One client that passes for another."""

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from oauth.keys import forge, make_key, publish, sign
from web.conftest import StartSite
from web.site import CALLBACK, CLIENTS, SECRET, Site, build_initialize, read_json
from web.test_register import PUBLIC, manage, register

from omnitornado.oauth.client_assertion import ASSERTION_TYPE


@pytest.mark.gen_test
async def test_the_token_of_another_client_opens_nothing(site: Site) -> None:
    """Required by RFC 7592 §2.1; RFC 6750 §3 (the challenge)."""
    mine, other = read_json(await register(site, PUBLIC)), read_json(await register(site, PUBLIC))
    stolen = other["registration_access_token"]
    for method, document in (("GET", None), ("PUT", PUBLIC), ("DELETE", None)):
        for target in (mine, mine | {"registration_client_uri": f"{site.url}/register/preset"}):
            response = await manage(site, method, target, document, token=stolen)
            assert (response.code, read_json(response)["error"]) == (401, "invalid_token")
            assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    response = await site.fetch(f"/register/{mine['client_id']}")
    assert (response.code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert read_json(await manage(site, "GET", mine)) == mine


@pytest.mark.gen_test
async def test_only_the_client_it_was_issued_to_may(site: Site) -> None:
    """Required by RFC 7009 §2.1."""
    tokens = await site.obtain_tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        response = await site.post_token({"token": token, "client_id": "unbound"}, path="/revoke")
        assert (response.code, read_json(response)["error"]) == (400, "invalid_grant")
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200


def build_basic(client_id: str, secret: str) -> dict[str, str]:
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}


UNSIGNED = forge({"alg": "none"}, {"iss": "preset", "sub": "preset"})

IMPOSTORS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "no secret": ({"client_id": "preset"}, {}),
    "an empty secret": ({"client_id": "preset", "client_secret": ""}, {}),
    "the id for a secret": ({"client_id": "preset", "client_secret": "preset"}, {}),
    "a part of the secret": ({"client_id": "preset", "client_secret": SECRET[:-1]}, {}),
    "another case": ({"client_id": "preset", "client_secret": SECRET.upper()}, {}),
    "another case of the id": ({"client_id": "Preset", "client_secret": SECRET}, {}),
    "a space behind the id": ({"client_id": "preset ", "client_secret": SECRET}, {}),
    "a cyrillic letter": ({"client_id": "pr\u0435set", "client_secret": SECRET}, {}),
    "basic without a secret": ({}, build_basic("preset", "")),
    "basic for another than the body": ({"client_id": "unbound"}, build_basic("preset", SECRET)),
    "basic beside a secret": ({"client_secret": SECRET}, build_basic("preset", SECRET)),
    "basic with a colon": ({}, build_basic("preset:", SECRET)),
    "a bearer token": ({"client_id": "preset"}, {"Authorization": f"Bearer {SECRET}"}),
    "an assertion of nobody": (
        {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": UNSIGNED,
        },
        {},
    ),
    "a secret beside an assertion": (
        {"client_id": "preset", "client_secret": SECRET, "client_assertion_type": ASSERTION_TYPE},
        {},
    ),
}


@pytest.mark.gen_test
@pytest.mark.parametrize("impostor", list(IMPOSTORS))
async def test_nobody_is_a_client_without_what_proves_it(site: Site, impostor: str) -> None:
    """Required by RFC 6749 §10.1 and §2.3: wherever a client proves itself, and one way at a time."""
    tokens = await site.obtain_tokens()
    fields, headers = IMPOSTORS[impostor]
    for path, extra in (
        ("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
        ("/revoke", {"token": tokens["refresh_token"]}),
        ("/par", {"response_type": "code", "redirect_uri": CALLBACK}),
    ):
        browser = site.open_browser()
        if headers:
            sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
            response = await browser.request("POST", path, body=urlencode(extra | fields), headers=sent)
        else:
            response = await browser.post(path, extra | fields)
        assert response.code in (400, 401), (path, response.body)
        assert read_json(response)["error"] in ("invalid_client", "invalid_request"), path
    site.clock.advance(60)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_who_registers_takes_nothing_from_those_that_are_there(site: Site) -> None:
    """Required by RFC 7591 §5: neither an id, nor a secret, nor a registration of somebody else's."""
    wanted: dict[str, Any] = {
        "client_id": "preset",
        "client_secret": SECRET,
        "client_id_issued_at": 0,
        "registration_access_token": "mine",
        "registration_client_uri": f"{site.url}/register/preset",
    }
    mine = read_json(await register(site, PUBLIC | wanted))
    assert mine["client_id"] not in ("preset", "native", "unbound")
    assert mine["registration_access_token"] != "mine"
    assert mine["registration_client_uri"] == f"{site.url}/register/{mine['client_id']}"
    update = PUBLIC | {"client_id": "preset"}
    assert (await manage(site, "PUT", mine, update)).code == 400
    assert (await site.post_token({"grant_type": "none"})).code == 400


@pytest.mark.gen_test
async def test_an_assertion_is_one_clients_for_this_server_and_once(start_site: StartSite) -> None:
    """Required by RFC 7523 §3 and RFC 9700 §2.5: not by another's key, for another server, in another's name,
    or a second time.
    """
    signing = {
        "client_id": "signing",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": publish(make_key()),
    }
    site = await start_site(clients=[*CLIENTS, signing])

    def build(**changed: Any) -> dict[str, Any]:
        claims = {"iss": "signing", "sub": "signing", "aud": site.url, "exp": site.clock() + 60, "jti": "one"}
        return claims | changed

    async def send(assertion: str) -> int:
        sent = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "token": "x"}
        return (await site.open_browser().post("/revoke", sent)).code

    wrong: list[dict[str, Any]] = [
        {"aud": "https://other.example"},
        {"aud": [site.url, "https://other.example"]},
        {"iss": "preset", "sub": "preset"},
        {"sub": "preset"},
        {"exp": site.clock() - 3600},
    ]
    for number, changed in enumerate(wrong):
        assert await send(sign(build(jti=str(number), **changed))) in (400, 401), changed
        site.clock.advance(3600)
    other = make_key(name="other")
    assert await send(sign(build(jti="other"), key=other)) == 401
    assert await send(forge({"alg": "none"}, build(jti="none"))) in (400, 401)
    site.clock.advance(3600)
    good = sign(build())
    assert [await send(good), await send(good)] == [200, 401]
