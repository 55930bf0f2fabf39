"""`/mcp` where an ASGI application serves it: the same door, and nothing of the key goes through."""

import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from oauth.proofs import prove
from tornado.httpclient import HTTPResponse

from omnitornado.config import ConfigError
from omnitornado.serving import loading
from omnitornado.store.transitions import StoreUnavailable

from .browser import Browser
from .conftest import QuietLog, StartSite
from .guest import ScriptedGuest, build_scoped
from .site import SECRET, VERIFIER, Site, read_json, until
from .streams import build_post
from .test_mcp import build_challenge, check_error
from .wire import Answer, Connection, build_request

Start = Callable[..., Awaitable[Site]]


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> ScriptedGuest:
    guest = ScriptedGuest()
    monkeypatch.setattr(loading, "find_guest", lambda found: found)
    return guest


@pytest.fixture
def start(start_site: StartSite, guest: ScriptedGuest) -> Start:
    async def start(**options: Any) -> Site:
        return await start_site(mcp=guest, **options)

    return start


def build(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}


async def obtain_token(site: Site, browser: Browser | None = None, **parameters: str) -> str:
    return str((await site.obtain_tokens(browser, **parameters))["access_token"])


# Who gets in


@pytest.mark.gen_test
async def test_a_bound_token_gets_in_with_its_proof_and_neither_gets_to_the_application(
    start: Start, guest: ScriptedGuest
) -> None:
    """Required by RFC 9449 §7.1 and §7.2, and by MCP 2026-07-28 basic/authorization (Access Token Privilege
    Restriction).
    """
    site = await start()
    known: dict[str, Any] = {"issuer": site.url, "now": site.clock.now}
    fields = {"grant_type": "authorization_code", "code": await site.obtain_code()}
    fields |= {"code_verifier": VERIFIER, "client_id": "preset", "client_secret": SECRET}
    answer = await site.open_browser().post("/token", fields, headers={"DPoP": prove("/token", **known)})
    token = read_json(answer)["access_token"]
    message = build("tools/call", name="add")
    proof = prove("/mcp", token=token, **known)
    assert (await site.call(token, message, DPoP=proof)).code == 401
    assert (await site.call(None, message, Authorization=f"DPoP {token}")).code == 401
    assert guest.scopes == []
    bound = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert (await site.call(None, message, **bound)).code == 200
    (scope,) = guest.scopes
    assert not {b"authorization", b"dpop"} & {name for name, _ in scope["headers"]}
    assert token not in repr(scope)
    assert (await site.call(None, message, **bound)).code == 401


@pytest.mark.gen_test
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_nobody_gets_to_the_application_without_a_token(
    start: Start, guest: ScriptedGuest, method: str
) -> None:
    """Required by MCP 2026-07-28 basic/authorization, RFC 9728 §5.1."""
    site = await start()
    response = await site.fetch("/mcp", method=method, body="{}" if method == "POST" else None)
    assert response.code == 401
    assert response.headers["WWW-Authenticate"] == build_challenge(site)
    response = await site.call("unknown", {} if method == "POST" else None, method=method)
    assert response.code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert guest.scopes == []


@pytest.mark.gen_test
async def test_a_page_elsewhere_and_a_rebound_name_do_not_get_to_the_application(
    start: Start, guest: ScriptedGuest
) -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http (Security & Endpoint)."""
    site = await start()
    token = await obtain_token(site)
    assert (await site.call(token, build("tools/call"), Origin="https://evil.example")).code == 403
    assert (await site.call(token, build("tools/call"), Host="evil.example")).code == 421
    assert guest.scopes == []
    own = await site.call(token, build("tools/call"), Origin=site.url)
    assert (own.code, own.headers["Access-Control-Allow-Origin"]) == (200, site.url)
    preflight = await site.fetch("/mcp", method="OPTIONS", headers={"Origin": site.url})
    assert (preflight.code, preflight.headers["Allow"]) == (204, "GET, HEAD, POST, DELETE, OPTIONS")


@pytest.mark.gen_test
async def test_with_a_token_head_answers_and_other_methods_are_405(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice (Gemini CLI sends HEAD), RFC 9110 §15.5.6."""
    site = await start()
    token = await obtain_token(site)
    assert (await site.call(token, None, method="HEAD")).code == 200
    response = await site.call(token, {}, method="PUT")
    assert (response.code, response.headers["Allow"]) == (405, "GET, HEAD, POST, DELETE, OPTIONS")
    assert guest.scopes == []


