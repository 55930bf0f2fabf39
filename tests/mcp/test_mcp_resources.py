"""Resources and templates: declared, listed, read, subscribed to, in each revision."""

import asyncio
import base64
import datetime
import enum
import json
import uuid
from typing import Annotated, Any, Literal

import msgspec
import pytest
from mcp_samples import (
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    SUBSCRIPTION_KEY,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
)

from omnitornado.mcp.content import Annotations
from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.resources import ResourceContent, ResourceNotFoundError
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.subscriptions import MAX_CHARACTERS, MAX_SUBSCRIPTIONS
from omnitornado.mcp.tools import ToolError
from omnitornado.store.embedded import EmbeddedStore

ICON = Icon("https://example.com/i.png", "image/png")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def build_server() -> MCPServer:
    server = MCPServer("test", version="1")

    @server.resource(
        "notes://today",
        title="Today",
        mime_type="text/markdown",
        icons=[ICON],
        annotations=Annotations(audience=("user",), priority=0.5, last_modified="2026-01-01T00:00:00Z"),
        size=5,
        meta={"example.com/a": 1},
        ttl=90.5,
        cache="public",
    )
    def today() -> str:
        """What is on today."""
        return "plans"

    @server.resource("bytes://one")
    async def one() -> bytes:
        return b"\x00\xff"

    @server.resource("notes://{day}", name="Notes of a day", description="Notes.", icons=[ICON], title="Day")
    def notes(day: datetime.date, context: Context) -> str:
        return f"{day.isoformat()} for {context.username}"

    @server.resource("typed://{number}/{flag}/{colour}/{kind}/{id}")
    async def typed(
        number: Annotated[int, msgspec.Meta(ge=1)],
        flag: bool,
        colour: Colour,
        kind: Literal["a", "b"],
        id: uuid.UUID,  # noqa: A002
    ) -> list[Any]:
        return [number, flag, colour, kind, id]

    return server


LISTED: dict[str, Json] = {
    "2025-03-26": {
        "uri": "notes://today",
        "name": "today",
        "description": "What is on today.",
        "mimeType": "text/markdown",
        "annotations": {"audience": ["user"], "priority": 0.5},
        "size": 5,
    },
}
LISTED["2025-06-18"] = LISTED["2025-03-26"] | {
    "title": "Today",
    "annotations": {"audience": ["user"], "priority": 0.5, "lastModified": "2026-01-01T00:00:00Z"},
    "_meta": {"example.com/a": 1},
}
LISTED["2025-11-25"] = LISTED["2025-06-18"] | {
    "icons": [{"src": "https://example.com/i.png", "mimeType": "image/png"}]
}
LISTED["2026-07-28"] = LISTED["2025-11-25"]


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_resources_are_listed_in_the_words_of_the_revision(version: str) -> None:
    """Required by each revision's schema.ts (Resource)."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("resources/list", version=version)).result
        assert result["resources"] == [LISTED[version], {"uri": "bytes://one", "name": "one"}]
        if version == STATELESS:
            assert (result["ttlMs"], result["cacheScope"]) == (300_000, "private")
        else:
            assert set(result) == {"resources"}

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_templates_are_listed_apart(version: str) -> None:
    """Required by server/resources (Resource Templates) of each revision."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("resources/templates/list", version=version)).result
        first, second = result["resourceTemplates"]
        expected = {"uriTemplate": "notes://{day}", "name": "Notes of a day", "description": "Notes."}
        if version >= "2025-06-18":
            expected["title"] = "Day"
        assert {key: value for key, value in first.items() if key != "icons"} == expected
        assert ("icons" in first) == (version >= "2025-11-25")
        assert second["name"] == "typed"

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_resources_are_read(version: str) -> None:
    """Required by server/resources (Reading Resources), 2026-07-28 server/utilities/caching."""

    async def scenario(wire: Wire) -> None:
        async def read(uri: str) -> Json:
            return (await wire.ask("resources/read", {"uri": uri}, version=version)).result

        text = await read("notes://today")
        assert text["contents"] == [{"uri": "notes://today", "mimeType": "text/markdown", "text": "plans"}]
        binary = await read("bytes://one")
        blob = base64.b64encode(b"\x00\xff").decode()
        content = {"uri": "bytes://one", "mimeType": "application/octet-stream", "blob": blob}
        assert binary["contents"] == [content]
        dated = await read("notes://2026-02-03")
        assert dated["contents"][0] == {
            "uri": "notes://2026-02-03",
            "mimeType": "text/plain",
            "text": "2026-02-03 for ann",
        }
        identity = "00000000-0000-0000-0000-000000000001"
        typed = await read(f"typed://7/true/red/b/{identity}")
        assert typed["contents"][0]["mimeType"] == "application/json"
        assert json.loads(typed["contents"][0]["text"]) == [7, True, "red", "b", identity]
        if version == STATELESS:
            assert (text["ttlMs"], text["cacheScope"]) == (90_500, "public")
            assert (binary["ttlMs"], binary["cacheScope"]) == (0, "private")
        else:
            assert set(text) == {"contents"}

    run(scenario, build_server())


