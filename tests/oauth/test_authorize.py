"""The authorization request: every check, in order, and where its error may go."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest

from omnitornado.oauth.authorize import (
    build_error_url,
    build_success_url,
    check_authorization_request,
)
from omnitornado.oauth.client import Clients, build_preset
from omnitornado.oauth.consent import approve
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import ScopePolicy

from .world import (
    ADA,
    BARE,
    CALLBACK,
    CHALLENGE,
    ISSUER,
    REDIRECT,
    World,
    build_request,
    encode_form,
    refused,
    run,
)


def test_a_good_request_is_taken_apart() -> None:
    """Required by RFC 6749 §4.1.1, RFC 7636 §4.3 and RFC 8707 §2.1."""

    async def scenario(world: World) -> None:
        request = await world.request(scope="files mcp", resource=[ISSUER + "/mcp", ISSUER + "/files/mcp"])
        assert request.client.client_id == "web"
        assert request.redirect.uri == CALLBACK
        assert request.redirect.state == "opaque"
        assert request.redirect.issuer == ISSUER
        assert request.redirect_uri_given
        assert not request.binds_redirect
        assert request.scope == ("files", "mcp")
        assert request.resources == ("/mcp", "/files/mcp")
        assert request.code_challenge == CHALLENGE
        assert request.prompt == frozenset()

    run(scenario)


PAGE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"client_id": None}, "missing_client_id"),
    ({"client_id": ""}, "missing_client_id"),
    ({"client_id": "nobody"}, "client_unknown"),
    ({"client_id": "WEB"}, "client_unknown"),
    ({"client_id": "web "}, "client_unknown"),
    ({"client_id": "https://app.example.com/client.json"}, "client_unknown"),
    ({"client_id": ["web", "web"]}, "duplicate_parameter"),
    ({"client_id": ["nobody", "web"]}, "duplicate_parameter"),
    ({"redirect_uri": [CALLBACK, CALLBACK]}, "duplicate_parameter"),
    ({"redirect_uri": [CALLBACK, "https://evil.com/"]}, "duplicate_parameter"),
    ({"state": ["a", "b"]}, "duplicate_parameter"),
    ({"redirect_uri": "https://evil.com/"}, "redirect_mismatch"),
    ({"redirect_uri": CALLBACK + "/"}, "redirect_mismatch"),
    ({"redirect_uri": CALLBACK + "?x=1"}, "redirect_mismatch"),
    ({"redirect_uri": CALLBACK + "#x"}, "redirect_mismatch"),
    ({"redirect_uri": CALLBACK.upper()}, "redirect_mismatch"),
    ({"redirect_uri": "https://app.example.com@evil.com/callback"}, "redirect_mismatch"),
    ({"redirect_uri": "https://app.example.com\\@evil.com/callback"}, "redirect_mismatch"),
    ({"redirect_uri": "javascript:alert(1)"}, "redirect_mismatch"),
    ({"redirect_uri": "//evil.com"}, "redirect_mismatch"),
    ({"client_id": "native", "redirect_uri": None}, "redirect_missing"),
    ({"client_id": "native", "redirect_uri": "http://127.0.0.1.evil.com/callback"}, "redirect_mismatch"),
    ({"client_id": "native", "redirect_uri": "http://localhost.evil.com/callback"}, "redirect_mismatch"),
    ({"client_id": "native", "redirect_uri": "http://127.0.0.1:80@evil.com/callback"}, "redirect_mismatch"),
    ({"client_id": "native", "redirect_uri": "http://[::1].evil.com/callback"}, "redirect_mismatch"),
    ({"client_id": "native", "redirect_uri": "http://127.0.0.1/callback/x"}, "redirect_mismatch"),
    ({"client_id": "bare", "redirect_uri": None}, "redirect_missing"),
    ({"client_id": "bare", "redirect_uri": "http://evil.com/"}, "redirect_unfit"),
    ({"client_id": "bare", "redirect_uri": "javascript:alert(1)"}, "redirect_unfit"),
    ({"client_id": "bare", "redirect_uri": "https://a@b.example/"}, "redirect_unfit"),
]


@pytest.mark.parametrize(("changed", "reason"), PAGE_ERRORS)
def test_no_error_goes_to_an_address_that_was_not_matched(changed: dict[str, Any], reason: str) -> None:
    """Required by RFC 6749 §4.1.2.1 and RFC 9700 §4.11: a page, whatever else is wrong with the request."""

    async def scenario(world: World) -> None:
        spoilt = {"response_type": "token", "code_challenge": None, "scope": "nothing", "resource": "x"}
        for others in ({}, spoilt):
            with refused("invalid_request", reason):
                parameters = build_request(**others | changed)
                await check_authorization_request(parameters, world.rules, now=world.now)

    run(scenario)


CLIENT_ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({"response_type": None}, "invalid_request", "response_type_missing"),
    ({"response_type": ""}, "invalid_request", "response_type_missing"),
    ({"response_type": "token"}, "unsupported_response_type", "response_type"),
    ({"response_type": "code token"}, "unsupported_response_type", "response_type"),
    ({"response_type": "id_token"}, "unsupported_response_type", "response_type"),
    ({"response_type": "CODE"}, "unsupported_response_type", "response_type"),
    ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
    ({"response_mode": "form_post"}, "invalid_request", "response_mode"),
    ({"request": "eyJ"}, "request_not_supported", "request_object"),
    ({"request_uri": "https://x"}, "request_uri_not_supported", "request_object"),
    ({"code_challenge": None}, "invalid_request", "pkce_missing"),
    ({"code_challenge_method": None}, "invalid_request", "pkce_plain"),
    ({"code_challenge_method": "plain"}, "invalid_request", "pkce_plain"),
    ({"code_challenge": "x"}, "invalid_request", "pkce_malformed"),
    ({"scope": "admin"}, "invalid_scope", "scope_unknown"),
    ({"scope": "a\\b"}, "invalid_scope", "scope_malformed"),
    ({"resource": "https://evil.com/mcp"}, "invalid_target", "resource_unknown"),
    ({"resource": [ISSUER + "/mcp", ISSUER + "/x"]}, "invalid_target", "resource_unknown"),
    ({"resource": ISSUER + "/mcp#x"}, "invalid_target", "resource_unknown"),
    ({"prompt": "none login"}, "invalid_request", "prompt_none"),
    ({"response_type": ["code", "code"]}, "invalid_request", "duplicate_parameter"),
    ({"code_challenge": [CHALLENGE, "x"]}, "invalid_request", "duplicate_parameter"),
    ({"scope": ["mcp", "files"]}, "invalid_request", "duplicate_parameter"),
    ({"unknown": ["1", "2"]}, "invalid_request", "duplicate_parameter"),
]


@pytest.mark.parametrize(("changed", "code", "reason"), CLIENT_ERRORS)
def test_any_other_error_goes_to_the_client(changed: dict[str, Any], code: str, reason: str) -> None:
    """Required by RFC 6749 §4.1.2.1, RFC 7636 §4.4.1, RFC 8707 §2 and OpenID Connect Core §3.1.2.6."""

    async def scenario(world: World) -> None:
        with refused(code, reason, to_client=True):
            await world.request(**changed)

    run(scenario)


@pytest.mark.parametrize(
    "changed",
    [
        {"state": None},
        {"state": ""},
        {"resource": None, "scope": "mcp"},
        {"resource": "", "scope": "mcp"},
        {"scope": ""},
        {"scope": "openid email profile offline_access"},
        {"response_mode": "query"},
        {"prompt": "consent"},
        {"prompt": "select_account made_up"},
        {"nonce": "x", "unknown": "y", "ui_locales": "de"},
        {"resource": [ISSUER + "/mcp", ISSUER + "/mcp"]},
    ],
)
def test_what_clients_leave_out_or_add_is_no_error(changed: dict[str, Any]) -> None:
    """Required by RFC 6749 §3.1: unrecognized parameters are ignored, empty ones are absent."""

    async def scenario(world: World) -> None:
        request = await world.request(**changed)
        assert request.scope == ("mcp",)

    run(scenario)


def test_a_request_that_names_nothing_means_this_server_and_what_it_needs() -> None:
    """Our choice (RFC 6749 §3.3, RFC 8707 §2): every path, and the fewest scopes each can be used with."""

    async def scenario(world: World) -> None:
        request = await world.request(resource=None, scope=None)
        assert request.resources == ("/mcp", "/files/mcp")
        assert request.scope == ("mcp", "files")
        request = await world.request(resource=ISSUER + "/files/mcp", scope=None)
        assert (request.resources, request.scope) == (("/files/mcp",), ("files",))

    run(scenario)


def test_a_redirect_uri_may_be_left_out_where_there_is_one() -> None:
    """Required by RFC 6749 §3.1.2.3."""

    async def scenario(world: World) -> None:
        request = await world.request(redirect_uri=None)
        assert request.redirect.uri == CALLBACK
        assert not request.redirect_uri_given

    run(scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_native_client_is_answered_at_the_port_it_has_now(host: str) -> None:
    """Required by RFC 8252 §7.3."""

    async def scenario(world: World) -> None:
        uri = f"http://{host}:51004/callback"
        request = await world.request("native", redirect_uri=uri)
        assert request.redirect.uri == uri

    run(scenario)


def test_a_client_uses_the_grants_it_registered() -> None:
    """Required by RFC 6749 §4.1.2.1: unauthorized_client."""

    async def scenario(world: World) -> None:
        client = build_preset(
            client_id="x", client_secret="s", redirect_uris=[CALLBACK], grant_types=["refresh_token"]
        )
        world.rules = msgspec.structs.replace(world.rules, clients=Clients([client], world.store))
        with refused("unauthorized_client", "grant_type_not_registered", to_client=True):
            await world.request("x")

    run(scenario)


def test_a_preset_client_asks_for_its_own_scopes_alone() -> None:
    """Our choice ([[clients]] scope): what is beyond it is left out, and refused if nothing is left."""

    async def scenario(world: World) -> None:
        client = build_preset(client_id="x", client_secret="s", redirect_uris=[CALLBACK], scope=["mcp"])
        world.rules = msgspec.structs.replace(world.rules, clients=Clients([client], world.store))
        assert (await world.request("x", scope="files mcp")).scope == ("mcp",)
        with refused("invalid_scope", "scope_not_client", to_client=True):
            await world.request("x", scope="files")

    run(scenario)


def test_a_registered_client_is_not_held_to_the_scope_it_named() -> None:
    """Our choice: clients register with the scopes they happen to know then."""

    async def scenario(world: World) -> None:
        client, _ = await world.register(scope="mcp")
        uri = "http://127.0.0.1:1234/callback"
        assert (await world.request(client.client_id, redirect_uri=uri, scope="files")).scope == ("files",)

    run(scenario)


def test_a_server_without_scopes_takes_requests_without_one() -> None:
    """Our choice: a library's user may protect a path without naming a scope."""

    async def scenario(world: World) -> None:
        bare = ProtectedResource(path="/mcp", name="bare", scope=())
        scopes = ScopePolicy(descriptions={}, default=())
        world.rules = msgspec.structs.replace(world.rules, scopes=scopes, resources=[bare])
        assert (await world.request()).scope == ()

    run(scenario)


