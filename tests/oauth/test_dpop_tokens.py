"""Tokens that are bound to a key: how they are given, refreshed, used, told of, and not used without it."""

import secrets
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.bearer import BearerError, build_challenges
from omnitornado.oauth.client import Clients, DocumentSource, build_preset
from omnitornado.oauth.client_document import parse_document
from omnitornado.oauth.client_metadata import parse_registration
from omnitornado.oauth.consent import approve, check_grantable
from omnitornado.oauth.dpop import ALGORITHMS, DpopPolicy, Proofs
from omnitornado.oauth.dpop_nonce import PERIOD
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.introspection import (
    IntrospectionRules,
    ResourceServer,
    build_resource_servers,
    introspect,
)
from omnitornado.oauth.secrets import digest

from .keys import make_key
from .proofs import find_thumbprint, prove
from .world import ADA, CALLBACK, FILES, ISSUER, MCP, SECRET, START, World, parse, refused, run

NATIVE: dict[str, Any] = {"client_id": "native", "client_secret": None}
NATIVE_CALLBACK = "http://127.0.0.1/callback"
THIEF = make_key(name="thief")


async def connect(world: World, *, proof: str | None = None, **changed: Any) -> dict[str, Any]:
    """The tokens of the public client, with a good proof unless another is given."""
    code = await world.issue_code("native", redirect_uri=NATIVE_CALLBACK, **changed)
    return (await world.redeem(code, **NATIVE, proof=proof or prove(now=world.now))).body


async def refresh(world: World, token: str, proof: str | None, **changed: Any) -> dict[str, Any]:
    return await world.refresh(token, **(NATIVE | changed), proof=proof)


def set_policy(world: World, **policy: bool) -> None:
    proofs = Proofs(world.store, token_bytes=secrets.token_bytes, policy=DpopPolicy(**policy))
    world.tokens = msgspec.structs.replace(world.tokens, proofs=proofs)


async def use_refused(
    world: World, authorization: str, proof: str | None, *, reason: str, code: str | None = "invalid_token"
) -> BearerError:
    with pytest.raises(BearerError) as caught:
        await world.present(authorization, proof=proof)
    assert (caught.value.code, caught.value.reason) == (code, reason)
    return caught.value


def test_a_proof_makes_a_token_that_is_good_with_its_key_alone() -> None:
    """Required by RFC 9449 §5, §6 and §7.1."""

    async def scenario(world: World) -> None:
        tokens = await connect(world)
        assert tokens["token_type"] == "DPoP"
        access = tokens["access_token"]
        for scheme in ("DPoP", "dpop", "DPOP"):
            bearer = await world.present(f"{scheme} {access}", proof=prove("/mcp", token=access))
            assert (bearer.username, bearer.jkt) == ("ada", find_thumbprint())

    run(scenario)


def test_without_a_proof_tokens_are_what_they_were() -> None:
    """Required by RFC 9449 §5: a client that proves no key gets bearer tokens."""

    async def scenario(world: World) -> None:
        tokens = await world.connect()
        assert tokens["token_type"] == "Bearer"
        assert (await world.use(tokens["access_token"])).jkt == ""
        assert (await world.refresh(tokens["refresh_token"]))["token_type"] == "Bearer"

    run(scenario)


def test_a_stolen_token_opens_nothing() -> None:
    """Required by RFC 9449 §7.1 and §7.2: neither as a bearer token, nor with another key, nor with a proof
    that somebody has seen.
    """

    async def scenario(world: World) -> None:
        access, other = [(await connect(world))["access_token"] for _ in range(2)]
        seen = prove("/mcp", token=access)
        await world.use(access, proof=seen)
        for proof in (None, seen, prove("/mcp", token=access)):
            await use_refused(world, f"Bearer {access}", proof, reason="token_without_proof")
        refusals = [
            (None, "invalid_dpop_proof", "dpop_missing"),
            (seen, "invalid_dpop_proof", "dpop_replayed"),
            (prove("/mcp", token=access, key=THIEF), "invalid_token", "dpop_key_differs"),
            (prove("/mcp", token=other), "invalid_dpop_proof", "dpop_token_hash"),
            (prove("/mcp"), "invalid_dpop_proof", "dpop_token_hash"),
            (prove("/files/mcp", token=access), "invalid_dpop_proof", "dpop_target"),
            (prove("/mcp", token=access, issuer="https://evil.example"), "invalid_dpop_proof", "dpop_target"),
            (prove("/mcp", token=access, htm="GET"), "invalid_dpop_proof", "dpop_target"),
            (prove("/mcp", token=access, now=START - 600), "invalid_dpop_proof", "dpop_time"),
        ]
        for proof, code, reason in refusals:
            error = await use_refused(world, f"DPoP {access}", proof, code=code, reason=reason)
            assert (error.scheme, error.status) == ("DPoP", 401)
            assert (error.client, error.user) == ("native", "ada")

    run(scenario)


