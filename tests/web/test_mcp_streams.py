"""`/mcp`: what streams, when it ends, and who it belongs to."""

import gc
import json

import pytest

from .browser import find_forms
from .conftest import QuietLog, StartSite
from .site import Site, build_stateless, read_json, until
from .streams import begin, build_get, build_post, read_events
from .wire import Connection, build_request

CALL = {"jsonrpc": "2.0", "id": 0, "method": "tools/call"}
LISTEN = {"notifications": {"toolsListChanged": True}}


@pytest.mark.gen_test
async def test_where_nothing_streams_the_answer_is_json(site: Site) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 streamable-http: either form, the client takes both."""
    token = (await site.obtain_tokens())["access_token"]
    response = await site.call_stateless(token, "tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}})
    assert read_json(response)["result"]["structuredContent"] == 5


@pytest.mark.gen_test
async def test_where_something_streams_it_comes_before_the_answer(site: Site) -> None:
    """Required by MCP 2026-07-28 basic/patterns/progress; a token of 0 is a token."""
    token = (await site.obtain_tokens())["access_token"]
    params = {"name": "count", "arguments": {}, "_meta": {"progressToken": 0}}
    response = await site.call_stateless(token, "tools/call", params)
    assert response.headers["Content-Type"] == "text/event-stream"
    first, second, last = read_events(response.body)
    for step, event in ((1, first), (2, second)):
        assert event["params"] == {"progressToken": 0, "progress": step, "total": 2}
    assert (last["id"], last["result"]["content"][0]["text"]) == (0, "counted")


@pytest.mark.gen_test
async def test_a_client_that_takes_json_alone_gets_json(start_site: StartSite) -> None:
    """Our choice: Accept decides, RFC 9110 §12.5.1."""
    site = await start_site(keep_alive=0.02)
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless(
        "tools/call", {"name": "count", "arguments": {}, "_meta": {"progressToken": 1}}
    )
    response = await site.call(token, message, **headers, Accept="application/json")
    assert read_json(response)["result"]["content"][0]["text"] == "counted"
    response = await site.call(token, message, **headers, Accept="application/json, text/event-stream;q=0")
    assert read_json(response)["id"] == 0


@pytest.mark.gen_test
async def test_a_client_that_takes_events_alone_gets_events_with_status_and_headers(site: Site) -> None:
    """Our choice: the session id and a 404 must not be lost with the form."""
    token = (await site.obtain_tokens())["access_token"]
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    response = await site.call(token, message, Accept="text/event-stream")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert read_events(response.body)[0]["result"]["protocolVersion"] == "2025-11-25"
    session = response.headers["Mcp-Session-Id"]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await site.call(token, ping, Accept="text/event-stream", Mcp_Session_Id=session)).code == 200
    response = await site.call(token, ping, Accept="text/event-stream", Mcp_Session_Id="gone")
    assert (response.code, read_events(response.body)[0]["error"]["code"]) == (404, -32600)


@pytest.mark.gen_test
async def test_a_notification_is_accepted_with_an_empty_body(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports: 202 with no body."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = await site.call(token, note, Mcp_Session_Id=session)
    assert (response.code, response.body, response.headers.get("Content-Type")) == (202, b"", None)


@pytest.mark.gen_test
async def test_a_long_call_is_kept_alive_by_comments(start_site: StartSite) -> None:
    """Required by what proxies do to silent streams; HTML §9.2.6: a colon begins a comment."""
    site = await start_site(keep_alive=0.02)
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "wait", "arguments": {}})
    async with Connection(site.port) as connection:
        await begin(connection, build_post(site, token, message, **headers))
        await connection.read_until(b": keep-alive\n\n")
        site.gate.opened.set()
        rest = await connection.read_until(b"\r\n0\r\n\r\n")
    assert b'"text":"waited"' in rest
    assert site.gate.outcomes == ["finished"]


@pytest.mark.gen_test
async def test_a_call_in_flight_may_finish_after_its_token_has_ended(start_site: StartSite) -> None:
    """Our choice: it was allowed when it came."""
    site = await start_site(keep_alive=0.02)
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "wait", "arguments": {}})
    async with Connection(site.port) as connection:
        await begin(connection, build_post(site, token, message, **headers))
        site.clock.advance(3600)
        await connection.read_until(b": keep-alive\n\n")
        site.gate.opened.set()
        assert b'"text":"waited"' in await connection.read_until(b"\r\n0\r\n\r\n")


@pytest.mark.gen_test
async def test_in_the_stateless_era_a_client_that_leaves_has_cancelled(site: Site) -> None:
    """Required by MCP 2026-07-28 basic/patterns/cancellation."""
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "wait", "arguments": {}})
    async with Connection(site.port) as connection:
        connection.send(build_post(site, token, message, **headers))
        await site.gate.entered.wait()
    await site.gate.ended.wait()
    assert site.gate.outcomes == ["cancelled"]
    await until(lambda: not len(site.services.in_flight))


@pytest.mark.gen_test
async def test_in_the_handshake_era_a_client_that_leaves_has_not(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports: a disconnect is no cancellation."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    message = CALL | {"params": {"name": "wait"}}
    async with Connection(site.port) as connection:
        connection.send(build_post(site, token, message, Mcp_Session_Id=session))
        await site.gate.entered.wait()
    await until(lambda: not len(site.services.in_flight))
    assert site.gate.outcomes == []
    site.gate.opened.set()
    await site.gate.ended.wait()
    assert site.gate.outcomes == ["finished"]


@pytest.mark.gen_test
async def test_in_the_handshake_era_a_notification_cancels(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation; an id of 0 is an id."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    async with Connection(site.port) as connection:
        connection.send(build_post(site, token, CALL | {"params": {"name": "wait"}}, Mcp_Session_Id=session))
        await site.gate.entered.wait()
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}
        assert (await site.call(token, note, Mcp_Session_Id=session)).code == 202
        assert (await connection.read_answer()).status == 202
    await site.gate.ended.wait()
    assert site.gate.outcomes == ["cancelled"]


@pytest.mark.gen_test
async def test_a_session_has_a_stream_for_what_the_server_says_unasked(start_site: StartSite) -> None:
    """Required by MCP 2025-11-25 basic/transports (Listening for Messages)."""
    site = await start_site(keep_alive=0.02)
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    async with Connection(site.port) as connection:
        await begin(connection, build_get(site, token, session))
        await connection.read_until(b": keep-alive\n\n")
        site.mcp.remove_tool("add")
        assert b"tools/list_changed" in await connection.read_until(b"list_changed")
        response = await site.call(token, None, method="DELETE", Mcp_Session_Id=session)
        assert (response.code, response.body) == (204, b"")
        await connection.read_until(b"\r\n0\r\n\r\n")
    response = await site.call(token, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, Mcp_Session_Id=session)
    assert response.code == 404
    await until(lambda: not len(site.services.in_flight))


@pytest.mark.gen_test
async def test_a_client_that_leaves_its_stream_leaves_nothing_behind(site: Site) -> None:
    """Our choice: no listener, no task, no line in the log. A session's stream is kept for whoever comes
    back, and ends with the session."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    message, headers = build_stateless("subscriptions/listen", LISTEN)
    for request, mark in (
        (build_get(site, token, session), b": keep-alive\n\n"),
        (build_post(site, token, message, **headers), b"acknowledged"),
    ):
        async with Connection(site.port) as connection:
            await begin(connection, request, mark)
        await until(lambda: not len(site.services.in_flight))
        await site.call(token, None, method="DELETE", Mcp_Session_Id=session)
        await until(lambda: not len(site.endpoint._hub))
    gc.collect()