def test_a_public_client_without_any_redirect_uri_is_never_answered() -> None:
    """Required by OAuth 2.1 §2.3.1: anyone can pose as it, so there must be an address to hold it to."""

    async def scenario(world: World) -> None:
        clients = Clients([build_preset(client_id="x", client_secret=None)], world.store)
        world.rules = msgspec.structs.replace(world.rules, clients=clients)
        with refused("invalid_request", "redirect_unregistered"):
            await world.request("x")

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"code_challenge": None}, "invalid_request"),
        ({"scope": ["mcp", "files"]}, "invalid_request"),
    ],
)
def test_no_error_goes_to_an_address_that_nobody_approved(changed: dict[str, Any], code: str) -> None:
    """Required by RFC 9700 §4.11.2: a preset client without addresses makes us no open redirector."""

    async def scenario(world: World) -> None:
        evil = "https://evil.example/callback"
        with pytest.raises(OAuthError) as caught:
            await world.request("bare", redirect_uri=evil, **changed)
        assert (caught.value.code, caught.value.redirect) == (code, None)
        await world.issue_code("bare", redirect_uri=CALLBACK)
        with pytest.raises(OAuthError) as caught:
            await world.request("bare", redirect_uri=CALLBACK, **changed)
        assert (caught.value.code, caught.value.redirect is None) == (code, False)

    run(scenario)


