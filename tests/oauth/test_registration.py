"""A client registers, and later reads, changes and deletes its registration."""

import asyncio
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.client import ClientKeys
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.registration import (
    Registration,
    check_initial_access,
    delete_registration,
    find_registration,
    register,
    update_registration,
)
from omnitornado.oauth.secrets import build_secret, digest

from .keys import make_key, publish
from .world import ISSUER, START, World, refused, run

CALLBACK = "http://127.0.0.1/callback"
BODY: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "client_name": "An app",
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
}
STRANGERS = (None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer wrong", "Bearer omt_ra_", "Bearer é")


async def register_client(world: World, **members: Any) -> Registration:
    registration, dropped = await register(BODY | members, world.registration, now=world.now)
    assert dropped == ()
    return registration


async def find(world: World, client_id: str, token: str) -> Registration:
    return await find_registration(client_id, f"Bearer {token}", world.registration, now=world.now)


async def update(world: World, registration: Registration, **members: Any) -> Registration:
    """As a client would: everything it registered, with `members` changed; None leaves one out."""
    body = {"client_id": registration.client.client_id} | BODY | members
    body = {name: value for name, value in body.items() if value is not None}
    return await update_registration(registration, body, world.registration, now=world.now)


def test_a_registration_comes_with_its_address_and_token() -> None:
    """Required by RFC 7592 §3. The token is kept as a digest alone."""

    async def scenario(world: World) -> None:
        registration = await register_client(world)
        response = registration.build_response(ISSUER)
        client_id = response["client_id"]
        assert response["registration_client_uri"] == f"{ISSUER}/register/{client_id}"
        assert response["registration_access_token"] == registration.token
        assert registration.token.startswith("omt_ra_")
        kept = await world.store.find_client(client_id, now=world.now)
        assert kept is not None
        assert kept.registration_hash == digest(registration.token)
        assert registration.token.encode() not in msgspec.msgpack.encode(kept)

    run(scenario)


def test_reading_repeats_what_is_registered() -> None:
    """Required by RFC 7592 §2.1 and §3: the token too, which stays the same. A secret is told but once."""

    async def scenario(world: World) -> None:
        registration = await register_client(world, token_endpoint_auth_method="client_secret_post")
        told = registration.build_response(ISSUER)
        found = await find(world, registration.client.client_id, registration.token)
        expected = {n: v for n, v in told.items() if n not in ("client_secret", "client_secret_expires_at")}
        assert found.build_response(ISSUER) == expected
        assert await find(world, registration.client.client_id, registration.token) == found

    run(scenario)


def test_a_registration_answers_to_its_own_token_alone() -> None:
    """Required by RFC 7592 §2.1 to §2.3. What does not exist answers as what is not one's own."""

    async def scenario(world: World) -> None:
        mine, other = await register_client(world), await register_client(world)
        client_id = mine.client.client_id
        for header in (*STRANGERS, f"Bearer {other.token}", f"Bearer {mine.token}x", mine.token):
            with pytest.raises(OAuthError) as caught:
                await find_registration(client_id, header, world.registration, now=world.now)
            assert (caught.value.code, caught.value.status) == ("invalid_token", 401)
        for unknown in ("nobody", "web", "", client_id + "x", client_id[:-1]):
            with refused("invalid_token", "registration_token_unknown"):
                await find(world, unknown, mine.token)
        await find(world, client_id, mine.token)

    run(scenario)


def test_a_client_of_the_configuration_is_managed_by_nobody() -> None:
    """Our choice: nor is one that was registered before there were registration tokens."""

    async def scenario(world: World) -> None:
        client, _ = await world.register()
        token = build_secret("omt_ra_")
        for client_id in ("web", "native", client.client_id):
            with refused("invalid_token", "registration_token_unknown"):
                await find(world, client_id, token)

    run(scenario)


def test_no_other_token_of_the_client_opens_its_registration() -> None:
    """Our choice: an access token or a secret that leaked does not change where codes are sent."""

    async def scenario(world: World) -> None:
        registration = await register_client(world, token_endpoint_auth_method="client_secret_post")
        client_id, secret = registration.client.client_id, registration.secret
        assert secret is not None
        code = await world.issue_code(client_id, redirect_uri=CALLBACK)
        tokens = (await world.redeem(code, client_id=client_id, client_secret=secret)).body
        for token in (secret, tokens["access_token"], tokens["refresh_token"], code):
            with refused("invalid_token", "registration_token_unknown"):
                await find(world, client_id, token)

    run(scenario)


def test_an_update_replaces_the_whole() -> None:
    """Required by RFC 7592 §2.2: what is left out is gone, or at its default again."""

    async def scenario(world: World) -> None:
        first = await register_client(world, client_uri="https://app.example.com", scope="mcp")
        world.advance(60)
        changed = await update(
            world, first, redirect_uris=["https://app.example.com/cb"], grant_types=None, client_name=None
        )
        response = changed.build_response(ISSUER)
        assert response["client_id"] == first.client.client_id
        assert response["client_id_issued_at"] == int(START)
        assert response["redirect_uris"] == ["https://app.example.com/cb"]
        assert response["client_name"] == "app.example.com"
        assert response["grant_types"] == ["authorization_code"]
        assert not {"client_uri", "scope"} & set(response)
        kept = await world.clients.find(first.client.client_id, now=world.now)
        assert kept is not None
        assert kept.redirect_uris == ("https://app.example.com/cb",)
        with refused("invalid_request", "redirect_mismatch"):
            await world.request(first.client.client_id, redirect_uri=CALLBACK)

    run(scenario)


def test_an_update_changes_the_token_and_the_old_one_is_worth_nothing() -> None:
    """Our choice, as RFC 7592 §3 allows: a replayed token reads, changes and deletes nothing."""

    async def scenario(world: World) -> None:
        first = await register_client(world)
        second = await update(world, first, client_name="Second")
        assert second.token != first.token
        with refused("invalid_token", "registration_token_unknown"):
            await find(world, first.client.client_id, first.token)
        with refused("invalid_token", "registration_token_unknown"):
            await update(world, first, client_name="Thief")
        with refused("invalid_token", "registration_token_unknown"):
            await delete_registration(first, world.registration, now=world.now)
        found = await find(world, first.client.client_id, second.token)
        assert found.client.client_name == "Second"

    run(scenario)


def test_of_two_updates_at_once_one_is_made() -> None:
    """Our choice: a stolen token and its owner can't both go on unnoticed."""

    async def scenario(world: World) -> None:
        first = await register_client(world)
        found = await asyncio.gather(
            *(update(world, first, client_name=name) for name in ("a", "b")), return_exceptions=True
        )
        made = [one for one in found if isinstance(one, Registration)]
        assert len(made) == 1
        kept = await find(world, first.client.client_id, made[0].token)
        assert kept.client.client_name == made[0].client.client_name

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"client_id": None}, "update_client_id"),
        ({"client_id": "web"}, "update_client_id"),
        ({"client_id": ["x"]}, "update_client_id"),
        ({"registration_access_token": "mine"}, "update_server_member"),
        ({"registration_client_uri": "https://evil.example"}, "update_server_member"),
        ({"client_id_issued_at": 0}, "update_server_member"),
        ({"client_secret_expires_at": 0}, "update_server_member"),
        ({"client_secret": "a secret of my own choice"}, "update_client_secret"),
        ({"client_secret": 1}, "update_client_secret"),
    ],
)
def test_an_update_can_not_choose_what_the_server_assigns(changed: dict[str, Any], reason: str) -> None:
    """Required by RFC 7592 §2.2."""

    async def scenario(world: World) -> None:
        for method in ("none", "client_secret_basic"):
            first = await register_client(world, token_endpoint_auth_method=method)
            with refused("invalid_request", reason):
                await update(world, first, **{"token_endpoint_auth_method": method} | changed)
            found = await find(world, first.client.client_id, first.token)
            assert found.client == first.client

    run(scenario)


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["http://evil.example/callback"],
        ["http://127.0.0.1.evil.example/callback"],
        ["http://[::1].evil.example/callback"],
        ["http://127.0.0.1@evil.example/callback"],
        ["https://user:password@app.example.com/"],
        ["https://*.example.com/callback"],
        ["https://app.example.com/callback#fragment"],
        ["https://app.example.com/callback\r\nX: y"],
        ["https://app.example.com\\@evil.example/"],
        ["//evil.example/callback"],
        ["/callback"],
        ["javascript:alert(1)"],
        ["data:text/html,x"],
        ["file:///etc/passwd"],
        ["https://ｅｖｉｌ.example/"],
        [CALLBACK, "http://evil.example/callback"],
        "https://app.example.com/",
        [f"https://app.example.com/{n}" for n in range(33)],
    ],
)
def test_an_update_brings_in_no_address_that_a_registration_would_not(uris: Any) -> None:
    """Required by RFC 7592 §2.2, RFC 9700 §4.1 and RFC 8252 §8: the same checks, and nothing is changed."""

    async def scenario(world: World) -> None:
        first = await register_client(world)
        with refused("invalid_redirect_uri", "invalid_redirect_uri"):
            await update(world, first, redirect_uris=uris)
        with refused("invalid_redirect_uri", "invalid_redirect_uri"):
            await update(world, first, application_type="web")
        assert (await find(world, first.client.client_id, first.token)).client == first.client

    run(scenario)


