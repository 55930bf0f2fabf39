"""Tools, with every official client: what is listed, what calls return, and what they say meanwhile."""

import base64
import json

import pytest

from ..refused import RefusedError
from .conftest import PAGE_SIZE
from .connection import UPDATED, Connection, Json, list_all, read

WATCHED = "test://watched-resource"


def find_tool(client: Connection, name: str) -> Json:
    return next(tool for tool in list_all(client, "tools") if tool["name"] == name)


def test_the_server_introduces_itself(client: Connection) -> None:
    """Required by MCP 2025-11-25 basic/lifecycle and MCP 2026-07-28 server/discover."""
    about = client.about
    assert about["revision"] == ("2026-07-28" if client.is_stateless else "2025-11-25")
    assert (about["session"] is None) == client.is_stateless
    assert (about["server"]["name"], about["server"]["title"]) == ("everything", "Everything")
    assert about["server"]["icons"][0]["mimeType"] == "image/svg+xml"
    assert about["server"]["description"]
    assert about["instructions"].startswith("For trying clients out")
    assert {"tools", "resources", "prompts", "completions", "logging"} <= about["capabilities"].keys()
    assert about["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}


def test_every_page_of_a_list_is_found(other: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/utilities/pagination."""
    tools = [tool["name"] for tool in list_all(other, "tools")]
    assert len(tools) == len(set(tools)) > PAGE_SIZE
    pages = [one for one in other.exchanges if one["method"] == "tools/list"]
    assert len(pages) == -(-len(tools) // PAGE_SIZE)
    assert tools == [tool["name"] for tool in list_all(other, "tools")]


def test_an_unknown_cursor_is_refused(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/utilities/pagination (Error Handling)."""
    with pytest.raises(RefusedError) as refusal:
        client.request("tools/list", cursor="bm9uZSBvZiBvdXJz")
    assert refusal.value.code == -32602


def test_a_tool_is_described_with_all_it_has(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools (Data Types)."""
    text = find_tool(client, "test_simple_text")
    assert (text["title"], text["description"]) == ("Text", "Return a line of text.")
    assert text["annotations"] == {"readOnlyHint": True, "openWorldHint": False}
    assert text["icons"][0]["src"].startswith("data:image/svg+xml;base64,")
    assert text["icons"][0]["sizes"] == ["any"]
    primes = find_tool(client, "list_primes")
    assert primes["inputSchema"]["properties"]["below"]["description"] == "Where to stop."
    assert primes["inputSchema"]["required"] == ["below"]
    wanted = {"type": "array", "items": {"type": "integer"}}
    found = primes["outputSchema"]
    assert (found if client.is_stateless else found["properties"]["result"]).items() >= wanted.items()
    own = find_tool(client, "json_schema_2020_12_tool")["inputSchema"]
    assert (own["additionalProperties"], own["properties"]["address"]) == (False, {"$ref": "#/$defs/address"})


def test_every_kind_of_content_comes_back(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools (Tool Result)."""
    assert read(client.call("test_simple_text")) == "This is a simple text response for testing."
    (picture,) = client.call("test_image_content")["content"]
    assert (picture["type"], picture["mimeType"]) == ("image", "image/png")
    assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")
    (sound,) = client.call("test_audio_content")["content"]
    assert (sound["type"], sound["mimeType"]) == ("audio", "audio/wav")
    assert base64.b64decode(sound["data"]).startswith(b"RIFF")
    (embedded,) = client.call("test_embedded_resource")["content"]
    assert embedded["resource"] == {
        "uri": "test://embedded-resource",
        "mimeType": "text/plain",
        "text": "This is an embedded resource content.",
    }
    (link,) = client.call("link_resource")["content"]
    assert (link["type"], link["uri"], link["title"]) == (
        "resource_link",
        "test://static-text",
        "Static text",
    )
    several = client.call("test_multiple_content_types")["content"]
    assert [block["type"] for block in several] == ["text", "image", "resource"]


def test_structured_content_fits_its_schema(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools (Output Schema): the clients check it
    themselves.
    """
    find_tool(client, "list_primes")
    result = client.call("list_primes", below=12)
    primes = result["structuredContent"]
    assert (primes if client.is_stateless else primes["result"]) == [2, 3, 5, 7, 11]
    assert json.loads(read(result)) == [2, 3, 5, 7, 11]


def test_a_schema_of_ones_own_decides(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools (inputSchema), JSON Schema 2020-12."""
    ada = {"name": "Ada", "phone": "1", "contactMethod": "phone", "address": {"city": "London"}}
    result = client.call("json_schema_2020_12_tool", **ada)
    assert (read(result), result["structuredContent"]) == ("Ada can be reached.", ada)
    assert client.call("json_schema_2020_12_tool", name="Ada", email="a@b", extra=1)["isError"]


def test_errors_are_told_apart(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools (Error Handling)."""
    failed = client.call("test_error_handling")
    assert failed["isError"]
    assert read(failed) == "This tool intentionally returns an error for testing"
    assert client.call("list_primes", below="many")["isError"]
    with pytest.raises(RefusedError) as refusal:
        client.call("no_such_tool")
    assert refusal.value.code == -32602


def test_a_parameter_is_mirrored_into_a_header(client: Connection) -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http (Custom Headers from Tool Parameters): the
    client does it, and the server holds both against each other. A session's client has no such duty.
    """
    declared = find_tool(client, "test_header_parameter")["inputSchema"]["properties"]["region"]
    assert declared["x-mcp-header"] == "Region"
    client.forget()
    assert read(client.call("test_header_parameter", region="eu-west-1")) == "Ran in eu-west-1."
    (sent,) = [one["headers"] for one in client.exchanges if one["method"] == "tools/call"]
    assert sent.get("mcp-param-region") == ("eu-west-1" if client.is_stateless else None)


def test_progress_is_heard_of(client: Connection) -> None:
    """Required by MCP 2025-11-25 basic/utilities/progress and MCP 2026-07-28 basic/patterns/progress."""
    handle = client.start("test_tool_with_progress")
    assert read(client.finish(handle)) == "Done."
    heard = [(step["progress"], step["total"], step["message"]) for step in client.find_progress(handle)]
    assert heard == [(step, 100, f"Completed step {step} of 100") for step in (0, 50, 100)]


def test_log_messages_come_from_the_level_that_was_asked_for(client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/utilities/logging."""
    client.call_with_log("error", "test_tool_with_logging")
    client.call_with_log("info", "test_tool_with_logging")
    heard = client.wait_for("notifications/message", 3)
    said = ["Tool execution started", "Tool processing data", "Tool execution completed"]
    assert [(one["level"], one["data"]) for one in heard] == [("info", text) for text in said]


def test_a_cancelled_call_is_stopped(client: Connection) -> None:
    """Required by MCP 2025-11-25 basic/utilities/cancellation (the notification) and MCP 2026-07-28
    basic/patterns/cancellation (the closed stream): the tool itself says that it was stopped.
    """
    client.listen(uris=[WATCHED])
    handle = client.start("run_until_stopped")
    client.wait_for_progress(handle, 1)
    client.cancel(handle)
    assert client.wait_for(UPDATED)[0]["uri"] == WATCHED
    with pytest.raises(RefusedError):
        client.finish(handle)
    sent = [one["method"] for one in client.exchanges]
    assert ("notifications/cancelled" in sent) == (not client.is_stateless)
    client.stop_listening()
    (content,) = client.request("resources/read", uri=WATCHED)["contents"]
    assert content["text"] == "A call was stopped."