UNKNOWN = [
    "nothing://here",
    "notes://yesterday",  # no date
    "notes://2026-02-03/more",
    "typed://0/true/red/b/00000000-0000-0000-0000-000000000001",  # below 1
    "typed://1/maybe/red/b/00000000-0000-0000-0000-000000000001",
    "typed://1/true/green/b/00000000-0000-0000-0000-000000000001",
    "NOTES://today",
    "notes://to%20day",
    "",
    "x" * 5000,
]


@pytest.mark.parametrize("uri", UNKNOWN, ids=[uri[:30] for uri in UNKNOWN])
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_an_unknown_resource_is_named_in_the_error(version: str, uri: str) -> None:
    """Required by server/resources (Error Handling): -32602 since 2026-07-28, -32002 before; data.uri."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("resources/read", {"uri": uri}, version=version)
        assert answer.code == (-32602 if version == STATELESS else -32002)
        assert answer.status == (400 if version == STATELESS else 200)
        assert answer.body["error"]["data"] == {"uri": uri[:2048]}

    run(scenario, build_server())


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("params", [{}, {"uri": None}, {"uri": 1}, {"uri": ["a"]}])
def test_a_malformed_read_is_invalid(version: str, params: Json) -> None:
    """Required by schema.ts (ReadResourceRequestParams)."""

    async def scenario(wire: Wire) -> None:
        if version == STATELESS:
            message = build_stateless("resources/read", params)
            answer = await wire.post(message, build_headers(build_stateless("ping")) | NAMELESS)
        else:
            answer = await wire.ask("resources/read", params, version=version)
        assert answer.code in (-32602, -32020)

    run(scenario, build_server())


NAMELESS = {"mcp-method": "resources/read"}

RETURNED: list[tuple[str, Any, list[Json]]] = [
    ("text", "a", [{"uri": "a://b", "mimeType": "text/plain", "text": "a"}]),
    ("empty text", "", [{"uri": "a://b", "mimeType": "text/plain", "text": ""}]),
    ("a lone surrogate", "\ud800", [{"uri": "a://b", "mimeType": "text/plain", "text": "?"}]),
    ("bytes", b"x", [{"uri": "a://b", "mimeType": "application/octet-stream", "blob": "eA=="}]),
    ("a value", {"a": 1}, [{"uri": "a://b", "mimeType": "application/json", "text": '{"a":1}'}]),
    ("an empty list", [], [{"uri": "a://b", "mimeType": "application/json", "text": "[]"}]),
    (
        "a content of its own",
        ResourceContent("a", mime_type="text/html"),
        [{"uri": "a://b", "mimeType": "text/html", "text": "a"}],
    ),
    (
        "several contents",
        [ResourceContent("a", uri="a://b/1"), ResourceContent(b"x", "a://b/2", "image/png"), "c"],
        [
            {"uri": "a://b/1", "mimeType": "text/plain", "text": "a"},
            {"uri": "a://b/2", "mimeType": "image/png", "blob": "eA=="},
            {"uri": "a://b", "mimeType": "text/plain", "text": "c"},
        ],
    ),
]


@pytest.mark.parametrize(("name", "value", "contents"), RETURNED)
def test_a_return_value_becomes_contents(name: str, value: Any, contents: list[Json]) -> None:
    """Required by schema.ts (TextResourceContents, BlobResourceContents); what becomes what is our choice."""
    server = MCPServer("test")
    resource = server.add_resource("a://b", lambda: value)
    assert resource.build_contents(value, "a://b") == contents


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_content_carries_meta_where_the_revision_has_it(version: str) -> None:
    """Required by schema.ts (ResourceContents): `_meta` since 2025-06-18."""
    server = MCPServer("test")
    server.add_resource("a://b", lambda: ResourceContent("a", meta={"example.com/x": 1}))

    async def scenario(wire: Wire) -> None:
        (content,) = (await wire.ask("resources/read", {"uri": "a://b"}, version=version)).result["contents"]
        assert content.get("_meta") == (None if version == "2025-03-26" else {"example.com/x": 1})

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_function_says_that_there_is_nothing(version: str) -> None:
    """Required by server/resources (Error Handling): never an empty list of contents."""
    server = MCPServer("test")

    @server.resource("a://{id}")
    def find(id: str) -> str | None:  # noqa: A002
        if id == "raised":
            raise ResourceNotFoundError
        return None

    async def scenario(wire: Wire) -> None:
        for uri in ("a://raised", "a://none"):
            answer = await wire.ask("resources/read", {"uri": uri}, version=version)
            assert answer.code == (-32602 if version == STATELESS else -32002)
            assert answer.body["error"]["data"] == {"uri": uri}

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_failing_function_is_an_error_in_safe_words(version: str) -> None:
    """Required by server/resources (Error Handling): -32603. The words and the status 200 are our choice."""
    server = MCPServer("test")

    @server.resource("a://secret")
    def secret() -> str:
        raise RuntimeError("the password is hunter2")

    @server.resource("a://said")
    async def said() -> str:
        raise ToolError("The disk is full.")

    @server.resource("a://odd")
    def odd() -> Any:
        return object()

    @server.resource("a://exits")
    async def exits() -> str:
        raise SystemExit(1)

    async def scenario(wire: Wire) -> None:
        for uri in ("a://secret", "a://odd", "a://exits"):
            answer = await wire.ask("resources/read", {"uri": uri}, version=version)
            assert (answer.status, answer.code) == (200, -32603)
            assert "reference" not in answer.body["error"]["message"]
            assert "hunter2" not in json.dumps(answer.body)
        answer = await wire.ask("resources/read", {"uri": "a://said"}, version=version)
        assert (answer.status, answer.code) == (200, -32603)
        assert answer.body["error"]["message"] == "The disk is full."

    lines = run(scenario, server, logged=3)
    assert "resource secret failed" in lines[0]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_resource_keeps_to_its_time(kind: str) -> None:
    """Our choice."""
    server = MCPServer("test")

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    def blocks(context: Context) -> str:
        while not context.cancelled:
            pass
        return ""

    server.add_resource("a://b", never if kind == "async" else blocks, timeout=0.01)

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("resources/read", {"uri": "a://b"})
        assert answer.code == -32603
        assert "within 0.01 seconds" in answer.body["error"]["message"]

    run(scenario, server, logged=1)


@pytest.mark.parametrize("version", HANDSHAKE)
def test_reading_can_be_cancelled(version: str) -> None:
    """Required by basic/utilities/cancellation."""
    server = MCPServer("test")
    begun = asyncio.Event()

    @server.resource("a://b")
    async def forever() -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        message = build_request("resources/read", {"uri": "a://b"}, request_id="r")
        reading = asyncio.create_task(wire.post(message, session))
        await begun.wait()
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "r"}}
        await wire.post(cancelled, session)
        assert (await reading).body is None

    run(scenario, server)


def test_a_result_that_took_input_is_not_to_be_kept() -> None:
    """Required by MCP 2026-07-28 server/utilities/caching (Cache Key)."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("resources/read", {"uri": "notes://today", "inputResponses": {}})).result
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")

    run(scenario, build_server())