@pytest.mark.parametrize("client_id", ["tv", "box"])
def test_a_client_for_device_codes_alone_is_never_redirected_to(client_id: str) -> None:
    """Required by RFC 9700 §4.1: it has no address, and none can be bound to it."""

    async def scenario(world: World) -> None:
        with refused("invalid_request", "grant_type_not_registered"):
            await world.request(client_id, redirect_uri=CALLBACK)

    run(scenario)


def test_no_address_is_bound_to_a_client_that_registered_itself() -> None:
    """Required by RFC 9700 §4.1: that is for clients of the configuration."""

    async def scenario(world: World) -> None:
        client, _ = await world.register(token_endpoint_auth_method="client_secret_basic")
        bare = msgspec.structs.replace(client, redirect_uris=())
        await world.store.register_client(bare)
        with refused("invalid_request", "redirect_unregistered"):
            await world.request(client.client_id, redirect_uri=CALLBACK)

    run(scenario)


def test_a_preset_address_that_is_unfit_is_a_page_and_no_fault() -> None:
    """Our choice: the configuration has its own rules, and what only those let through goes nowhere."""

    async def scenario(world: World) -> None:
        for uri in ("javascript:alert(1)", "http://intranet/callback", "x"):
            client = build_preset(client_id="x", client_secret="s", redirect_uris=[uri])
            world.rules = msgspec.structs.replace(world.rules, clients=Clients([client], world.store))
            for presented in (uri, None):
                with refused("invalid_request", "redirect_unfit"):
                    await world.request("x", redirect_uri=presented)

    run(scenario)