def test_a_bearer_token_gains_nothing_by_a_proof() -> None:
    """Required by RFC 9449 §7.1: a token that is not bound is refused under the scheme DPoP, and a proof that
    comes beside a bearer token is not looked at.
    """

    async def scenario(world: World) -> None:
        access = (await world.connect())["access_token"]
        await use_refused(world, f"DPoP {access}", prove("/mcp", token=access), reason="token_unbound")
        await use_refused(world, f"DPoP {access}", None, reason="token_unbound")
        assert (await world.present(f"Bearer {access}", proof="nonsense")).username == "ada"

    run(scenario)


def test_a_token_is_good_where_it_is_for_whatever_is_proven() -> None:
    """Required by RFC 8707 §2 and RFC 6750 §3.1, as for every token."""

    async def scenario(world: World) -> None:
        access = (await connect(world))["access_token"]
        with pytest.raises(BearerError) as caught:
            await world.use(access, FILES, proof=prove("/files/mcp", token=access))
        assert (caught.value.reason, caught.value.scheme) == ("token_audience", "DPoP")
        world.advance(3601)
        proof = prove("/mcp", token=access, now=world.now)
        await use_refused(world, f"DPoP {access}", proof, reason="token_unknown")

    run(scenario)


# Refresh


def test_a_public_clients_refresh_token_is_bound_to_its_key() -> None:
    """Required by RFC 9449 §5; and what a thief tries ends nothing and uses nothing up."""

    async def scenario(world: World) -> None:
        first = await connect(world)
        for presented in (first, await refresh(world, first["refresh_token"], prove())):
            with refused("invalid_dpop_proof", "dpop_missing"):
                await refresh(world, presented["refresh_token"], None)
            with refused("invalid_grant", "dpop_key_differs"):
                await refresh(world, presented["refresh_token"], prove(key=THIEF))
            with refused("invalid_dpop_proof", "dpop_target"):
                await refresh(world, presented["refresh_token"], prove("/mcp"))
        world.advance(31)
        with refused("invalid_grant", "dpop_key_differs"):
            await refresh(world, first["refresh_token"], prove(key=THIEF, now=world.now))
        again = await refresh(world, presented["refresh_token"], prove(now=world.now))
        assert again["token_type"] == "DPoP"
        access = again["access_token"]
        await world.use(access, proof=prove("/mcp", token=access, now=world.now))
        world.advance(31)
        with refused("invalid_grant", "refresh_reused"):
            await refresh(world, first["refresh_token"], prove(now=world.now))

    run(scenario)


def test_a_confidential_client_may_change_its_key() -> None:
    """Required by RFC 9449 §5: its refresh tokens are bound to its credentials alone."""

    async def scenario(world: World) -> None:
        tokens = (await world.redeem(await world.issue_code(), proof=prove())).body
        assert tokens["token_type"] == "DPoP"
        key = make_key("RS256")
        tokens = await world.refresh(tokens["refresh_token"], proof=prove(key=key, algorithm="RS256"))
        access = tokens["access_token"]
        proof = prove("/mcp", token=access, key=key, algorithm="RS256")
        assert (await world.use(access, proof=proof)).jkt == find_thumbprint(key)
        old = prove("/mcp", token=access)
        await use_refused(world, f"DPoP {access}", old, reason="dpop_key_differs")
        assert (await world.refresh(tokens["refresh_token"]))["token_type"] == "Bearer"

    run(scenario)


