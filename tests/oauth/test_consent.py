"""When to ask, and what an approval does."""

import msgspec
import pytest

from omnitornado.oauth.authorize import AuthorizationRequest
from omnitornado.oauth.client import Clients, OAuthClient, build_preset
from omnitornado.oauth.consent import approve, can_remember, check_grantable, needs_consent
from omnitornado.oauth.people import Person
from omnitornado.oauth.secrets import digest

from .world import ADA, BOB, CALLBACK, CHALLENGE, ISSUER, World, refused, run

LOCAL = "http://127.0.0.1:1111/callback"


async def _needs(world: World, request: AuthorizationRequest, person: Person = ADA) -> bool:
    return await needs_consent(request, person, check_grantable(request, person), world.store)


async def _approve(world: World, request: AuthorizationRequest, person: Person = ADA) -> str:
    return await approve(request, person, check_grantable(request, person), world.consents, now=world.now)


def set_clients(world: World, *clients: OAuthClient) -> None:
    world.rules = msgspec.structs.replace(world.rules, clients=Clients(clients, world.store))


def test_an_approval_makes_a_code_of_what_was_asked() -> None:
    """Required by RFC 6749 §4.1.2; the store has the code's digest alone (our choice)."""

    async def scenario(world: World) -> None:
        request = await world.request(scope="mcp files", redirect_uri=None)
        code = await _approve(world, request)
        assert code.startswith("omt_ac_")
        kept = await world.store.find_code(digest(code), now=world.now)
        assert kept is not None
        assert (kept.client_id, kept.username, kept.redirect_uri) == ("web", "ada", CALLBACK)
        assert not kept.redirect_uri_given
        assert (kept.scope, kept.resources, kept.code_challenge) == (("mcp", "files"), ("/mcp",), CHALLENGE)
        assert kept.expires_at == world.now + 60
        assert code.encode() not in msgspec.msgpack.encode(kept)

    run(scenario)


def test_a_person_grants_what_they_may() -> None:
    """Our choice ([[users]] scopes); RFC 6749 §3.3 lets the server grant less than was asked."""

    async def scenario(world: World) -> None:
        request = await world.request(scope="mcp files")
        assert check_grantable(request, ADA) == ("mcp", "files")
        assert check_grantable(request, BOB) == ("mcp",)
        with refused("access_denied", "scope_not_allowed", to_client=True):
            check_grantable(await world.request(scope="files"), BOB)

    run(scenario)


def test_without_scopes_there_is_nothing_to_withhold() -> None:
    """Our choice: a library's user may protect a path without naming a scope."""

    async def scenario(world: World) -> None:
        request = msgspec.structs.replace(await world.request(), scope=())
        assert check_grantable(request, BOB) == ()

    run(scenario)


def test_an_approval_is_remembered_for_the_same_again() -> None:
    """Our choice: per person, client, redirect and scopes."""

    async def scenario(world: World) -> None:
        assert await _needs(world, await world.request(scope="mcp files"))
        await _approve(world, await world.request(scope="mcp files"))
        assert not await _needs(world, await world.request(scope="mcp files", state="another"))
        assert not await _needs(world, await world.request(scope="mcp"))
        assert await _needs(world, await world.request(scope="mcp"), BOB)

    run(scenario)


def test_more_than_was_approved_is_asked_for_again() -> None:
    """Our choice: and then both are remembered."""

    async def scenario(world: World) -> None:
        await _approve(world, await world.request(scope="mcp"))
        assert await _needs(world, await world.request(scope="mcp files"))
        await _approve(world, await world.request(scope="files"))
        assert not await _needs(world, await world.request(scope="mcp files"))

    run(scenario)


def test_another_address_of_the_client_is_asked_for() -> None:
    """Our choice: the consent was for where the answer goes."""

    async def scenario(world: World) -> None:
        other = "https://app.example.com/other"
        set_clients(world, build_preset(client_id="x", client_secret="s", redirect_uris=[CALLBACK, other]))
        await _approve(world, await world.request("x"))
        assert not await _needs(world, await world.request("x"))
        assert await _needs(world, await world.request("x", redirect_uri=other))

    run(scenario)


def test_another_resource_is_asked_for() -> None:
    """Our choice (RFC 8707): the person saw which servers it was for. Both at once is what was approved for
    each.
    """

    async def scenario(world: World) -> None:
        files, both = ISSUER + "/files/mcp", [ISSUER + "/mcp", ISSUER + "/files/mcp"]
        await _approve(world, await world.request(scope="mcp"))
        assert await _needs(world, await world.request(scope="mcp", resource=files))
        assert await _needs(world, await world.request(scope="mcp", resource=both))
        assert await _needs(world, await world.request(scope="mcp", resource=None))
        await _approve(world, await world.request(scope="mcp files", resource=files))
        assert not await _needs(world, await world.request(scope="mcp", resource=both))
        assert await _needs(world, await world.request(scope="mcp files", resource=both))
        assert not await _needs(world, await world.request(scope="mcp files", resource=files))

    run(scenario)


def test_a_client_may_ask_to_be_asked() -> None:
    """Required by OpenID Connect Core §3.1.2.1 (prompt=consent), which MCP clients send."""

    async def scenario(world: World) -> None:
        await _approve(world, await world.request())
        assert await _needs(world, await world.request(prompt="consent"))
        assert not await _needs(world, await world.request(prompt="login"))

    run(scenario)