# Subscriptions

UPDATED = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "notes://today"}}


async def open_stream(wire: Wire, session: dict[str, str]) -> Stream:
    stream = await wire.get(session)
    assert isinstance(stream, Stream)
    return stream


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_session_hears_of_the_resources_it_subscribed_to(version: str) -> None:
    """Required by MCP 2025-11-25 server/resources (Subscriptions)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        stream = await open_stream(wire, session)
        for uri in ("notes://today", "notes://2026-02-03"):
            request = build_request("resources/subscribe", {"uri": uri})
            assert (await wire.post(request, session)).result == {}
        wire.server.notify_resource_updated("bytes://one")
        for _ in range(3):
            wire.server.notify_resource_updated("notes://today")
        assert await stream.receive() == UPDATED
        await asyncio.to_thread(wire.server.notify_resource_updated, "notes://2026-02-03")
        assert (await stream.receive() or {})["params"] == {"uri": "notes://2026-02-03"}

    run(scenario, build_server())


def test_an_unsubscribed_resource_is_told_of_no_more() -> None:
    """Required by MCP 2025-11-25 server/resources (Subscriptions)."""

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        stream = await open_stream(wire, session)
        for uri in ("notes://today", "bytes://one"):
            await wire.post(build_request("resources/subscribe", {"uri": uri}), session)
        wire.server.notify_resource_updated("notes://today")
        await asyncio.sleep(0)
        request = build_request("resources/unsubscribe", {"uri": "notes://today"})
        assert (await wire.post(request, session)).result == {}
        assert (await wire.post(request, session)).result == {}
        wire.server.notify_resource_updated("notes://today")
        wire.server.notify_resource_updated("bytes://one")
        assert (await stream.receive() or {})["params"] == {"uri": "bytes://one"}

    run(scenario, build_server())


def test_subscriptions_belong_to_their_session() -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management)."""

    async def scenario(wire: Wire) -> None:
        first, second = await wire.open_session(), await wire.open_session()
        stream = await open_stream(wire, second)
        await wire.post(build_request("resources/subscribe", {"uri": "notes://today"}), first)
        await wire.post(build_request("resources/subscribe", {"uri": "bytes://one"}), second)
        wire.server.notify_resource_updated("notes://today")
        wire.server.notify_resource_updated("bytes://one")
        assert (await stream.receive() or {})["params"] == {"uri": "bytes://one"}

    run(scenario, build_server())


