"""A resource server asks what a token is good for."""

from typing import Any

import msgspec
import pytest

from omnitornado.oauth.introspection import (
    IntrospectionRules,
    ResourceServer,
    build_resource_servers,
    introspect,
)
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.secrets import digest

from .world import ADA, BOB, ELSEWHERE, FILES, FILES_URL, ISSUER, MCP, World, build_basic, parse, refused, run

OWN = ResourceServer("own", digest("own secret"), ("/mcp",))
BOTH = ResourceServer("both", digest("both: 100% + more"), ("/mcp", "/files/mcp"))
OTHER = ResourceServer("other", digest("other secret"), (FILES_URL,), scope=("files",))
RESOURCES = [MCP, FILES, ELSEWHERE]
INACTIVE = {"active": False}


def build_rules(world: World, *people: Person) -> IntrospectionRules:
    return IntrospectionRules(
        store=world.store,
        people=People(people or (ADA, BOB)),
        resources=RESOURCES,
        servers=build_resource_servers([OWN, BOTH, OTHER]),
    )


def prepare(world: World) -> None:
    """A server that issues tokens for its two paths and for another server."""
    world.rules = msgspec.structs.replace(world.rules, resources=RESOURCES)
    world.tokens = msgspec.structs.replace(world.tokens, resources=RESOURCES)


async def ask(
    world: World, token: str, server: str = "own", *people: Person, secret: str | None = None, **members: Any
) -> dict[str, Any]:
    """What a resource server is told, with its own secret unless another is given."""
    secrets = {"own": "own secret", "both": "both: 100% + more", "other": "other secret"}
    parameters = parse(token=token, client_id=server, client_secret=secret or secrets[server], **members)
    rules = build_rules(world, *people)
    return (await introspect(parameters, None, rules, issuer=ISSUER, now=world.now)).body


def test_a_resource_server_learns_what_a_token_is_good_for() -> None:
    """Required by RFC 7662 §2.2."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        assert await ask(world, token) == {
            "active": True,
            "iss": ISSUER,
            "sub": "ada",
            "username": "ada",
            "aud": ISSUER + "/mcp",
            "client_id": "web",
            "token_type": "Bearer",
            "exp": int(world.now + 3600),
            "scope": "mcp",
        }
        world.advance(3600)
        assert await ask(world, token) == INACTIVE

    run(scenario)


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "made_up"])
def test_a_hint_changes_nothing(hint: str | None) -> None:
    """Required by RFC 7662 §2.1."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        assert (await ask(world, token, token_type_hint=hint))["active"] is True

    run(scenario)


def test_a_token_for_another_server_is_as_one_that_never_was() -> None:
    """Required by RFC 7662 §4: no resource server can find out about, or use, what is not for it."""

    async def scenario(world: World) -> None:
        prepare(world)
        mine = (await world.connect())["access_token"]
        elsewhere = (await world.connect(resource=FILES_URL))["access_token"]
        files = (await world.connect(resource=ISSUER + "/files/mcp"))["access_token"]
        assert await ask(world, mine, "other") == await ask(world, "omt_at_made_up", "other") == INACTIVE
        assert await ask(world, elsewhere, "own") == INACTIVE
        assert await ask(world, files, "own") == INACTIVE
        assert (await ask(world, files, "both"))["aud"] == ISSUER + "/files/mcp"
        body = await ask(world, elsewhere, "other")
        assert (body["aud"], body["scope"]) == (FILES_URL, "files")

    run(scenario)


def test_of_several_audiences_each_sees_its_own() -> None:
    """Required by RFC 7662 §2.2 (`aud`) and §4 (no more than it needs): what else the token opens is not
    told.
    """

    async def scenario(world: World) -> None:
        prepare(world)
        resources = [ISSUER + "/mcp", ISSUER + "/files/mcp", FILES_URL]
        token = (await world.connect(resource=resources, scope="mcp files"))["access_token"]
        assert (await ask(world, token, "own"))["aud"] == resources[0]
        assert (await ask(world, token, "both"))["aud"] == resources[:2]
        assert (await ask(world, token, "other"))["aud"] == resources[2]

    run(scenario)


