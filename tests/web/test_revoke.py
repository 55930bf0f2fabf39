"""`/revoke`: a client gives a token back."""

import pytest

from .site import SECRET, Site, build_initialize, read_json


@pytest.mark.gen_test
async def test_an_access_token_ends_alone(site: Site) -> None:
    """Required by RFC 7009 §2.1."""
    tokens = await site.obtain_tokens()
    response = await site.post_token({"token": tokens["access_token"]}, path="/revoke")
    assert (response.code, response.body, response.headers.get("Content-Type")) == (200, b"", None)
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await site.post_token(fields)).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize("hint", ["", "refresh_token", "access_token", "nonsense"])
async def test_a_refresh_token_takes_everything_with_it(site: Site, hint: str) -> None:
    """Required by RFC 7009 §2.1; the hint is but a hint."""
    tokens = await site.obtain_tokens()
    fields = {"token": tokens["refresh_token"], "token_type_hint": hint}
    assert (await site.post_token(fields, path="/revoke")).code == 200
    assert (await site.call(tokens["access_token"], build_initialize())).code == 401


@pytest.mark.gen_test
@pytest.mark.parametrize("token", ["unknown", "omt_rt_", "omt_at_x", "é", "x" * 10000])
async def test_an_unknown_token_is_as_good_as_revoked(site: Site, token: str) -> None:
    """Required by RFC 7009 §2.2."""
    assert (await site.post_token({"token": token}, path="/revoke")).code == 200


@pytest.mark.gen_test
async def test_errors_are_those_of_the_token_endpoint(site: Site) -> None:
    """Required by RFC 7009 §2.2.1."""
    response = await site.post_token({}, path="/revoke")
    assert (response.code, read_json(response)["error"]) == (400, "invalid_request")
    response = await site.post_token({"token": "x", "client_secret": SECRET + "x"}, path="/revoke")
    assert (response.code, read_json(response)["error"]) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    response = await site.fetch(
        "/revoke", method="POST", body='{"token": "x"}', headers={"Content-Type": "application/json"}
    )
    assert (response.code, read_json(response)["error"]) == (400, "invalid_request")
