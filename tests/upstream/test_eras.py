"""A server that knows the handshake alone, behind clients of either era."""

import asyncio
from typing import Any

import pytest
from mcp_conversation import accept, talk
from mcp_samples import (
    ANN,
    ANN_ELSEWHERE,
    BOB,
    SERVER_INFO_KEY,
    FakeOutbound,
    Json,
    Stream,
    build_headers,
    build_request,
    build_stateless,
)

from omnitornado.upstream.pool import Owner

from .behind import EVERYTHING, Behind, build_meta, read, run
from .children import until

SERVER_INFO = {"name": "hostile", "version": "1", "x": "kept"}


def test_a_stateless_client_discovers_what_the_handshake_said() -> None:
    """Required by MCP 2026-07-28 server/discover."""

    async def scenario(behind: Behind) -> None:
        result = (await behind.wire.post_stateless("server/discover")).result
        assert result["supportedVersions"][0] == "2026-07-28"
        assert result["capabilities"] == {
            "tools": {"listChanged": True},
            "resources": {"subscribe": True},
            "logging": {},
            "com.example/own": {"x": 1},
        }
        assert result["instructions"] == "Beware."
        assert (result["resultType"], result["cacheScope"]) == ("complete", "private")
        assert result["_meta"][SERVER_INFO_KEY] == SERVER_INFO

    run(scenario)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_session_is_told_what_the_handshake_said(version: str) -> None:
    """Required by MCP 2025-11-25 basic/lifecycle."""

    async def scenario(behind: Behind) -> None:
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        result = (await behind.wire.post(build_request("initialize", params))).result
        assert result["protocolVersion"] == version
        assert result["serverInfo"] == SERVER_INFO
        assert result["capabilities"]["tasks"] == {}
        assert result["instructions"] == "Beware."

    run(scenario)


def test_results_pass_as_they_are_with_what_the_revision_adds() -> None:
    """Required by MCP 2026-07-28 basic/index (ResultType) and server/utilities/caching."""
    tools = [{"name": "echo", "inputSchema": {"type": "object"}, "x-own": [1]}]

    async def scenario(behind: Behind) -> None:
        result = (await behind.wire.post_stateless("tools/list", {"cursor": "c"})).result
        assert result.pop("_meta")[SERVER_INFO_KEY] == SERVER_INFO
        assert result.pop("ttlMs") > 0
        assert (result.pop("resultType"), result.pop("cacheScope")) == ("complete", "private")
        assert result == {"tools": tools, "nextCursor": "more", "own": True}
        session = await behind.open()
        assert (await session.ask("tools/list")).result == {"tools": tools, "nextCursor": "more", "own": True}

    run(scenario)


def test_unknown_methods_and_members_pass() -> None:
    """Our choice: a server's extensions are between it and its clients."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        assert (await session.ask("com.example/state", own={"y": 1})).result["params"]["own"] == {"y": 1}
        answer = await behind.wire.ask("com.example/state", {"own": [2]})
        assert answer.result["params"]["own"] == [2]
        assert (await session.ask("com.example/none")).code == -32601
        assert (await behind.wire.ask("com.example/none")).status == 404
        assert (await behind.call("fail")).result["isError"] is True

    run(scenario)


@pytest.mark.parametrize(
    "method", ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
)
def test_methods_of_the_other_era_do_not_pass(method: str) -> None:
    """Required by MCP 2026-07-28 changelog: they are gone, and must not reach a server in a client's name."""

    async def scenario(behind: Behind) -> None:
        answer = await behind.wire.ask(method, {"level": "debug", "uri": "x:y"})
        assert (answer.status, answer.code) == (404, -32601)
        session = await behind.open()
        for other in ("server/discover", "subscriptions/listen"):
            assert (await session.ask(other)).code == -32601
        assert (await session.ask("ping")).result == {}

    run(scenario)