def test_a_token_narrowed_to_one_resource_is_told_to_that_one_alone() -> None:
    """Required by RFC 8707 §2.2."""

    async def scenario(world: World) -> None:
        prepare(world)
        body = await world.connect(resource=[ISSUER + "/mcp", FILES_URL], scope="mcp files")
        narrowed = (await world.refresh(body["refresh_token"], resource=FILES_URL, scope="files"))[
            "access_token"
        ]
        assert await ask(world, narrowed, "own") == INACTIVE
        assert (await ask(world, narrowed, "other"))["scope"] == "files"

    run(scenario)


def test_what_ended_is_inactive() -> None:
    """Required by RFC 7662 §2.2: revoked, its grant ended, or its person gone; nothing says which."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        assert await ask(world, token, "own", BOB) == INACTIVE
        await world.store.revoke_access(digest(token))
        assert await ask(world, token) == INACTIVE
        body = await world.connect()
        found = await world.store.find_access(digest(body["access_token"]), now=world.now)
        assert found is not None
        await world.store.revoke_grant(found[1].grant_id)
        assert await ask(world, body["access_token"]) == INACTIVE

    run(scenario)


def test_only_access_tokens_are_told_of() -> None:
    """Required by RFC 7662 §4: refresh tokens, codes and secrets are for no resource server."""

    async def scenario(world: World) -> None:
        body = await world.connect()
        code = await world.issue_code()
        for value in (body["refresh_token"], code, "own secret", "web", "", "x" * 10_000, "é"):
            if value:
                assert await ask(world, value) == INACTIVE

    run(scenario)


def test_scopes_are_those_the_person_may_still_grant() -> None:
    """Our choice: as at the server's own endpoint."""

    async def scenario(world: World) -> None:
        token = (await world.connect(scope="mcp files"))["access_token"]
        lesser = Person("ada", scopes=("files",))
        assert (await ask(world, token, "own", lesser))["scope"] == "files"
        assert "scope" not in await ask(world, token, "own", Person("ada", scopes=("none",)))

    run(scenario)


@pytest.mark.parametrize(
    ("server", "secret"),
    [
        ("own", "other secret"),
        ("own", "own secret "),
        ("own", "wrong"),
        ("nobody", "own secret"),
        ("web", "web secret: 100% + more"),
        (None, "own secret"),
        ("own", None),
        (None, None),
    ],
)
def test_nobody_else_learns_anything(server: str | None, secret: str | None) -> None:
    """Required by RFC 7662 §2.1: the resource server proves itself. A client is none, not even of its own
    token.
    """

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        parameters = parse(token=token, client_id=server, client_secret=secret)
        with refused("invalid_client", "resource_server_unknown"):
            await introspect(parameters, None, build_rules(world), issuer=ISSUER, now=world.now)

    run(scenario)


def test_both_ways_of_proving_oneself_are_good_and_one_at_a_time() -> None:
    """Required by RFC 7662 §2.1 and RFC 6749 §2.3."""

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        rules = build_rules(world)
        for secret in ("both: 100% + more", "both%3A%20100%25%20%2B%20more", "both%3A+100%25+%2B+more"):
            header = build_basic("both", secret)
            answer = await introspect(parse(token=token), header, rules, issuer=ISSUER, now=world.now)
            assert answer.body["active"] is True
        for header, reason in (("Bearer x", "client_auth_scheme"), ("Basic x", "client_basic_malformed")):
            with refused("invalid_client", reason):
                await introspect(parse(token=token), header, rules, issuer=ISSUER, now=world.now)
        with refused("invalid_request", "client_two_methods"):
            parameters = parse(token=token, client_id="own", client_secret="own secret")
            await introspect(
                parameters, build_basic("own", "own secret"), rules, issuer=ISSUER, now=world.now
            )

    run(scenario)


@pytest.mark.parametrize(("token", "reason"), [(None, "missing_token"), (["a", "b"], "duplicate_parameter")])
def test_a_request_asks_about_one_token(token: Any, reason: str) -> None:
    """Required by RFC 7662 §2.1."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", reason):
            await ask(world, token)

    run(scenario)


def test_being_asked_about_is_being_used() -> None:
    """Our choice: the account page says when an app was last used; a server that may not know changes
    nothing.
    """

    async def scenario(world: World) -> None:
        token = (await world.connect())["access_token"]
        world.advance(600)
        await ask(world, token, "other")
        (grant,) = await world.store.find_grants("ada", now=world.now)
        assert grant.last_used_at == world.now - 600
        await ask(world, token)
        (grant,) = await world.store.find_grants("ada", now=world.now)
        assert grant.last_used_at == world.now

    run(scenario)
