"""A device code for tokens."""

import asyncio
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.device import DeviceRequest
from omnitornado.oauth.errors import OAuthError

from .world import ADA, BOB, FILES, ISSUER, SECRET, World, refused, run


async def approve(world: World, *scope: str, **members: Any) -> DeviceRequest:
    request = await world.ask_device(**members)
    assert await world.decide(request, *(scope or request.device.scope))
    return request


def test_a_device_waits_and_then_has_its_tokens() -> None:
    """Required by RFC 8628 §3.4 and §3.5."""

    async def scenario(world: World) -> None:
        request = await world.ask_device()
        for _ in range(3):
            with refused("authorization_pending", "device_pending"):
                await world.poll(request.device_code)
            world.advance(5)
        await world.decide(request, "mcp")
        body = await world.poll(request.device_code)
        assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "mcp")
        bearer = await world.use(body["access_token"])
        assert (bearer.username, bearer.client_id) == ("ada", "tv")
        (grant,) = await world.store.find_grants("ada", now=world.now)
        assert (grant.redirect_uri, grant.client_name) == ("", "TV")
        refreshed = await world.refresh(body["refresh_token"], client_id="tv", client_secret=None)
        await world.use(refreshed["access_token"])

    run(scenario)


def test_a_client_that_may_not_refresh_gets_no_refresh_token() -> None:
    """Required by OAuth 2.1 §4.3: as with a code."""

    async def scenario(world: World) -> None:
        members = {"client_id": "box", "client_secret": SECRET}
        request = await approve(world, **members)
        assert "refresh_token" not in await world.poll(request.device_code, **members)

    run(scenario)


def test_polling_too_often_is_answered_with_slow_down() -> None:
    """Required by RFC 8628 §3.5: and the interval grows by five seconds."""

    async def scenario(world: World) -> None:
        request = await world.ask_device()
        with refused("authorization_pending", "device_pending"):
            await world.poll(request.device_code)
        world.advance(2)
        with refused("slow_down", "device_slow_down"):
            await world.poll(request.device_code)
        world.advance(6)
        with refused("slow_down", "device_slow_down"):
            await world.poll(request.device_code)
        world.advance(15)
        with refused("authorization_pending", "device_pending"):
            await world.poll(request.device_code)
        await world.decide(request, "mcp")
        await world.poll(request.device_code)

    run(scenario)


def test_a_refusal_and_an_end_are_told() -> None:
    """Required by RFC 8628 §3.5: access_denied and expired_token, each with 400 (RFC 6749 §5.2)."""

    async def scenario(world: World) -> None:
        refusal, late = await world.ask_device(), await world.ask_device()
        await world.decide(refusal)
        with refused("access_denied", "denied", status=400):
            await world.poll(refusal.device_code)
        world.advance(600)
        with refused("expired_token", "device_code_expired"):
            await world.poll(late.device_code)
        assert not await world.decide(late, "mcp")
        with refused("expired_token", "device_code_expired"):
            await world.poll(refusal.device_code)
        world.advance(600)
        with refused("invalid_grant", "device_code_unknown"):
            await world.poll(late.device_code)

    run(scenario)


def test_an_approval_that_is_fetched_too_late_is_worth_nothing() -> None:
    """Required by RFC 8628 §3.5 (expired_token)."""

    async def scenario(world: World) -> None:
        request = await approve(world)
        world.advance(600)
        with refused("expired_token", "device_code_expired"):
            await world.poll(request.device_code)
        assert await world.store.find_grants("ada", now=world.now) == []

    run(scenario)


@pytest.mark.parametrize("later", [0.0, 700.0])
def test_a_replay_ends_what_the_first_use_gave(later: float) -> None:
    """Our choice, as RFC 6749 §4.1.2 has it for codes: two parties hold it, so one of them stole it."""

    async def scenario(world: World) -> None:
        request = await approve(world)
        body = await world.poll(request.device_code)
        world.advance(later)
        with refused("invalid_grant", "device_code_replayed"):
            await world.poll(request.device_code)
        with pytest.raises(BearerError):
            await world.use(body["access_token"])
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(body["refresh_token"], client_id="tv", client_secret=None)

    run(scenario)


