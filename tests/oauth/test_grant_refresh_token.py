"""A refresh token for new tokens."""

import asyncio
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.people import Person
from omnitornado.oauth.secrets import build_refresh_token, digest, parse_refresh_token

from .world import ADA, BOB, FILES, ISSUER, MCP, World, refused, run

BOTH = [ISSUER + "/mcp", ISSUER + "/files/mcp"]


async def _is_good(world: World, access_token: str) -> bool:
    try:
        await world.use(access_token)
    except BearerError:
        return False
    return True


def test_a_refresh_rotates() -> None:
    """Required by RFC 9700 §4.14.2 and OAuth 2.1 §4.3.1; the old access token lives out its time (our
    choice).
    """

    async def scenario(world: World) -> None:
        first = await world.connect()
        world.advance(100)
        second = await world.refresh(first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        assert second["expires_in"] == 3600
        assert second["scope"] == "mcp"
        assert second["token_type"] == "Bearer"
        assert await _is_good(world, first["access_token"])
        assert await _is_good(world, second["access_token"])
        world.advance(3500)
        assert not await _is_good(world, first["access_token"])
        assert await _is_good(world, second["access_token"])

    run(scenario)


def test_a_grant_lives_as_long_as_it_is_refreshed() -> None:
    """Our choice: the lifetime counts from the last rotation."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        for _ in range(5):
            world.advance(86_000)
            body = await world.refresh(body["refresh_token"])
        world.advance(86_400)
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(body["refresh_token"])

    run(scenario)


def test_a_grant_ends_at_last_however_often_it_is_refreshed() -> None:
    """Our choice (RFC 9700 §4.14.2 lets refresh tokens expire): no token outlives its end, and each response
    says so.
    """

    async def scenario(world: World) -> None:
        world.tokens = msgspec.structs.replace(world.tokens, refresh_token_absolute_lifetime=200_000.0)
        body = await world.connect()
        for _ in range(2):
            world.advance(80_000)
            body = await world.refresh(body["refresh_token"])
            assert body["expires_in"] == 3600
        world.advance(39_000)
        last = await world.refresh(body["refresh_token"])
        assert last["expires_in"] == 1000
        assert await world.refresh(body["refresh_token"]) == last
        world.advance(999)
        assert await _is_good(world, last["access_token"])
        world.advance(1)
        assert not await _is_good(world, last["access_token"])
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(last["refresh_token"])

    run(scenario)


def test_an_end_that_was_brought_forward_holds_for_what_was_granted_before() -> None:
    """Our choice ([tokens] refresh_token_absolute_lifetime): the next refresh ends the grant."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        world.advance(50_000)
        world.tokens = msgspec.structs.replace(world.tokens, refresh_token_absolute_lifetime=40_000.0)
        with refused("invalid_grant", "refresh_too_old"):
            await world.refresh(body["refresh_token"])
        assert await world.store.find_grants("ada", now=world.now) == []

    run(scenario)


def test_a_lifetime_shorter_than_the_access_tokens_takes_nothing_from_those() -> None:
    """Our choice: it bounds refreshing."""

    async def scenario(world: World) -> None:
        world.tokens = msgspec.structs.replace(world.tokens, refresh_token_absolute_lifetime=60.0)
        body = await world.connect()
        assert body["expires_in"] == 3600
        world.advance(3599)
        assert await _is_good(world, body["access_token"])

    run(scenario)


@pytest.mark.parametrize("later", [0.0, 15.0, 30.0])
def test_a_retry_within_the_grace_gets_the_same_tokens(later: float) -> None:
    """Our choice, within RFC 9700 §4.14.2: clients retry, and refresh in parallel."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        second = await world.refresh(first["refresh_token"])
        world.advance(later)
        for _ in range(3):
            retried = await world.refresh(first["refresh_token"])
            assert retried == second | {"expires_in": int(3600 - later)}
        third = await world.refresh(second["refresh_token"])
        assert await _is_good(world, third["access_token"])

    run(scenario)


def test_ten_refreshes_at_once_have_one_successor() -> None:
    """Our choice: nine of ten parallel calls must not lose their tokens, and only one chain goes on."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["refresh_token"]
        bodies = await asyncio.gather(*(world.refresh(token) for _ in range(10)))
        assert len({(body["access_token"], body["refresh_token"]) for body in bodies}) == 1
        assert bodies[0]["refresh_token"] != token
        assert await _is_good(world, bodies[0]["access_token"])
        grants = await world.store.find_grants("ada", now=world.now)
        assert [grant.refresh_hash for grant in grants] == [digest(bodies[0]["refresh_token"])]

    run(scenario)


def test_a_retry_after_the_access_token_ended_gets_a_fresh_one() -> None:
    """Our choice: lifetimes may be configured shorter than the grace, and an access token can be revoked."""

    async def scenario(world: World) -> None:
        world.tokens = msgspec.structs.replace(world.tokens, access_token_lifetime=10.0)
        first = await world.connect()
        second = await world.refresh(first["refresh_token"])
        world.advance(20)
        retried = await world.refresh(first["refresh_token"])
        assert retried["refresh_token"] == second["refresh_token"]
        assert retried["access_token"] != second["access_token"]
        assert retried["expires_in"] == 10
        assert await _is_good(world, retried["access_token"])

    run(scenario)


@pytest.mark.parametrize("later", [30.1, 3600.0, 80_000.0])
def test_reuse_after_the_grace_ends_the_grant(later: float) -> None:
    """Required by RFC 9700 §4.14.2: neither party keeps anything."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        other = await world.connect()
        second = await world.refresh(first["refresh_token"])
        world.advance(later)
        with refused("invalid_grant", "refresh_reused"):
            await world.refresh(first["refresh_token"])
        for body in (first, second):
            assert not await _is_good(world, body["access_token"])
            with refused("invalid_grant", "refresh_unknown"):
                await world.refresh(body["refresh_token"])
        # Another grant of the same person and client goes on.
        await world.refresh(other["refresh_token"])

    run(scenario)


def test_a_token_two_rotations_old_ends_the_grant_at_once() -> None:
    """Required by RFC 9700 §4.14.2: its successor has been used, so it was received."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        second = await world.refresh(first["refresh_token"])
        third = await world.refresh(second["refresh_token"])
        with refused("invalid_grant", "refresh_reused"):
            await world.refresh(first["refresh_token"])
        assert not await _is_good(world, third["access_token"])

    run(scenario)


@pytest.mark.parametrize(
    "changed", [{"scope": "admin"}, {"scope": "mcp files"}, {"resource": "https://evil.com/"}]
)
def test_an_old_token_ends_the_grant_whatever_else_is_wrong(changed: dict[str, Any]) -> None:
    """Required by RFC 9700 §4.14.2: a malformed request must not hide the reuse."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        second = await world.refresh(first["refresh_token"])
        world.advance(31)
        world.set_people(Person("ada", scopes=("none",)))
        with refused("invalid_grant", "refresh_reused"):
            await world.refresh(first["refresh_token"], **changed)
        world.set_people(ADA)
        assert not await _is_good(world, second["access_token"])

    run(scenario)


def test_a_forged_token_that_names_a_grant_ends_it() -> None:
    """Our choice: only who has held one of its tokens knows a grant's id, so this is a reused one."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        grant_id = parse_refresh_token(body["refresh_token"])
        assert grant_id is not None
        with refused("invalid_grant", "refresh_reused"):
            await world.refresh(build_refresh_token(grant_id))
        assert not await _is_good(world, body["access_token"])

    run(scenario)


@pytest.mark.parametrize(
    "token", ["x", "omt_rt_x", build_refresh_token(bytes(16)), "é", "omt_rt_" + "A" * 64]
)
def test_an_unknown_token_is_refused(token: str) -> None:
    """Required by RFC 6749 §5.2."""

    async def scenario(world: World) -> None:
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(token)

    run(scenario)


def test_no_other_token_refreshes() -> None:
    """Required by RFC 6749 §1.5: an access token or a code is no refresh token."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        for token in (code, (await world.redeem(code)).body["access_token"]):
            with refused("invalid_grant", "refresh_unknown"):
                await world.refresh(token)

    run(scenario)


@pytest.mark.parametrize("is_old", [False, True])
def test_another_client_changes_nothing(is_old: bool) -> None:
    """Required by RFC 6749 §6 and §10.4: bound to its client, and nobody else can end it."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        stolen = body["refresh_token"]
        if is_old:
            body = await world.refresh(stolen)
            world.advance(31)
        for thief in (
            {"client_id": "native", "client_secret": None},
            {"client_id": "bare", "client_secret": "bare secret"},
        ):
            with refused("invalid_grant", "refresh_other_client"):
                await world.refresh(stolen, **thief)
        for changed in ({"client_secret": "wrong"}, {"client_secret": None}):
            with pytest.raises(Exception, match="invalid_client"):
                await world.refresh(stolen, **changed)
        assert await _is_good(world, body["access_token"])
        await world.refresh(body["refresh_token"])

    run(scenario)


@pytest.mark.parametrize("scope", [None, "", "openid offline_access", "files mcp", "mcp files"])
def test_a_scope_left_out_keeps_the_grants(scope: str | None) -> None:
    """Required by RFC 6749 §6."""

    async def scenario(world: World) -> None:
        body = await world.connect(scope="mcp files")
        refreshed = await world.refresh(body["refresh_token"], scope=scope)
        assert refreshed["scope"] == "mcp files"

    run(scenario)


def test_a_narrower_scope_is_for_the_access_token_alone() -> None:
    """Required by RFC 6749 §6: the refresh token's scope stays what it was."""

    async def scenario(world: World) -> None:
        body = await world.connect(scope="mcp files", resource=BOTH)
        narrow = await world.refresh(body["refresh_token"], scope="files")
        assert narrow["scope"] == "files"
        assert (await world.use(narrow["access_token"], FILES)).scope == ("files",)
        with pytest.raises(BearerError) as caught:
            await world.use(narrow["access_token"], MCP)
        assert caught.value.reason == "scope_insufficient"
        # A retry that asks for more gets what the first one got.
        assert await world.refresh(body["refresh_token"]) == narrow
        assert (await world.refresh(narrow["refresh_token"]))["scope"] == "mcp files"

    run(scenario)


@pytest.mark.parametrize(
    ("scope", "reason"), [("mcp files", "scope_widened"), ("x", "scope_widened"), ("é", "scope_malformed")]
)
def test_a_wider_scope_is_refused_and_the_token_stays_good(scope: str, reason: str) -> None:
    """Required by RFC 6749 §6."""

    async def scenario(world: World) -> None:
        body = await world.connect(scope="mcp")
        with refused("invalid_scope", reason):
            await world.refresh(body["refresh_token"], scope=scope)
        await world.refresh(body["refresh_token"])

    run(scenario)


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "",
        ISSUER + "/mcp",
        ISSUER + "/MCP",
        ISSUER,
        ISSUER + "/files/mcp",
        "https://evil.com/mcp",
        "not a url",
        [ISSUER + "/mcp", ISSUER + "/files/mcp"],
    ],
)
def test_a_resource_left_out_or_changed_is_inherited(resource: str | list[str] | None) -> None:
    """Our choice, within RFC 8707 §2.2: Codex leaves it out or changes it. Never more than was granted."""

    async def scenario(world: World) -> None:
        body = await world.connect(resource=ISSUER + "/mcp")
        body = await world.refresh(body["refresh_token"], resource=resource)
        await world.use(body["access_token"], MCP)
        with pytest.raises(BearerError) as caught:
            await world.use(body["access_token"], FILES)
        assert caught.value.reason == "token_audience"

    run(scenario)


