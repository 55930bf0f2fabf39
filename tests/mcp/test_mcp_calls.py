"""Running tools: threads, time, progress, cancellation, scopes."""

import asyncio
import json
import logging
import queue
import threading
from typing import Any, TypeAlias

import pytest
from mcp_samples import (
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    FakeOutbound,
    Json,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
)

from omnitornado.mcp.context import CallEndedError, Context
from omnitornado.mcp.jsonrpc import parse_body
from omnitornado.mcp.principal import Principal, current_principal
from omnitornado.mcp.server import MCPServer

SOON = 0.01
"""Seconds: a limit that is meant to be reached."""

Seen: TypeAlias = "queue.SimpleQueue[str]"


def build_call(name: str, arguments: Json | None = None, *, request_id: Any = 1, token: Any = None) -> Json:
    params: Json = {"name": name, "arguments": arguments or {}}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return build_request("tools/call", params, request_id=request_id)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_caller_is_known_to_async_and_sync_tools(version: str) -> None:
    """Our choice: the person's identity reaches the tools."""
    server = MCPServer("s")
    threads = []

    @server.tool()
    def in_thread(context: Context) -> list[str]:
        threads.append(threading.get_ident())
        return [context.username, context.client_id, *context.scopes, current_principal().client_name]

    @server.tool()
    async def in_loop(context: Context) -> list[str]:
        return [context.username, context.client_id, *context.scopes, current_principal().client_name]

    async def scenario(wire: Wire) -> None:
        for name in ("in_thread", "in_loop"):
            answer = await wire.call(name, version=version)
            assert answer.text == '["ann","client-1","mcp","First client"]'
        assert threads
        assert threads[0] != threading.get_ident()
        with pytest.raises(LookupError):
            current_principal()

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("token", [0, 7, "", "abc"])
@pytest.mark.parametrize("name", ["sync", "async"])
def test_progress_reaches_the_client_that_asked_for_it(version: str, token: Any, name: str) -> None:
    """Required by MCP basic/patterns/progress: values increase; tokens of 0 are real."""
    server = MCPServer("s")

    @server.tool(name="sync")
    def in_thread(context: Context) -> str:
        context.progress(0, 4, "begin")
        for value in (1, 1, 0.5, float("nan"), float("inf"), 4):
            context.progress(value, float("inf") if value == 1 else 4)
        return "done"

    @server.tool(name="async")
    async def in_loop(context: Context) -> str:
        await context.progress(0, 4, "begin")
        for value in (1, 1, 0.5, float("nan"), float("inf"), 4):
            await context.progress(value, float("inf") if value == 1 else 4)
        return "done"

    async def scenario(wire: Wire) -> None:
        answer = await wire.call(name, version=version, token=token)
        assert answer.text == "done"
        assert [message["method"] for message in answer.sent] == ["notifications/progress"] * 3
        assert [message["params"] for message in answer.sent] == [
            {"progressToken": token, "progress": 0, "total": 4, "message": "begin"},
            {"progressToken": token, "progress": 1},
            {"progressToken": token, "progress": 4, "total": 4},
        ]
        assert (await wire.call(name, version=version)).sent == []

    run(scenario, server)


def test_a_client_without_streams_gets_the_result_alone() -> None:
    """Our choice: progress is dropped for a client that accepts JSON only."""
    server = MCPServer("s")

    @server.tool()
    def steps(context: Context) -> str:
        context.progress(1)
        return "done"

    async def scenario(wire: Wire) -> None:
        message = build_stateless("tools/call", {"name": "steps"}, progressToken=1)
        answer = await wire.post(message, build_headers(message) | {"accept": "application/json"})
        assert (answer.text, answer.sent) == ("done", [])

    run(scenario, server)


def test_a_broken_stream_does_not_break_the_tool() -> None:
    """Our choice: a handshake client may leave and its call goes on."""
    server = MCPServer("s")

    @server.tool()
    def steps(context: Context) -> str:
        context.progress(1)
        context.progress(2)
        return "done"

    class Broken(FakeOutbound):
        async def send(self, message: Json) -> None:
            raise ConnectionResetError

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        assert (await wire.post(build_call("steps", token=1), session, outbound=Broken())).text == "done"

    run(scenario, server)