def test_of_two_polls_at_once_at_most_one_has_tokens_and_they_are_void() -> None:
    """Our choice: a race is a replay."""

    async def scenario(world: World) -> None:
        request = await approve(world)
        found = await asyncio.gather(
            *(world.poll(request.device_code) for _ in range(5)), return_exceptions=True
        )
        bodies = [one for one in found if isinstance(one, dict)]
        assert len(bodies) <= 1
        assert all(
            isinstance(one, OAuthError) and one.code == "invalid_grant" for one in found if one not in bodies
        )
        assert await world.store.find_grants("ada", now=world.now) == []

    run(scenario)


def test_nobody_else_can_use_a_device_code() -> None:
    """Required by RFC 8628 §5.2 and §3.4: bound to its client, who proves itself where it can; nothing is
    used up by trying.
    """

    async def scenario(world: World) -> None:
        request = await approve(world)
        other, _ = await world.register(
            grant_types=["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]
        )
        for changed in ({"client_id": other.client_id}, {"client_id": "box", "client_secret": SECRET}):
            with refused("invalid_grant", "device_code_unknown"):
                await world.poll(request.device_code, **changed)
        with refused("unauthorized_client", "grant_type_not_registered"):
            await world.poll(request.device_code, client_id="native")
        assert (await world.poll(request.device_code))["scope"] == "mcp"
        confidential = await approve(world, client_id="box", client_secret=SECRET)
        with refused("invalid_client", "client_auth_method"):
            await world.poll(confidential.device_code, client_id="box")

    run(scenario)


def test_a_code_that_only_names_the_request_opens_nothing() -> None:
    """Required by RFC 8628 §5.2: the device code has 256 random bits of its own."""

    async def scenario(world: World) -> None:
        request = await approve(world)
        forged = request.device_code[:-4] + ("AAAA" if request.device_code[-4:] != "AAAA" else "BBBB")
        for code in (forged, request.user_code, "omt_dc_", "x", "é", request.device_code + "A"):
            with refused("invalid_grant", "device_code_unknown"):
                await world.poll(code)
        with refused("invalid_request", "missing_device_code"):
            await world.poll(request.device_code, device_code=None)
        await world.poll(request.device_code)

    run(scenario)


def test_a_token_is_for_what_was_approved_and_no_more() -> None:
    """Required by RFC 8707 §2.2 and RFC 6749 §3.3: scope and resource can be narrowed, never widened."""

    async def scenario(world: World) -> None:
        both = [ISSUER + "/mcp", ISSUER + "/files/mcp"]
        request = await approve(world, "mcp", scope="mcp files", resource=ISSUER + "/mcp")
        with refused("invalid_target", "resource_widened"):
            await world.poll(request.device_code, resource=both)
        body = await world.poll(request.device_code, scope="mcp files")
        assert body["scope"] == "mcp"
        with pytest.raises(BearerError):
            await world.use(body["access_token"], FILES)
        request = await approve(world, resource=both)
        body = await world.poll(request.device_code, resource=ISSUER + "/files/mcp")
        await world.use(body["access_token"], FILES)
        with pytest.raises(BearerError):
            await world.use(body["access_token"])

    run(scenario)


def test_a_person_who_is_gone_or_allowed_less_gives_no_more() -> None:
    """Our choice: as with a code."""

    async def scenario(world: World) -> None:
        gone, less = (
            await approve(world, "mcp", "files"),
            await approve(world, "mcp", "files", scope="mcp files"),
        )
        world.set_people(BOB)
        with refused("invalid_grant", "person_unknown"):
            await world.poll(gone.device_code)
        world.set_people(msgspec.structs.replace(ADA, scopes=("files",)))
        assert (await world.poll(less.device_code))["scope"] == "files"

    run(scenario)
