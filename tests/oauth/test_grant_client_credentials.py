"""A client that acts for itself."""

from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.client import CLIENT_CREDENTIALS, ClientKeys, Clients, OAuthClient, build_preset
from omnitornado.oauth.client_assertion import ASSERTION_TYPE
from omnitornado.oauth.introspection import IntrospectionRules, ResourceServer, introspect
from omnitornado.oauth.people import People, Person
from omnitornado.oauth.revocation import revoke_token
from omnitornado.oauth.secrets import digest

from .keys import make_key, publish, sign
from .proofs import prove
from .world import (
    ADA,
    FILES,
    ISSUER,
    MCP,
    ROBOT,
    ROBOT_ITSELF,
    SECRET,
    START,
    World,
    build_basic,
    parse,
    refused,
    run,
)

ASK = {"grant_type": CLIENT_CREDENTIALS, "client_id": "robot", "client_secret": SECRET}


async def ask(world: World, **changed: Any) -> dict[str, Any]:
    return (await world.ask_token(**ASK | changed)).body


def have(world: World, *clients: OAuthClient) -> None:
    """Configured clients from now on, each of which may act for itself."""
    machines = [Person(f"client:{client.client_id}", scopes=client.scope) for client in clients]
    world.tokens = msgspec.structs.replace(
        world.tokens, clients=Clients(clients, world.store), people=People([ADA], machines=machines)
    )


def test_a_client_gets_a_token_of_its_own_and_no_refresh_token() -> None:
    """Required by RFC 6749 §4.4.3."""

    async def scenario(world: World) -> None:
        response = await world.ask_token(**ASK)
        assert set(response.body) == {"access_token", "token_type", "expires_in", "scope"}
        assert (response.body["token_type"], response.body["expires_in"]) == ("Bearer", 3600)
        assert response.body["scope"] == "mcp"
        assert response.reason == "client_credentials_redeemed"
        bearer = await world.use(response.body["access_token"])
        assert (bearer.username, bearer.client_id, bearer.scope) == ("client:robot", "robot", ("mcp",))
        assert bearer.grant_name == response.grant.public_id
        assert await world.store.find_grants("robot", now=world.now) == []
        assert await world.store.find_grants("client:robot", now=world.now) == [response.grant]

    run(scenario)


def test_a_client_that_may_refresh_elsewhere_gets_no_refresh_token_here() -> None:
    """Required by RFC 6749 §4.4.3."""

    async def scenario(world: World) -> None:
        both = ["authorization_code", "refresh_token", CLIENT_CREDENTIALS]
        have(world, msgspec.structs.replace(ROBOT, grant_types=tuple(both)))
        assert "refresh_token" not in await ask(world)

    run(scenario)


def test_the_token_and_its_grant_end_together() -> None:
    """Our choice: there is nothing that could be used after it."""

    async def scenario(world: World) -> None:
        body = await ask(world)
        world.advance(3600)
        with pytest.raises(BearerError):
            await world.use(body["access_token"])
        assert await world.store.find_grants("client:robot", now=world.now) == []

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, "mcp"), ("mcp", "mcp"), ("mcp files", "mcp"), ("mcp offline_access", "mcp")],
)
def test_it_gets_what_it_may_have_of_what_it_asks_for(asked: str | None, granted: str) -> None:
    """Required by RFC 6749 §3.3 and §4.4.2: the response says what it is."""

    async def scenario(world: World) -> None:
        assert (await ask(world, scope=asked))["scope"] == granted

    run(scenario)


def test_a_scope_that_is_not_its_own_is_refused() -> None:
    """Required by RFC 6749 §5.2, invalid_scope."""

    async def scenario(world: World) -> None:
        for asked, reason in (
            ("files", "scope_not_client"),
            ("none", "scope_unknown"),
            ('"', "scope_malformed"),
        ):
            with refused("invalid_scope", reason):
                await ask(world, scope=asked)
        with refused("invalid_scope", "scope_not_client"):
            await ask(world, resource=ISSUER + "/files/mcp")
        assert await world.store.find_grants("client:robot", now=world.now) == []

    run(scenario)


def test_a_token_is_good_at_the_resource_it_was_asked_for() -> None:
    """Required by RFC 8707 §2: and at all of this server's where none is named."""

    async def scenario(world: World) -> None:
        everything = msgspec.structs.replace(ROBOT, scope=None)
        have(world, everything)
        one = await ask(world, resource=ISSUER + "/files/mcp")
        assert one["scope"] == "files"
        await world.use(one["access_token"], FILES)
        with pytest.raises(BearerError, match="another resource"):
            await world.use(one["access_token"], MCP)
        both = await ask(world, resource=[ISSUER + "/mcp", ISSUER + "/files/mcp"])
        for resource in (MCP, FILES):
            await world.use(both["access_token"], resource)
            await world.use((await ask(world))["access_token"], resource)
        with refused("invalid_target", "resource_unknown"):
            await ask(world, resource="https://elsewhere.example/mcp")

    run(scenario)


def test_only_who_is_configured_for_it_may() -> None:
    """Required by RFC 6749 §5.2, unauthorized_client: a client that registers for it does not get it."""

    async def scenario(world: World) -> None:
        with refused("unauthorized_client", "grant_type_not_registered"):
            await ask(world, client_id="web")
        client, secret = await world.register(
            grant_types=["authorization_code", CLIENT_CREDENTIALS],
            token_endpoint_auth_method="client_secret_post",
        )
        assert client.grant_types == ("authorization_code",)
        with refused("unauthorized_client", "grant_type_not_registered"):
            await ask(world, client_id=client.client_id, client_secret=secret)

    run(scenario)