def test_anything_can_be_logged_and_told() -> None:
    """Our choice: what has no JSON form must not break the stream for what follows."""
    server = MCPServer("s")

    @server.tool()
    async def chatty(context: Context) -> str:
        circle: list[Any] = []
        circle.append(circle)
        for data in ("a\ud800", ValueError("v"), circle, {"a": 1}):
            await context.log("info", data, "l\ud800")
        await context.progress(1, message="m\ud800")
        return "done"

    async def scenario(wire: Wire) -> None:
        sent = (await wire.call("chatty", version=HANDSHAKE[-1], token=0)).sent
        assert [message["params"].get("data") for message in sent] == [
            "'a\\ud800'",
            "v",
            "[[...]]",
            {"a": 1},
            None,
        ]
        assert sent[0]["params"]["logger"] == "l?"
        assert sent[-1]["params"]["message"] == "m?"

    run(scenario, server)


def test_an_unknown_log_level_is_the_authors_mistake() -> None:
    """Our choice."""
    server = MCPServer("s")

    @server.tool()
    async def loud(context: Context) -> str:
        with pytest.raises(ValueError, match="loud"):
            await context.log("loud", "x")
        return "done"

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("loud")).text == "done"

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_an_async_tool_that_takes_too_long_is_cancelled(version: str) -> None:
    """Our choice: a limit on each call, an isError result."""
    server = MCPServer("s")
    ended = []

    @server.tool(timeout=SOON)
    async def slow() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return "never"

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("slow", version=version)
        assert answer.status == 200
        assert answer.result["isError"] is True
        assert "0.01 seconds" in answer.text
        await asyncio.sleep(0)
        assert ended == [True]

    run(scenario, server, logged=1)


def test_a_tool_that_ignores_its_cancellation_holds_nobody_up() -> None:
    """Our choice."""
    server = MCPServer("s")
    release = asyncio.Event()

    @server.tool()
    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise RuntimeError("late")

    async def scenario(wire: Wire) -> None:
        assert "did not finish" in (await wire.call("stubborn")).text
        release.set()
        await asyncio.sleep(0)

    run(scenario, server, logged=1, tool_timeout=SOON)


def test_a_timeout_error_of_the_tools_own_is_a_failure_like_any_other() -> None:
    """Our choice: only the endpoint's own limit is told as such."""
    server = MCPServer("s")

    @server.tool()
    async def upstream() -> str:
        raise TimeoutError(5)

    @server.tool()
    async def gives_up() -> str:
        raise asyncio.CancelledError

    async def scenario(wire: Wire) -> None:
        assert "failed" in (await wire.call("upstream")).text
        assert "failed" in (await wire.call("gives_up")).text

    run(scenario, server, logged=2)


def test_a_tool_without_a_limit_may_take_its_time() -> None:
    """Our choice: timeout=None."""
    server = MCPServer("s")

    @server.tool(timeout=None)
    async def patient() -> str:
        for _ in range(50):
            await asyncio.sleep(0)
        return "done"

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("patient")).text == "done"

    run(scenario, server, tool_timeout=1e-9)


def test_a_stuck_thread_keeps_its_slot_until_it_ends() -> None:
    """Our choice: a thread can't be killed; the pool is bounded, and says so when it is exhausted."""
    server = MCPServer("s")
    release = threading.Event()
    seen: list[Any] = []

    @server.tool(timeout=SOON)
    def stuck(context: Context) -> str:
        release.wait(10)
        seen.append(context.cancelled)
        try:
            context.progress(1)
        except CallEndedError:
            seen.append("ended")
        return "late"

    @server.tool()
    def quick() -> str:
        return "quick"

    async def scenario(wire: Wire) -> None:
        assert "did not finish" in (await wire.call("stuck", token=1)).text
        busy = await wire.call("quick")
        assert busy.result["isError"] is True
        assert "busy" in busy.text
        release.set()
        for _ in range(1000):
            answer = await wire.call("quick")
            if answer.text == "quick":
                break
        assert answer.text == "quick"
        assert seen == [True, "ended"]

    lines = run(scenario, server, logged=None, tool_threads=1, tool_patience=SOON)
    assert "ran out" in lines[0]
    assert "no free thread" in lines[1]


def test_a_waiting_call_gets_the_thread_that_comes_free() -> None:
    """Our choice."""
    server = MCPServer("s")
    running, most = [], [0]
    gate = threading.Barrier(2)

    @server.tool()
    def meet() -> str:
        running.append(1)
        most[0] = max(most[0], len(running))
        gate.wait(10)
        running.pop()
        return "met"

    async def scenario(wire: Wire) -> None:
        answers = await asyncio.gather(*(wire.call("meet") for _ in range(6)))
        assert [answer.text for answer in answers] == ["met"] * 6
        assert most[0] == 2

    run(scenario, server, tool_threads=2)