@pytest.mark.gen_test
async def test_the_application_learns_who_calls_and_gets_no_credentials(
    start: Start, guest: ScriptedGuest
) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Access Token Privilege Restriction)."""
    site = await start(public_url="")
    token = await obtain_token(site)
    message = build("tools/call", name="add")
    sent = {"Cookie": "session=secret", "Proxy-Authorization": "Basic secret", "X_Own": "kept"}
    assert (await site.call(token, message, **sent)).code == 200
    (scope,) = guest.scopes
    assert json.loads(guest.bodies[0]) == message
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert headers["x-own"] == "kept"
    assert not {"authorization", "cookie", "proxy-authorization"} & set(headers)
    assert (scope["type"], scope["method"], scope["path"], scope["scheme"]) == (
        "http",
        "POST",
        "/mcp",
        "http",
    )
    assert (scope["client"][0], scope["server"]) == ("127.0.0.1", ("127.0.0.1", site.port))
    access = scope["user"].access_token
    assert (access.subject, access.client_id, access.scopes) == ("ada", "preset", ["mcp"])
    assert access.claims["iss"] == site.url
    assert access.resource == access.claims["aud"] == site.mcp_url
    assert scope["auth"].scopes == ["mcp"]
    assert scope["user"].display_name == "ada"
    assert token not in repr(scope)
    assert token not in repr(access)


@pytest.mark.gen_test
async def test_a_name_of_a_token_opens_nothing_and_no_two_tokens_share_one(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice: caches use it as their key, so one person must never get another's entry."""
    site = await start()
    names = []
    for token in (await obtain_token(site), await obtain_token(site)):
        for _ in range(2):
            await site.call(token, build("tools/call"))
            names.append(guest.scopes[-1]["user"].access_token.token)
    assert names[0] == names[1] != names[2] == names[3]
    assert (await site.call(names[0], build("tools/call"))).code == 401


# Messages


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"\xff", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","a":NaN}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","name":"reset"}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","method":"tools/call"}', -32700),
        (b"[" * 200 + b"]" * 200, -32700),
        (b'{"jsonrpc":"1.0","id":1,"method":"a"}', -32600),
        (b"7", -32600),
    ],
)
async def test_what_two_readers_could_take_differently_does_not_get_to_the_application(
    start: Start, guest: ScriptedGuest, body: bytes, code: int
) -> None:
    """Required by JSON-RPC 2.0 §4 and §5.1; a reader that sees another tool would look up its scopes."""
    site = await start()
    token = await obtain_token(site)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    response = await site.fetch("/mcp", method="POST", headers=headers, body=body)
    assert check_error(response, 400)["code"] == code
    assert guest.bodies == []


@pytest.mark.gen_test
async def test_a_body_over_the_limit_is_413(start: Start, guest: ScriptedGuest) -> None:
    """Our choice ([mcp] max_body)."""
    site = await start(settings={"mcp": {"max_body": "1KiB"}})
    token = await obtain_token(site)
    check_error(await site.call(token, build("tools/call", x="x" * 2000)), 413)
    assert guest.bodies == []


@pytest.mark.gen_test
async def test_a_tool_with_scopes_of_its_own_is_behind_them(start: Start, guest: ScriptedGuest) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors)."""
    site = await start()
    token = await obtain_token(site)
    response = await site.call(token, build("tools/call", name="reset"))
    assert check_error(response, 403)["message"] == "Insufficient scope: this call needs admin"
    challenge = response.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="admin mcp"' in challenge
    batch = [build("tools/call", name="add"), build("tools/call", name="reset")]
    assert (await site.call(token, batch)).code == 403
    assert guest.bodies == []
    token = await obtain_token(site, scope="mcp admin")
    assert (await site.call(token, build("tools/call", name="reset"))).code == 200


@pytest.mark.gen_test
async def test_a_tool_that_came_later_is_behind_its_scopes_too(start: Start, guest: ScriptedGuest) -> None:
    """Our choice: who nobody has seen is asked for before the call."""
    site = await start()
    token = await obtain_token(site)
    guest.tools.append(build_scoped("purge", "admin"))
    assert (await site.call(token, build("tools/call", name="purge"))).code == 403
    before = guest.listings
    assert (await site.call(token, build("tools/call", name="purge"))).code == 403
    assert (await site.call(token, build("tools/call", name=7))).code == 200
    assert guest.listings == before


@pytest.mark.gen_test
async def test_a_tool_that_is_shown_to_its_caller_alone_needs_its_scope_too(
    start: Start, guest: ScriptedGuest
) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors)."""
    site = await start()
    guest.hidden = [build_scoped("purge", "admin")]
    token = await obtain_token(site)
    response = await site.call(token, build("tools/call", name="purge"))
    assert response.code == 403
    assert 'scope="admin mcp"' in response.headers["WWW-Authenticate"]
    assert guest.scopes == []
    both = await obtain_token(site, scope="mcp admin")
    assert (await site.call(both, build("tools/call", name="purge"))).code == 200