def test_a_client_that_contradicts_itself_is_refused_before_the_server_hears() -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http, Server Validation."""

    async def scenario(behind: Behind) -> None:
        message = build_stateless("tools/call", {"name": "echo", "arguments": {}})
        answer = await behind.wire.post(message, {**build_headers(message), "mcp-name": "other"})
        assert (answer.status, answer.code) == (400, -32020)
        assert len(behind.pool) == 0

    run(scenario)


def test_what_is_not_found_has_the_code_of_the_revision() -> None:
    """Required by MCP 2026-07-28 and 2025-11-25 server/resources, Error Handling."""

    async def scenario(behind: Behind) -> None:
        assert (await behind.wire.ask("resources/read", {"uri": "x:y"})).code == -32602
        assert (await (await behind.open()).ask("resources/read", uri="x:y")).code == -32002

    run(scenario)


# What is said meanwhile


def test_progress_reaches_the_one_who_asked_under_the_token_they_chose() -> None:
    """Required by MCP basic/utilities/progress: tokens are unique among active requests, here ours are."""

    async def scenario(behind: Behind) -> None:
        session, other = await behind.open(), await behind.open(ANN_ELSEWHERE)
        outbounds = FakeOutbound(), FakeOutbound()
        meta = {"progressToken": 0}
        first, second = await asyncio.gather(
            session.ask("tools/call", outbounds[0], name="progress", arguments={}, _meta=meta),
            other.ask("tools/call", outbounds[1], name="progress", arguments={}, _meta=meta),
        )
        assert first.text != second.text
        for answer in (first, second):
            assert [one["params"] for one in answer.sent] == [
                {"progressToken": 0, "progress": step} for step in (1, 2, 3)
            ]
        stateless = await behind.wire.call("progress", token="t")
        assert [one["params"]["progressToken"] for one in stateless.sent] == ["t", "t", "t"]

    run(scenario)


def test_log_messages_reach_who_wants_them() -> None:
    """Required by MCP server/utilities/logging: from the level on that the client asked for."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        answer = await session.call("log")
        assert list_levels(answer.sent) == ["info", "error", None]
        assert (await session.ask("logging/setLevel", level="error")).result == {}
        assert list_levels((await session.call("log")).sent) == ["error", None]
        assert (await session.ask("logging/setLevel", level="loud")).code == -32602
        level: dict[str, Any] = {"io.modelcontextprotocol/logLevel": "debug"}
        params = {"name": "log", "arguments": {}}
        stateless = await behind.wire.post_stateless("tools/call", params, **level)
        assert list_levels(stateless.sent) == ["debug", "info", "error", None]
        assert list_levels((await behind.call("log")).sent) == [None]
        assert (await behind.look_inside())["levels"] == ["info", "debug"]

    run(scenario)


def list_levels(sent: list[Json]) -> list[Any]:
    return [message["params"].get("level") for message in sent]


def test_changes_reach_everyone_whose_server_it_is_and_nobody_else() -> None:
    """Required by MCP 2025-11-25 server/resources and 2026-07-28 basic/patterns/subscriptions."""
    uri = "x:watched"

    async def scenario(behind: Behind) -> None:
        session, bobs = await behind.open(), await behind.open(BOB)
        for one in (session, bobs):
            assert (await one.ask("resources/subscribe", uri=uri)).result == {}
        streams = [await behind.wire.get(one.headers, principal=one.principal) for one in (session, bobs)]
        outbound = FakeOutbound()
        asked = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": [uri]}
        listening = asyncio.create_task(
            behind.wire.post_stateless("subscriptions/listen", {"notifications": asked}, outbound=outbound)
        )
        await outbound.arrived.wait()
        honoured = outbound.sent[0]["params"]["notifications"]
        assert honoured == {"toolsListChanged": True, "resourceSubscriptions": [uri]}
        await session.call("changed", uri=uri)
        await until(lambda: len(outbound.sent) == 3)
        assert [one["method"] for one in outbound.sent[1:]] == [
            "notifications/tools/list_changed",
            "notifications/resources/updated",
        ]
        mine, theirs = streams
        assert isinstance(mine, Stream)
        assert isinstance(theirs, Stream)
        heard = [await mine.receive(), await mine.receive()]
        assert [one and one["method"] for one in heard] == [one["method"] for one in outbound.sent[1:]]
        assert theirs.reader.take() == [] or all(not event.data for event in theirs.reader.take())
        # It is subscribed to as long as anyone listens.
        await session.ask("resources/unsubscribe", uri=uri)
        assert (await behind.look_inside())["subscriptions"].count(uri) == 2
        assert outbound.reader is not None
        outbound.reader.detach()
        await listening
        assert uri not in (await behind.look_inside())["subscriptions"][1:]
        mine.close()
        theirs.close()

    run(scenario)


