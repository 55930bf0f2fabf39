"""The token endpoint: the client first, then the grant."""

from typing import Any

import pytest

from .world import SECRET, World, build_basic, refused, run


@pytest.mark.parametrize(
    ("members", "code", "reason"),
    [
        ({"grant_type": None}, "invalid_request", "missing_grant_type"),
        ({"grant_type": ""}, "invalid_request", "missing_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type", "grant_type_unsupported"),
        ({"grant_type": "client_credentials"}, "unauthorized_client", "grant_type_not_registered"),
        ({"grant_type": "implicit"}, "unsupported_grant_type", "grant_type_unsupported"),
        ({"grant_type": "authorization_code "}, "unsupported_grant_type", "grant_type_unsupported"),
        ({"code": None}, "invalid_request", "missing_code"),
        ({"code": ["x", "x"]}, "invalid_request", "duplicate_parameter"),
        ({"grant_type": ["authorization_code", "refresh_token"]}, "invalid_request", "duplicate_parameter"),
        ({"client_id": ["web", "native"]}, "invalid_request", "duplicate_parameter"),
        ({"grant_type": "refresh_token", "code": None}, "invalid_request", "missing_refresh_token"),
        ({"client_secret": None}, "invalid_client", "client_auth_method"),
        ({"client_secret": "wrong", "grant_type": None}, "invalid_client", "client_secret_wrong"),
        ({"client_id": "nobody"}, "invalid_client", "client_unknown"),
    ],
)
def test_a_bad_request_is_refused(members: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 6749 §3.2 and §5.2."""

    async def scenario(world: World) -> None:
        with refused(code, reason):
            await world.redeem("x", **members)

    run(scenario)


def test_a_client_uses_the_grants_it_registered() -> None:
    """Required by RFC 6749 §5.2: unauthorized_client. Left out at registration means the code alone."""

    async def scenario(world: World) -> None:
        client, _ = await world.register(grant_types=None)
        uri = "http://127.0.0.1:1/callback"
        code = await world.issue_code(client.client_id, redirect_uri=uri)
        public = {"client_id": client.client_id, "client_secret": None}
        response = await world.redeem(code, **public)
        assert "refresh_token" not in response.body
        with refused("unauthorized_client", "grant_type_not_registered"):
            await world.refresh("x", **public)

    run(scenario)


def test_basic_works_at_the_token_endpoint() -> None:
    """Required by RFC 6749 §2.3.1."""

    async def scenario(world: World) -> None:
        response = await world.redeem(
            await world.issue_code(),
            authorization=build_basic("web", SECRET),
            client_id=None,
            client_secret=None,
        )
        assert response.body["token_type"] == "Bearer"

    run(scenario)
