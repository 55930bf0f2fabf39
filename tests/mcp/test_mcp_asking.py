"""Asking the person, the model and the client: one Python call, in both eras."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from mcp_conversation import EVERYTHING, Respondent, Talk, accept, talk
from mcp_samples import (
    BOB,
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    Clock,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_request,
    run,
)

from omnitornado.mcp.client_capabilities import ClientCapabilityError
from omnitornado.mcp.content import Image
from omnitornado.mcp.context import CallEndedError, Context
from omnitornado.mcp.elicitation import Accepted
from omnitornado.mcp.limits import Limits
from omnitornado.mcp.resources import ResourceNotFoundError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tool_error import ToolError

ELICITING = ("2025-06-18", "2025-11-25", STATELESS)
"""2025-03-26 has no elicitation; a client that declares it all the same is asked."""


@dataclass
class Person:
    name: str
    age: int = 30


def build_server() -> MCPServer:
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        answer = await context.elicit("Who are you?", Person, key="who")
        return f"{answer.data.name}, {answer.data.age}" if isinstance(answer, Accepted) else answer.action

    @server.tool()
    def plain(context: Context) -> str:
        answer = context.wait(context.elicit("Who are you?", Person))
        return f"{answer.data.name}, {answer.data.age}" if isinstance(answer, Accepted) else answer.action

    @server.tool()
    async def twice(context: Context) -> str:
        one = await context.elicit("Sure?", bool, key="sure")
        two = await context.elicit("Sure?", bool, key="sure")
        return f"{one.data} {two.data}" if isinstance(one, Accepted) and isinstance(two, Accepted) else "no"

    return server


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("name", ["tool", "plain"])
@pytest.mark.parametrize(
    ("result", "text"),
    [
        (accept({"name": "Ada", "age": 36}), "Ada, 36"),
        (accept({"name": "Ada"}), "Ada, 30"),
        ({"action": "decline"}, "decline"),
        ({"action": "cancel"}, "cancel"),
    ],
)
def test_a_form_is_answered(version: str, name: str, result: Json, text: str) -> None:
    """Required by MCP client/elicitation (Response Actions)."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: result, version, name)
        assert found.answer.text == text
        (question,) = found.asked
        assert question["method"] == "elicitation/create"
        form = question["params"]["requestedSchema"]
        assert form["properties"] == {"name": {"type": "string"}, "age": {"type": "integer", "default": 30}}
        assert question["params"]["message"] == "Who are you?"
        assert question["params"].get("mode") == ("form" if version >= "2025-11-25" else None)

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_second_question_of_a_name_is_another_one(version: str) -> None:
    """Our choice: a loop may ask again."""
    answers = iter([True, False])

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: accept({"value": next(answers)}), version, "twice")
        assert found.answer.text == "True False"
        if version == STATELESS:
            assert [list(one["inputRequests"]) for one in found.rounds] == [["sure"], ["sure-2"]]

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize(
    "result",
    [
        3,
        {},
        {"action": "yes"},
        {"action": "accept", "content": {"age": 3}},
        {"action": "accept", "content": {"name": 3}},
        {"action": "accept", "content": []},
        {"action": "accept"},
    ],
)
def test_an_answer_that_does_not_fit_is_refused(version: str, result: Any) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Error Handling) and client/elicitation."""

    async def scenario(wire: Wire) -> None:
        answer = (await talk(wire, lambda _: result, version)).answer
        if version == STATELESS:
            assert (answer.status, answer.code) == (400, -32602)
            assert "inputResponses.who" in answer.body["error"]["message"]
        else:
            assert answer.result["isError"]
            assert "does not fit" in answer.text

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("name", ["tool", "plain"])
@pytest.mark.parametrize(
    "capabilities", [{}, {"sampling": {}}, {"elicitation": {"url": {}}}, {"elicitation": 1}]
)
def test_a_client_is_asked_only_what_it_declares(version: str, name: str, capabilities: Json) -> None:
    """Required by MCP 2026-07-28 basic/index (MissingRequiredClientCapability), client/elicitation
    (Capabilities)."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: None, version, name, capabilities=capabilities)
        assert found.asked == []
        if version == STATELESS:
            assert (found.answer.status, found.answer.code) == (400, -32021)
            assert found.answer.body["error"]["data"] == {"requiredCapabilities": {"elicitation": {}}}
        else:
            assert found.answer.result["isError"]
            assert found.answer.text == "The client does not support elicitation."

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("capabilities", [{"elicitation": {}}, {"elicitation": {"form": {}, "url": {}}}])
def test_without_a_mode_a_client_has_forms(version: str, capabilities: Json) -> None:
    """Required by MCP client/elicitation (Capabilities)."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: {"action": "cancel"}, version, capabilities=capabilities)
        assert found.answer.text == "cancel"

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_function_can_ask_what_a_client_supports(version: str) -> None:
    """Our choice."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> list[str]:
        with pytest.raises(ValueError, match="none of"):
            context.supports("mind-reading")
        with pytest.raises(ClientCapabilityError) as caught:
            await context.list_roots()
        assert caught.value.required == {"roots": {}}
        kinds = ("elicitation", "elicitation.url", "sampling", "sampling.tools", "roots")
        return [kind for kind in kinds if context.supports(kind)]

    async def scenario(wire: Wire) -> None:
        capabilities: Json = {"elicitation": {"url": {}, "form": {}}, "sampling": {}}
        found = await talk(wire, lambda _: None, version, capabilities=capabilities)
        url = ["elicitation.url"] if version >= "2025-11-25" else []
        assert found.answer.result["content"][0]["text"] == str(["elicitation", *url, "sampling"]).replace(
            "'", '"'
        ).replace(", ", ",")

    run(scenario, server)