def test_the_first_approval_binds_a_preset_client_without_redirect_uris() -> None:
    """Our choice: people don't know ChatGPT's address before they make the connector."""

    async def scenario(world: World) -> None:
        uri = "https://chatgpt.com/connector/oauth/1"
        for presented in (uri, "https://other.example/callback"):
            assert (await world.request("bare", redirect_uri=presented)).binds_redirect
        await world.issue_code("bare", redirect_uri=uri)
        assert not (await world.request("bare", redirect_uri=uri)).binds_redirect
        for presented in (
            "https://other.example/callback",
            uri + "/",
            "https://chatgpt.com/connector/oauth/2",
        ):
            with refused("invalid_request", "redirect_bound"):
                await world.request("bare", redirect_uri=presented)

    run(scenario)


def test_a_binding_on_loopback_leaves_the_port_free() -> None:
    """Required by RFC 8252 §7.3."""

    async def scenario(world: World) -> None:
        await world.issue_code("bare", redirect_uri="http://127.0.0.1:1111/callback")
        assert not (await world.request("bare", redirect_uri="http://127.0.0.1:2222/callback")).binds_redirect
        with refused("invalid_request", "redirect_bound"):
            await world.request("bare", redirect_uri="http://localhost:1111/callback")

    run(scenario)


