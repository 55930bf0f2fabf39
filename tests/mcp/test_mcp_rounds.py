"""Questions of the stateless era: rounds, what is replayed, and the state that goes through the client."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp_conversation import EVERYTHING, accept, talk
from mcp_samples import (
    ANN,
    ANN_ELSEWHERE,
    BOB,
    CAPABILITIES_KEY,
    SERVER_INFO_KEY,
    STATELESS,
    Answer,
    Clock,
    Json,
    Wire,
    build_headers,
    build_stateless,
    run,
)

from omnitornado.mcp.context import Context
from omnitornado.mcp.elicitation import Accepted
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.request_state import MAX_SEALED
from omnitornado.mcp.rounds import MAX_ROUNDS
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore


def build_server(runs: list[str] | None = None) -> MCPServer:
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context, about: str = "") -> str:
        if runs is not None:
            runs.append("run")
        one = await context.elicit("One?", str, key="one")
        two = await context.elicit("Two?", str, key="two")
        assert isinstance(one, Accepted)
        assert isinstance(two, Accepted)
        return f"{about}{one.data} {two.data}"

    @server.prompt()
    async def prompt(context: Context) -> str:
        return (await context.elicit("One?", str, key="one")).action

    return server


async def ask(
    wire: Wire,
    params: Json | None = None,
    *,
    method: str = "tools/call",
    name: str = "tool",
    principal: Principal = ANN,
) -> Answer:
    message = build_stateless(method, {"name": name, **(params or {})}, **{CAPABILITIES_KEY: EVERYTHING})
    return await wire.post(message, build_headers(message), principal=principal)


def answer(**values: str) -> Json:
    return {"inputResponses": {key: accept({"value": value}) for key, value in values.items()}}


def test_a_call_ends_with_a_question_and_goes_on_with_its_answer() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Basic Workflow)."""
    runs: list[str] = []

    async def scenario(wire: Wire) -> None:
        first = await ask(wire)
        assert first.status == 200
        assert first.result["resultType"] == "input_required"
        assert first.result["inputRequests"]["one"]["method"] == "elicitation/create"
        assert first.result["_meta"][SERVER_INFO_KEY]["name"] == "s"
        assert set(first.result) == {"resultType", "inputRequests", "requestState", "_meta"}
        second = await ask(wire, answer(one="1") | {"requestState": first.result["requestState"]})
        assert list(second.result["inputRequests"]) == ["two"]
        assert second.result["requestState"] != first.result["requestState"]
        third = await ask(wire, answer(two="2") | {"requestState": second.result["requestState"]})
        assert third.result["resultType"] == "complete"
        assert third.text == "1 2"
        assert runs == ["run"] * 3

    run(scenario, build_server(runs))


def test_what_is_missing_is_asked_again_and_what_is_unknown_ignored() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        first = await ask(wire)
        state = {"requestState": first.result["requestState"]}
        for params in (state, state | answer(other="x"), answer(other="x")):
            again = await ask(wire, params)
            assert list(again.result["inputRequests"]) == ["one"]
        both = await ask(wire, state | answer(one="1", two="early"))
        assert list(both.result["inputRequests"]) == ["two"]

    run(scenario, build_server())


def test_a_client_may_answer_before_it_is_asked() -> None:
    """Our choice: its word is as good as it would be later."""

    async def scenario(wire: Wire) -> None:
        assert (await ask(wire, answer(one="1", two="2", three="3"))).text == "1 2"

    run(scenario, build_server())


@pytest.mark.parametrize("responses", [None, [], "x", 3])
def test_responses_that_are_no_object_are_refused(responses: Any) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Error Handling)."""

    async def scenario(wire: Wire) -> None:
        refused = await ask(wire, {"inputResponses": responses})
        assert (refused.status, refused.code) == (400, -32602)

    run(scenario, build_server())


def flip(text: str, at: int) -> str:
    data = bytearray(base64.urlsafe_b64decode(text + "=="))
    data[at] ^= 1
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda state: state + "-TAMPERED",
        lambda state: state + "A",
        lambda state: state[:-4],
        lambda state: state[4:],
        lambda state: "",
        lambda state: "x",
        lambda state: None,
        lambda state: 3,
        lambda state: state + "=",
        lambda state: state.replace(state[10], "é"),
        lambda state: flip(state, 0),
        lambda state: flip(state, 16),
        lambda state: flip(state, 40),
        lambda state: flip(state, -1),
        lambda state: flip(state, -33),
        lambda state: "A" * (MAX_SEALED + 1),
    ],
)
def test_a_state_that_was_changed_is_refused(tamper: Callable[[str], Any]) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Server Requirements 4)."""
    runs: list[str] = []

    async def scenario(wire: Wire) -> None:
        state = (await ask(wire)).result["requestState"]
        refused = await ask(wire, answer(one="1") | {"requestState": tamper(state)})
        assert (refused.status, refused.code) == (400, -32602)
        assert "requestState" in refused.body["error"]["message"]
        assert runs == ["run"]

    run(scenario, build_server(runs))