# URL mode


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
@pytest.mark.parametrize(
    ("action", "text"), [("accept", "Accepted"), ("decline", "Declined"), ("cancel", "Cancelled")]
)
def test_a_person_is_sent_to_a_page(version: str, action: str, text: str) -> None:
    """Required by MCP client/elicitation (URL Mode Elicitation Requests)."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        answer = await context.elicit_url("Connect", "https://example.com/x?y=1", elicitation_id="e1")
        await context.complete_elicitation("e1")
        return type(answer).__name__

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: {"action": action}, version)
        assert found.answer.text == text
        params = {"mode": "url", "message": "Connect", "url": "https://example.com/x?y=1"}
        if version == STATELESS:
            assert found.asked[0]["params"] == params
        else:
            assert found.asked[0]["params"] == {**params, "elicitationId": "e1"}
            assert found.answer.sent[1:] == [
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/elicitation/complete",
                    "params": {"elicitationId": "e1"},
                }
            ]

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize(
    "url", ["", "ftp://a/b", "/relative", "https://", "https://a b/", "javascript:alert(1)"]
)
def test_a_page_has_a_web_address(version: str, url: str) -> None:
    """Required by MCP client/elicitation: the url must be valid."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> None:
        await context.elicit_url("Connect", url)

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: None, version)
        assert found.answer.result["isError"]
        assert "http or https" in found.answer.text

    run(scenario, server)