def test_a_person_can_take_it_back() -> None:
    """Our choice: disconnecting an app forgets what was approved for it."""

    async def scenario(world: World) -> None:
        await _approve(world, await world.request())
        await world.store.disconnect_client(username="ada", client_id="web", grant_id=bytes(16))
        assert await _needs(world, await world.request())

    run(scenario)


@pytest.mark.parametrize(
    ("secret", "uri", "expected"),
    [
        ("s", CALLBACK, True),
        ("s", "http://127.0.0.1/callback", True),
        (None, CALLBACK, True),
        (None, "http://127.0.0.1/callback", False),
        (None, "http://localhost/callback", False),
        (None, "cursor://anysphere.cursor-mcp/callback", False),
        (None, "com.example.app:/callback", False),
    ],
)
def test_only_a_client_nobody_can_pose_as_is_remembered(secret: str | None, uri: str, expected: bool) -> None:
    """Required by RFC 8252 §8.6: preset, and with a secret or answered at an https address."""

    async def scenario(world: World) -> None:
        set_clients(world, build_preset(client_id="x", client_secret=secret, redirect_uris=[uri]))
        request = await world.request("x", redirect_uri=uri)
        assert can_remember(request) is expected
        await _approve(world, request)
        assert await _needs(world, request) is not expected

    run(scenario)


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
@pytest.mark.parametrize("uri", [LOCAL, CALLBACK])
def test_a_registered_client_is_always_asked_for(method: str, uri: str) -> None:
    """Required by RFC 8252 §8.6 in spirit: anyone may have registered it, under any name."""

    async def scenario(world: World) -> None:
        client, _ = await world.register(redirect_uris=[uri], token_endpoint_auth_method=method)
        request = await world.request(client.client_id, redirect_uri=uri)
        assert not can_remember(request)
        for _ in range(2):
            await _approve(world, request)
            assert await _needs(world, request)
        is_kept = await world.store.has_consent(
            username="ada", client_id=client.client_id, redirect_uri=uri, resources=["/mcp"], scope=[]
        )
        assert not is_kept

    run(scenario)


def test_a_consent_kept_for_a_client_is_void_when_it_can_be_posed_as() -> None:
    """Our choice: the configuration may have changed since, and decides."""

    async def scenario(world: World) -> None:
        local = "http://127.0.0.1/callback"
        set_clients(world, build_preset(client_id="x", client_secret="s", redirect_uris=[local]))
        await _approve(world, await world.request("x", redirect_uri=local))
        assert not await _needs(world, await world.request("x", redirect_uri=local))
        set_clients(world, build_preset(client_id="x", client_secret=None, redirect_uris=[local]))
        assert await _needs(world, await world.request("x", redirect_uri=local))

    run(scenario)


def test_a_loopback_port_may_change_without_asking_again() -> None:
    """Required by RFC 8252 §7.3: the port is no part of the client's identity."""

    async def scenario(world: World) -> None:
        client = build_preset(client_id="x", client_secret="s", redirect_uris=["http://127.0.0.1/callback"])
        set_clients(world, client)
        await _approve(world, await world.request("x", redirect_uri=LOCAL))
        again = await world.request("x", redirect_uri="http://127.0.0.1:2222/callback")
        assert not await _needs(world, again)

    run(scenario)


def test_a_client_to_be_bound_is_always_asked_for() -> None:
    """Our choice: the person sees the full address before it is bound; after it, consent is remembered."""

    async def scenario(world: World) -> None:
        uri = "https://chatgpt.com/connector/oauth/1"
        first = await world.request("bare", redirect_uri=uri)
        assert first.binds_redirect
        assert await _needs(world, first)
        await _approve(world, first)
        assert not await _needs(world, await world.request("bare", redirect_uri=uri))

    run(scenario)


def test_a_consent_kept_from_before_binds_no_address() -> None:
    """Our choice: redirect_uris may be taken out of the configuration, and then the person is asked anew."""

    async def scenario(world: World) -> None:
        set_clients(world, build_preset(client_id="x", client_secret="s", redirect_uris=[CALLBACK]))
        await _approve(world, await world.request("x"))
        set_clients(world, build_preset(client_id="x", client_secret="s"))
        assert await _needs(world, await world.request("x"))

    run(scenario)


def test_an_approval_that_came_too_late_leaves_nothing_behind() -> None:
    """Our choice: no code and no consent, for the client is bound elsewhere; a page says so."""

    async def scenario(world: World) -> None:
        late = await world.request("bare", redirect_uri="https://b.example/callback")
        await world.issue_code("bare", redirect_uri="https://a.example/callback")
        with refused("invalid_request", "redirect_bound"):
            await _approve(world, late)
        uri = "https://b.example/callback"
        assert not await world.store.has_consent(
            username="ada", client_id="bare", redirect_uri=uri, resources=["/mcp"], scope=[]
        )
        binding = await world.store.find_redirect_binding("bare")
        assert binding is not None
        assert (binding.redirect_uri, binding.username) == ("https://a.example/callback", "ada")

    run(scenario)