@pytest.mark.gen_test
async def test_a_call_whose_scopes_can_not_be_found_out_does_not_get_to_the_application(
    start: Start, guest: ScriptedGuest, quiet_log: QuietLog
) -> None:
    """Our choice: an object that can't say what a tool needs has not said that it needs nothing."""
    site = await start()
    guest.hidden = [build_scoped("purge", "admin")]
    token = await obtain_token(site)
    guest.listing_error = RuntimeError("busy")
    quiet_log.expect("tools not listed")
    for message in (build("tools/call", name="purge"), [build("tools/call", name="purge")]):
        response = await site.call(token, message)
        assert response.code == 503
        assert "WWW-Authenticate" not in response.headers
        assert b"busy" not in response.body
    assert guest.scopes == []
    assert (await site.call(token, build("tools/call", name="add"))).code == 200
    guest.listing_error = None
    assert (await site.call(token, build("tools/call", name="purge"))).code == 403


@pytest.mark.gen_test
async def test_the_consent_page_shows_the_tools_behind_each_scope(start: Start, guest: ScriptedGuest) -> None:
    """Required by MCP 2026-07-28 (Security Considerations, consent)."""
    site = await start()
    guest.tools.append(build_scoped("purge", "admin"))
    guest.tools[0] = guest.tools[0].__class__("add", "Sum", "<b>Add</b> two numbers")
    site.clock.advance(2)
    page = (await site.anyone.open_consent(site.build_authorize_url(scope="mcp admin"))).body.decode()
    for fact in ("Sum", "&lt;b&gt;Add&lt;/b&gt; two numbers", "reset", "purge", "scripted"):
        assert fact in page
    first, _, second = page.partition("Use what scripted keeps behind admin")
    assert "Sum" in first
    assert "purge" in second


# Answers


