"""What a tool asks the person, the model and the client during a call, with every official client. One Python
call in the tool: a request on the call's own stream in a session, an input-required result in 2026-07-28.
"""

import json
from typing import Any

import pytest

from ..refused import RefusedError
from .conftest import Stage
from .connection import ELICIT, ROOTS, SAMPLE, Connection, Json, read


def accept(**content: Any) -> Json:
    return {"action": "accept", "content": content}


def say(text: str, **more: Any) -> Json:
    """What the client's model answers."""
    content = {"type": "text", "text": text}
    return {"role": "assistant", "model": "m", "stopReason": "endTurn", "content": content, **more}


ONE_ROOT = {"roots": [{"uri": "file:///work", "name": "Work"}]}


def test_a_form_is_filled_in(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (Form Mode)."""
    client.prepare(ELICIT, accept(username="ada", email="ada@example.com"))
    answer = read(client.call("test_elicitation", message="Who are you?"))
    assert answer == ('User response: action=accept, content={"username": "ada", "email": "ada@example.com"}')
    (question,) = client.asked
    assert (question["method"], question["params"]["message"]) == (ELICIT, "Who are you?")
    fields = question["params"]["requestedSchema"]
    assert fields["properties"]["email"] == {"type": "string", "description": "User's email address"}
    assert fields["required"] == ["username", "email"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_form_is_not_filled_in(client: Connection, action: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (Response Actions)."""
    client.prepare(ELICIT, {"action": action})
    answer = client.call("test_elicitation", message="Who are you?")
    assert (answer.get("isError", False), read(answer)) == (
        False,
        f"User response: action={action}, content={{}}",
    )


def test_a_form_has_defaults_of_every_kind(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (Requested Schema)."""
    client.prepare(ELICIT, accept(name="Ada", age=36, score=1.5, status="pending", verified=False))
    answer = read(client.call("test_elicitation_sep1034_defaults"))
    assert json.loads(answer.partition("content=")[2]) == {
        "name": "Ada",
        "age": 36,
        "score": 1.5,
        "status": "pending",
        "verified": False,
    }
    fields = client.asked[0]["params"]["requestedSchema"]["properties"]
    defaults = {name: field["default"] for name, field in fields.items()}
    assert defaults == {"name": "John Doe", "age": 30, "score": 95.5, "status": "active", "verified": True}


def test_a_form_has_choices_of_every_kind(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (Requested Schema: enums)."""
    chosen: Json = {
        "untitledSingle": "option2",
        "titledSingle": "value3",
        "legacyEnum": "opt1",
        "untitledMulti": ["option1", "option3"],
        "titledMulti": ["value1"],
    }
    client.prepare(ELICIT, accept(**chosen))
    answer = read(client.call("test_elicitation_sep1330_enums"))
    assert json.loads(answer.partition("content=")[2]) == chosen
    fields = client.asked[0]["params"]["requestedSchema"]["properties"]
    assert fields["titledSingle"]["oneOf"][0] == {"const": "value1", "title": "First Option"}
    assert fields["titledMulti"]["items"]["anyOf"][2] == {"const": "value3", "title": "Third Choice"}
    assert fields["legacyEnum"]["enumNames"] == ["Option One", "Option Two", "Option Three"]


def test_an_answer_that_does_not_fit_is_an_error_of_the_call(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (Security Considerations): answers are
    checked.
    """
    client.prepare(ELICIT, accept(username="ada", email=7))
    if client.is_stateless:
        with pytest.raises(RefusedError) as refusal:
            client.call("test_elicitation", message="Who are you?")
        assert refusal.value.code == -32602
    else:
        assert client.call("test_elicitation", message="Who are you?")["isError"]


def test_the_person_is_sent_to_a_page(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (URL Mode). The id, and the notification
    that the page is done, belong to the session's revision alone.
    """
    client.prepare(ELICIT, {"action": "accept"})
    assert read(client.call("connect_account")) == "Connected."
    asked = client.asked[0]["params"]
    assert (asked["mode"], asked["message"]) == ("url", "Please connect your account.")
    assert asked["url"].startswith("https://example.com/connect?ticket=")
    if not client.is_stateless:
        told = client.wait_for("notifications/elicitation/complete")
        assert told == [{"elicitationId": asked["elicitationId"]}]
        assert asked["url"].endswith(f"={asked['elicitationId']}")


def test_the_person_does_not_go_to_the_page(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation (URL Mode, Response Actions)."""
    client.prepare(ELICIT, {"action": "decline"})
    assert read(client.call("connect_account")) == "Not connected."


def test_a_plain_function_asks_again_and_again(client: Connection) -> None:
    """Our choice: `Context.wait`. 10 is above every number there is to guess."""
    client.prepare(ELICIT, accept(value=10), accept(value=-1), {"action": "decline"})
    assert read(client.call("guess_number")) == "Given up."
    assert [question["params"]["message"] for question in client.asked] == [
        "Guess a number from 0 to 9.",
        "No, it is below 10.",
        "No, it is above -1.",
    ]


def test_the_model_is_asked(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/sampling."""
    client.prepare(SAMPLE, say("Hello."))
    assert read(client.call("test_sampling", prompt="Say something")) == "LLM response: Hello."
    asked = client.asked[0]["params"]
    assert asked["maxTokens"] == 100
    (message,) = asked["messages"]
    content = message["content"][0] if isinstance(message["content"], list) else message["content"]
    assert (message["role"], content["text"]) == ("user", "Say something")


def test_the_model_uses_a_tool(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/sampling (Sampling with Tools)."""
    use = {"type": "tool_use", "id": "u1", "name": "get_weather", "input": {"city": "Oslo"}}
    client.prepare(SAMPLE, say("", stopReason="toolUse", content=[use]), say("It is sunny."))
    assert read(client.call("ask_with_tools", question="How is Oslo?")) == "It is sunny."
    first, second = (question["params"] for question in client.asked)
    assert first["tools"][0]["name"] == "get_weather"
    result = second["messages"][-1]["content"]
    result = result[0] if isinstance(result, list) else result
    assert (result["type"], result["toolUseId"]) == ("tool_result", "u1")
    assert result["content"][0]["text"] == "Sunny in Oslo."


def test_the_clients_roots_are_listed(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/roots."""
    client.prepare(ROOTS, ONE_ROOT)
    assert json.loads(read(client.call("list_roots"))) == ["file:///work"]


def test_several_are_asked_at_the_same_time(client: Connection) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (several input requests in one result)."""
    client.prepare(ELICIT, accept(name="Ada"))
    client.prepare(SAMPLE, say("Good day"))
    client.prepare(ROOTS, ONE_ROOT)
    assert read(client.call("test_input_required_result_multiple_inputs")) == "Good day Ada, 1 roots"
    assert sorted(question["method"] for question in client.asked) == sorted([ELICIT, SAMPLE, ROOTS])


def test_one_question_leads_to_the_next(client: Connection) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (several rounds, requestState)."""
    client.prepare(ELICIT, accept(name="Ada"), accept(color="green"))
    assert read(client.call("test_input_required_result_multi_round")) == "Ada likes green."
    if client.is_stateless:
        assert [one["method"] for one in client.exchanges].count("tools/call") == 3


def test_a_client_that_cannot_be_asked_is_told_so(stage: Stage) -> None:
    """Required by MCP 2025-11-25 basic/lifecycle (Capability Negotiation) and MCP 2026-07-28 basic/index: the
    server asks nothing undeclared.
    """
    connection = stage.application.connect(can_be_asked=False)
    for name, args in (("test_elicitation", {"message": "Who?"}), ("list_roots", {})):
        if connection.is_stateless:
            with pytest.raises(RefusedError, match="does not support") as refusal:
                connection.call(name, **args)
            assert refusal.value.code == -32021
        else:
            assert connection.call(name, **args)["isError"]
    connection.close()
