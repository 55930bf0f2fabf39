"""What an object says of its tools."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from omnitornado.sdk.asgi import Receive, Send
from omnitornado.sdk.listing import ListedTool, ListingError, ScopeError, find_scheme_scopes, list_tools


class Lister:
    """An application that answers one message after the other."""

    def __init__(self, *answers: dict[str, Any], content_type: bytes = b"application/json") -> None:
        self.answers = list(answers)
        self.content_type = content_type
        self.asked: list[dict[str, Any]] = []
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.asked.append(json.loads((await receive())["body"]))
        answer = json.dumps({"jsonrpc": "2.0", "id": 0} | self.answers.pop(0)).encode()
        headers = [(b"content-type", self.content_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if self.content_type == b"text/event-stream":
            answer = (
                b': ping\r\n\r\ndata: {"method":"x"}\r\n\r\nevent: message\r\ndata: ' + answer + b"\r\n\r\n"
            )
        await send({"type": "http.response.body", "body": answer})


def run(lister: Lister) -> list[ListedTool]:
    return asyncio.run(list_tools(lister, "/mcp", {}))


def build(*tools: dict[str, Any], **result: Any) -> dict[str, Any]:
    return {"result": {"tools": list(tools)} | result}


def test_every_page_is_read_and_nobody_asks() -> None:
    """Required by MCP 2026-07-28 server/utilities/pagination: cursors go back as they came."""
    lister = Lister(build({"name": "a"}, nextCursor="c"), build({"name": "b", "title": "B"}))
    assert [tool.name for tool in run(lister)] == ["a", "b"]
    assert [asked["params"].get("cursor") for asked in lister.asked] == [None, "c"]
    assert all("user" not in scope and "auth" not in scope for scope in lister.scopes)
    headers = dict(lister.scopes[0]["headers"])
    assert (headers[b"mcp-method"], headers[b"mcp-protocol-version"]) == (b"tools/list", b"2026-07-28")


def test_somebody_may_ask_on_every_page() -> None:
    """Our choice: an object may show a tool to some people alone."""
    lister = Lister(build({"name": "a"}, nextCursor="c"), build({"name": "b"}))
    asyncio.run(list_tools(lister, "/mcp", {"user": "ada", "auth": "credentials"}))
    assert [(scope["user"], scope["auth"]) for scope in lister.scopes] == [("ada", "credentials")] * 2


def test_an_event_stream_is_an_answer_too() -> None:
    """Required by MCP 2026-07-28 basic/transports/streamable-http: a server may answer with either."""
    assert run(Lister(build({"name": "a"}), content_type=b"text/event-stream"))[0].name == "a"


def test_title_and_description_are_what_a_person_reads() -> None:
    """Required by MCP 2026-07-28 server/tools: the title stands in one of two places."""
    tools = run(
        Lister(
            build(
                {"name": "a", "title": "A", "description": "Does a."},
                {"name": "b", "annotations": {"title": "B"}},
                {"name": "c", "annotations": None, "_meta": None, "description": None},
            )
        )
    )
    assert tools == [ListedTool("a", "A", "Does a."), ListedTool("b", "B", ""), ListedTool("c", "", "")]


def test_an_object_without_tools_has_none() -> None:
    """Required by MCP 2026-07-28 basic/index (-32601)."""
    assert run(Lister({"error": {"code": -32601, "message": "Method not found"}})) == []


@pytest.mark.parametrize(
    "answer", [{"error": {"code": -32603, "message": "no"}}, {"result": 7}, {"error": 1}]
)
def test_an_object_that_does_not_say_is_an_error(answer: dict[str, Any]) -> None:
    """Our choice."""
    with pytest.raises(ListingError):
        run(Lister(answer))


def test_a_list_without_an_end_is_an_error() -> None:
    """Our choice: bounded."""
    with pytest.raises(ListingError, match="more than 100 pages"):
        run(Lister(*(build(nextCursor="c") for _ in range(101))))


@pytest.mark.parametrize(
    ("schemes", "scopes"),
    [
        (None, set()),
        ([], set()),
        ("oauth2", set()),
        ([{"type": "oauth2"}], set()),
        ([{"type": "oauth2", "scopes": ["a", "b"]}], {"a", "b"}),
        ([{"type": "oauth2", "scopes": ["a"]}, {"type": "oauth2", "scopes": ["b"]}], {"a"}),
        ([{"type": "oauth2", "scopes": ["a"]}, {"type": "noauth"}], set()),
        ([7, {"type": "oauth2", "scopes": ["a"]}], {"a"}),
    ],
)
def test_security_schemes_are_alternatives(schemes: Any, scopes: set[str]) -> None:
    """Our choice, after what clients with a login for single tools read."""
    assert find_scheme_scopes(schemes) == scopes


@pytest.mark.parametrize("scopes", ["a", ["a b"], ['a"b'], ["a\\"], [""], [7], {"a": 1}, ["a\r\nX: y"]])
def test_what_is_no_scope_is_an_error(scopes: Any) -> None:
    """Required by RFC 6749 §3.3: it would end up in a header."""
    with pytest.raises(ScopeError):
        find_scheme_scopes([{"type": "oauth2", "scopes": scopes}])


def test_schemes_stand_on_the_tool_or_in_its_meta() -> None:
    """Our choice: SDKs that don't know the member put it into `_meta`."""
    schemes = [{"type": "oauth2", "scopes": ["a"]}]
    first, second = run(
        Lister(
            build(
                {"name": "a", "securitySchemes": schemes},
                {"name": "b", "_meta": {"securitySchemes": schemes}},
            )
        )
    )
    assert first.scopes == second.scopes == {"a"}