@pytest.mark.gen_test
async def test_an_answer_keeps_its_headers_but_for_those_that_are_this_servers(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice: no cookie of an application's ends up beside the login's."""
    site = await start()
    token = await obtain_token(site)
    response = await site.call(token, build("tools/call", name="add"))
    assert read_json(response) == {"jsonrpc": "2.0", "id": 0, "result": {}}
    assert response.headers["Mcp-Session-Id"] == "s1"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


@pytest.mark.gen_test
async def test_an_error_of_the_application_is_a_json_rpc_error(start: Start, quiet_log: QuietLog) -> None:
    """Required by our contract: every error of an MCP endpoint is one."""
    site = await start()
    token = await obtain_token(site)
    assert check_error(await site.call(token, None, method="DELETE"), 404)["message"] == "no"
    response = await site.call(token, build("plain"))
    assert check_error(response, 406)["message"] == "Take ?events?,? 100%"
    response = await site.call(token, build("plain_failure"))
    assert check_error(response, 500)["message"].startswith("Internal error, reference")
    assert b"inside" not in response.body


@pytest.mark.gen_test
@pytest.mark.parametrize(("method", "status"), [("fail", 500), ("nothing", 500)])
async def test_an_application_that_goes_wrong_tells_nothing_of_the_inside(
    start: Start, quiet_log: QuietLog, method: str, status: int
) -> None:
    """Our choice: a reference, and the log has the rest."""
    site = await start()
    token = await obtain_token(site)
    quiet_log.expect("mcp.failed")
    response = await site.call(token, build(method))
    assert "reference" in check_error(response, status)["message"]
    assert b"inside" not in response.body


@pytest.mark.gen_test
@pytest.mark.parametrize("method", ["fail_late", "twice"])
async def test_a_failure_after_the_answer_has_begun_ends_it(
    start: Start, quiet_log: QuietLog, method: str
) -> None:
    """Our choice: nothing of the inside on the stream, and the connection stays in order."""
    site = await start()
    token = await obtain_token(site)
    quiet_log.expect("mcp.failed")
    response = await site.call(token, build(method))
    assert response.code == 200
    assert b"inside" not in response.body
    assert (await site.call(token, build("tools/call"))).code == 200


@pytest.mark.gen_test
async def test_a_long_answer_comes_whole(start: Start) -> None:
    """Our choice."""
    site = await start()
    response = await site.call(await obtain_token(site), build("large"))
    assert len(read_body(response)) == 2_000_000


def read_body(response: HTTPResponse) -> Any:
    return json.loads(response.body)


# Streams


async def open_stream(connection: Connection, site: Site, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    connection.send(build_request("GET /mcp", site.port, headers=headers))
    return Answer(await connection.read_until(b"\r\n\r\n"))


@pytest.mark.gen_test
async def test_a_streams_head_comes_before_its_first_event(start: Start, guest: ScriptedGuest) -> None:
    """Our choice: a client waits for it."""
    site = await start()
    async with Connection(site.port) as connection:
        head = await open_stream(connection, site, await obtain_token(site))
        assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert head.headers["x-accel-buffering"] == "no"
        assert head.headers["cache-control"] == "no-store"
        guest.gate.set()
        await connection.read_until(b": ping")


@pytest.mark.gen_test
@pytest.mark.parametrize("is_get", [True, False])
async def test_the_application_hears_that_its_client_has_left(
    start: Start, guest: ScriptedGuest, is_get: bool
) -> None:
    """Our choice (ASGI http.disconnect): and nothing is left behind."""
    site = await start()
    token = await obtain_token(site)
    async with Connection(site.port) as connection:
        if is_get:
            await open_stream(connection, site, token)
        else:
            connection.send(build_post(site, token, build("subscriptions/listen")))
            await connection.read_until(b"\r\n\r\n")
    await guest.left.wait()
    assert guest.outcomes[-1] == "http.disconnect"
    service = find_service(site)
    await until(lambda: not service.under_way and not len(site.services.in_flight))
    assert (len(service.streams), len(service.calls)) == (0, 0)


@pytest.mark.gen_test
async def test_work_goes_on_when_its_client_has_left_until_the_application_ends_it(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice: whether leaving cancels is the protocol's, and so the application's."""
    site = await start()
    token = await obtain_token(site)
    async with Connection(site.port) as connection:
        connection.send(build_post(site, token, build("wait")))
        await guest.entered.wait()
    await until(lambda: not len(site.services.in_flight))
    assert len(find_service(site).calls) == 1
    guest.gate.set()
    await guest.left.wait()
    assert guest.outcomes[-1] == "answered"
    await until(lambda: not find_service(site).under_way)
    assert len(find_service(site).calls) == 0


@pytest.mark.gen_test
async def test_a_client_that_does_not_read_holds_the_application_back_and_is_cut(
    start: Start, guest: ScriptedGuest, quiet_log: QuietLog
) -> None:
    """Our choice ([mcp] write_timeout): what is not read is not produced."""
    site = await start(write_timeout=0.1)
    token = await obtain_token(site)
    async with Connection(site.port, limit=1024) as connection:
        connection.send(build_post(site, token, build("flood")))
        await connection.read_until(b"\r\n\r\n")
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not len(site.services.in_flight))
        assert guest.sent < 20
    await guest.left.wait()
    gc.collect()


@pytest.mark.gen_test
async def test_a_stream_without_an_end_ends_with_its_token(start: Start, guest: ScriptedGuest) -> None:
    """Required by MCP 2026-07-28 basic/authorization: what is no longer allowed is no longer told."""
    site = await start()
    token = await obtain_token(site)
    async with Connection(site.port) as connection:
        await open_stream(connection, site, token)
        guest.gate.set()
        await connection.read_until(b": ping")
        site.clock.advance(3601)
        guest.gate.set()
        assert b"ping" not in await connection.read_until(b"0\r\n\r\n")
    await guest.left.wait()


