"""A client gives a token back."""

from typing import Any

import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.revocation import revoke_token
from omnitornado.oauth.secrets import build_refresh_token

from .world import ISSUER, SECRET, World, build_basic, parse, refused, run


async def revoke(world: World, token: str, /, **changed: Any) -> str:
    members = {"token": token, "client_id": "web", "client_secret": SECRET}
    done = await revoke_token(
        parse(**members | changed), None, world.clients, world.store, issuer=ISSUER, now=world.now
    )
    return done.reason


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "made_up"])
def test_a_refresh_token_ends_everything(hint: str | None) -> None:
    """Required by RFC 7009 §2.1: the access tokens of the grant too. A wrong hint changes nothing."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        body = await world.refresh(first["refresh_token"])
        assert await revoke(world, body["refresh_token"], token_type_hint=hint) == "grant_revoked"
        for token in (first["access_token"], body["access_token"]):
            with pytest.raises(BearerError):
                await world.use(token)
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(body["refresh_token"])
        assert await revoke(world, body["refresh_token"]) == "token_unknown"

    run(scenario)


def test_an_old_refresh_token_ends_the_grant_as_well() -> None:
    """Our choice: the client that held it wants the connection gone."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        body = await world.refresh(first["refresh_token"])
        assert await revoke(world, first["refresh_token"]) == "grant_revoked"
        with pytest.raises(BearerError):
            await world.use(body["access_token"])

    run(scenario)


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token"])
def test_an_access_token_ends_alone(hint: str | None) -> None:
    """Required by RFC 7009 §2.1 (it may end the grant; ours lives on)."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        assert await revoke(world, body["access_token"], token_type_hint=hint) == "access_token_revoked"
        with pytest.raises(BearerError):
            await world.use(body["access_token"])
        await world.use((await world.refresh(body["refresh_token"]))["access_token"])

    run(scenario)


@pytest.mark.parametrize("token", ["x", "omt_rt_x", "é", build_refresh_token(bytes(16))])
def test_an_unknown_token_counts_as_revoked(token: str) -> None:
    """Required by RFC 7009 §2.2."""

    async def scenario(world: World) -> None:
        assert await revoke(world, token) == "token_unknown"

    run(scenario)


def test_a_token_of_another_client_stays() -> None:
    """Required by RFC 7009 §2.1."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        for name in ("access_token", "refresh_token"):
            with refused("invalid_grant", "token_other_client"):
                await revoke(world, body[name], client_id="native", client_secret=None)
        await world.use(body["access_token"])
        await world.refresh(body["refresh_token"])

    run(scenario)


def test_the_client_must_prove_itself() -> None:
    """Required by RFC 7009 §2.1; both ways of authentication work as at the token endpoint."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        for changed, reason in (
            ({"client_secret": "wrong"}, "client_secret_wrong"),
            ({"client_secret": None}, "client_auth_method"),
            ({"client_id": None, "client_secret": None}, "client_id_missing"),
        ):
            with refused("invalid_client", reason):
                await revoke(world, body["refresh_token"], **changed)
        parameters = parse(token=body["refresh_token"])
        header = build_basic("web", SECRET)
        done = await revoke_token(
            parameters, header, world.clients, world.store, issuer=ISSUER, now=world.now
        )
        assert done.reason == "grant_revoked"

    run(scenario)


def test_a_public_client_revokes_with_its_id() -> None:
    """Required by RFC 7009 §2.1 and §5."""

    async def scenario(world: World) -> None:
        code = await world.issue_code("native", redirect_uri="http://127.0.0.1:1/callback")
        public = {"client_id": "native", "client_secret": None}
        body = (await world.redeem(code, **public)).body
        assert await revoke(world, body["refresh_token"], **public) == "grant_revoked"

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"token": None}, "missing_token"), ({"token": ["a", "b"]}, "duplicate_parameter")],
)
def test_a_request_without_one_token_is_refused(changed: dict[str, Any], reason: str) -> None:
    """Required by RFC 7009 §2.1 and RFC 6749 §3.2."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", reason):
            await revoke(world, "x", **changed)

    run(scenario)