def test_a_resource_may_be_narrowed() -> None:
    """Required by RFC 8707 §2.2."""

    async def scenario(world: World) -> None:
        body = await world.connect(resource=BOTH, scope="mcp files")
        narrow = await world.refresh(body["refresh_token"], resource=ISSUER + "/files/mcp")
        await world.use(narrow["access_token"], FILES)
        with pytest.raises(BearerError):
            await world.use(narrow["access_token"], MCP)
        wide = await world.refresh(narrow["refresh_token"])
        await world.use(wide["access_token"], MCP)

    run(scenario)


def test_a_person_gone_from_the_configuration_refreshes_no_more() -> None:
    """Our choice: the store may hold the grant, the configuration decides."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        world.set_people(BOB)
        with refused("invalid_grant", "person_unknown"):
            await world.refresh(body["refresh_token"])
        assert not await _is_good(world, body["access_token"])
        world.set_people(ADA)
        assert await _is_good(world, body["access_token"])
        await world.refresh(body["refresh_token"])

    run(scenario)


def test_a_person_allowed_less_gives_less_from_then_on() -> None:
    """Our choice ([[users]] scopes); the response says what the token is good for (RFC 6749 §5.1)."""

    async def scenario(world: World) -> None:
        body = await world.connect(scope="mcp files", resource=BOTH)
        world.set_people(Person("ada", scopes=("files",)))
        first = await world.refresh(body["refresh_token"])
        assert first["scope"] == "files"
        assert await world.refresh(body["refresh_token"]) == first
        assert (await world.use(first["access_token"], FILES)).scope == ("files",)
        world.set_people(Person("ada", scopes=("other",)))
        with refused("invalid_grant", "scope_not_allowed"):
            await world.refresh(first["refresh_token"])
        world.set_people(ADA)
        assert (await world.refresh(first["refresh_token"]))["scope"] == "mcp files"

    run(scenario)


def test_what_is_kept_for_a_retry_gives_no_token_away() -> None:
    """Our choice: the current tokens are sealed under the one before, which nobody keeps."""

    async def scenario(world: World) -> None:
        first = await world.connect()
        second = await world.refresh(first["refresh_token"])
        (grant,) = await world.store.find_grants("ada", now=world.now)
        kept = msgspec.msgpack.encode(grant)
        for body in (first, second):
            for name in ("access_token", "refresh_token"):
                assert body[name].encode() not in kept
                assert body[name].encode()[10:30] not in kept

    run(scenario)
