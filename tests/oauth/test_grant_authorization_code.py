"""An authorization code for tokens."""

import asyncio
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.consent import approve, check_grantable
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.issuance import TokenResponse
from omnitornado.oauth.people import Person

from .world import ADA, BOB, CALLBACK, FILES, ISSUER, MCP, VERIFIER, World, refused, run


def test_a_code_gives_an_access_and_a_refresh_token() -> None:
    """Required by RFC 6749 §4.1.4 and §5.1; `expires_in` and `scope` always are our choice."""

    async def scenario(world: World) -> None:
        response = await world.redeem(await world.issue_code(scope="mcp files"))
        assert response.body["access_token"].startswith("omt_at_")
        assert response.body["refresh_token"].startswith("omt_rt_")
        assert response.body["token_type"] == "Bearer"
        assert response.body["expires_in"] == 3600
        assert response.body["scope"] == "mcp files"
        assert response.reason == "code_redeemed"
        bearer = await world.use(response.body["access_token"])
        assert (bearer.username, bearer.client_id, bearer.client_name) == ("ada", "web", "Web app")
        assert bearer.scope == ("mcp", "files")

    run(scenario)


@pytest.mark.parametrize("redirect_uri", [CALLBACK, None])
def test_the_redirect_uri_may_be_repeated_or_left_out(redirect_uri: str | None) -> None:
    """Required by RFC 6749 §4.1.3 and OAuth 2.1 §10.2."""

    async def scenario(world: World) -> None:
        await world.redeem(await world.issue_code(), redirect_uri=redirect_uri)

    run(scenario)


@pytest.mark.parametrize(
    "redirect_uri", [CALLBACK + "/", CALLBACK + "?x", "https://evil.com/", CALLBACK.upper(), "x"]
)
def test_another_redirect_uri_is_refused(redirect_uri: str) -> None:
    """Required by RFC 6749 §4.1.3: identical, where it is given."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        with refused("invalid_grant", "redirect_differs"):
            await world.redeem(code, redirect_uri=redirect_uri)
        await world.redeem(code, redirect_uri=CALLBACK)

    run(scenario)


def test_the_loopback_port_is_the_one_of_the_request() -> None:
    """Required by RFC 6749 §4.1.3: the port is free when asking, and fixed from then on."""

    async def scenario(world: World) -> None:
        public = {"client_id": "native", "client_secret": None}
        uri = "http://127.0.0.1:1111/callback"
        code = await world.issue_code("native", redirect_uri=uri)
        with refused("invalid_grant", "redirect_differs"):
            await world.redeem(code, **public, redirect_uri="http://127.0.0.1:2222/callback")
        await world.redeem(code, **public, redirect_uri=uri)

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        ({"code_verifier": None}, "invalid_request", "pkce_verifier_missing"),
        ({"code_verifier": "x"}, "invalid_grant", "pkce_verifier_malformed"),
        ({"code_verifier": VERIFIER[::-1]}, "invalid_grant", "pkce_mismatch"),
        ({"client_id": "bare", "client_secret": "bare secret"}, "invalid_grant", "code_other_client"),
        ({"client_id": "native", "client_secret": None}, "invalid_grant", "code_other_client"),
        ({"client_secret": "wrong"}, "invalid_client", "client_secret_wrong"),
        ({"resource": "https://evil.com/"}, "invalid_target", "resource_unknown"),
        ({"resource": ISSUER + "/files/mcp"}, "invalid_target", "resource_widened"),
        ({"resource": [ISSUER + "/mcp", ISSUER + "/files/mcp"]}, "invalid_target", "resource_widened"),
    ],
)
def test_who_cannot_redeem_a_code_does_not_spoil_it(changed: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 6749 §5.2, RFC 7636 §4.6 and RFC 8707 §2.2; that the code stays good is our choice."""

    async def scenario(world: World) -> None:
        value = await world.issue_code()
        for _ in range(2):
            with refused(code, reason):
                await world.redeem(value, **changed)
        body = (await world.redeem(value)).body
        for _ in range(2):
            with refused(code, reason):
                await world.redeem(value, **changed)
        await world.use(body["access_token"])

    run(scenario)


@pytest.mark.parametrize("value", ["x", "omt_ac_", "é", "\ud7ff", "a" * 10_000])
def test_an_unknown_code_is_refused(value: str) -> None:
    """Required by RFC 6749 §5.2."""

    async def scenario(world: World) -> None:
        with refused("invalid_grant", "code_unknown"):
            await world.redeem(value)

    run(scenario)


def test_a_code_lives_as_long_as_configured() -> None:
    """Required by RFC 6749 §4.1.2: short-lived."""

    async def scenario(world: World) -> None:
        code, late = await world.issue_code(), await world.issue_code()
        world.advance(59.9)
        await world.redeem(code)
        world.advance(0.1)
        with refused("invalid_grant", "code_unknown"):
            await world.redeem(late)

    run(scenario)