def test_a_retried_refresh_gets_a_token_for_its_own_key() -> None:
    """Our choice: the same successor, and never a token that the request can not use or has not asked for."""

    async def scenario(world: World) -> None:
        first = (await world.redeem(await world.issue_code(), proof=prove())).body["refresh_token"]
        bound = await world.refresh(first, proof=prove())
        again = await world.refresh(first, proof=prove())
        assert again == bound
        other = await world.refresh(first, proof=prove(key=THIEF))
        assert other["refresh_token"] == bound["refresh_token"]
        assert other["access_token"] != bound["access_token"]
        access = other["access_token"]
        assert (await world.use(access, proof=prove("/mcp", token=access, key=THIEF))).username == "ada"
        plain = await world.refresh(first)
        assert (plain["token_type"], plain["refresh_token"]) == ("Bearer", bound["refresh_token"])
        await world.use(plain["access_token"])

    run(scenario)


# Who must


def test_a_client_that_said_so_gets_no_token_without_a_proof() -> None:
    """Required by RFC 9449 §5.2: registered, preset, or by its document."""

    async def scenario(world: World) -> None:
        client, _ = await world.register(dpop_bound_access_tokens=True)
        code = await world.issue_code(client.client_id, redirect_uri=NATIVE_CALLBACK)
        who = {"client_id": client.client_id, "client_secret": None}
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.redeem(code, **who)
        tokens = (await world.redeem(code, **who, proof=prove())).body
        assert tokens["token_type"] == "DPoP"
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.refresh(tokens["refresh_token"], **who)

        preset = build_preset(
            client_id="bound", client_secret=SECRET, redirect_uris=[CALLBACK], dpop_bound_access_tokens=True
        )
        clients = Clients([preset], world.store)
        world.rules = msgspec.structs.replace(world.rules, clients=clients)
        world.tokens = msgspec.structs.replace(world.tokens, clients=clients)
        code = await world.issue_code("bound")
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.redeem(code, client_id="bound")
        assert (await world.redeem(code, client_id="bound", proof=prove())).body["token_type"] == "DPoP"

    run(scenario)


def test_the_member_is_kept_as_it_was_said() -> None:
    """Required by RFC 9449 §5.2 and RFC 7591 §3.2.1."""
    body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    for said in (True, False):
        client, _ = parse_registration(body | {"dpop_bound_access_tokens": said}, now=START)
        assert client.metadata["dpop_bound_access_tokens"] is said
    assert "dpop_bound_access_tokens" not in parse_registration(body, now=START)[0].metadata
    for wrong in ("true", 1):
        with refused("invalid_client_metadata", "invalid_client_metadata"):
            parse_registration(body | {"dpop_bound_access_tokens": wrong}, now=START)