def test_a_state_has_one_spelling() -> None:
    """Our choice: base64 lets spare bits pass."""

    async def scenario(wire: Wire) -> None:
        state = (await ask(wire)).result["requestState"]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        others = [state[:-1] + letter for letter in alphabet if letter != state[-1]]
        for other in others:
            assert (await ask(wire, {"requestState": other})).status == 400

    run(scenario, build_server())


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (lambda wire, state: ask(wire, state, principal=BOB), -32602),
        (lambda wire, state: ask(wire, state, principal=ANN_ELSEWHERE), -32602),
        (lambda wire, state: ask(wire, state | {"arguments": {"about": "x"}}), -32602),
        (lambda wire, state: ask(wire, state | {"arguments": {}, "task": {}}), -32602),
        (lambda wire, state: ask(wire, state, method="prompts/get", name="prompt"), -32602),
    ],
)
def test_a_state_is_good_for_its_call_alone(
    other: Callable[[Wire, Json], Awaitable[Answer]], code: int
) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Server Requirements 5)."""

    async def scenario(wire: Wire) -> None:
        state = (await ask(wire)).result["requestState"]
        refused = await other(wire, {"requestState": state})
        assert (refused.status, refused.code) == (400, code)

    run(scenario, build_server())


def test_the_order_of_arguments_makes_no_other_call() -> None:
    """Our choice: a client may write them anew."""
    server = MCPServer("s")

    @server.tool()
    async def tool(a: int, b: int, context: Context) -> str:
        return (await context.elicit("Sure?", bool)).action

    async def scenario(wire: Wire) -> None:
        first = await ask(wire, {"arguments": {"a": 1, "b": 2}})
        state = {
            "requestState": first.result["requestState"],
            "inputResponses": {"elicitation": {"action": "decline"}},
        }
        assert (await ask(wire, {"arguments": {"b": 2, "a": 1}} | state)).text == "decline"

    run(scenario, server)


def test_a_state_expires() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Server Requirements 5): ten minutes are our choice."""
    clock = Clock()

    async def scenario(wire: Wire) -> None:
        first = await ask(wire)
        state = answer(one="1") | {"requestState": first.result["requestState"]}
        clock.now += 599.9
        second = await ask(wire, state)
        assert list(second.result["inputRequests"]) == ["two"]
        clock.now += 0.1
        refused = await ask(wire, state)
        assert (refused.status, refused.code) == (400, -32602)
        assert "expired" in refused.body["error"]["message"]
        clock.now += 599.8
        last = await ask(wire, answer(two="2") | {"requestState": second.result["requestState"]})
        assert last.text == "1 2"

    run(scenario, build_server(), clock=clock)


def test_a_state_says_nothing_to_the_client() -> None:
    """Our choice: what `once` made may be the server's own."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        secret = await context.once("secret", lambda: "a secret of the server's")
        await context.elicit("Sure?", bool)
        return str(secret)

    async def scenario(wire: Wire) -> None:
        first = await ask(wire)
        state = first.result["requestState"]
        again = (await ask(wire)).result["requestState"]
        assert state[:20] != again[:20]
        data = base64.urlsafe_b64decode(state + "==")
        for word in (b"secret", b"ann", b"elicitation"):
            assert word not in data
        decline = {"requestState": state, "inputResponses": {"elicitation": {"action": "decline"}}}
        assert (await ask(wire, decline)).text == "a secret of the server's"

    run(scenario, server)


def test_a_state_survives_a_restart_and_is_no_other_servers(tmp_path: Any) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr: nothing of it is kept in the process."""
    server = build_server()

    async def serve(path: Any, scenario: Callable[[Wire], Awaitable[Any]], at: str = "/mcp") -> Any:
        store = EmbeddedStore.open(path)
        await store.start()
        endpoint = Endpoint(server, path=at, sessions=store)
        try:
            return await scenario(Wire(endpoint, server))
        finally:
            await endpoint.close()
            await store.close()

    async def begin(wire: Wire) -> Any:
        return (await ask(wire)).result["requestState"]

    async def go_on(wire: Wire) -> Answer:
        return await ask(wire, answer(one="1") | {"requestState": state})

    state = asyncio.run(serve(tmp_path / "state", begin))
    assert list(asyncio.run(serve(tmp_path / "state", go_on)).result["inputRequests"]) == ["two"]
    assert asyncio.run(serve(tmp_path / "state", go_on, "/other")).code == -32602
    assert asyncio.run(serve(None, go_on)).code == -32602


# What is replayed


def test_another_question_is_asked_anew() -> None:
    """Our choice: yes to one thing is not yes to another."""
    targets = iter(["a.txt", "b.txt", "b.txt"])
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        target = next(targets)
        sure = await context.elicit(f"Delete {target}?", bool, key="sure")
        return f"deleted {target}" if isinstance(sure, Accepted) and sure.data else "kept"

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: accept({"value": True}), STATELESS)
        assert [one["params"]["message"] for one in found.asked] == ["Delete a.txt?", "Delete b.txt?"]
        assert found.answer.text == "deleted b.txt"

    run(scenario, server)


