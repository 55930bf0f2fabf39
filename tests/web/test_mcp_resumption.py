"""`/mcp`: streams that outlive their connection, questions, clients that don't read, limits. On sockets."""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest
from flows.token_proxy import TokenProxy

from omnitornado.mcp.context import Context
from omnitornado.mcp.elicitation import Accepted
from omnitornado.web import mcp as mcp_handler

from .conftest import StartSite
from .site import Site, build_stateless, read_json, until
from .streams import begin, build_get, build_post, read_block, read_blocks
from .wire import Connection, exchange

CALL = {"jsonrpc": "2.0", "id": 0, "method": "tools/call"}
LARGE = 4_000_000
"""Bytes: more than the buffers of a socket take."""


def build_call(name: str, *, progress: bool = False, **arguments: Any) -> dict[str, Any]:
    meta = {"_meta": {"progressToken": 0}} if progress else {}
    return CALL | {"params": {"name": name, "arguments": arguments, **meta}}


def add_tools(site: Site) -> None:
    """Tools that talk while they wait at the gate."""
    gate = site.gate

    @site.mcp.tool()
    async def steps(context: Context) -> str:
        await context.progress(1)
        gate.entered.set()
        await gate.opened.wait()
        await context.progress(2)
        gate.outcomes.append("finished")
        return "stepped"

    @site.mcp.tool()
    async def poll(context: Context) -> str:
        context.close_stream(0.1)
        await gate.opened.wait()
        return "polled"

    @site.mcp.tool()
    async def ask(context: Context) -> str:
        answer = await context.elicit("Who?", str)
        return answer.data if isinstance(answer, Accepted) else answer.action

    @site.mcp.tool(structured=False)
    async def write_much() -> str:
        return "x" * LARGE

    @site.mcp.tool()
    async def log_much(context: Context) -> str:
        try:
            for number in range(200):
                await context.log("info", f"{number} " + "x" * 100_000)
        except asyncio.CancelledError:
            gate.outcomes.append("cancelled")
            raise
        finally:
            gate.ended.set()
        gate.outcomes.append("finished")
        return "logged"


