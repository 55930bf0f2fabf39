"""`/mcp`: who gets in, and how everybody else finds the way."""

from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from omnitornado.oauth.dpop import ALGORITHMS
from omnitornado.web.mcp import McpHandler

from .conftest import StartSite
from .site import Site, build_initialize, build_stateless, read_json, until
from .wire import Connection, build_request, exchange


def find_received(site: Site) -> int:
    return sum(getattr(handler, "_received", 0) for handler in site.services.in_flight._requests)


METHODS = ["GET", "HEAD", "POST", "DELETE"]


def build_challenge(site: Site, *, url: str | None = None, error: str = "", scope: str = "mcp") -> str:
    parts = f'scope="{scope}", resource_metadata="{url or site.url}/.well-known/oauth-protected-resource/mcp"'
    return f'Bearer {error}{parts}, DPoP algs="{" ".join(ALGORITHMS)}"'


def check_error(response: HTTPResponse, status: int) -> dict[str, Any]:
    """JSON-RPC 2.0 §5.1: the one shape of an error."""
    document = read_json(response)
    assert response.code == status, document
    assert document["jsonrpc"] == "2.0"
    error: dict[str, Any] = document["error"]
    assert isinstance(error["code"], int)
    assert isinstance(error["message"], str)
    return error


@pytest.mark.gen_test
@pytest.mark.parametrize("method", METHODS)
async def test_without_a_token_every_method_gets_the_bare_challenge(site: Site, method: str) -> None:
    """Required by RFC 6750 §3 (no error code), RFC 9728 §5.1; Gemini reads it off a HEAD, Codex off a GET."""
    for authorization in (None, "Basic eDp5", "Digest x", ""):
        headers: dict[str, str] = {} if authorization is None else {"Authorization": authorization}
        body = "{}" if method == "POST" else None
        response = await site.fetch("/mcp", method=method, headers=headers, body=body)
        assert response.code == 401
        assert response.headers["WWW-Authenticate"] == build_challenge(site)
        if method != "HEAD":
            check_error(response, 401)


@pytest.mark.gen_test
@pytest.mark.parametrize("method", METHODS)
async def test_a_bad_token_is_named_in_the_challenge(site: Site, method: str) -> None:
    """Required by RFC 6750 §3.1 invalid_token."""
    for token, words in (
        ("unknown", "the access token is unknown, expired or revoked"),
        ("omt_at_" + "x" * 5000, "the access token is unknown, expired or revoked"),
        ("", "the access token is malformed"),
        ("a b", "the access token is malformed"),
        ("a\xff", "the access token is malformed"),
        ('"', "the access token is malformed"),
        ("a,Bearer b", "the access token is malformed"),
    ):
        response = await site.call(token, {} if method == "POST" else None, method=method)
        error = f'error="invalid_token", error_description="{words}", '
        assert response.code == 401
        assert response.headers["WWW-Authenticate"] == build_challenge(site, error=error)


@pytest.mark.gen_test
async def test_two_authorization_headers_are_one_too_many(site: Site) -> None:
    """Required by RFC 6750 §3.1 invalid_request."""
    token = (await site.obtain_tokens())["access_token"]
    request = build_request("GET /mcp", site.port, headers={"Authorization": f"Bearer {token}"})
    answer = await exchange(
        site.port, request.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    )
    assert answer.status == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.gen_test
async def test_a_token_is_only_taken_from_the_header(site: Site) -> None:
    """Required by MCP 2026-07-28 (Token Requirements): never in the query, RFC 6750 §5.3."""
    token = (await site.obtain_tokens())["access_token"]
    response = await site.fetch(f"/mcp?access_token={token}", method="POST", body="{}")
    assert response.code == 401


@pytest.mark.gen_test
async def test_the_challenge_uses_the_name_the_client_asked_for(site: Site) -> None:
    """Our choice ([server] public_url)."""
    for name in ("localhost", "[::1]"):
        url = f"http://{name}:{site.port}"
        answer = await exchange(site.port, build_request("GET /mcp", site.port, headers={"Host": url[7:]}))
        assert answer.headers["www-authenticate"] == build_challenge(site, url=url)


@pytest.mark.gen_test
async def test_the_public_url_stands_in_the_challenge_whatever_host_says(start_site: StartSite) -> None:
    """Required by RFC 9728 §5.1."""
    site = await start_site(public_url="https://mcp.example")
    answer = await exchange(site.port, build_request("GET /mcp", site.port, headers={"Host": "evil.example"}))
    assert answer.headers["www-authenticate"] == build_challenge(site, url="https://mcp.example")


