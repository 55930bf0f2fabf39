"""A server of the stateless era behind clients of either era, and how the era of a server is found out."""

import asyncio
from typing import Any

import pytest
from mcp_conversation import accept, talk
from mcp_samples import SERVER_INFO_KEY, STATELESS, FakeOutbound, Stream

from omnitornado.mcp.inbound import Era
from omnitornado.upstream.pool import Owner

from .behind import EVERYTHING, Behind, read, run
from .children import until

CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
ASKABLE: dict[str, Any] = {CAPABILITIES_KEY: EVERYTHING}


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", STATELESS])
def test_clients_of_either_era_use_it(version: str) -> None:
    """Required by MCP 2026-07-28 basic/versioning, Compatibility Matrix."""

    async def scenario(behind: Behind) -> None:
        listed = (await behind.wire.ask("tools/list", version=version)).result
        assert listed["tools"] == [{"name": "echo", "inputSchema": {"type": "object"}, "x-own": [1]}]
        assert ("resultType" in listed) == (version == STATELESS)
        answer = await behind.wire.call("meta", version=version, token="t")
        meta = read(answer)
        assert meta["omnitornado/caller"]["username"] == "ann"
        assert meta["io.modelcontextprotocol/protocolVersion"] == STATELESS
        assert meta[CAPABILITIES_KEY] == {}
        assert meta["progressToken"] != "t"
        progress = await behind.wire.call("progress", version=version, token="t")
        assert [one["params"]["progressToken"] for one in progress.sent] == ["t", "t", "t"]
        peer = behind.pool.peek(Owner("ann"))
        assert peer is not None
        assert peer.dialect.era is Era.STATELESS

    run(scenario, "modern")


def test_it_introduces_itself_to_both() -> None:
    """Required by MCP 2026-07-28 server/discover and 2025-11-25 basic/lifecycle."""

    async def scenario(behind: Behind) -> None:
        result = (await behind.wire.post_stateless("server/discover")).result
        assert result["_meta"][SERVER_INFO_KEY] == {"name": "hostile", "version": "1", "x": "kept"}
        assert result["instructions"] == "Beware."
        assert result["capabilities"]["com.example/own"] == {"x": 1}
        await behind.open()

    run(scenario, "modern")


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
def test_what_it_asks_by_the_end_of_an_answer_reaches_the_client(version: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr and 2025-11-25 client/elicitation."""
    answer = accept({"name": "Ada"})

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: answer, version, "ask", {"times": 3})
        assert read(found.answer) == [answer] * 3
        assert [one["method"] for one in found.asked] == ["elicitation/create"] * 3
        assert len(found.rounds) == (3 if version == STATELESS else 0)

    run(scenario, "modern")


def test_its_own_state_is_sealed_within_ours() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr, Security Considerations: bound to person and call."""

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: accept({}), STATELESS, "ask", {"times": 2})
        assert all(one["requestState"] != "[]" for one in found.rounds)
        params = {"name": "ask", "arguments": {"times": 2}, "requestState": "[]"}
        forged = await behind.wire.post_stateless("tools/call", params, **ASKABLE)
        assert forged.code == -32602

    run(scenario, "modern")


def test_a_client_that_refuses_ends_the_call() -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        found = await talk(behind.wire, lambda asked: ValueError("not now"), "2025-11-25", "ask")
        assert found.answer.body["error"]["message"] == "The client did not answer: not now"
        found = await talk(behind.wire, lambda asked: None, "2025-11-25", "ask", capabilities={})
        assert "does not support" in found.answer.body["error"]["message"]

    run(scenario, "modern")


@pytest.mark.parametrize("has_roots", [True, False])
def test_it_is_told_of_roots_only_where_the_operator_allows_it(has_roots: bool) -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        params = {"name": "meta", "arguments": {}}
        answer = await behind.wire.post_stateless("tools/call", params, **ASKABLE)
        assert ("roots" in read(answer)[CAPABILITIES_KEY]) == has_roots
        assert "sampling" in read(answer)[CAPABILITIES_KEY]

    run(scenario, "modern", has_roots=has_roots)


def test_changes_cross_to_both() -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions and 2025-11-25 server/resources."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        assert (await session.ask("resources/subscribe", uri="x:one")).result == {}
        assert (await session.ask("resources/subscribe", uri="x:unknown")).code == -32602
        stream = await behind.wire.get(session.headers)
        assert isinstance(stream, Stream)
        outbound = FakeOutbound()
        asked = {"toolsListChanged": True, "resourceSubscriptions": ["x:two", "x:unknown"]}
        listening = asyncio.create_task(
            behind.wire.post_stateless("subscriptions/listen", {"notifications": asked}, outbound=outbound)
        )
        await outbound.arrived.wait()
        assert outbound.sent[0]["params"]["notifications"]["resourceSubscriptions"] == ["x:two"]
        state = await behind.look_inside()
        assert (state["subscriptions"], state["listening"]) == (["x:one", "x:two"], 1)
        await session.call("changed", uri="x:two")
        await until(lambda: len(outbound.sent) == 3)
        first = await stream.receive()
        assert first is not None
        assert first["method"] == "notifications/tools/list_changed"
        await session.ask("resources/unsubscribe", uri="x:one")
        assert outbound.reader is not None
        outbound.reader.detach()
        await listening
        state = await behind.look_inside()
        assert (state["subscriptions"], state["listening"]) == ([], 1)
        stream.close()

    run(scenario, "modern")


# Finding out


@pytest.mark.parametrize(
    ("option", "era"), [("plain", "HANDSHAKE"), ("dual", "HANDSHAKE"), ("modern", "STATELESS")]
)
def test_the_handshake_comes_first(option: str, era: str) -> None:
    """Our choice: after it, tools that ask in the middle of a request can."""

    async def scenario(behind: Behind) -> None:
        assert (await behind.call("echo", text="x")).text == "x"
        peer = behind.pool.peek(Owner("ann"))
        assert peer is not None
        assert peer.dialect.era is Era[era]

    run(scenario, option)


def test_one_that_knows_neither_is_ended() -> None:
    """Our choice."""

    async def scenario(behind: Behind) -> None:
        answer = await behind.call("echo")
        assert answer.body["error"]["message"] == (
            "The upstream server behind refused initialize: Method not found."
        )

    run(scenario, "neither")