async def open_session(site: Site, **capabilities: Any) -> tuple[str, str]:
    token = (await site.obtain_tokens())["access_token"]
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": capabilities,
        "clientInfo": {"name": "t", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    return token, (await site.call(token, message)).headers["Mcp-Session-Id"]


async def read_rest(site: Site, token: str, session: str, event_id: str) -> list[dict[str, str]]:
    """What a client gets that comes back, until the stream ends."""
    async with Connection(site.port) as connection:
        await begin(connection, build_get(site, token, session, last_event_id=event_id))
        blocks = []
        while True:
            blocks.append(await read_block(connection))
            if '"result"' in blocks[-1].get("data", "") or '"error"' in blocks[-1].get("data", ""):
                await connection.read_until(b"\r\n0\r\n\r\n")
                return blocks


@pytest.mark.gen_test
async def test_a_client_that_lost_its_connection_gets_what_it_missed(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""
    add_tools(site)
    token, session = await open_session(site)
    async with Connection(site.port) as connection:
        request = build_post(site, token, build_call("steps", progress=True), Mcp_Session_Id=session)
        await begin(connection, request, None)
        prime, first = await read_block(connection), await read_block(connection)
    assert (prime["data"], prime["retry"]) == ("", "1000")
    assert json.loads(first["data"])["params"]["progress"] == 1
    await until(lambda: not len(site.services.in_flight))
    site.gate.opened.set()
    await until(lambda: site.gate.outcomes == ["finished"])
    for event_id, expected in ((prime["id"], [1, 2]), (first["id"], [2])):
        *progress, last = await read_rest(site, token, session, event_id)
        assert [json.loads(one["data"])["params"]["progress"] for one in progress] == expected[
            -len(progress) :
        ]
        assert json.loads(last["data"])["result"]["content"][0]["text"] == "stepped"
    assert len(progress) == 1


@pytest.mark.gen_test
async def test_a_stream_is_taken_up_while_the_call_runs(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports: resumed from that point on, live."""
    add_tools(site)
    token, session = await open_session(site)
    async with Connection(site.port) as lost:
        request = build_post(site, token, build_call("steps", progress=True), Mcp_Session_Id=session)
        await begin(lost, request, None)
        prime = await read_block(lost)
        async with Connection(site.port) as connection:
            # The first connection is still there, as far as the server knows: it ends.
            await begin(connection, build_get(site, token, session, last_event_id=prime["id"]))
            assert json.loads((await read_block(connection))["data"])["params"]["progress"] == 1
            await lost.read_until(b"\r\n0\r\n\r\n")
            site.gate.opened.set()
            assert json.loads((await read_block(connection))["data"])["params"]["progress"] == 2
            assert "stepped" in (await read_block(connection))["data"]
            await connection.read_until(b"\r\n0\r\n\r\n")


@pytest.mark.gen_test
async def test_a_client_that_is_sent_away_polls_for_its_result(site: Site) -> None:
    """Required by SEP-1699."""
    add_tools(site)
    token, session = await open_session(site)
    response = await site.call(token, build_call("poll"), Mcp_Session_Id=session)
    prime, last = read_blocks(response.body)
    assert (prime["data"], last) == ("", {"retry": "100"})
    site.gate.opened.set()
    (result,) = await read_rest(site, token, session, prime["id"])
    assert json.loads(result["data"])["result"]["content"][0]["text"] == "polled"


@pytest.mark.gen_test
async def test_a_long_silent_call_can_be_come_back_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Required by MCP 2025-11-25 basic/transports (priming); after a second is our choice."""
    monkeypatch.setattr(mcp_handler, "EARLY", 0.02)
    token, session = await open_session(site)
    async with Connection(site.port) as connection:
        request = build_post(site, token, build_call("wait"), Mcp_Session_Id=session)
        await begin(connection, request, None)
        prime = await read_block(connection)
    site.gate.opened.set()
    (result,) = await read_rest(site, token, session, prime["id"])
    assert "waited" in result["data"]


@pytest.mark.gen_test
async def test_after_a_restart_the_session_lives_and_the_result_is_said_to_be_gone(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Required by what clients need: sessions survive; what of the streams does not is our choice."""
    first = await start_site(store=tmp_path / "state")
    add_tools(first)
    first.gate.opened.set()
    token, session = await open_session(first)
    response = await first.call(token, build_call("steps", progress=True), Mcp_Session_Id=session)
    prime, *_ = read_blocks(response.body)
    await first.server.stop()
    second = await start_site(store=tmp_path / "state")
    (told,) = await read_rest(second, token, session, prime["id"])
    assert json.loads(told["data"])["error"]["code"] == -32603
    assert json.loads(told["data"])["id"] == 0
    again = await second.call(token, build_call("add", a=2, b=3), Mcp_Session_Id=session)
    assert read_json(again)["result"]["structuredContent"] == {"result": 5}


@pytest.mark.gen_test
async def test_a_stream_is_nobody_elses(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/security_best_practices (Session Hijacking)."""
    add_tools(site)
    site.gate.opened.set()
    token, session = await open_session(site)
    response = await site.call(token, build_call("steps", progress=True), Mcp_Session_Id=session)
    event_id = read_blocks(response.body)[0]["id"]
    bob = site.open_browser()
    await bob.sign_in("bob")
    theirs = (await site.obtain_tokens(bob))["access_token"]
    for request in (
        build_get(site, theirs, session, last_event_id=event_id),
        build_get(site, theirs, await site.open_session(theirs), last_event_id=event_id + "0"),
        build_get(site, token, session, last_event_id=event_id + "9"),
        build_get(site, "x" * 43, session, last_event_id=event_id),
    ):
        async with Connection(site.port) as connection:
            connection.send(request)
            head = await connection.read_until(b"\r\n\r\n")
            if b" 200 " in head:
                # An id of one's own making gets one's own request answered, and nothing else.
                rest = await connection.read_until(b"\r\n0\r\n\r\n")
                assert b'"error"' in rest
                assert b"stepped" not in rest
    await until(lambda: not len(site.services.in_flight))


@pytest.mark.gen_test
async def test_a_question_goes_out_on_the_calls_stream_and_its_answer_comes_by_post(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports and client/elicitation."""
    add_tools(site)
    token, session = await open_session(site, elicitation={})
    async with Connection(site.port) as connection:
        await begin(connection, build_post(site, token, build_call("ask"), Mcp_Session_Id=session), None)
        await read_block(connection)
        question = json.loads((await read_block(connection))["data"])
        assert question["method"] == "elicitation/create"
        answer = {"action": "accept", "content": {"value": "Ada"}}
        response = {"jsonrpc": "2.0", "id": question["id"], "result": answer}
        accepted = await site.call(token, response, Mcp_Session_Id=session)
        assert (accepted.code, accepted.body) == (202, b"")
        assert '"text":"Ada"' in (await read_block(connection))["data"]
        await connection.read_until(b"\r\n0\r\n\r\n")


@pytest.mark.gen_test
async def test_in_the_stateless_era_a_question_is_the_answer(site: Site) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr."""
    add_tools(site)
    token = (await site.obtain_tokens())["access_token"]
    meta: dict[str, Any] = {"_meta": {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}}

    async def call(**params: Any) -> Any:
        message, headers = build_stateless("tools/call", {"name": "ask", **params})
        message["params"]["_meta"] |= meta["_meta"]
        return await site.call(token, message, **headers)

    first = read_json(await call())["result"]
    assert first["resultType"] == "input_required"
    said = {"elicitation": {"action": "accept", "content": {"value": "Ada"}}}
    last = read_json(await call(inputResponses=said, requestState=first["requestState"]))["result"]
    assert last["content"][0]["text"] == "Ada"
    refused = await call(inputResponses=said, requestState=first["requestState"] + "-TAMPERED")
    assert (refused.code, read_json(refused)["error"]["code"]) == (400, -32602)
    message, headers = build_stateless("tools/call", {"name": "ask"})
    lacking = await site.call(token, message, **headers)
    assert (lacking.code, read_json(lacking)["error"]["code"]) == (400, -32021)


# Clients that don't read


@pytest.mark.gen_test
@pytest.mark.parametrize("is_stateless", [False, True])
async def test_a_client_that_does_not_read_is_cut_off(start_site: StartSite, is_stateless: bool) -> None:
    """Our choice: within a time; the call ends in the stateless era and goes on in the other."""
    site = await start_site(write_timeout=0.1)
    add_tools(site)
    token, session = await open_session(site)
    if is_stateless:
        level = {"_meta": {"io.modelcontextprotocol/logLevel": "info"}}
        message, headers = build_stateless("tools/call", {"name": "log_much", **level})
    else:
        message, headers = build_call("log_much"), {"Mcp_Session_Id": session}
    async with Connection(site.port, limit=1024) as connection:
        connection.send(build_post(site, token, message, **headers))
        await connection.read_until(b"\r\n\r\n")
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await site.gate.ended.wait()
        await until(lambda: not len(site.services.in_flight))
        assert site.gate.outcomes == (["cancelled"] if is_stateless else ["finished"])
        assert site.endpoint._handshake._events.size <= 1 << 20
    gc.collect()


@pytest.mark.gen_test
async def test_a_long_answer_to_a_client_that_does_not_read_is_cut_off(start_site: StartSite) -> None:
    """Our choice: it would stay in memory for as long as the client likes."""
    site = await start_site(write_timeout=0.1)
    add_tools(site)
    token = (await site.obtain_tokens())["access_token"]
    message, headers = build_stateless("tools/call", {"name": "write_much"})
    async with Connection(site.port, limit=1024) as connection:
        connection.send(build_post(site, token, message, **headers))
        await connection.read_until(b"\r\n\r\n")
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not len(site.services.in_flight))
    response = await site.call(token, message, **headers)
    assert len(response.body) > LARGE


@pytest.mark.gen_test
async def test_a_client_that_reads_slowly_gets_everything(start_site: StartSite) -> None:
    """Our choice: slow is not dead, and nothing is dropped while somebody reads."""
    site = await start_site(write_timeout=0.5)
    add_tools(site)
    token, session = await open_session(site)
    async with Connection(site.port, limit=1024) as connection:
        connection.send(build_post(site, token, build_call("log_much"), Mcp_Session_Id=session))
        raw = b""
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            raw += await connection.reader.read(1 << 18)
            await asyncio.sleep(0)
    assert raw.count(b'"level":"info"') == 200
    assert b'"text":"logged"' in raw


# Limits


@pytest.mark.gen_test
async def test_over_a_limit_the_answer_is_429_with_a_time(start_site: StartSite) -> None:
    """Our choice (RFC 6585 §4, RFC 9110 §10.2.3)."""
    site = await start_site(settings={"mcp": {"calls_per_person": 1, "streams_per_person": 1}})
    token, session = await open_session(site)
    async with Connection(site.port) as call, Connection(site.port) as stream:
        call.send(build_post(site, token, build_call("wait"), Mcp_Session_Id=session))
        await site.gate.entered.wait()
        ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
        refused = await site.call(token, ping, Mcp_Session_Id=session)
        assert (refused.code, refused.headers["Retry-After"]) == (429, "1")
        assert read_json(refused)["id"] == 7
        await begin(stream, build_get(site, token, session))
        answer = await exchange(site.port, build_get(site, token, session))
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        site.gate.opened.set()
        assert (await call.read_answer()).status == 200
    assert (await site.call(token, ping, Mcp_Session_Id=session)).code == 200


@pytest.mark.gen_test
async def test_nesting_is_limited_as_configured(start_site: StartSite) -> None:
    """Our choice ([mcp] max_nesting)."""
    site = await start_site(settings={"mcp": {"max_nesting": 8}})
    token, session = await open_session(site)
    deep: Any = 1
    for _ in range(9):
        deep = [deep]
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": deep}}
    refused = await site.call(token, ping, Mcp_Session_Id=session)
    assert (refused.code, read_json(refused)["error"]["code"]) == (400, -32700)


# The proxy that the conformance suite is run through


@pytest.mark.gen_test
async def test_the_token_proxy_adds_the_token_and_changes_nothing_else(site: Site) -> None:
    """Our choice: what the suite checks of Host, Origin and streams must be the server's own doing."""
    add_tools(site)
    token, session = await open_session(site)
    async with TokenProxy(site.url, token) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        body = json.dumps(build_call("steps", progress=True)).encode()
        common = f"Content-Type: application/json\r\nMcp-Session-Id: {session}\r\nAccept: */*\r\n"

        def build(host: str, extra: str = "") -> bytes:
            head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\n{common}{extra}Content-Length: {len(body)}\r\n\r\n"
            return head.encode() + body

        assert (await exchange(port, build("evil.example"))).status == 421
        assert (
            await exchange(port, build(f"127.0.0.1:{port}", "Origin: http://evil.example\r\n"))
        ).status == 403
        assert (await exchange(port, build(f"127.0.0.1:{port}", "Authorization: Bearer x\r\n"))).status == 401
        async with Connection(port) as connection:
            connection.send(build(f"127.0.0.1:{port}"))
            await connection.read_until(b'"progress":1')  # while the call runs
            site.gate.opened.set()
            await connection.read_until(b"\r\n0\r\n\r\n")
            chunked = (
                f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{common}Transfer-Encoding: chunked\r\n\r\n"
                f"{len(body):x}\r\n"
            )
            connection.send(chunked.encode() + body + b"\r\n0\r\n\r\n")  # on the same connection
            await connection.read_until(b'"text":"stepped"')
            await connection.read_until(b"\r\n0\r\n\r\n")
        async with Connection(port) as connection:
            site.gate.opened.clear()
            site.gate.entered.clear()
            message, headers = build_stateless("tools/call", {"name": "wait"})
            lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
            data = json.dumps(message).encode()
            head = (
                f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}Content-Length: {len(data)}\r\n\r\n"
            )
            connection.send(head.encode() + data)
            await site.gate.entered.wait()
        # A client that leaves is seen to leave.
        await site.gate.ended.wait()
        assert site.gate.outcomes[-1] == "cancelled"