def test_only_what_exists_can_be_subscribed_to_and_not_without_end() -> None:
    """Required by server/resources (Security Considerations 1); the bound is our choice."""
    server = build_server()

    @server.resource("many://{number}")
    def many(number: int) -> str:
        return str(number)

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()

        async def subscribe(uri: Any) -> Any:
            return await wire.post(build_request("resources/subscribe", {"uri": uri}), session)

        assert (await subscribe("nothing://here")).code == -32002
        assert (await subscribe(7)).code == -32602
        for number in range(MAX_SUBSCRIPTIONS):
            assert (await subscribe(f"many://{number}")).result == {}
        assert (await subscribe("many://0")).result == {}
        assert (await subscribe("notes://today")).code == -32602

    run(scenario, server)


def test_what_is_subscribed_to_cannot_be_of_any_length() -> None:
    """Our choice: a template takes URIs of any length, and a session's are kept on the disk."""
    server = build_server()

    @server.resource("long://{name}")
    def long(name: str) -> str:
        return name

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session()
        uris = [f"long://{number:02}".ljust(1024, "x") for number in range(MAX_CHARACTERS // 1024)]
        for uri in (*uris, uris[0]):
            assert (await wire.post(build_request("resources/subscribe", {"uri": uri}), session)).result == {}
        one_more = build_request("resources/subscribe", {"uri": "long://a"})
        assert (await wire.post(one_more, session)).code == -32602
        wanted = {"resourceSubscriptions": [*uris, "long://a"]}
        assert (await wire.ask("subscriptions/listen", {"notifications": wanted})).code == -32602

    run(scenario, server)


def test_a_session_goes_on_hearing_what_it_subscribed_to_after_a_restart() -> None:
    """Our choice: what a session's client asked for is kept as the session is."""
    store = EmbeddedStore.open(None)
    server = build_server()

    @server.tool()
    async def speak(context: Context) -> None:
        for level in ("info", "error"):
            await context.log(level, level)

    async def scenario(_: Wire) -> None:
        await store.start()
        before = Wire(Endpoint(server, path="/mcp", sessions=store), server)
        session = await before.open_session()
        for uri in ("notes://today", "bytes://one"):
            await before.post(build_request("resources/subscribe", {"uri": uri}), session)
        await before.post(build_request("resources/unsubscribe", {"uri": "notes://today"}), session)
        await before.post(build_request("logging/setLevel", {"level": "error"}), session)
        await before.endpoint.close()

        after = Wire(Endpoint(server, path="/mcp", sessions=store), server)
        stream = await open_stream(after, session)
        server.notify_resource_updated("notes://today")
        server.notify_resource_updated("bytes://one")
        assert (await stream.receive() or {})["params"] == {"uri": "bytes://one"}
        outbound = FakeOutbound()
        await after.post(build_request("tools/call", {"name": "speak"}), session, outbound=outbound)
        assert [message["params"]["data"] for message in outbound.sent] == ["error"]
        await after.endpoint.close()
        await store.close()

    run(scenario)


async def listen(wire: Wire, wanted: Json) -> tuple[FakeOutbound, "asyncio.Task[Any]"]:
    message = build_stateless("subscriptions/listen", {"notifications": wanted}, request_id=7)
    outbound = FakeOutbound()
    task = asyncio.create_task(wire.post(message, build_headers(message), outbound=outbound))
    await outbound.arrived.wait()
    outbound.arrived.clear()
    return outbound, task


def test_a_listening_client_hears_of_the_resources_it_named() -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions, server/resources (Subscriptions)."""

    async def scenario(wire: Wire) -> None:
        uris = ["notes://today", "nothing://here", "notes://today"]
        wanted = {"resourceSubscriptions": uris, "resourcesListChanged": True, "promptsListChanged": True}
        outbound, task = await listen(wire, wanted)
        assert outbound.sent[0]["params"]["notifications"] == {
            "resourcesListChanged": True,
            "resourceSubscriptions": ["notes://today"],
        }
        wire.server.notify_resource_updated("bytes://one")
        wire.server.notify_resource_updated("notes://today")
        await outbound.arrived.wait()
        tag = {"_meta": {SUBSCRIPTION_KEY: 7}}
        assert outbound.sent[1] == UPDATED | {"params": {"uri": "notes://today"} | tag}
        outbound.arrived.clear()
        wire.server.remove_resource("bytes://one")
        await outbound.arrived.wait()
        assert outbound.sent[2]["method"] == "notifications/resources/list_changed"
        await wire.endpoint.close()
        assert (await task).result["resultType"] == "complete"

    run(scenario, build_server())


@pytest.mark.parametrize("uris", ["notes://today", [1], {"a": 1}, ["x"] * (MAX_SUBSCRIPTIONS + 1)])
def test_a_malformed_or_endless_filter_is_refused(uris: Any) -> None:
    """Required by schema.ts (SubscriptionFilter); the bound is our choice."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})
        assert answer.code == -32602

    run(scenario, build_server())


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_the_stateless_revision_has_no_subscribe(method: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (replaces resources/subscribe)."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.ask(method, {"uri": "notes://today"})).code == -32601

    run(scenario, build_server())


# Declarations


def plain() -> str:
    return ""


def with_id(id: str) -> str:  # noqa: A002
    return id


def with_list(id: list[str]) -> str:  # noqa: A002
    return id[0]


def generator() -> Any:
    yield ""


WRONG: list[tuple[Any, str, Json]] = [
    (plain, "no scheme", {}),
    (plain, "a:// b", {}),
    (plain, "a://{id}", {}),
    (plain, "a://{", {}),
    (with_id, "a://b", {}),
    (with_id, "a://{other}", {}),
    (with_id, "a://{?id}", {}),
    (with_list, "a://{id}", {}),
    (with_id, "a://{id}", {"size": 3}),
    (generator, "a://b", {}),
    (plain, "a://b", {"ttl": -1}),
    (plain, "a://b", {"ttl": float("nan")}),
    (plain, "a://b", {"cache": "shared"}),
    (plain, "a://b", {"size": -1}),
    (plain, "a://b", {"timeout": 0}),
    (plain, "a://b", {"scopes": "mcp"}),
    (plain, "taken://x", {}),
]


@pytest.mark.parametrize(("function", "uri", "options"), WRONG)
def test_a_resource_declared_wrongly_is_named_at_import(function: Any, uri: str, options: Json) -> None:
    """Our choice: an author learns of a mistake before a client does."""
    server = MCPServer("test")
    server.add_resource("taken://x", lambda: "")
    with pytest.raises(DeclarationError, match=rf"^resource \S*{function.__name__} \(line \d+\): "):
        server.resource(uri, **options)(function)


def test_wrong_annotations_are_refused() -> None:
    """Required by schema.ts (Annotations)."""
    for wrong in ({"priority": 1.5}, {"priority": -1}, {"audience": ("everyone",)}):
        with pytest.raises(ValueError, match=r"priority|audience"):
            Annotations(**wrong)