@pytest.mark.gen_test
@pytest.mark.parametrize("end", ["expired", "revoked", "disconnected"])
@pytest.mark.parametrize("is_stateless", [False, True])
async def test_a_stream_ends_with_its_token(start_site: StartSite, end: str, is_stateless: bool) -> None:
    """Required by RFC 6750 §3.1 and our choice: a stream without an end is checked as it goes."""
    site = await start_site(keep_alive=0.02)
    browser = site.open_browser()
    token = (await site.obtain_tokens(browser))["access_token"]
    if is_stateless:
        message, headers = build_stateless("subscriptions/listen", LISTEN)
        request, mark = build_post(site, token, message, **headers), b"acknowledged"
    else:
        request = build_get(site, token, await site.open_session(token))
        mark = b": keep-alive\n\n"
    async with Connection(site.port) as connection:
        await begin(connection, request, mark)
        if end == "expired":
            site.clock.advance(3600)
        elif end == "revoked":
            await site.post_token({"token": token}, path="/revoke")
        else:
            await browser.submit(find_forms(await browser.get("/account"))[-1])
        await connection.read_until(b"\r\n0\r\n\r\n")
        connection.send(build_request("GET /healthz", site.port))
        assert (await connection.read_answer()).body == b"ok"
    # A session's stream waits for its person's next token.
    assert len(site.endpoint._hub) == (0 if is_stateless else 1)