def test_somebody_who_listens_keeps_the_process() -> None:
    """Our choice: a process that ends can't say that a resource has changed."""

    async def scenario(behind: Behind) -> None:
        outbound = FakeOutbound()
        asked = {"resourceSubscriptions": ["x:y"]}
        listening = asyncio.create_task(
            behind.wire.post_stateless("subscriptions/listen", {"notifications": asked}, outbound=outbound)
        )
        await outbound.arrived.wait()
        behind.clock.now += 10_000
        behind.pool.look()
        assert len(behind.pool) == 1
        assert outbound.reader is not None
        outbound.reader.detach()
        await listening
        behind.pool.look()
        assert list(behind.pool._peers) == []

    run(scenario)


# Cancelling


def test_a_request_that_is_taken_back_is_taken_back_there_too() -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation and 2026-07-28 basic/patterns/cancellation."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        waiting = asyncio.create_task(session.call("hang"))
        await until(lambda: behind.pool.peek(Owner("ann")).flights)  # type: ignore[union-attr]
        await session.cancel(1)
        assert (await waiting).status == 202
        leaving = asyncio.create_task(behind.call("hang"))
        await until(lambda: behind.pool.peek(Owner("ann")).flights)  # type: ignore[union-attr]
        leaving.cancel()
        await asyncio.wait({leaving})
        cancelled = (await behind.look_inside())["cancelled"]
        assert [one["reason"] for one in cancelled] == ["The client has taken it back", "The client has left"]

    run(scenario)


# Questions


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("tool", "method"), [("ask", "elicitation/create"), ("sample", "sampling/createMessage")]
)
def test_what_it_asks_reaches_the_client_and_the_answer_comes_back(
    version: str, tool: str, method: str
) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr and 2025-11-25 client/elicitation, client/sampling."""
    answer = accept({"name": "Ada"}) if tool == "ask" else {"role": "assistant", "model": "m", "content": {}}

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: answer, version, tool, {"times": 3})
        assert read(found.answer) == [answer] * 3
        assert [one["method"] for one in found.asked] == [method] * 3
        assert found.asked[0]["params"].get("mode") == ("form" if tool == "ask" else None)
        assert len(found.rounds) == (3 if version == "2026-07-28" else 0)
        together = await talk(behind.wire, lambda asked: answer, version, tool, {"times": 2, "together": 1})
        assert read(together.answer) == [answer] * 2

    run(scenario)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_a_client_that_cannot_be_asked_is_not(version: str) -> None:
    """Required by MCP client/elicitation: no request that the client does not support."""

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: None, version, "ask", capabilities={})
        assert found.asked == []
        (refusal,) = read(found.answer)
        assert refusal == {"code": -32601, "message": "The client does not support elicitation/create"}

    run(scenario)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("has_roots", [True, False])
def test_roots_are_asked_for_only_where_the_operator_allows_it(version: str, has_roots: bool) -> None:
    """Our choice: a server may take a client's folders for permission to read those of this machine."""
    roots = {"roots": [{"uri": "file:///home/ann"}]}

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: roots, version, "roots")
        expected = roots if has_roots else {"code": -32601, "message": "Method not found"}
        assert read(found.answer) == [expected]
        assert len(found.asked) == has_roots

    run(scenario, has_roots=has_roots)