def test_a_sync_wrapper_around_an_async_function_is_awaited() -> None:
    """Our choice: what decorators often leave behind."""
    server = MCPServer("s")

    async def inner() -> str:
        return current_principal().username

    @server.tool(structured=False)
    def outer() -> Any:
        return inner()

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("outer")).text == "ann"

    run(scenario, server)


def build_waiting_server() -> tuple[MCPServer, Seen]:
    server = MCPServer("s")
    seen: Seen = queue.SimpleQueue()

    @server.tool()
    async def wait(context: Context) -> str:
        await context.progress(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.put(f"cancelled {context.cancelled}")
            raise
        return "never"

    @server.tool()
    def wait_in_thread(context: Context) -> str:
        value = 0
        try:
            while not context.cancelled:
                value += 1
                context.progress(value)
        except CallEndedError:
            pass
        seen.put(f"cancelled {context.cancelled}")
        return "late"

    return server, seen


async def check_cancelled(seen: Seen) -> None:
    """The tool has noticed, in its loop or its thread."""
    assert await asyncio.to_thread(seen.get, timeout=10) == "cancelled True"


@pytest.mark.parametrize("version", HANDSHAKE)
@pytest.mark.parametrize("name", ["wait", "wait_in_thread"])
@pytest.mark.parametrize("request_id", [0, "0", "x"])
def test_a_cancelled_request_stops_and_gets_no_response(version: str, name: str, request_id: Any) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation."""
    server, seen = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        elsewhere = await wire.open_session(version)
        outbound = FakeOutbound()
        message = build_call(name, request_id=request_id, token=0)
        call = asyncio.create_task(wire.post(message, session, outbound=outbound))
        await outbound.arrived.wait()
        cancel: Json = {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": request_id},
        }
        assert (await wire.post(cancel, elsewhere)).status == 202
        other = cancel | {"params": {"requestId": "other"}}
        assert (await wire.post(other, session)).status == 202
        assert not call.done()
        assert (await wire.post(cancel, session)).status == 202
        answer = await call
        assert (answer.status, answer.body) == (202, None)
        await check_cancelled(seen)
        assert (await wire.post(cancel, session)).status == 202

    run(scenario, server)


def test_the_reason_of_a_cancellation_is_logged_in_short_and_quoted(caplog: pytest.LogCaptureFixture) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation (Implementation Notes); quoted and cut: our
    choice, for the words are anybody's."""
    server, _ = build_waiting_server()
    reasons: list[Any] = ["No\nneed" + "!" * 300, None, 3]

    async def scenario(wire: Wire) -> None:
        for reason in reasons:
            session = await wire.open_session()
            outbound = FakeOutbound()
            message = build_call("wait", request_id=1, token=0)
            call = asyncio.create_task(wire.post(message, session, outbound=outbound))
            await outbound.arrived.wait()
            params = {"requestId": 1, "reason": reason}
            await wire.post(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}, session
            )
            assert (await call).body is None

    with caplog.at_level(logging.INFO, "omnitornado.mcp"):
        run(scenario, server)
    lines = [record.getMessage() for record in caplog.records if "cancelled" in record.getMessage()]
    assert lines == ["cancelled: " + repr(reasons[0][:200])]


def test_a_cancelled_member_leaves_a_gap_in_its_batch() -> None:
    """Required by MCP 2025-03-26 basic/utilities/cancellation with JSON-RPC 2.0 §6."""
    server, _ = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session("2025-03-26")
        outbound = FakeOutbound()
        batch = [build_call("wait", request_id=1, token=0), build_request("ping", request_id=2)]
        call = asyncio.create_task(wire.post(batch, session, outbound=outbound))
        await outbound.arrived.wait()
        await wire.post(
            [{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}], session
        )
        assert [one["id"] for one in (await call).body] == [2]

    run(scenario, server)


def test_ending_a_session_ends_its_calls() -> None:
    """Our choice."""
    server, seen = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        outbound = FakeOutbound()
        call = asyncio.create_task(wire.post(build_call("wait", token=0), session, outbound=outbound))
        await outbound.arrived.wait()
        assert (await wire.delete(session)).status == 204
        assert (await call).status == 202
        await check_cancelled(seen)

    run(scenario, server)