def test_that_an_elicitation_is_complete_can_be_told_after_the_call() -> None:
    """Required by MCP 2025-11-25 client/elicitation: to the client that was asked, on its
    session's stream."""
    server, kept = MCPServer("s"), []

    @server.tool()
    async def tool(context: Context) -> None:
        kept.append(context)

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        stream = await wire.get(session)
        other = await wire.get(await wire.open_session())
        await wire.post(build_request("tools/call", {"name": "tool"}), session)
        await kept[0].complete_elicitation("e1")
        assert isinstance(stream, Stream)
        assert isinstance(other, Stream)
        message = await stream.receive()
        assert message is not None
        assert message["params"] == {"elicitationId": "e1"}
        waiting = asyncio.create_task(other.receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    run(scenario, server)


# Sampling and roots


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_clients_model_is_asked(version: str) -> None:
    """Required by MCP client/sampling (Creating Messages)."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        sample = await context.sample(
            ["Hello", {"role": "assistant", "content": [Image(b"x", "image/png")]}],
            max_tokens=10,
            system_prompt="Be brief.",
            temperature=0.5,
            stop_sequences=["."],
            model_preferences={"hints": [{"name": "small"}]},
            metadata={"a": 1},
        )
        return f"{sample.text} {sample.model} {sample.stop_reason}"

    result = {
        "role": "assistant",
        "content": {"type": "text", "text": "Hi"},
        "model": "m",
        "stopReason": "endTurn",
    }

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: result, version)
        assert found.answer.text == "Hi m endTurn"
        assert found.asked[0]["method"] == "sampling/createMessage"
        assert found.asked[0]["params"] == {
            "messages": [
                {"role": "user", "content": {"type": "text", "text": "Hello"}},
                {"role": "assistant", "content": {"type": "image", "data": "eA==", "mimeType": "image/png"}},
            ],
            "maxTokens": 10,
            "systemPrompt": "Be brief.",
            "temperature": 0.5,
            "stopSequences": ["."],
            "modelPreferences": {"hints": [{"name": "small"}]},
            "metadata": {"a": 1},
        }

    run(scenario, server)


USE = {"type": "tool_use", "id": "u1", "name": "weather", "input": {"city": "Rome"}}


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
def test_the_model_uses_tools_in_a_conversation(version: str) -> None:
    """Required by MCP client/sampling (Sampling with Tools, Multi-turn Tool Loop)."""
    server = MCPServer("s")
    weather = {"name": "weather", "inputSchema": {"type": "object"}}

    @server.tool()
    async def tool(context: Context) -> str:
        first = await context.sample("Weather?", max_tokens=10, tools=[weather], tool_choice="required")
        block = {"type": "tool_result", "toolUseId": first.tool_uses[0]["id"], "content": []}
        again: list[Any] = ["Weather?", first, {"role": "user", "content": [block]}]
        return (await context.sample(again, max_tokens=10, tools=[weather])).text

    def respond(question: Json) -> Json:
        if len(question["params"]["messages"]) == 1:
            content: Any = [{"type": "text", "text": "…"}, USE]
        else:
            content = {"type": "text", "text": "Sunny"}
        return {"role": "assistant", "content": content, "model": "m"}

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, respond, version)
        assert found.answer.text == "Sunny"
        assert found.asked[0]["params"]["toolChoice"] == {"mode": "required"}
        messages = found.asked[1]["params"]["messages"]
        assert messages[1] == {"role": "assistant", "content": [{"type": "text", "text": "…"}, USE]}
        assert messages[2]["content"] == {"type": "tool_result", "toolUseId": "u1", "content": []}
        lacking = await talk(wire, respond, version, capabilities={"sampling": {}})
        assert lacking.asked == []
        if version == STATELESS:
            assert lacking.answer.body["error"]["data"] == {
                "requiredCapabilities": {"sampling": {"tools": {}}}
            }

    run(scenario, server)


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
@pytest.mark.parametrize(
    "result",
    [
        None,
        {"role": "assistant", "content": "text", "model": "m"},
        {"role": "robot", "content": [], "model": "m"},
        {"role": "assistant", "content": []},
        {"role": "assistant", "content": {"type": "text"}, "model": "m"},
        {"role": "assistant", "content": [{"type": "video", "data": ""}], "model": "m"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": 1}], "model": "m"},
        {"role": "assistant", "content": {"type": ["text"]}, "model": "m"},
    ],
)
def test_a_sample_that_is_none_is_refused(version: str, result: Any) -> None:
    """Our choice, as the schema has it (CreateMessageResult)."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        return (await context.sample("Hello", max_tokens=1)).text

    async def scenario(wire: Wire) -> None:
        answer = (await talk(wire, lambda _: {} if result is None else result, version)).answer
        assert answer.code == -32602 if version == STATELESS else answer.result["isError"]

    run(scenario, server)


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", STATELESS])
@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "system", "content": "x"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": ["a", {"type": "tool_result", "toolUseId": "1"}]}, "has nothing else"),
        ({"role": "user", "content": ["a", "b"]}, "one content block"),
    ],
)
def test_a_message_is_one_the_revision_has(version: str, message: Json, words: str) -> None:
    """Required by MCP client/sampling (Message Content Constraints), and by what 2025-06-18 has."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        return (await context.sample([message], max_tokens=1)).text

    result = {"role": "assistant", "content": {"type": "text", "text": "fine"}, "model": "m"}

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: result, version)
        if words == "one content block" and version != "2025-06-18":
            assert found.answer.text == "fine"
            return
        assert found.asked == []
        assert found.answer.result["isError"]
        assert words in found.answer.text or version == "2025-06-18"

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_roots_are_listed(version: str) -> None:
    """Required by MCP client/roots (Listing Roots)."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> list[str]:
        return [f"{root.uri} {root.name}" for root in await context.list_roots()]

    async def scenario(wire: Wire) -> None:
        roots = [{"uri": "file:///a", "name": "A"}, {"uri": "file:///b"}]
        found = await talk(wire, lambda _: {"roots": roots}, version)
        assert found.answer.text == '["file:///a A","file:///b None"]'
        assert found.asked[0]["method"] == "roots/list"
        bad = await talk(wire, lambda _: {"roots": [{"name": "A"}]}, version)
        assert bad.answer.code == -32602 if version == STATELESS else bad.answer.result["isError"]

    run(scenario, server)


