"""A client pushes its authorization request, and a browser brings no more than its name."""

import asyncio
from typing import Any

import msgspec
import pytest

from omnitornado.oauth.authorize import AuthorizationRequest, check_authorization_request
from omnitornado.oauth.client import Clients, DocumentSource, build_preset
from omnitornado.oauth.client_document import parse_document
from omnitornado.oauth.client_metadata import build_registration_response, parse_registration
from omnitornado.oauth.consent import ConsentGone, approve, check_grantable, needs_consent
from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.people import Person
from omnitornado.oauth.pushed_request import (
    MAX_QUERY,
    URI_PREFIX,
    build_query,
    load_authorization_request,
)
from omnitornado.oauth.secrets import digest
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits

from .world import (
    ADA,
    BARE,
    BOB,
    CALLBACK,
    CHALLENGE,
    ISSUER,
    NATIVE,
    SECRET,
    WEB,
    World,
    build_basic,
    build_request,
    parse,
    refused,
    run,
)


async def _approve(world: World, request: AuthorizationRequest, person: Person = ADA, **changed: Any) -> str:
    scope = check_grantable(request, person)
    return await approve(request, person, scope, world.consents, now=world.now, **changed)


def test_what_was_pushed_is_what_the_browser_asks_for() -> None:
    """Required by RFC 9126 §2.2 and §4: a name that can't be guessed, and under it the whole request."""

    async def scenario(world: World) -> None:
        both = [ISSUER + "/mcp", ISSUER + "/files/mcp"]
        push = await world.push(scope="mcp files", resource=both, state="ümlaut&=", prompt="consent")
        response = push.build_response()
        assert response == {"request_uri": push.request_uri, "expires_in": 600}
        assert push.request_uri.startswith(URI_PREFIX)
        assert len(push.request_uri) >= len(URI_PREFIX) + 43
        request = await world.open(push.request_uri)
        assert request.pushed is not None
        assert request == msgspec.structs.replace(push.request, pushed=request.pushed)
        assert (request.redirect.uri, request.redirect.state) == (CALLBACK, "ümlaut&=")
        assert (request.scope, request.resources) == (("mcp", "files"), ("/mcp", "/files/mcp"))
        assert (request.code_challenge, request.prompt) == (CHALLENGE, frozenset({"consent"}))
        assert (await world.push()).request_uri != push.request_uri

    run(scenario)


def test_the_files_hold_neither_the_name_nor_what_the_client_proved_itself_by() -> None:
    """Our choice: who reads them can't use the request in the client's stead, nor pose as it."""

    async def scenario(world: World) -> None:
        push = await world.push()
        (kept,) = world.store.state.pushed.iterate_slices(9)
        written = msgspec.msgpack.encode(list(kept.items()))
        for secret in (push.request_uri.removeprefix(URI_PREFIX), SECRET, "client_secret", "secret%3A"):
            assert secret.encode() not in written
        assert b"code_challenge" in written

    run(scenario)


def test_no_proof_of_the_client_becomes_part_of_the_request() -> None:
    """Our choice; `client_id` is what the client proved to be."""
    proofs = {"client_secret": "s", "client_assertion": "a.b.c", "client_assertion_type": "urn:x"}
    resources = ["https://a/", "https://b/"]
    query = build_query(parse(**proofs, scope="a b", state="=&", resource=resources), "web")
    assert parse_parameters(query) == parse(client_id="web", scope="a b", state="=&", resource=resources)


