"""Resources, prompts and completion, with every official client."""

import base64
import json
from typing import Any

import pytest

from ..refused import RefusedError
from .connection import ELICIT, Connection, Json, list_all, read


def read_one(client: Connection, uri: str) -> Json:
    (content,) = client.request("resources/read", uri=uri)["contents"]
    assert content["uri"] == uri
    found: Json = content
    return found


def test_resources_are_listed_with_all_they_have(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/resources (Data Types)."""
    listed = {one["uri"]: one for one in list_all(client, "resources")}
    text, binary = listed["test://static-text"], listed["test://static-binary"]
    assert (text["name"], text["title"], text["mimeType"]) == ("static_text", "Static text", "text/plain")
    assert text["annotations"] == {"audience": ["user", "assistant"], "priority": 0.5}
    assert text["icons"][0]["mimeType"] == "image/svg+xml"
    assert binary["size"] == len(base64.b64decode(read_one(client, "test://static-binary")["blob"]))
    templates = client.request("resources/templates/list")["resourceTemplates"]
    assert [one["uriTemplate"] for one in templates][:2] == [
        "test://template/{id}/data",
        "docs://pages/{+path}",
    ]
    assert templates[0]["title"] == "Data by id"


def test_resources_are_read(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/resources (Reading Resources, Resource Templates)."""
    assert read_one(client, "test://static-text")["text"].startswith("This is the content")
    assert base64.b64decode(read_one(client, "test://static-binary")["blob"]).startswith(b"\x89PNG")
    filled = read_one(client, "test://template/7/data")
    assert (json.loads(filled["text"])["id"], filled["mimeType"]) == ("7", "application/json")
    folder = client.request("resources/read", uri="docs://pages/guide")["contents"]
    assert [one["text"] for one in folder] == ["# Start", "# End"]


def test_a_resource_that_is_not_there_is_an_error(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/resources (Error Handling)."""
    with pytest.raises(RefusedError) as refusal:
        client.request("resources/read", uri="docs://pages/nowhere")
    # The newer TypeScript SDK tells the later revision's code in a session, too (types/errors.ts, fromError).
    assert refusal.value.code in ((-32602,) if client.is_stateless else (-32002, -32602))


def test_what_may_be_kept_is_not_asked_for_again(other: Connection) -> None:
    """Required by MCP 2026-07-28 server/utilities/caching: these clients keep what the server says may be
    kept. A session's revision has no such hints, and its clients ask each time.
    """
    for _ in range(3):
        read_one(other, "test://static-text")
        read_one(other, "test://static-binary")
        other.request("resources/templates/list")
    asked = [one["method"] for one in other.exchanges]
    assert asked.count("resources/read") == (1 + 3 if other.is_stateless else 6)
    assert asked.count("resources/templates/list") == (1 if other.is_stateless else 3)


def test_a_tool_reads_a_resource(client: Connection) -> None:
    """Our choice: `Context.read_resource`."""
    assert read(client.call("read_resource", uri="docs://pages/licence.md")) == "# Licence"
    missing = client.call("read_resource", uri="docs://pages/nowhere")
    assert (missing["isError"], read(missing)) == (True, "There is nothing at docs://pages/nowhere.")


def test_prompts_are_listed_with_all_they_have(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/prompts (Data Types)."""
    listed = {one["name"]: one for one in list_all(client, "prompts")}
    assert listed["test_simple_prompt"]["icons"][0]["mimeType"] == "image/svg+xml"
    review = listed["review_code"]
    assert (review["title"], [(one["name"], one.get("required")) for one in review["arguments"]]) == (
        "Review",
        [("code", True), ("language", False), ("strict", False)],
    )


PROMPTS: list[tuple[str, Json, list[tuple[str, str]]]] = [
    ("test_simple_prompt", {}, [("user", "text")]),
    ("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"}, [("user", "text")]),
    ("test_prompt_with_image", {}, [("user", "image"), ("user", "text")]),
    (
        "test_prompt_with_embedded_resource",
        {"resourceUri": "test://x"},
        [("user", "resource"), ("user", "text")],
    ),
    ("review_code", {"code": "x = 1", "strict": "true"}, [("user", "text"), ("assistant", "text")]),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), PROMPTS)
def test_a_prompt_is_got(client: Connection, name: str, arguments: Json, expected: Any) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/prompts (Getting a Prompt)."""
    messages = client.request("prompts/get", name=name, arguments=arguments)["messages"]
    assert [(message["role"], message["content"]["type"]) for message in messages] == expected


def test_a_prompt_that_lacks_an_argument_is_refused(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/prompts (Error Handling)."""
    with pytest.raises(RefusedError) as refusal:
        client.request("prompts/get", name="test_prompt_with_arguments", arguments={"arg1": "a"})
    assert refusal.value.code == -32602


def test_a_prompt_asks_what_it_should_know(client: Connection) -> None:
    """Required by MCP 2026-07-28 basic/patterns/mrtr (prompts/get), and MCP 2025-11-25 client/elicitation."""
    client.prepare(ELICIT, {"action": "accept", "content": {"context": "spring"}})
    got = client.request("prompts/get", name="test_input_required_result_prompt")
    assert got["messages"][0]["content"]["text"] == "Use this context: spring"


def test_arguments_are_completed(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/utilities/completion."""

    def complete(ref: Json, name: str, value: str, **settled: str) -> Json:
        context = {"context": {"arguments": settled}} if settled else {}
        argument = {"name": name, "value": value}
        result = client.request("completion/complete", ref=ref, argument=argument, **context)
        found: Json = result["completion"]
        return found

    prompt = {"type": "ref/prompt", "name": "test_prompt_with_arguments"}
    assert complete(prompt, "arg1", "par")["values"] == ["paris", "park", "party"]
    second = complete(prompt, "arg2", "x", arg1="paris")
    assert (second["values"], second["total"], second["hasMore"]) == (["paris x"], 150, True)
    language = complete({"type": "ref/prompt", "name": "review_code"}, "language", "py")
    assert language["values"] == ["python"]
    pages = complete({"type": "ref/resource", "uri": "docs://pages/{+path}"}, "path", "guide/")
    assert pages["values"] == ["guide/start.md", "guide/end.md"]