@pytest.mark.parametrize(("said", "bound"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_document_says_it_too(said: object, bound: bool) -> None:
    """Required by RFC 9449 §5.2: what is no boolean is left out, as all that is not understood."""
    url = "https://app.example.com/client.json"
    document = {"client_id": url, "redirect_uris": [CALLBACK], "dpop_bound_access_tokens": said}
    client = parse_document(url, document, DocumentSource.FETCHED)
    assert client.dpop_bound_access_tokens is bound


def test_where_the_server_requires_it_there_are_no_bearer_tokens() -> None:
    """Our choice ([dpop] required): not even those that were issued before."""

    async def scenario(world: World) -> None:
        before = (await world.connect())["access_token"]
        set_policy(world, required=True)
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.connect()
        error = await use_refused(world, f"Bearer {before}", None, reason="token_unbound")
        challenge = build_challenges(error, MCP, world.tokens.proofs, issuer=ISSUER)
        assert challenge.startswith("DPoP ")
        assert "Bearer" not in challenge
        assert "resource_metadata=" in challenge
        access = (await connect(world))["access_token"]
        await world.use(access, proof=prove("/mcp", token=access))

    run(scenario)


# Nonces


def test_the_token_endpoint_asks_for_a_nonce_where_it_is_to() -> None:
    """Required by RFC 9449 §8: the code is good for the second try, and the answer names the nonce."""

    async def scenario(world: World) -> None:
        set_policy(world, token_nonces=True)
        code = await world.issue_code("native", redirect_uri=NATIVE_CALLBACK)
        with refused("use_dpop_nonce", "dpop_nonce_missing"):
            await world.redeem(code, **NATIVE, proof=prove())
        nonce = await world.tokens.proofs.nonces.issue(now=world.now)
        response = await world.redeem(code, **NATIVE, proof=prove(nonce=nonce))
        assert (response.body["token_type"], response.dpop_nonce) == ("DPoP", nonce)
        access = response.body["access_token"]
        await world.use(access, proof=prove("/mcp", token=access))
        assert (await world.connect())["token_type"] == "Bearer"

    run(scenario)


def test_an_error_of_the_grant_tells_the_nonce_too() -> None:
    """Required by RFC 9449 §8.2: the next nonce may come with any answer."""

    async def scenario(world: World) -> None:
        set_policy(world, token_nonces=True)
        nonce = await world.tokens.proofs.nonces.issue(now=world.now)
        with pytest.raises(OAuthError, match="unknown") as caught:
            await world.redeem("omt_ac_unknown", **NATIVE, proof=prove(nonce=nonce))
        assert caught.value.dpop_nonce == nonce

    run(scenario)


def test_a_resource_asks_for_a_nonce_where_it_is_to() -> None:
    """Required by RFC 9449 §9."""

    async def scenario(world: World) -> None:
        set_policy(world, resource_nonces=True)
        access = (await connect(world))["access_token"]
        error = await use_refused(
            world,
            f"DPoP {access}",
            prove("/mcp", token=access),
            code="use_dpop_nonce",
            reason="dpop_nonce_missing",
        )
        challenge = build_challenges(error, MCP, world.tokens.proofs, issuer=ISSUER)
        assert challenge.startswith('DPoP error="use_dpop_nonce"')
        bearer = await world.use(access, proof=prove("/mcp", token=access, nonce=error.dpop_nonce))
        assert bearer.dpop_nonce == error.dpop_nonce
        world.advance(PERIOD)
        proof = prove("/mcp", token=access, nonce=error.dpop_nonce, now=world.now)
        assert (await world.use(access, proof=proof)).dpop_nonce not in ("", error.dpop_nonce)

    run(scenario)


# dpop_jkt


def test_a_code_that_is_bound_to_a_key_is_redeemed_with_it_alone() -> None:
    """Required by RFC 9449 §10."""

    async def scenario(world: World) -> None:
        code = await world.issue_code("native", redirect_uri=NATIVE_CALLBACK, dpop_jkt=find_thumbprint())
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.redeem(code, **NATIVE)
        with refused("invalid_grant", "dpop_key_differs"):
            await world.redeem(code, **NATIVE, proof=prove(key=THIEF))
        assert (await world.redeem(code, **NATIVE, proof=prove())).body["token_type"] == "DPoP"

    run(scenario)


@pytest.mark.parametrize("thumbprint", ["x", "A" * 42, "A" * 44, "B" * 43, "=" * 43, "ä" * 43])
def test_a_thumbprint_is_one(thumbprint: str) -> None:
    """Required by RFC 9449 §10 and RFC 7638: 32 bytes in base64url."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", "dpop_jkt", to_client=True):
            await world.request(dpop_jkt=thumbprint)

    run(scenario)


def test_two_thumbprints_are_refused() -> None:
    """Required by RFC 6749 §3.1."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", "duplicate_parameter", to_client=True):
            await world.request(dpop_jkt=[find_thumbprint(), find_thumbprint(THIEF)])

    run(scenario)


# Pushed requests


def test_a_proof_with_a_pushed_request_binds_its_code() -> None:
    """Required by RFC 9449 §10.1: as `dpop_jkt` would, which must then mean the same key."""

    async def scenario(world: World) -> None:
        for said in ({}, {"dpop_jkt": find_thumbprint()}):
            push = await world.push(proof=prove("/par"), **said)
            request = await world.open(push.request_uri)
            assert request.dpop_jkt == find_thumbprint()
            scope = check_grantable(request, ADA)
            code = await approve(request, ADA, scope, world.consents, now=world.now)
            with refused("invalid_grant", "dpop_key_differs"):
                await world.redeem(code, proof=prove(key=THIEF))
            assert (await world.redeem(code, proof=prove())).body["token_type"] == "DPoP"
        with refused("invalid_request", "dpop_key_differs"):
            await world.push(proof=prove("/par"), dpop_jkt=find_thumbprint(THIEF))
        proof = prove("/par")
        await world.push(proof=proof)
        with refused("invalid_dpop_proof", "dpop_replayed"):
            await world.push(proof=proof)
        with refused("invalid_dpop_proof", "dpop_target"):
            await world.push(proof=prove("/token"))
        assert (await world.open((await world.push()).request_uri)).dpop_jkt == ""

    run(scenario)


def test_a_pushed_request_is_asked_for_a_nonce_as_a_token_request_is() -> None:
    """Required by RFC 9449 §8 and §10.1."""

    async def scenario(world: World) -> None:
        set_policy(world, token_nonces=True)
        with refused("use_dpop_nonce", "dpop_nonce_missing"):
            await world.push(proof=prove("/par"))
        nonce = await world.tokens.proofs.nonces.issue(now=world.now)
        assert await world.push(proof=prove("/par", nonce=nonce))
        with pytest.raises(OAuthError) as caught:
            await world.push(proof=prove("/par", nonce=nonce), response_type="token")
        assert (caught.value.code, caught.value.dpop_nonce) == ("unsupported_response_type", nonce)

    run(scenario)


# Devices, and other servers


def test_a_device_gets_a_bound_token() -> None:
    """Required by RFC 9449 §5: whatever the grant. A poll without the nonce is none."""

    async def scenario(world: World) -> None:
        request = await world.ask_device()
        with refused("authorization_pending", "device_pending", status=400):
            await world.poll(request.device_code, proof=prove())
        await world.decide(request, "mcp")
        world.advance(5)
        set_policy(world, token_nonces=True)
        with refused("use_dpop_nonce", "dpop_nonce_missing"):
            await world.poll(request.device_code, proof=prove(now=world.now))
        nonce = await world.tokens.proofs.nonces.issue(now=world.now)
        tokens = await world.poll(request.device_code, proof=prove(now=world.now, nonce=nonce))
        assert tokens["token_type"] == "DPoP"
        with refused("invalid_dpop_proof", "dpop_missing"):
            await world.refresh(tokens["refresh_token"], client_id="tv", client_secret=None)

    run(scenario)


def test_introspection_tells_the_key() -> None:
    """Required by RFC 9449 §6.2 and RFC 7662 §2.2: the resource server is to look for the proof."""

    async def scenario(world: World) -> None:
        server = ResourceServer(server_id="rs", secret_hash=digest("rs secret"), resources=("/mcp",))
        rules = IntrospectionRules(
            store=world.store,
            people=world.tokens.people,
            resources=[MCP, FILES],
            servers=build_resource_servers([server]),
        )
        for proof in (prove(), None):
            token = (await world.redeem(await world.issue_code(), proof=proof)).body["access_token"]
            given = parse(token=token, client_id="rs", client_secret="rs secret")
            body = (await introspect(given, None, rules, issuer=ISSUER, now=world.now)).body
            assert body["token_type"] == ("DPoP" if proof else "Bearer")
            assert body.get("cnf") == ({"jkt": find_thumbprint()} if proof else None)

    run(scenario)


# Challenges


def test_both_schemes_are_offered_and_the_one_that_was_used_is_answered() -> None:
    """Required by RFC 9449 §7.1 and §7.2, RFC 6750 §3. Bearer comes first, and alone says where to go on."""

    async def scenario(world: World) -> None:
        offered = f'mcp", DPoP algs="{" ".join(ALGORITHMS)}"'
        for header in (None, "Basic abc", "Bearer unknown"):
            with pytest.raises(BearerError) as caught:
                await world.present(header)
            challenges = build_challenges(caught.value, MCP, world.tokens.proofs, issuer=ISSUER)
            assert challenges.startswith("Bearer ")
            assert challenges.endswith(offered)
            assert "resource_metadata=" in challenges
        for header in ("DPoP unknown", "DPoP", "DPoP a b"):
            with pytest.raises(BearerError) as caught:
                await world.present(header)
            challenge = build_challenges(caught.value, MCP, world.tokens.proofs, issuer=ISSUER)
            assert challenge.startswith('DPoP error="invalid_token"')
            assert challenge.endswith(f'algs="{" ".join(ALGORITHMS)}"')
            assert "resource_metadata=" in challenge

    run(scenario)