def test_nobody_is_asked_what_may_be_another_clients_business() -> None:
    """Our choice: a process has one pipe, and a question does not say whose it is."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open(**EVERYTHING)
        waiting = asyncio.create_task(session.call("hang"))
        await until(lambda: behind.pool.peek(Owner()).flights)  # type: ignore[union-attr]
        outbound = FakeOutbound()
        bobs = await behind.open(BOB, **EVERYTHING)
        (refusal,) = read(await bobs.call("ask", outbound))
        assert "it can't be told which of them" in refusal["message"]
        assert outbound.sent == []
        assert list_levels((await bobs.call("log")).sent) == []
        await session.cancel(1)
        await waiting

    run(scenario, sharing="shared")


async def ask_first(behind: Behind, **params: Any) -> tuple[Json, Json]:
    """The request that is answered with a question, and that answer's result."""
    sent = {"name": "ask", "arguments": {}, **params}
    message = build_stateless("tools/call", sent, **build_meta())
    result = (await behind.wire.post(message, build_headers(message))).result
    assert result["resultType"] == "input_required"
    return sent, result


async def go_on(behind: Behind, sent: Json, result: Json, answer: Any, principal: Any = ANN) -> Any:
    responses = dict.fromkeys(result["inputRequests"], answer)
    params = {**sent, "inputResponses": responses, "requestState": result["requestState"]}
    message = build_stateless("tools/call", params, **build_meta())
    return await behind.wire.post(message, build_headers(message), principal=principal)


def test_a_state_is_good_once_and_for_its_own_call_alone() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr, Security Considerations."""

    async def scenario(behind: Behind) -> None:
        sent, result = await ask_first(behind)
        for principal in (BOB, ANN_ELSEWHERE):
            refused = await go_on(behind, sent, result, accept({}), principal)
            assert refused.code == -32602
        assert (await go_on(behind, {**sent, "name": "echo"}, result, accept({}))).code == -32602
        assert (await go_on(behind, sent, result, "no object")).code == -32602
        assert read(await go_on(behind, sent, result, accept({"name": "Ada"}))) == [accept({"name": "Ada"})]
        again = await go_on(behind, sent, result, accept({"name": "Eve"}))
        assert again.code == -32602
        assert "call again without it" in again.body["error"]["message"]

    run(scenario)


def test_what_is_left_unanswered_is_asked_again() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr."""

    async def scenario(behind: Behind) -> None:
        sent, result = await ask_first(behind, arguments={"times": 2, "together": True})
        first, second = result["inputRequests"]
        params = {
            **sent,
            "inputResponses": {first: accept({"name": "1"})},
            "requestState": result["requestState"],
        }
        message = build_stateless("tools/call", params, **build_meta())
        more = (await behind.wire.post(message, build_headers(message))).result
        assert list(more["inputRequests"]) == [second]
        assert read(await go_on(behind, sent, more, accept({"name": "2"})))[1] == accept({"name": "2"})

    run(scenario)


def test_a_client_that_does_not_come_back_is_waited_for_no_longer() -> None:
    """Our choice: `answer_timeout`."""

    async def scenario(behind: Behind) -> None:
        sent, result = await ask_first(behind)
        peer = behind.pool.peek(Owner("ann"))
        assert peer is not None
        await until(lambda: not peer.flights)
        assert (await go_on(behind, sent, result, accept({}))).code == -32602

    run(scenario, answer_timeout=0.2)


def test_a_server_that_ended_meanwhile_is_an_error_for_who_comes_back() -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        sent, result = await ask_first(behind)
        peer = behind.pool.peek(Owner("ann"))
        assert peer is not None
        peer.child.kill("was killed here")
        answer = await go_on(behind, sent, result, accept({}))
        assert answer.body["error"]["message"] == "The upstream server behind was killed here."

    run(scenario)


def test_who_asks_much_and_never_comes_back_fills_nothing() -> None:
    """Our choice: of a person's requests that wait for them, the oldest goes."""

    async def scenario(behind: Behind) -> None:
        results = [await ask_first(behind, arguments={"text": str(number)}) for number in range(40)]
        assert len(behind.responder._parked) == 32
        assert (await go_on(behind, *results[0], accept({}))).code == -32602

    run(scenario)