@pytest.mark.parametrize("way", ["post", "basic", "basic without client_id"])
def test_a_client_proves_itself_as_at_the_token_endpoint(way: str) -> None:
    """Required by RFC 9126 §2 and §2.1; Basic names the client well enough for itself."""

    async def scenario(world: World) -> None:
        changed: dict[str, Any] = {}
        if way != "post":
            changed = {"client_secret": None, "authorization": build_basic("web", SECRET)}
        if way == "basic without client_id":
            changed["client_id"] = None
        push = await world.push(**changed)
        assert (await world.open(push.request_uri)).client == WEB

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        ({"client_secret": "wrong"}, "invalid_client", "client_secret_wrong"),
        ({"client_secret": None}, "invalid_client", "client_auth_method"),
        ({"client_id": "nobody"}, "invalid_client", "client_unknown"),
        ({"client_id": None}, "invalid_client", "client_id_missing"),
        (
            {"authorization": build_basic("web", SECRET), "client_secret": None, "client_id": "native"},
            "invalid_request",
            "client_id_mismatch",
        ),
        ({"authorization": build_basic("web", SECRET)}, "invalid_request", "client_two_methods"),
    ],
)
def test_who_does_not_prove_itself_pushes_nothing(changed: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 9126 §2.1 (step 1)."""

    async def scenario(world: World) -> None:
        with refused(code, reason):
            await world.push(**changed)
        assert len(world.store.state.pushed) == 0

    run(scenario)


CHECKS: list[tuple[dict[str, Any], str, str]] = [
    ({"redirect_uri": "https://evil.example/"}, "invalid_request", "redirect_mismatch"),
    ({"response_type": None}, "invalid_request", "response_type_missing"),
    ({"response_type": "token"}, "unsupported_response_type", "response_type"),
    ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
    ({"code_challenge": None}, "invalid_request", "pkce_missing"),
    ({"code_challenge_method": "plain"}, "invalid_request", "pkce_plain"),
    ({"scope": "nonsense"}, "invalid_scope", "scope_unknown"),
    ({"resource": "https://evil.example/mcp"}, "invalid_target", "resource_unknown"),
    ({"prompt": "none login"}, "invalid_request", "prompt_none"),
    ({"request": "eyJ"}, "request_not_supported", "request_object"),
    ({"request_uri": "https://app.example.com/r"}, "invalid_request", "request_uri_pushed"),
    ({"request_uri": URI_PREFIX + "x"}, "invalid_request", "request_uri_pushed"),
    ({"scope": ["mcp", "files"]}, "invalid_request", "duplicate_parameter"),
    ({"state": ["a", "b"]}, "invalid_request", "duplicate_parameter"),
]


@pytest.mark.parametrize(("changed", "code", "reason"), CHECKS)
def test_a_request_is_checked_when_it_is_pushed(changed: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 9126 §2.1 (steps 2 and 3) and §2.3: the client hears of it, not the browser."""

    async def scenario(world: World) -> None:
        to_client = reason not in (
            "redirect_mismatch",
            "duplicate_parameter",
            "request_uri_pushed",
        )
        with refused(code, reason, to_client=to_client):
            await world.push(**changed)
        assert len(world.store.state.pushed) == 0

    run(scenario)


def test_a_request_that_is_too_long_is_not_kept() -> None:
    """Required by RFC 9126 §2.3 (413); the bound is our choice."""

    async def scenario(world: World) -> None:
        await world.push(state="x" * 7000)
        with refused("invalid_request", "push_too_long", status=413):
            await world.push(state="x" * MAX_QUERY)
        with refused("invalid_request", "push_too_long", status=413):
            await world.push(state="ü" * 2000)

    run(scenario)


def test_a_public_client_may_push_and_must_not_be_another() -> None:
    """Required by RFC 9126 §2: authentication is for those that have something to authenticate with."""

    async def scenario(world: World) -> None:
        uri = "http://127.0.0.1:4321/callback"
        push = await world.push(client_id="native", client_secret=None, redirect_uri=uri)
        assert (await world.open(push.request_uri, "native")).redirect.uri == uri

    run(scenario)


# The name


BESIDE: list[dict[str, Any]] = [
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": "https://evil.example/", "response_type": "token", "state": "theirs"},
    {"scope": "files", "resource": ISSUER + "/files/mcp"},
    {"code_challenge": "x" * 43, "code_challenge_method": "plain"},
    {"prompt": "none", "request": "eyJ", "state": ["a", "b"]},
]


@pytest.mark.parametrize("beside", BESIDE)
def test_beside_a_name_nothing_but_the_client_id_counts(beside: dict[str, Any]) -> None:
    """Required by RFC 9101 §6.3 and RFC 9126 §4: who changes the address the browser is sent to changes
    nothing of what was pushed.
    """

    async def scenario(world: World) -> None:
        push = await world.push(scope="mcp")
        request = await world.open(push.request_uri, **beside)
        assert msgspec.structs.replace(request, pushed=None) == push.request

    run(scenario)


@pytest.mark.parametrize("changed", ["x", "", "X", " "])
def test_a_name_that_was_never_given_is_a_page(changed: str) -> None:
    """Required by RFC 9101 §7 (invalid_request_uri); no address in the query could be believed."""

    async def scenario(world: World) -> None:
        push = await world.push()
        for name in (URI_PREFIX + changed, push.request_uri + changed + "x", push.request_uri[:-1] + changed):
            with refused("invalid_request_uri", "request_uri_unknown"):
                await world.open(name, redirect_uri=CALLBACK, state="s", response_type="code")

    run(scenario)


def test_another_clients_name_is_as_good_as_none() -> None:
    """Required by RFC 9126 §2.2 (bound to the client) and §7.3; nothing tells it from an unknown one."""

    async def scenario(world: World) -> None:
        push = await world.push()
        with refused("invalid_request_uri", "request_uri_other_client"):
            await world.open(push.request_uri, "native")
        with refused("invalid_request", "missing_client_id"):
            await world.open(push.request_uri, None)
        for client_id in (["native", "web"], ["web", "native"]):
            with refused("invalid_request", "duplicate_parameter"):
                await world.open(push.request_uri, client_id)  # type: ignore[arg-type]
        assert (await world.open(push.request_uri)).client == WEB

    run(scenario)


def test_a_name_ends_with_its_time() -> None:
    """Required by RFC 9126 §4: an expired one is refused, though the person had opened it before."""

    async def scenario(world: World) -> None:
        push = await world.push()
        world.advance(599)
        request = await world.open(push.request_uri)
        world.advance(1)
        with refused("invalid_request_uri", "request_uri_unknown"):
            await world.open(push.request_uri)
        with refused("invalid_request_uri", "request_uri_used"):
            await _approve(world, request)

    run(scenario)


def test_a_name_may_be_opened_again_until_a_code_answers_it() -> None:
    """Required by RFC 9126 §4 (reloads) and §7.3 (replay)."""

    async def scenario(world: World) -> None:
        push = await world.push()
        first, second = await world.open(push.request_uri), await world.open(push.request_uri)
        code = await _approve(world, first)
        with refused("invalid_request_uri", "request_uri_used"):
            await _approve(world, second, BOB)
        with refused("invalid_request_uri", "request_uri_unknown"):
            await world.open(push.request_uri)
        assert (await world.redeem(code)).grant.username == "ada"

    run(scenario)


def test_of_two_approvals_at_once_one_counts() -> None:
    """Required by RFC 9126 §7.3."""

    async def scenario(world: World) -> None:
        push = await world.push()
        request = await world.open(push.request_uri)
        found = await asyncio.gather(
            _approve(world, request), _approve(world, request, BOB), return_exceptions=True
        )
        assert [isinstance(one, str) for one in found] == [True, False]
        assert len(world.store.state.codes) == 1

    run(scenario)


def test_what_was_pushed_is_checked_again_when_the_browser_comes() -> None:
    """Required by RFC 9126 §4: the client, its redirect addresses and the scopes may have changed."""

    async def scenario(world: World) -> None:
        push = await world.push(scope="files")
        moved = build_preset(client_id="web", client_secret=SECRET, redirect_uris=["https://new.example/cb"])
        before = world.rules
        world.rules = msgspec.structs.replace(before, clients=Clients([moved], world.store))
        with refused("invalid_request", "redirect_mismatch"):
            await world.open(push.request_uri)
        narrow = build_preset(client_id="web", client_secret=SECRET, redirect_uris=[CALLBACK], scope=["mcp"])
        world.rules = msgspec.structs.replace(before, clients=Clients([narrow], world.store))
        with refused("invalid_scope", "scope_not_client", to_client=True):
            await world.open(push.request_uri)
        world.rules = msgspec.structs.replace(before, clients=Clients([NATIVE], world.store))
        with refused("invalid_request", "client_unknown"):
            await world.open(push.request_uri)

    run(scenario)


def test_a_client_without_addresses_is_bound_by_what_was_pushed() -> None:
    """Our choice, as without a push; RFC 9126 §2.4 lets a client that proves itself name a new address."""

    async def scenario(world: World) -> None:
        uri = "https://a.example/callback"
        push = await world.push(client_id="bare", client_secret="bare secret", redirect_uri=uri)
        late = await world.push(
            client_id="bare", client_secret="bare secret", redirect_uri="https://b.example/"
        )
        request, other = (
            await world.open(push.request_uri, "bare"),
            await world.open(late.request_uri, "bare"),
        )
        assert (request.client, request.binds_redirect) == (BARE, True)
        await _approve(world, request)
        with refused("invalid_request", "redirect_bound"):
            await _approve(world, other)
        with refused("invalid_request", "redirect_bound"):
            await world.push(client_id="bare", client_secret="bare secret", redirect_uri="https://b.example/")

    run(scenario)


def test_an_extension_s_parameter_is_kept_with_the_rest() -> None:
    """Required by RFC 9449 §10.1 (`dpop_jkt`): what an authorization request may carry may be pushed."""

    async def scenario(world: World) -> None:
        push = await world.push(dpop_jkt="A" * 43)
        found = await world.store.find_pushed(
            digest(push.request_uri.removeprefix(URI_PREFIX)), now=world.now
        )
        assert found is not None
        assert "dpop_jkt=" + "A" * 43 in found.query.split("&")

    run(scenario)


# Required


def test_a_server_may_take_pushed_requests_alone() -> None:
    """Required by RFC 9126 §4 and §5: anything else is invalid_request, a request_uri of one's own too."""

    async def scenario(world: World) -> None:
        world.rules = msgspec.structs.replace(world.rules, requires_pushed=True)
        for changed in ({}, {"request_uri": "https://app.example.com/r"}, {"request": "eyJ"}):
            with refused("invalid_request", "push_required", to_client=True):
                await load_authorization_request(build_request(**changed), world.rules, now=world.now)
        push = await world.push()
        assert (await world.open(push.request_uri)).client == WEB

    run(scenario)


def test_a_client_may_take_pushed_requests_alone() -> None:
    """Required by RFC 9126 §6: preset, registered, or by its own document."""

    async def scenario(world: World) -> None:
        strict = build_preset(
            client_id="web",
            client_secret=SECRET,
            redirect_uris=[CALLBACK],
            require_pushed_authorization_requests=True,
        )
        world.rules = msgspec.structs.replace(world.rules, clients=Clients([strict, NATIVE], world.store))
        with refused("invalid_request", "push_required", to_client=True):
            await check_authorization_request(build_request(), world.rules, now=world.now)
        other = build_request("native", redirect_uri="http://127.0.0.1:1/callback")
        await check_authorization_request(other, world.rules, now=world.now)
        registered, _ = await world.register(require_pushed_authorization_requests=True)
        request = build_request(registered.client_id, redirect_uri="http://127.0.0.1:1/callback")
        with refused("invalid_request", "push_required", to_client=True):
            await check_authorization_request(request, world.rules, now=world.now)

    run(scenario)


@pytest.mark.parametrize(("value", "kept"), [(True, True), (False, None), (None, None)])
def test_a_registration_says_whether_the_client_pushes(value: bool | None, kept: bool | None) -> None:
    """Required by RFC 9126 §6 and RFC 7591 §3.2.1: what was registered is returned."""
    body = {"redirect_uris": ["http://127.0.0.1/callback"], "require_pushed_authorization_requests": value}
    client, secret = parse_registration(body, now=0.0)
    response = build_registration_response(client, secret)
    assert response.get("require_pushed_authorization_requests") is kept


@pytest.mark.parametrize("value", ["true", 1, 0, [], {}])
def test_a_registration_says_so_with_true_or_false(value: object) -> None:
    """Required by RFC 9126 §6: a boolean."""
    body = {"redirect_uris": ["http://127.0.0.1/callback"], "require_pushed_authorization_requests": value}
    with refused("invalid_client_metadata", "invalid_client_metadata"):
        parse_registration(body, now=0.0)


@pytest.mark.parametrize(
    ("value", "requires"), [(True, True), (False, False), (None, False), ("true", False)]
)
def test_a_clients_own_document_says_whether_it_pushes(value: object, requires: bool) -> None:
    """Required by RFC 9126 §6; what is not understood there is left out, as all of a document is."""
    url = "https://app.example.com/client.json"
    document = {
        "client_id": url,
        "redirect_uris": [CALLBACK],
        "require_pushed_authorization_requests": value,
    }
    assert parse_document(url, document, DocumentSource.FETCHED).requires_pushed is requires


# What a person has approved before


def test_a_remembered_approval_answers_a_pushed_request_once() -> None:
    """Required by RFC 9126 §7.3: the same holds where nobody is asked."""

    async def scenario(world: World) -> None:
        await _approve(world, await world.request())
        push = await world.push()
        request = await world.open(push.request_uri)
        assert not await needs_consent(request, ADA, request.scope, world.store)
        await _approve(world, request, is_unasked=True)
        with refused("invalid_request_uri", "request_uri_used"):
            await _approve(world, request, is_unasked=True)

    run(scenario)


def test_who_disconnected_meanwhile_is_asked_again() -> None:
    """Our choice: between the look at the approval and the code the person may have taken it back."""

    async def scenario(world: World) -> None:
        await _approve(world, await world.request())
        request = await world.request()
        assert not await needs_consent(request, ADA, request.scope, world.store)
        await world.store.disconnect_client(username="ada", client_id="web", grant_id=b"x" * 16)
        with pytest.raises(ConsentGone):
            await _approve(world, request, is_unasked=True)
        assert await needs_consent(request, ADA, request.scope, world.store)
        assert len(world.store.state.codes) == 0

    run(scenario)


def test_a_flood_pushes_out_the_oldest_and_shuts_nobody_out() -> None:
    """Our choice (docs/limits.md): the newest are always there, and strangers are counted by themselves."""

    async def scenario(world: World) -> None:
        store = EmbeddedStore.open(None, clock=world.clock, limits=Limits(pushed_requests=4))
        await store.start()
        try:
            world.store = store
            world.rules = msgspec.structs.replace(world.rules, store=store)
            pushes = []
            for _ in range(6):
                world.advance(1)
                pushes.append(await world.push())
                for _ in range(5):
                    uri = "http://127.0.0.1:1/callback"
                    await world.push(client_id="native", client_secret=None, redirect_uri=uri)
            for push in pushes[:2]:
                with refused("invalid_request_uri", "request_uri_unknown"):
                    await world.open(push.request_uri)
            for push in pushes[2:]:
                assert (await world.open(push.request_uri)).client == WEB
            assert len(store.state.pushed) == 8
        finally:
            await store.close()

    run(scenario)


def test_other_kinds_of_request_uri_are_told_to_the_client() -> None:
    """Required by OpenID Connect Core §3.1.2.6: only what was given here is a name."""

    async def scenario(world: World) -> None:
        for name in ("https://app.example.com/r", "urn:ietf:params:oauth:request_uri", "urn:x", "x"):
            with refused("request_uri_not_supported", "request_object", to_client=True):
                await load_authorization_request(build_request(request_uri=name), world.rules, now=world.now)
        with refused("invalid_request", "duplicate_parameter"):
            await load_authorization_request(
                parse(client_id="web", request_uri=["x", "y"]), world.rules, now=world.now
            )

    run(scenario)