@pytest.mark.gen_test
async def test_a_token_got_under_one_loopback_name_works_under_the_others(site: Site) -> None:
    """Our choice ([server] public_url): localhost, 127.0.0.1 and [::1] are one server."""
    browser = site.open_browser(f"http://localhost:{site.port}")
    resource = f"http://localhost:{site.port}/mcp"
    token = (await site.obtain_tokens(browser, resource=resource))["access_token"]
    for name in ("localhost", "127.0.0.1", "[::1]"):
        headers = {"Host": f"{name}:{site.port}", "Authorization": f"Bearer {token}"}
        headers |= {"Content-Type": "application/json", "Accept": "application/json"}
        body = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}'
        answer = await exchange(site.port, build_request("POST /mcp", site.port, body=body, headers=headers))
        assert answer.status == 200, answer.raw


@pytest.mark.gen_test
async def test_a_final_slash_is_the_same_endpoint(site: Site) -> None:
    """Our choice: people paste it either way."""
    response = await site.fetch("/mcp/")
    assert response.headers["WWW-Authenticate"] == build_challenge(site)


@pytest.mark.gen_test
async def test_a_token_that_is_revoked_or_whose_person_is_gone_gets_in_no_more(site: Site) -> None:
    """Required by RFC 7009 §2 and our choice: checked each time."""
    token = (await site.obtain_tokens())["access_token"]
    assert (await site.call(token, build_initialize())).code == 200
    people = site.services.people._people
    assert isinstance(people, dict)
    person = people.pop("ada")
    assert (await site.call(token, build_initialize())).code == 401
    people["ada"] = person
    assert (await site.call(token, build_initialize())).code == 200
    await site.post_token({"token": token}, path="/revoke")
    assert (await site.call(token, build_initialize())).code == 401


@pytest.mark.gen_test
async def test_an_origin_from_elsewhere_is_refused_before_anything_else(start_site: StartSite) -> None:
    """Required by MCP 2026-07-28 streamable-http (Security & Endpoint): 403."""
    settings = {"server": {"allowed_origins": ["https://friend.example"], "shutdown_grace": 0}}
    site = await start_site(settings=settings)
    token = (await site.obtain_tokens())["access_token"]
    for origin in (
        "https://evil.example",
        "null",
        "",
        f"http://localhost.evil.example:{site.port}",
        site.url + "/",
    ):
        for method in (*METHODS, "OPTIONS"):
            response = await site.call(token, {} if method == "POST" else None, method=method, Origin=origin)
            assert response.code == 403, (origin, method)
            assert "Access-Control-Allow-Origin" not in response.headers
            assert "WWW-Authenticate" not in response.headers
    for origin in ("https://friend.example", site.url, f"http://localhost:{site.port}"):
        response = await site.call(token, build_initialize(), Origin=origin)
        assert response.code == 200
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Mcp-Session-Id" in response.headers["Access-Control-Expose-Headers"]
        challenged = await site.call(None, {}, Origin=origin)
        assert challenged.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.gen_test
async def test_a_preflight_of_an_allowed_origin_needs_no_token(site: Site) -> None:
    """Required by Fetch §3.2.2: browsers send none with it."""
    headers = {
        "Origin": site.url,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization, mcp-session-id, mcp-protocol-version, mcp-method",
    }
    response = await site.fetch("/mcp", method="OPTIONS", headers=headers)
    assert response.code == 204
    assert response.headers["Access-Control-Allow-Headers"] == headers["Access-Control-Request-Headers"]
    assert {"GET", "POST", "DELETE"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.gen_test
@pytest.mark.parametrize("is_stateless", [False, True])
async def test_a_tool_behind_a_scope_asks_for_it(site: Site, is_stateless: bool) -> None:
    """Required by RFC 6750 §3.1 and MCP 2026-07-28 (Scope Challenge Handling): 403."""

    async def call(tokens: dict[str, Any]) -> HTTPResponse:
        token = tokens["access_token"]
        if is_stateless:
            return await site.call_stateless(token, "tools/call", {"name": "reset", "arguments": {}})
        session = await site.open_session(token)
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "reset"}}
        return await site.call(token, message, Mcp_Session_Id=session)

    response = await call(await site.obtain_tokens())
    error = 'error="insufficient_scope", error_description="the access token lacks a scope", '
    assert response.headers["WWW-Authenticate"] == build_challenge(site, error=error, scope="admin mcp")
    check_error(response, 403)
    response = await call(await site.obtain_tokens(scope="mcp admin"))
    assert read_json(response)["result"]["content"][0]["text"] == "done"


@pytest.mark.gen_test
async def test_a_token_for_the_tool_alone_is_not_enough_for_the_endpoint(site: Site) -> None:
    """Required by RFC 6750 §3.1."""
    token = (await site.obtain_tokens(scope="admin"))["access_token"]
    for method in METHODS:
        response = await site.call(token, {} if method == "POST" else None, method=method)
        assert response.code == 403
        assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]
        assert 'scope="mcp"' in response.headers["WWW-Authenticate"]