@pytest.mark.parametrize("later", [0.0, 30.0, 300.0])
def test_a_replayed_code_is_refused_and_ends_what_it_gave(later: float) -> None:
    """Required by RFC 6749 §4.1.2 and §10.5: access token and refresh token are revoked."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        body = (await world.redeem(code)).body
        await world.use(body["access_token"])
        world.advance(later)
        for _ in range(2):
            with refused("invalid_grant", "code_replayed"):
                await world.redeem(code)
        with pytest.raises(BearerError) as caught:
            await world.use(body["access_token"])
        assert caught.value.reason == "token_unknown"
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(body["refresh_token"])
        # Nobody else loses anything.
        await world.use((await world.connect())["access_token"])

    run(scenario)


def test_a_replay_ends_rotated_tokens_too() -> None:
    """Required by RFC 6749 §4.1.2: all tokens issued from the code."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        body = await world.refresh((await world.redeem(code)).body["refresh_token"])
        with refused("invalid_grant", "code_replayed"):
            await world.redeem(code)
        with pytest.raises(BearerError):
            await world.use(body["access_token"])
        with refused("invalid_grant", "refresh_unknown"):
            await world.refresh(body["refresh_token"])

    run(scenario)


def test_of_ten_redemptions_at_once_one_succeeds_and_is_revoked() -> None:
    """Required by RFC 6749 §4.1.2: single-use, decided atomically."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        results = await asyncio.gather(*(world.redeem(code) for _ in range(10)), return_exceptions=True)
        good = [r for r in results if isinstance(r, TokenResponse)]
        bad = [r.reason for r in results if isinstance(r, OAuthError)]
        assert (len(good), bad) == (1, ["code_replayed"] * 9)
        with pytest.raises(BearerError):
            await world.use(good[0].body["access_token"])

    run(scenario)


def test_the_resource_may_be_narrowed() -> None:
    """Required by RFC 8707 §2.2: a subset; the refresh token keeps all that was granted."""

    async def scenario(world: World) -> None:
        both = [ISSUER + "/mcp", ISSUER + "/files/mcp"]
        code = await world.issue_code(resource=both, scope="mcp files")
        body = (await world.redeem(code, resource=ISSUER + "/files/mcp/")).body
        await world.use(body["access_token"], FILES)
        with pytest.raises(BearerError) as caught:
            await world.use(body["access_token"], MCP)
        assert caught.value.reason == "token_audience"
        body = await world.refresh(body["refresh_token"])
        await world.use(body["access_token"], MCP)
        await world.use(body["access_token"], FILES)

    run(scenario)


@pytest.mark.parametrize(
    "resource", [None, "", ISSUER + "/mcp", ISSUER + "/mcp/", "https://AUTH.example.com/mcp"]
)
def test_the_resource_may_be_repeated_or_left_out(resource: str | None) -> None:
    """Required by RFC 8707 §2.2; compared as the requirements of clients ask."""

    async def scenario(world: World) -> None:
        body = (await world.redeem(await world.issue_code(), resource=resource)).body
        await world.use(body["access_token"])
        with pytest.raises(BearerError):
            await world.use(body["access_token"], FILES)

    run(scenario)


def test_the_person_must_still_be_there() -> None:
    """Our choice: who is gone from the configuration gives nothing any more."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        world.set_people(BOB)
        with refused("invalid_grant", "person_unknown"):
            await world.redeem(code)

    run(scenario)


def test_the_response_names_what_the_person_may_still_grant() -> None:
    """Required by RFC 6749 §3.3: the scope of the token, where it is not what was asked for."""

    async def scenario(world: World) -> None:
        code, other = await world.issue_code(scope="mcp files"), await world.issue_code(scope="mcp")
        world.set_people(Person("ada", scopes=("files",)))
        assert (await world.redeem(code)).body["scope"] == "files"
        with refused("invalid_grant", "scope_not_allowed"):
            await world.redeem(other)

    run(scenario)


def test_without_scopes_the_response_names_none() -> None:
    """Required by RFC 6749 §3.3: a scope has at least one token, so there is no empty one."""

    async def scenario(world: World) -> None:
        request = msgspec.structs.replace(await world.request(), scope=())
        scope = check_grantable(request, ADA)
        code = await approve(request, ADA, scope, world.consents, now=world.now)
        body = (await world.redeem(code)).body
        assert "scope" not in body
        assert "scope" not in await world.refresh(body["refresh_token"])

    run(scenario)


def test_redeeming_marks_a_registered_client_as_used() -> None:
    """Our choice: a client with a grant is never pruned."""

    async def scenario(world: World) -> None:
        client, _ = await world.register()
        code = await world.issue_code(client.client_id, redirect_uri="http://127.0.0.1:9/callback")
        await world.redeem(code, client_id=client.client_id, client_secret=None)
        found = await world.store.find_client(client.client_id, now=world.now)
        assert found is not None
        assert found.used_at == world.now

    run(scenario)


def test_no_secret_stands_in_the_grant() -> None:
    """Our choice: what is kept and logged holds digests, and the public id is not the grant's id."""

    async def scenario(world: World) -> None:
        response = await world.redeem(await world.issue_code())
        kept = msgspec.msgpack.encode(response.grant)
        for name in ("access_token", "refresh_token"):
            assert response.body[name].encode() not in kept
        assert response.grant.public_id
        assert response.grant.public_id not in response.body["refresh_token"]

    run(scenario)