def test_an_earlier_answer_is_not_replaced_by_a_later_one() -> None:
    """Our choice: what was answered in one round stands in the next."""

    async def scenario(wire: Wire) -> None:
        first = await ask(wire)
        second = await ask(wire, answer(one="1") | {"requestState": first.result["requestState"]})
        last = await ask(wire, answer(one="x", two="2") | {"requestState": second.result["requestState"]})
        assert last.text == "1 2"

    run(scenario, build_server())


def test_once_happens_once() -> None:
    """Our choice: for what must not happen again with each answer."""
    made: list[str] = []
    server = MCPServer("s")

    def count(where: str) -> int:
        made.append(where)
        return 7

    async def make() -> list[int]:
        made.append("async")
        await asyncio.sleep(0)
        return [1, 2]

    @server.tool()
    async def tool(context: Context) -> str:
        number = await context.once("number", lambda: count("plain"), int)
        pair = await context.once("pair", make, tuple[int, int])
        same = await context.once("number", lambda: 8)
        for _ in range(2):
            await context.elicit("Sure?", bool)
        return f"{number} {pair} {same}"

    @server.tool()
    def plain(context: Context) -> str:
        number = context.wait(context.once("number", lambda: count("thread"), int))
        context.wait(context.elicit("Sure?", bool))
        return str(number)

    async def scenario(wire: Wire) -> None:
        said = {"action": "decline"}
        for version in (STATELESS, "2025-11-25"):
            found = await talk(wire, lambda _: said, version)
            assert found.answer.text == "7 (1, 2) 7"
            assert made == ["plain", "async"]
            made.clear()
            assert (await talk(wire, lambda _: said, version, "plain")).answer.text == "7"
            assert made == ["thread"]
            made.clear()
        assert (await talk(wire, lambda _: said, STATELESS, "plain")).answer.text == "7"

    run(scenario, server)


def test_what_is_made_once_while_a_question_waits_is_not_lost() -> None:
    """Our choice: the question waits until it is made."""
    made: list[str] = []
    server = MCPServer("s")

    async def make() -> str:
        for _ in range(5):
            await asyncio.sleep(0)
        made.append("made")
        return "kept"

    @server.tool()
    async def tool(context: Context) -> str:
        _, kept = await asyncio.gather(context.elicit("Sure?", bool), context.once("it", make))
        return str(kept)

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: {"action": "decline"}, STATELESS)
        assert found.answer.text == "kept"
        assert made == ["made"]

    run(scenario, server)


def test_what_has_no_json_form_cant_be_remembered() -> None:
    """Our choice: said in the first round already, and in both eras."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> None:
        with pytest.raises(TypeError):
            await context.once("object", object)

    async def scenario(wire: Wire) -> None:
        for version in (STATELESS, "2025-11-25"):
            assert not (await wire.call("tool", version=version)).result["isError"]

    run(scenario, server)


def test_a_function_that_asks_without_end_is_stopped() -> None:
    """Our choice: a state grows with each round."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> None:
        while True:
            await context.elicit("Again?", bool)

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: {"action": "decline"}, STATELESS)
        assert len(found.rounds) == MAX_ROUNDS
        assert found.answer.code == -32603

    run(scenario, server)


def test_answers_that_are_too_large_to_be_carried_end_the_call() -> None:
    """Our choice: the state comes back in a body, which is bounded."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> None:
        for _ in range(2):
            await context.sample("Write a book.", max_tokens=1_000_000)

    result = {"role": "assistant", "content": {"type": "text", "text": "x" * MAX_SEALED}, "model": "m"}

    async def scenario(wire: Wire) -> None:
        found = await talk(wire, lambda _: result, STATELESS)
        assert (found.answer.status, found.answer.code) == (200, -32603)
        assert "too large" in found.answer.body["error"]["message"]

    run(scenario, server)


def test_a_function_that_swallows_its_end_still_ends() -> None:
    """Our choice: the question is sent, whatever the function does about it."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        try:
            await context.elicit("Sure?", bool)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "finished all the same"

    async def scenario(wire: Wire) -> None:
        assert (await ask(wire)).result["resultType"] == "input_required"

    run(scenario, server)


def test_large_numbers_go_through_a_state() -> None:
    """Our choice: what a client may write must not break the seal."""
    server = MCPServer("s")

    @server.tool()
    async def tool(context: Context) -> str:
        form = {"type": "object", "properties": {"n": {"type": "number"}}}
        first = await context.elicit("First?", form)
        await context.elicit("Second?", form)
        return json.dumps(first.data) if isinstance(first, Accepted) else "none"

    async def scenario(wire: Wire) -> None:
        numbers = iter([2**80, 1])
        found = await talk(wire, lambda _: accept({"n": next(numbers)}), STATELESS)
        assert found.answer.text == json.dumps({"n": 2**80})

    run(scenario, server)


def test_other_methods_take_no_notice_of_a_state() -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (Supported Requests)."""

    async def scenario(wire: Wire) -> None:
        listed = await wire.post_stateless("tools/list", {"requestState": "x", "inputResponses": 3})
        assert listed.result["resultType"] == "complete"

    run(scenario, build_server())