def test_a_code_goes_nowhere_new_after_an_update() -> None:
    """Required by RFC 6749 §4.1.3: who changes the addresses in between can't have the code redeemed with
    another one, and what was asked for the old one is checked anew.
    """

    async def scenario(world: World) -> None:
        first = await register_client(world)
        client_id = first.client.client_id
        code = await world.issue_code(client_id, redirect_uri=CALLBACK)
        await update(world, first, redirect_uris=["https://evil.example/"])
        public = {"client_id": client_id, "client_secret": None}
        with refused("invalid_grant", "redirect_differs"):
            await world.redeem(code, redirect_uri="https://evil.example/", **public)
        with refused("invalid_request", "redirect_mismatch"):
            await world.request(client_id, redirect_uri=CALLBACK)
        await world.redeem(code, redirect_uri=CALLBACK, **public)

    run(scenario)


def test_the_secret_follows_the_method() -> None:
    """Required by RFC 7592 §2.2 (the server assigns the secret) and RFC 7591 §3.2.1."""

    async def scenario(world: World) -> None:
        first = await register_client(world)
        client_id = first.client.client_id
        second = await update(world, first, token_endpoint_auth_method="client_secret_post")
        secret = second.build_response(ISSUER)["client_secret"]
        code = await world.issue_code(client_id, redirect_uri=CALLBACK)
        with refused("invalid_client", "client_auth_method"):
            await world.redeem(code, client_id=client_id, client_secret=None)
        await world.redeem(code, client_id=client_id, client_secret=secret)
        third = await update(
            world, second, token_endpoint_auth_method="client_secret_basic", client_secret=secret
        )
        assert third.build_response(ISSUER)["client_secret"] == secret
        fourth = await update(world, third, token_endpoint_auth_method="client_secret_basic")
        assert "client_secret" not in fourth.build_response(ISSUER)
        assert fourth.client.secret_hash == digest(secret)
        fifth = await update(world, fourth)
        assert fifth.client.secret_hash is None
        assert "client_secret" not in fifth.build_response(ISSUER)

    run(scenario)