@pytest.mark.gen_test
async def test_a_stream_ends_when_the_store_can_no_longer_tell_whose_it_is(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice."""
    site = await start()
    token = await obtain_token(site)
    async with Connection(site.port) as connection:
        await open_stream(connection, site, token)

        async def fail(*args: object, **kwargs: object) -> None:
            raise StoreUnavailable("the disk is full")

        original = site.services.store.find_access
        site.services.store.find_access = fail  # type: ignore[method-assign]
        guest.gate.set()
        assert b"ping" not in await connection.read_until(b"0\r\n\r\n")
        site.services.store.find_access = original  # type: ignore[method-assign]
    await guest.left.wait()


def find_service(site: Site) -> Any:
    (mount,) = site.server._mounts
    return mount._service  # type: ignore[attr-defined]


# Limits


@pytest.mark.gen_test
async def test_one_person_has_so_many_calls_and_streams(start: Start, guest: ScriptedGuest) -> None:
    """Our choice ([mcp] calls_per_person, streams_per_person): and another has theirs."""
    site = await start(settings={"mcp": {"calls_per_person": 1, "streams_per_person": 1}})
    token = await obtain_token(site)
    async with Connection(site.port) as call, Connection(site.port) as stream:
        call.send(build_post(site, token, build("wait")))
        await guest.entered.wait()
        response = await site.call(token, build("tools/call", name="add"))
        assert check_error(response, 429)["message"].startswith("Too many calls in flight: 1")
        assert response.headers["Retry-After"] == "1"
        # An answer to a question is no work of its own: refusing it would leave the call waiting for ever.
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await site.call(token, note)).code == 200
        await open_stream(stream, site, token)
        assert (await site.call(token, None, method="GET")).code == 429
        assert (await site.call(token, build("subscriptions/listen"))).code == 429
        bob = site.open_browser()
        await bob.sign_in("bob")
        other = await obtain_token(site, bob)
        assert (await site.call(other, build("tools/call", name="add"))).code == 200
        guest.gate.set()
        await call.read_answer()
    await until(lambda: not find_service(site).under_way)
    assert (await site.call(token, build("tools/call", name="add"))).code == 200


# Start and stop


@pytest.mark.gen_test
async def test_the_object_lives_as_long_as_the_server(start: Start, guest: ScriptedGuest) -> None:
    """Our choice: its lifespan begins before the first request and ends after the last."""
    site = await start()
    assert guest.outcomes == ["started /mcp 4194304"]
    await site.server.stop()
    assert guest.outcomes == ["started /mcp 4194304", "streams ended", "stopped"]


@pytest.mark.gen_test
async def test_an_object_that_does_not_start_is_a_configuration_error(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice: one line that says why; and the port is free again."""
    guest.failure = ValueError("no database\nat all")
    with pytest.raises(ConfigError) as caught:
        await start()
    assert str(caught.value) == "<python>: [mcp] app: scripted does not start: ValueError: no database at all"
    guest.failure = None
    assert (await (await start()).fetch("/healthz")).code == 200


@pytest.mark.gen_test
async def test_stopping_ends_streams_well_and_lets_a_call_finish(
    start: Start, guest: ScriptedGuest, quiet_log: QuietLog
) -> None:
    """Our choice: a stream that is cut looks like a failure to its client."""
    site = await start(settings={"server": {"shutdown_grace": "5s"}})
    token = await obtain_token(site)
    async with Connection(site.port) as stream, Connection(site.port) as call, Connection(site.port) as late:
        await open_stream(stream, site, token)
        call.send(build_post(site, token, build("wait")))
        late.send(build_request("GET /healthz", site.port))
        await late.read_answer()
        await guest.entered.wait()
        site.services.in_flight.is_stopping = True
        late.send(build_post(site, token, build("tools/call")))
        assert (await late.read_answer()).status == 503
        guest.gate.set()
        answer = await call.read_answer()
        await site.server.stop()
        assert (await stream.read_end()).endswith(b"0\r\n\r\n")
    assert answer.status == 200
    assert "answered" in guest.outcomes
    gc.collect()


@pytest.mark.gen_test
async def test_a_call_that_outlasts_the_grace_is_answered_that_the_server_stops(
    start: Start, guest: ScriptedGuest
) -> None:
    """Our choice ([server] shutdown_grace)."""
    site = await start()
    token = await obtain_token(site)
    async with Connection(site.port) as call:
        call.send(build_post(site, token, build("wait")))
        await guest.entered.wait()
        await site.server.stop()
        answer = await call.read_answer()
    assert answer.status == 503
    assert json.loads(answer.body)["error"]["message"] == "The server is stopping"
    assert guest.outcomes[-1] == "cancelled"