@pytest.mark.parametrize("name", ["wait", "wait_in_thread"])
def test_cancelling_the_handlers_task_cancels_a_stateless_call(name: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/cancellation."""
    server, seen = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        outbound = FakeOutbound()
        asked = wire.post_stateless("tools/call", {"name": name}, outbound=outbound, progressToken=0)
        call = asyncio.create_task(asked)
        await outbound.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await check_cancelled(seen)

    run(scenario, server)


@pytest.mark.parametrize("version", [HANDSHAKE[-1], STATELESS])
def test_a_stopping_server_answers_what_is_in_flight(version: str) -> None:
    """Our choice."""
    server, seen = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        outbound = FakeOutbound()
        message = build_stateless("tools/call", {"name": "wait"}, progressToken=0)
        headers = build_headers(message)
        if version != STATELESS:
            headers, message = await wire.open_session(version), build_call("wait", token=0)
        call = asyncio.create_task(wire.post(message, headers, outbound=outbound))
        await outbound.arrived.wait()
        await wire.endpoint.close()
        answer = await call
        assert answer.result["isError"] is True
        assert "stopping" in answer.text
        await check_cancelled(seen)
        late = await wire.post(build_request("ping"))
        assert (late.status, late.code) == (503, -32603)

    run(scenario, server)


def build_scoped_server() -> tuple[MCPServer, list[str]]:
    server = MCPServer("s")
    ran: list[str] = []

    @server.tool(scopes=["files:write", "files:read"], title="Save")
    async def save() -> str:
        """Save it."""
        ran.append("save")
        return "saved"

    @server.tool()
    async def free() -> str:
        ran.append("free")
        return "free"

    return server, ran


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_tool_behind_a_scope_is_refused_before_anything_runs(version: str) -> None:
    """Required by MCP 2026-07-28 basic/authorization (403 insufficient_scope, every scope that is needed)."""
    server, ran = build_scoped_server()
    allowed = Principal("ann", "client-1", "", frozenset({"mcp", "files:read", "files:write"}))

    async def scenario(wire: Wire) -> None:
        message = build_stateless("tools/call", {"name": "save"}, request_id=0)
        headers = build_headers(message)
        if version != STATELESS:
            headers, message = await wire.open_session(version), build_call("save", request_id=0)
        refused = await wire.post(message, headers)
        assert (refused.status, refused.code, refused.body["id"]) == (403, -32600, 0)
        assert refused.reply.required_scopes == {"files:read", "files:write"}
        assert ran == []
        assert (await wire.post(message, headers, principal=allowed)).text == "saved"
        assert (await wire.call("free", version=version)).text == "free"

    run(scenario, server)


def test_the_scopes_a_message_needs_can_be_asked_for() -> None:
    """Our choice: for the consent page and for whoever checks before."""
    server, _ = build_scoped_server()

    async def scenario(wire: Wire) -> None:
        def needed(message: Any) -> frozenset[str]:
            return wire.endpoint.required_scopes(parse_body(json.dumps(message).encode()))

        assert needed(build_call("save")) == {"files:read", "files:write"}
        assert needed([build_request("ping"), build_call("save")]) == {"files:read", "files:write"}
        for free in (
            build_call("free"),
            build_call("missing"),
            build_request("ping"),
            build_request("tools/call"),
        ):
            assert needed(free) == frozenset()
        listed = wire.endpoint.list_tools_by_scope()
        assert [(tool.name, tool.title, tool.description) for tool in listed] == [
            ("save", "Save", "Save it."),
            ("free", None, ""),
        ]
        assert listed[0].scopes == {"files:read", "files:write"}

    run(scenario, server)


def test_ids_in_use_may_be_used_again() -> None:
    """Our choice: a client that reconnects counts from the start; an id's newest holder is cancelled."""
    server, _ = build_waiting_server()

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        calls = []
        for _ in range(2):
            outbound = FakeOutbound()
            calls.append(
                asyncio.create_task(wire.post(build_call("wait", token=0), session, outbound=outbound))
            )
            await outbound.arrived.wait()
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        await wire.post(cancel, session)
        assert (await calls[1]).status == 202
        assert not calls[0].done()
        await wire.endpoint.close()
        assert (await calls[0]).status == 200

    run(scenario, server)