@pytest.mark.gen_test
async def test_what_changes_after_the_token_has_ended_is_not_told(site: Site) -> None:
    """Our choice: checked before each message, not only now and then."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    async with Connection(site.port) as connection:
        await begin(connection, build_get(site, token, session))
        site.clock.advance(3600)
        site.mcp.remove_tool("add")
        assert b"list_changed" not in await connection.read_until(b"0\r\n\r\n")


@pytest.mark.gen_test
async def test_a_stream_that_fails_ends_and_the_log_says_why_once(
    start_site: StartSite, quiet_log: QuietLog
) -> None:
    """Our choice: headers are out, so that an end is all a stream can say."""
    site = await start_site(keep_alive=0.02)
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    quiet_log.expect(r"mcp\.failed request=[\w-]+ RuntimeError")
    async with Connection(site.port) as connection:
        await begin(connection, build_get(site, token, session))
        site.clock.error = RuntimeError("a secret of the inside")
        rest = await connection.read_until(b"0\r\n\r\n")
        site.clock.error = None
    assert b"secret" not in rest
    assert len(quiet_log.found) == 1


@pytest.mark.gen_test
async def test_a_get_without_a_session_is_405_and_with_an_unknown_one_404(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports; an old SSE client learns that it isn't served here."""
    token = (await site.obtain_tokens())["access_token"]
    response = await site.call(token, None, method="GET", Accept="text/event-stream")
    assert (response.code, response.headers["Allow"]) == (405, "POST")
    assert "error" in read_json(response)
    for method in ("GET", "DELETE", "POST"):
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"} if method == "POST" else None
        for session in ("unknown", "x" * 500, "é", "\u00ff"):
            response = await site.call(token, body, method=method, Mcp_Session_Id=session)
            assert response.code == 404, (method, session)
            assert "error" in read_json(response)


@pytest.mark.gen_test
async def test_a_session_is_nobodys_but_its_persons_and_clients(site: Site) -> None:
    """Required by MCP 2026-07-28 (Session Hijacking): as unknown to others as one that never was."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    bob = site.open_browser()
    await bob.sign_in("bob")
    theirs = (await site.obtain_tokens(bob))["access_token"]
    uri = "http://127.0.0.1:5/callback"
    code = await site.obtain_code(client_id="native", redirect_uri=uri)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": "v" * 43,
        "client_id": "native",
    }
    others = read_json(await site.open_browser().post("/token", fields))["access_token"]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for stranger in (theirs, others):
        for method, body in (("POST", ping), ("GET", None), ("DELETE", None)):
            response = await site.call(stranger, body, method=method, Mcp_Session_Id=session)
            assert response.code == 404
    assert (await site.call(token, ping, Mcp_Session_Id=session)).code == 200
    again = (await site.obtain_tokens())["access_token"]
    assert (await site.call(again, ping, Mcp_Session_Id=session)).code == 200


@pytest.mark.gen_test
async def test_two_calls_of_one_post_share_a_slow_stream(site: Site) -> None:
    """Our choice: a flush that waits for a slow reader is not forgotten when another begins (2025-03-26 has
    batches)."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token, "2025-03-26")
    batch = [CALL | {"id": n, "params": {"name": "flood", "_meta": {"progressToken": n}}} for n in range(2)]
    async with Connection(site.port) as connection:
        connection.send(build_post(site, token, batch, Mcp_Session_Id=session))
        raw = b""
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            raw += await connection.reader.read(1 << 20)
    assert raw.count(b"notifications/progress") == 16
    assert raw.count(b'"text":"flooded"') == 2


@pytest.mark.gen_test
async def test_a_stop_ends_streams_well_and_answers_calls(site: Site) -> None:
    """Our choice: streams end, calls are answered that the server stops, and the log stays quiet."""
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    message, headers = build_stateless("tools/call", {"name": "wait", "arguments": {}})
    async with Connection(site.port) as stream, Connection(site.port) as call:
        await begin(stream, build_get(site, token, session))
        call.send(build_post(site, token, message, **headers))
        await site.gate.entered.wait()
        await site.server.stop()
        assert (await stream.read_end()).endswith(b"0\r\n\r\n")
        answer = await call.read_answer()
    assert b"The server is stopping" in answer.body
    assert json.loads(answer.body)["result"]["isError"] is True
    gc.collect()