# Several at once, prompts, resources


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_what_is_asked_together_takes_one_round(version: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (inputRequests)."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        one, two, roots = await asyncio.gather(
            context.elicit("One?", str), context.elicit("Two?", str), context.list_roots()
        )
        assert isinstance(one, Accepted)
        assert isinstance(two, Accepted)
        return f"{one.data} {two.data} {len(roots)}"

    def respond(question: Json) -> Json:
        if question["method"] == "roots/list":
            return {"roots": []}
        return accept({"value": question["params"]["message"].lower()})

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, respond, version)
        assert found.answer.text == "one? two? 0"
        if version == STATELESS:
            (asked,) = found.rounds
            assert list(asked["inputRequests"]) == ["elicitation", "elicitation-2", "roots"]
        else:
            assert len({question["id"] for question in found.asked}) == 3

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_prompts_and_resources_ask_as_tools_do(version: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Supported Requests)."""
    server = MCPServer("s")

    @server.prompt()
    async def prompt(context: Context) -> str:
        answer = await context.elicit("What?", str)
        return answer.data if isinstance(answer, Accepted) else "nothing"

    @server.resource("test://it")
    async def resource(context: Context) -> str:
        answer = await context.elicit("What?", str)
        return answer.data if isinstance(answer, Accepted) else "nothing"

    async def scenario(wire: Wire) -> None:
        said = accept({"value": "this"})
        for method, params in (("prompts/get", {"name": "prompt"}), ("resources/read", {"uri": "test://it"})):
            found = await talk(wire, lambda _: said, version, method=method, params=params)
            assert "this" in str(found.answer.result)
            lacking = await talk(wire, lambda _: said, version, method=method, params=params, capabilities={})
            assert lacking.answer.code == (-32021 if version == STATELESS else -32603)

    run(scenario, server)


def build_reader() -> MCPServer:
    server = MCPServer("s")

    @server.resource("test://text", mime_type="text/plain")
    def text() -> str:
        return "a text"

    @server.resource("test://bytes", mime_type="image/png")
    def data() -> bytes:
        return b"\x00\x01"

    @server.resource("test://secret", scopes=["admin"])
    def secret() -> str:
        return "secret"

    @server.resource("test://broken")
    def broken() -> str:
        raise RuntimeError("inside")

    @server.resource("test://asking/{what}")
    async def asking(what: str, context: Context) -> str:
        answer = await context.elicit(f"{what}?", str)
        return f"{what}: {answer.data}" if isinstance(answer, Accepted) else what

    @server.tool()
    async def read(uri: str, context: Context) -> str:
        try:
            contents = await context.read_resource(uri)
        except ResourceNotFoundError:
            raise ToolError("not there") from None
        return " ".join(f"{one.content!r} {one.mime_type} {one.uri}" for one in contents)

    @server.tool()
    def read_plain(uri: str, context: Context) -> str:
        return str(context.wait(context.read_resource(uri))[0].content)

    return server


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("test://text", "'a text' text/plain test://text"),
        ("test://bytes", "b'\\x00\\x01' image/png test://bytes"),
        ("test://nothing", "not there"),
        ("test://secret", "Reading test://secret needs admin."),
        ("test://asking/colour", "'colour: red' text/plain test://asking/colour"),
    ],
)
def test_a_tool_reads_a_resource_of_its_server(version: str, uri: str, text: str) -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: accept({"value": "red"}), version, "read", {"uri": uri})
        assert found.answer.text == text
        if uri != "test://secret":
            plain = await talk(
                wire, lambda _: accept({"value": "red"}), version, "read_plain", {"uri": "test://text"}
            )
            assert plain.answer.text == "a text"

    run(scenario, build_reader())


def test_a_resource_that_fails_fails_the_tool_in_safe_words() -> None:
    """Our choice."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.call("read", {"uri": "test://broken"})
        assert answer.result["isError"]
        assert "resource broken failed" in answer.text
        assert "inside" not in answer.text

    run(scenario, build_reader(), logged=1)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_completion_asks_nobody(version: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr: no other request may be answered with a question."""
    server = MCPServer("s")

    @server.prompt()
    def prompt(word: str) -> str:
        return word

    @server.completion("ref/prompt", "prompt", "word")
    async def complete(value: str, context: Context) -> list[str]:
        await context.elicit("What?", str)
        return []

    params = {"ref": {"type": "ref/prompt", "name": "prompt"}, "argument": {"name": "word", "value": ""}}

    async def scenario(wire: Wire) -> None:
        found = await talk(
            wire, lambda _: None, version, method="completion/complete", params=params, capabilities={}
        )
        assert found.answer.code == -32603
        assert found.rounds == []

    run(scenario, server)


# The handshake era


def test_a_client_that_takes_no_stream_cant_be_asked() -> None:
    """Our choice: said in words, at once."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(capabilities=EVERYTHING)
        message = build_request("tools/call", {"name": "tool"})
        answer = await wire.post(message, session | {"accept": "application/json"})
        assert answer.result["isError"]
        assert "no event stream" in answer.text

    run(scenario, build_server())


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_refusal_is_told_to_the_tool(version: str) -> None:
    """Required by MCP 2025-11-25 client/sampling (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: RuntimeError("User rejected it"), version)
        assert found.answer.text == "The client did not answer: User rejected it"

    run(scenario, build_server())


def test_an_answer_that_takes_too_long_is_waited_for_no_more() -> None:
    """Required by MCP 2025-11-25 basic/lifecycle (Timeouts): the sender cancels; the wait is our choice."""

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: None, "2025-11-25")
        assert found.answer.text == "The client did not answer within 0.01 seconds."
        cancelled = found.answer.sent[-1]
        assert cancelled["method"] == "notifications/cancelled"
        assert cancelled["params"]["requestId"] == found.asked[0]["id"]

    run(scenario, build_server(), limits=Limits(answer_timeout=0.01))


@pytest.mark.parametrize("name", ["tool", "plain"])
def test_a_tools_time_stands_still_while_the_client_has_a_question(name: str) -> None:
    """Our choice: a person may take longer than a tool."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(capabilities=EVERYTHING)
        outbound = Respondent(wire, session, lambda _: None)
        message = build_request("tools/call", {"name": name})
        calling = asyncio.create_task(wire.post(message, session, outbound=outbound))
        await outbound.arrived.wait()
        # Two tools that came later have run out of the same time.
        for _ in range(2):
            stuck = await wire.post(build_request("tools/call", {"name": "stuck"}, request_id=2), session)
            assert "did not finish" in stuck.text
        assert not calling.done()
        answer = {"jsonrpc": "2.0", "id": outbound.asked[0]["id"], "result": {"action": "decline"}}
        assert (await wire.post(answer, session)).status == 202
        assert (await calling).text == "decline"

    server = build_server()

    @server.tool()
    async def stuck() -> None:
        await asyncio.Event().wait()

    run(scenario, server, tool_timeout=0.6, logged=2)


def test_an_answer_counts_once_and_only_in_its_session() -> None:
    """Required by MCP 2025-11-25 basic/transports: 202 for each; bound to the session: our choice."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(capabilities=EVERYTHING)
        other = await wire.open_session(capabilities=EVERYTHING)
        outbound = Respondent(wire, session, lambda _: None)
        message = build_request("tools/call", {"name": "tool"})
        calling = asyncio.create_task(wire.post(message, session, outbound=outbound))
        await outbound.arrived.wait()
        answer = {"jsonrpc": "2.0", "id": outbound.asked[0]["id"], "result": {"action": "decline"}}
        assert (await wire.post(answer, other)).status == 202
        assert (await wire.post(answer, session, principal=BOB)).status == 404
        assert (await wire.post(answer | {"id": 0}, session)).status == 202
        await asyncio.sleep(0)
        assert not calling.done()
        for _ in range(2):
            assert (await wire.post(answer, session)).status == 202
        assert (await calling).text == "decline"
        assert (await wire.post(answer, session)).status == 202

    run(scenario, build_server())


@pytest.mark.parametrize("end", ["cancelled", "deleted", "stopped"])
@pytest.mark.parametrize("name", ["tool", "plain"])
def test_a_question_ends_with_its_call(end: str, name: str) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation."""
    seen: list[BaseException] = []
    left = threading.Event()
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> None:
        try:
            await context.elicit("Who?", str)
        except BaseException as error:
            seen.append(error)
            left.set()
            raise

    @server.tool()
    def plain(context: Context) -> None:
        try:
            context.wait(context.elicit("Who?", str))
        except BaseException as error:
            seen.append(error)
            left.set()
            raise

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(capabilities=EVERYTHING)
        outbound = Respondent(wire, session, lambda _: None)
        message = build_request("tools/call", {"name": name}, request_id=7)
        calling = asyncio.create_task(wire.post(message, session, outbound=outbound))
        await outbound.arrived.wait()
        if end == "cancelled":
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
            await wire.post(note, session)
        elif end == "deleted":
            await wire.delete(session)
        else:
            await wire.endpoint.close()
        answer = await calling
        if end == "stopped":
            assert "stopping" in answer.text
        else:
            assert answer.body is None
        assert await asyncio.to_thread(left.wait, 3)
        expected = asyncio.CancelledError if name == "tool" else CallEndedError
        assert [type(error) for error in seen] == [expected]

    run(scenario, server)


def test_ids_of_questions_cant_be_known_before() -> None:
    """Our choice: an answer from before a restart must not hit another question."""

    async def scenario(wire: Wire) -> None:
        ids = []
        for _ in range(2):
            found = await talk(wire, lambda _: {"action": "cancel"}, "2025-11-25")
            ids.append(str(found.asked[0]["id"]))
        first, second = ids
        assert first.endswith("-1")
        assert second.endswith("-1")
        assert first != second

    run(scenario, build_server())


def test_capabilities_of_many_words_keep_what_decides() -> None:
    """Our choice: what a session remembers is bounded."""

    async def scenario(wire: Wire) -> None:
        wordy = {
            "elicitation": {"form": {"x": "y" * 5000}},
            "sampling": "nonsense",
            "experimental": {"a": "b" * 5000},
        }
        found = await talk(wire, lambda _: {"action": "cancel"}, "2025-11-25", capabilities=wordy)
        assert found.answer.text == "cancel"

    run(scenario, build_server())


def test_wait_is_for_plain_functions() -> None:
    """Our choice: in the event loop it could never return."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        with pytest.raises(RuntimeError, match="async tool awaits"):
            context.wait(context.elicit("Who?", str))
        return "refused"

    @server.tool()
    def plain(context: Context) -> str:
        context.wait(context.log("info", "x"))
        return "fine"

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("tool")).text == "refused"
        assert (await wire.call("plain")).text == "fine"

    run(scenario, server)


def test_a_context_by_itself_asks_nobody() -> None:
    """Our choice: for an author's own tests."""
    server, found = MCPServer("s"), Talk()
    assert found.asked == []

    @server.tool()
    async def tool(context: Context) -> None:
        await context.complete_elicitation("x")

    async def scenario(wire: Wire) -> None:
        for version in EVERY_VERSION:
            assert not (await wire.call("tool", version=version)).result["isError"]

    run(scenario, server, clock=Clock())
    assert FakeOutbound().sent == []