def test_a_client_proves_itself() -> None:
    """Required by RFC 6749 §4.4 and §5.2, invalid_client."""

    async def scenario(world: World) -> None:
        for wrong, reason in (
            ({"client_secret": "wrong"}, "client_secret_wrong"),
            ({"client_secret": None}, "client_auth_method"),
            ({"client_id": "nobody"}, "client_unknown"),
            ({"client_id": None, "client_secret": None}, "client_id_missing"),
        ):
            with refused("invalid_client", reason):
                await ask(world, **wrong)
        basic = build_basic("robot", SECRET.replace("%", "%25").replace("+", "%2B").replace(" ", "+"))
        await ask(world, client_id=None, client_secret=None, authorization=basic)

    run(scenario)


@pytest.mark.parametrize("methods", [("none",), ("private_key_jwt", "none")])
def test_a_public_client_may_not_even_if_it_is_said_so(methods: tuple[str, ...]) -> None:
    """Required by RFC 6749 §4.4: also where it could prove itself, but need not."""

    async def scenario(world: World) -> None:
        have(world, msgspec.structs.replace(ROBOT, auth_methods=methods, secret_hash=None))
        with refused("unauthorized_client", "client_public"):
            await ask(world, client_secret=None)

    run(scenario)
    with pytest.raises(ValueError, match="prove itself"):
        build_preset(client_id="robot", client_secret=None, grant_types=[CLIENT_CREDENTIALS])


def test_a_client_signs_for_its_token() -> None:
    """Required by RFC 7523 §2.2: each assertion is good for one token; no client_id need be named."""

    async def scenario(world: World) -> None:
        keys = ClientKeys(jwks=publish(make_key()))
        have(
            world,
            build_preset(client_id="signer", client_secret=None, grant_types=[CLIENT_CREDENTIALS], keys=keys),
        )
        claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": START + 60, "jti": "1"}
        proof = {
            "client_id": None,
            "client_secret": None,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign(claims),
        }
        body = await ask(world, **proof)
        assert (await world.use(body["access_token"])).username == "client:signer"
        with refused("invalid_client", "client_assertion_replayed"):
            await ask(world, **proof)

    run(scenario)


def test_its_token_can_be_bound_to_a_key() -> None:
    """Required by RFC 9449 §5: whatever the grant."""

    async def scenario(world: World) -> None:
        body = await ask(world, proof=prove())
        assert body["token_type"] == "DPoP"
        with pytest.raises(BearerError):
            await world.use(body["access_token"])

    run(scenario)


def test_a_client_that_is_taken_out_of_the_configuration_has_no_token_left() -> None:
    """Our choice, as with people: neither one that is gone nor one that may no longer do this."""

    async def scenario(world: World) -> None:
        body = await ask(world)
        world.tokens = msgspec.structs.replace(world.tokens, people=People([ADA]))
        with pytest.raises(BearerError) as caught:
            await world.use(body["access_token"])
        assert caught.value.reason == "person_unknown"
        world.tokens = msgspec.structs.replace(world.tokens, people=People(is_open=True))
        with pytest.raises(BearerError):
            await world.use(body["access_token"])
        narrowed = msgspec.structs.replace(ROBOT_ITSELF, scopes=("files",))
        world.tokens = msgspec.structs.replace(world.tokens, people=People([ADA], machines=[narrowed]))
        with pytest.raises(BearerError) as caught:
            await world.use(body["access_token"])
        assert caught.value.code == "insufficient_scope"

    run(scenario)


def test_a_person_of_the_same_name_is_somebody_else() -> None:
    """Required by RFC 9700 §4.15: grants, limits and tasks of each stay its own."""

    async def scenario(world: World) -> None:
        robot = Person("robot")
        world.tokens = msgspec.structs.replace(world.tokens, people=People([robot], machines=[ROBOT_ITSELF]))
        theirs = await world.connect(person=robot)
        own = await ask(world)
        assert (await world.use(theirs["access_token"])).username == "robot"
        assert (await world.use(own["access_token"])).username == "client:robot"
        for name in ("robot", "client:robot"):
            assert len(await world.store.find_grants(name, now=world.now)) == 1

    run(scenario)


def test_its_token_can_be_given_back_and_looked_at() -> None:
    """Required by RFC 7009 §2.1 and RFC 7662 §2.2: there is a subject, and no user."""

    async def scenario(world: World) -> None:
        server = ResourceServer(server_id="files", secret_hash=digest("s" * 8), resources=("/mcp",))
        rules = IntrospectionRules(
            store=world.store, people=world.tokens.people, resources=[MCP], servers={"files": server}
        )
        token = (await ask(world))["access_token"]

        async def look() -> dict[str, Any]:
            asked = parse(token=token, client_id="files", client_secret="s" * 8)
            return (await introspect(asked, None, rules, issuer=ISSUER, now=world.now)).body

        found = await look()
        assert (found["active"], found["sub"], found["client_id"]) == (True, "client:robot", "robot")
        assert "username" not in found
        gone = await revoke_token(
            parse(token=token, client_id="robot", client_secret=SECRET),
            None,
            world.clients,
            world.store,
            issuer=ISSUER,
            now=world.now,
        )
        assert gone.reason == "access_token_revoked"
        assert await look() == {"active": False}

    run(scenario)
