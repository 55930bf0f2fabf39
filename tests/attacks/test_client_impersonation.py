"""One client that passes for another."""

import pytest
from web.site import Site, build_initialize, read_json
from web.test_register import PUBLIC, manage, register


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