def test_deleting_ends_what_people_granted() -> None:
    """Required by RFC 7592 §2.3: id, secret and token are worth nothing, nor are tokens and codes."""

    async def scenario(world: World) -> None:
        registration = await register_client(world)
        client_id = registration.client.client_id
        public = {"client_id": client_id, "client_secret": None}
        code = await world.issue_code(client_id, redirect_uri=CALLBACK)
        tokens = (await world.redeem(code, **public)).body
        waiting = await world.issue_code(client_id, redirect_uri=CALLBACK)
        others = await world.connect()
        assert await delete_registration(registration, world.registration, now=world.now) == 1
        with pytest.raises(BearerError):
            await world.use(tokens["access_token"])
        with refused("invalid_client", "client_unknown"):
            await world.refresh(tokens["refresh_token"], **public)
        with refused("invalid_client", "client_unknown"):
            await world.redeem(waiting, **public)
        assert await world.store.find_code(digest(waiting), now=world.now) is None
        with refused("invalid_token", "registration_token_unknown"):
            await find(world, client_id, registration.token)
        with refused("invalid_request", "client_unknown"):
            await world.request(client_id, redirect_uri=CALLBACK)
        await world.use(others["access_token"])

    run(scenario)


def test_a_registration_nobody_uses_lapses() -> None:
    """Our choice ([registration] unused_lifetime): one with a grant stays; an update does not prolong it."""

    async def scenario(world: World) -> None:
        world.registration = msgspec.structs.replace(world.registration, unused_lifetime=1000.0)
        idle, used = await register_client(world), await register_client(world)
        public = {"client_id": used.client.client_id, "client_secret": None}
        await world.redeem(await world.issue_code(used.client.client_id, redirect_uri=CALLBACK), **public)
        world.advance(999)
        idle = await update(world, idle)
        world.advance(1)
        with refused("invalid_token", "registration_token_unknown"):
            await find(world, idle.client.client_id, idle.token)
        with refused("invalid_request", "client_unknown"):
            await world.request(idle.client.client_id, redirect_uri=CALLBACK)
        world.advance(10**9)
        await find(world, used.client.client_id, used.token)

    run(scenario)


def test_where_tokens_are_asked_for_nobody_registers_without_one() -> None:
    """Required by RFC 7591 §3 (initial access token)."""

    async def scenario(world: World) -> None:
        check_initial_access(None, world.registration)
        hashes = (digest("first-token"), digest("second-token"))
        guarded = msgspec.structs.replace(world.registration, initial_token_hashes=hashes)
        for header in ("Bearer first-token", "bearer second-token", "Bearer  second-token "):
            check_initial_access(header, guarded)
        for stranger in (*STRANGERS, "Bearer first-token second-token", "Basic first-token"):
            with pytest.raises(OAuthError) as caught:
                check_initial_access(stranger, guarded)
            assert (caught.value.code, caught.value.status) == ("invalid_token", 401)
            assert caught.value.reason in ("initial_token_missing", "initial_token_unknown")

    run(scenario)


def test_a_client_exchanges_its_keys_by_an_update() -> None:
    """Required by RFC 7592 §2.2: the whole is replaced, keys too; and a secret once it needs none."""

    async def scenario(world: World) -> None:
        registration = await register_client(world)
        assert registration.secret is None
        for jwks in (publish(make_key(), kid="1"), publish(make_key("ES256", "two"), kid="2")):
            changed = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}
            registration = await update(world, registration, **changed)
            assert (registration.secret, registration.client.secret_hash) == (None, None)
            client = await world.clients.find(registration.client.client_id, now=world.now)
            assert client is not None
            assert client.keys == ClientKeys(jwks=jwks)
            assert client.auth_methods == ("private_key_jwt",)

    run(scenario)
