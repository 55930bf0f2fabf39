"""Bearer tokens at a protected resource."""

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError, build_challenge, check_scope
from omnitornado.oauth.people import Person
from omnitornado.oauth.resource import ProtectedResource

from .world import ADA, BOB, FILES, ISSUER, MCP, World, run


async def _find_error(
    world: World, authorization: str | None, resource: ProtectedResource = MCP
) -> BearerError:
    with pytest.raises(BearerError) as caught:
        await world.present(authorization, resource)
    return caught.value


def test_a_good_token_speaks_for_its_person() -> None:
    """Required by RFC 6750 §2.1: the scheme's case is free (RFC 9110 §11.1)."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        for header in (f"Bearer {token}", f"bearer {token}", f"BEARER  {token} "):
            bearer = await world.present(header)
            assert bearer.username == "ada"
            assert bearer.expires_at == world.now + 3600

    run(scenario)


@pytest.mark.parametrize("header", [None, "", " ", "Basic dXNlcjpwYXNz", "Digest x", "omt_at_x", "Bearerx y"])
def test_without_credentials_no_error_code_is_told(header: str | None) -> None:
    """Required by RFC 6750 §3.1: no error code where no authentication was tried."""

    async def scenario(world: World) -> None:
        error = await _find_error(world, header)
        assert (error.status, error.code, error.reason) == (401, None, "token_absent")
        assert build_challenge(error, MCP, issuer=ISSUER) == (
            'Bearer scope="mcp", '
            'resource_metadata="https://auth.example.com/.well-known/oauth-protected-resource/mcp"'
        )

    run(scenario)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a, Bearer b",
        "Bearer é",
        'Bearer "x"',
        "Bearer a\x00",
        "Bearer =",
    ],
)
def test_a_malformed_token_is_no_token(header: str) -> None:
    """Required by RFC 6750 §2.1 b64token. 401 is our choice: it makes clients refresh or sign in again."""

    async def scenario(world: World) -> None:
        error = await _find_error(world, header)
        assert (error.status, error.code, error.reason) == (401, "invalid_token", "token_malformed")

    run(scenario)


def test_an_unknown_token_is_refused_with_the_whole_challenge() -> None:
    """Required by RFC 6750 §3 and §3.1, RFC 9728 §5.1."""

    async def scenario(world: World) -> None:
        error = await _find_error(world, "Bearer omt_at_x")
        assert (error.status, error.reason) == (401, "token_unknown")
        assert build_challenge(error, MCP, issuer=ISSUER) == (
            'Bearer error="invalid_token", '
            'error_description="the access token is unknown, expired or revoked", '
            'scope="mcp", '
            'resource_metadata="https://auth.example.com/.well-known/oauth-protected-resource/mcp"'
        )

    run(scenario)


def test_no_other_secret_is_an_access_token() -> None:
    """Required by RFC 6749 §1.4 and §1.5."""

    async def scenario(world: World) -> None:
        code = await world.issue_code()
        body = (await world.redeem(code)).body
        for secret in (code, body["refresh_token"]):
            assert (await _find_error(world, f"Bearer {secret}")).reason == "token_unknown"

    run(scenario)


def test_a_token_ends_with_its_time() -> None:
    """Required by RFC 6750 §3.1: expired."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        world.advance(3599.9)
        await world.use(token)
        world.advance(0.1)
        assert (await _find_error(world, f"Bearer {token}")).reason == "token_unknown"

    run(scenario)