def test_of_two_first_approvals_at_once_one_binds() -> None:
    """Our choice: the binding is decided where the code is kept, so no race can bind two."""

    async def scenario(world: World) -> None:
        first = await world.request("bare", redirect_uri="https://a.example/callback")
        second = await world.request("bare", redirect_uri="https://b.example/callback")
        assert first.binds_redirect
        assert second.binds_redirect
        results = await asyncio.gather(
            *(approve(r, ADA, ("mcp",), world.consents, now=world.now) for r in (first, second)),
            return_exceptions=True,
        )
        refusals = [r for r in results if isinstance(r, OAuthError)]
        assert len(refusals) == 1
        assert refusals[0].reason == "redirect_bound"
        assert refusals[0].redirect is None
        binding = await world.store.find_redirect_binding(BARE.client_id)
        assert binding is not None
        assert binding.redirect_uri == "https://a.example/callback"

    run(scenario)


STATES = [
    "opaque",
    "with space",
    "+",
    "%2B",
    "a=b&c=d#e?f",
    '"<>\\^`{|}',
    "é 漢字 🛠",
    "\r\nSet-Cookie: x=y",
    " lead and trail ",
    "x" * 2000,
]


@pytest.mark.parametrize("state", STATES)
def test_state_comes_back_byte_for_byte_with_iss(state: str) -> None:
    """Required by RFC 6749 §4.1.2 and §4.1.2.1 (state), RFC 9207 §2 (iss), on success and on error."""

    async def scenario(world: World) -> None:
        request = await world.request(state=state)
        url = build_success_url(request.redirect, "the code")
        assert url.startswith(CALLBACK + "?code=")
        assert url.isascii()
        assert url.isprintable()
        assert parse_qs(urlsplit(url).query) == {"code": ["the code"], "state": [state], "iss": [ISSUER]}
        with pytest.raises(OAuthError) as caught:
            await world.request(state=state, response_type="token")
        assert caught.value.redirect is not None
        answer = parse_qs(urlsplit(build_error_url(caught.value.redirect, caught.value)).query)
        assert answer == {
            "error": ["unsupported_response_type"],
            "error_description": ["response_type must be code"],
            "state": [state],
            "iss": [ISSUER],
        }

    run(scenario)


def test_state_as_a_client_encoded_it_is_the_same_text() -> None:
    """Required by RFC 6749 §4.1.2: the exact value, however it was spelled on the way here."""

    async def scenario(world: World) -> None:
        query = encode_form(response_type="code", client_id="web", code_challenge=CHALLENGE)
        for spelled, state in (("a+b", "a b"), ("a%20b", "a b"), ("%C3%A9", "é"), (quote("a/b~"), "a/b~")):
            parameters = parse_parameters(f"{query}&code_challenge_method=S256&state={spelled}")
            request = await check_authorization_request(parameters, world.rules, now=world.now)
            assert request.redirect.state == state

    run(scenario)


def test_without_state_none_is_made_up() -> None:
    """Required by RFC 6749 §4.1.2: state if it was present."""

    async def scenario(world: World) -> None:
        request = await world.request(state=None)
        assert "state" not in parse_qs(urlsplit(build_success_url(request.redirect, "c")).query)

    run(scenario)


def test_the_query_of_a_redirect_uri_is_kept() -> None:
    """Required by RFC 6749 §3.1.2."""
    redirect = msgspec.structs.replace(REDIRECT, uri="https://app.example.com/cb?tenant=a%20b")
    url = build_success_url(redirect, "c")
    assert url == "https://app.example.com/cb?tenant=a%20b&code=c&state=s&iss=https%3A%2F%2Fauth.example.com"


def test_what_a_client_sent_is_cleaned_in_the_error() -> None:
    """Required by RFC 6749 §4.1.2.1: the characters of error_description."""

    async def scenario(world: World) -> None:
        with pytest.raises(OAuthError) as caught:
            await world.request(scope="a" * 3000)
        assert caught.value.redirect is not None
        assert len(build_error_url(caught.value.redirect, caught.value)) < 400

    run(scenario)


def test_prompt_is_a_set_of_words() -> None:
    """Required by OpenID Connect Core §3.1.2.1."""

    async def scenario(world: World) -> None:
        assert (await world.request(prompt="login consent")).prompt == {"login", "consent"}
        assert (await world.request(prompt="none")).prompt == {"none"}

    run(scenario)