@pytest.mark.gen_test
async def test_header_names_count_in_any_case_and_values_in_their_own(site: Site) -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http (Case Sensitivity)."""
    token = (await site.obtain_tokens())["access_token"]
    message, sent = build_stateless("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    shouted = {name.upper(): value for name, value in sent.items()}
    assert read_json(await site.call(token, message, **shouted))["result"]["content"][0]["text"] == "3"
    for name, value in (("Mcp_Method", "TOOLS/CALL"), ("Mcp_Name", "ADD")):
        check_error(await site.call(token, message, **(sent | {name: value})), 400)


@pytest.mark.gen_test
async def test_head_with_a_good_token_has_nothing_to_say(site: Site) -> None:
    """Our choice: 200, and no stream is opened."""
    token = (await site.obtain_tokens())["access_token"]
    response = await site.call(token, None, method="HEAD")
    assert (response.code, response.headers.get("Content-Type")) == (200, None)


@pytest.mark.gen_test
async def test_a_body_over_the_limit_is_413(start_site: StartSite) -> None:
    """Our choice ([mcp] max_body); nothing of a stranger's is kept at all."""
    site = await start_site(settings={"mcp": {"max_body": 2000}})
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert (await site.call(token, message, **headers)).code == 200
    message["params"]["x"] = "x" * 2000
    check_error(await site.call(token, message, **headers), 413)
    assert (await site.call(None, message, **headers)).code in (401, 413)


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [4_194_305, 8_000_000])
async def test_a_body_far_over_the_limit_is_413_and_not_a_reset(site: Site, size: int) -> None:
    """Required by RFC 9110 §15.5.14; read and thrown away, whether its length was told or not."""
    token = (await site.obtain_tokens())["access_token"]
    body = b"x" * size
    headers = {"Authorization": f"Bearer {token}"}
    answer = await exchange(site.port, build_request("POST /mcp", site.port, headers=headers, body=body))
    assert (answer.status, b"4194304" in answer.body) == (413, True)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    headers |= {"Transfer-Encoding": "chunked"}
    answer = await exchange(site.port, build_request("POST /mcp", site.port, headers=headers, body=chunked))
    assert answer.status == 413


@pytest.mark.gen_test
async def test_nothing_is_kept_of_what_a_stranger_sends(site: Site) -> None:
    """Our choice: a token comes before the body, and without a good one the body is only read past."""
    for authorization in ({}, {"Authorization": "Bearer unknown"}):
        async with Connection(site.port) as connection:
            request = build_request("POST /mcp", site.port, headers=authorization, body=b"x" * 1_000_000)
            connection.send(request[:-1])
            await until(lambda: find_received(site) > 900_000)
            (handler,) = site.services.in_flight._requests
            assert isinstance(handler, McpHandler)
            assert handler._chunks == []
            connection.send(b"x")
            assert (await connection.read_answer()).status == 401


@pytest.mark.gen_test
async def test_every_body_gets_a_json_rpc_answer(site: Site) -> None:
    """Required by JSON-RPC 2.0 §5.1, MCP streamable-http: never an exception."""
    token = (await site.obtain_tokens())["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    bodies = [
        b"",
        b"null",
        b"1",
        b"[]",
        b"[1]",
        b"{",
        b"\xff",
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b'"\\ud800"',
        b"{}",
    ]
    bodies += [
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
    ]
    bodies += [b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', b"NaN", b"\x00" * 10, b"a=b"]
    for body in bodies:
        response = await site.fetch("/mcp", method="POST", headers=headers, body=body)
        assert 400 <= response.code < 500, (body[:40], response.code)
        check_error(response, response.code)


@pytest.mark.gen_test
@pytest.mark.parametrize("is_stateless", [False, True])
async def test_a_tool_that_goes_wrong_tells_nothing_of_the_inside(
    site: Site, quiet_log: Any, is_stateless: bool
) -> None:
    """Required by MCP 2026-07-28 server/tools (Error Handling): isError; the trace is in the log alone."""
    quiet_log.expect("tool fail failed, reference .*a secret of the inside")
    token = (await site.obtain_tokens())["access_token"]
    if is_stateless:
        response = await site.call_stateless(token, "tools/call", {"name": "fail", "arguments": {}})
    else:
        session = await site.open_session(token)
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fail"}}
        response = await site.call(token, message, Mcp_Session_Id=session)
    assert read_json(response)["result"]["isError"] is True
    assert b"secret" not in response.body


@pytest.mark.gen_test
async def test_tools_see_the_signed_in_person(site: Site) -> None:
    """Our choice: the person's identity reaches the tools."""
    for name in ("ada", "bob"):
        browser = site.open_browser()
        await browser.sign_in(name)
        token = (await site.obtain_tokens(browser))["access_token"]
        response = await site.call_stateless(token, "tools/call", {"name": "whoami", "arguments": {}})
        assert read_json(response)["result"]["content"][0]["text"] == f"{name} by preset"