def test_a_token_ends_with_its_grant() -> None:
    """Required by RFC 6750 §3.1: revoked. The very next request knows."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        grant_id = (await world.use(token)).grant_id
        await world.store.revoke_grant(grant_id)
        assert (await _find_error(world, f"Bearer {token}")).reason == "token_unknown"

    run(scenario)


def test_a_token_for_another_resource_is_refused() -> None:
    """Required by RFC 8707 §2 and RFC 9728 §7.4: the audience is checked."""

    async def scenario(world: World) -> None:
        token = (await world.connect(scope="mcp files", resource=ISSUER + "/mcp"))["access_token"]
        await world.use(token, MCP)
        error = await _find_error(world, f"Bearer {token}", FILES)
        assert (error.status, error.code, error.reason) == (401, "invalid_token", "token_audience")

    run(scenario)


def test_a_lacking_scope_is_told_with_all_that_is_needed() -> None:
    """Required by RFC 6750 §3.1: 403 insufficient_scope."""

    async def scenario(world: World) -> None:
        token = (await world.connect(scope="mcp", resource=ISSUER + "/files/mcp"))["access_token"]
        error = await _find_error(world, f"Bearer {token}", FILES)
        assert (error.status, error.code, error.reason) == (403, "insufficient_scope", "scope_insufficient")
        assert build_challenge(error, FILES, issuer=ISSUER) == (
            'Bearer error="insufficient_scope", error_description="the access token lacks a scope", '
            'scope="files", '
            'resource_metadata="https://auth.example.com/.well-known/oauth-protected-resource/files/mcp"'
        )

    run(scenario)


def test_a_request_may_need_more_than_its_resource() -> None:
    """Our choice: a tool can ask for scopes of its own; the challenge names those it needs."""

    async def scenario(world: World) -> None:
        bearer = await world.use((await world.connect())["access_token"])
        check_scope(bearer, ["mcp"])
        check_scope(bearer, [])
        with pytest.raises(BearerError) as caught:
            check_scope(bearer, ["mcp", "files"])
        assert 'scope="mcp files"' in build_challenge(caught.value, MCP, issuer=ISSUER)

    run(scenario)


def test_a_person_gone_from_the_configuration_has_no_token() -> None:
    """Our choice: on the next request."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        world.set_people(BOB)
        error = await _find_error(world, f"Bearer {token}")
        assert (error.status, error.code, error.reason) == (401, "invalid_token", "person_unknown")
        world.set_people(ADA)
        await world.use(token)

    run(scenario)


def test_a_person_allowed_less_gives_less_at_once() -> None:
    """Our choice ([[users]] scopes): the token narrows with the person, and widens no further than it was."""

    async def scenario(world: World) -> None:
        body = await world.connect(scope="mcp files", resource=[ISSUER + "/mcp", ISSUER + "/files/mcp"])
        token = body["access_token"]
        world.set_people(Person("ada", scopes=("files", "admin")))
        assert (await world.use(token, FILES)).scope == ("files",)
        assert (await _find_error(world, f"Bearer {token}", MCP)).code == "insufficient_scope"

    run(scenario)


def test_a_resource_without_scopes_names_none() -> None:
    """Required by RFC 6750 §3: a scope has at least one token, so there is no empty one."""

    async def scenario(world: World) -> None:
        resource = ProtectedResource(path="/mcp", name="", scope=())
        await world.use((await world.connect())["access_token"], resource)
        error = await _find_error(world, None, resource)
        assert "scope=" not in build_challenge(error, resource, issuer=ISSUER)

    run(scenario)


def test_a_challenge_names_the_server_as_the_client_does() -> None:
    """Our choice ([server] public_url): on loopback the name the client used."""
    error = BearerError(code=None, description="", reason="")
    challenge = build_challenge(error, MCP, issuer="http://localhost:8080")
    assert 'resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource/mcp"' in challenge


def test_no_error_repeats_the_token() -> None:
    """Our choice: errors are logged."""

    async def scenario(world: World) -> None:
        for header in ("Bearer hunter2", "Bearer hunter2 x", "hunter2"):
            error = await _find_error(world, header)
            assert "hunter2" not in f"{error} {vars(error)}"

    run(scenario)


def test_a_bearer_holds_no_secret() -> None:
    """Our choice: it is handed to tools and logs."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        bearer = await world.use(body["access_token"])
        assert body["access_token"] not in repr(msgspec.structs.asdict(bearer))

    run(scenario)
