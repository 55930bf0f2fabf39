"""What tools, resources, prompts and templates have in common: pages, changes, capabilities, scopes."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from mcp_samples import (
    ANN,
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
)

from omnitornado.mcp.capabilities import build_capabilities
from omnitornado.mcp.prompts import Prompt
from omnitornado.mcp.registry import build_cursor
from omnitornado.mcp.resources import Resource
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.tools import ToolAnnotations

LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}


def say() -> str:
    """Say a word."""
    return "word"


def say_day(day: str) -> str:
    return day


def build_server(count: int = 7, **options: Any) -> MCPServer:
    server = MCPServer("test", **options)
    for number in range(count):
        server.add_tool(say, name=f"n{number}")
        server.add_prompt(say, name=f"n{number}")
        server.add_resource(f"a://n{number}", say, name=f"n{number}")
        server.add_resource(f"t{number}://{{day}}", say_day, name=f"n{number}")
    return server


# Pages


@pytest.mark.parametrize("method", LISTS)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_pages_of_a_list_make_the_list(version: str, method: str) -> None:
    """Required by server/utilities/pagination; the order is the one they were added in: our choice."""

    async def scenario(wire: Wire) -> None:
        names: list[str] = []
        sizes: list[int] = []
        params: Json = {}
        while True:
            result = (await wire.ask(method, params, version=version)).result
            names += [item["name"] for item in result[LISTS[method]]]
            sizes.append(len(result[LISTS[method]]))
            if version == STATELESS:
                assert result["cacheScope"] == "private"
            if "nextCursor" not in result:
                break
            params = {"cursor": result["nextCursor"]}
        assert names == [f"n{number}" for number in range(7)]
        assert sizes == [3, 3, 1]

    run(scenario, build_server(), page_size=3)


def test_a_cursor_stays_right_when_the_list_changes() -> None:
    """Required by server/utilities/pagination (Implementation Guidelines): stable cursors."""

    async def scenario(wire: Wire) -> None:
        cursor = (await wire.ask("prompts/list")).result["nextCursor"]
        wire.server.remove_prompt("n0")
        wire.server.add_prompt(say, name="last")
        result = (await wire.ask("prompts/list", {"cursor": cursor})).result
        assert [item["name"] for item in result["prompts"]] == ["n3", "n4", "n5"]
        wire.server.remove_prompt("n2")
        assert (await wire.ask("prompts/list", {"cursor": cursor})).code == -32602

    run(scenario, build_server(), page_size=3)


def forge(name: str) -> str:
    return base64.urlsafe_b64encode(b"\0" * 8 + name.encode()).decode()


CURSORS: list[Any] = [
    "",
    "nonsense",
    "AAAA",
    "\ud800",
    7,
    {},
    ["a"],
    True,
    forge("n2"),
    build_cursor("tools", "n2"),
    build_cursor("prompts", "unknown"),
    build_cursor("prompts", "n2").rstrip("="),
    build_cursor("prompts", "n2") + "\n",
]


@pytest.mark.parametrize("cursor", CURSORS, ids=[repr(cursor)[:20] for cursor in CURSORS])
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_cursor_that_is_none_of_this_list_is_refused(version: str, cursor: Any) -> None:
    """Required by server/utilities/pagination (Error Handling): -32602."""

    async def scenario(wire: Wire) -> None:
        answer = await wire.ask("prompts/list", {"cursor": cursor}, version=version)
        assert answer.code in (-32602, -32700)

    run(scenario, build_server(), page_size=3)


# Changes


def change(server: MCPServer, kind: str) -> None:
    changes: dict[str, Callable[[], object]] = {
        "tools": lambda: server.add_tool(say, name="new"),
        "prompts": lambda: server.add_prompt(say, name="new"),
        "resources": lambda: server.add_resource("new://one", say),
        "templates": lambda: server.add_resource("new://{day}", say_day),
        "fewer tools": lambda: server.remove_tool("n0"),
        "fewer prompts": lambda: server.remove_prompt("n0"),
        "fewer resources": lambda: server.remove_resource("a://n0"),
        "fewer templates": lambda: server.remove_resource("t0://{day}"),
    }
    changes[kind]()


CHANGES = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resources",
    "fewer tools": "tools",
    "fewer prompts": "prompts",
    "fewer resources": "resources",
    "fewer templates": "resources",
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_session_hears_of_each_change_of_a_list(version: str, kind: str) -> None:
    """Required by the List Changed Notification of server/tools, server/resources and server/prompts."""

    async def scenario(wire: Wire) -> None:
        stream = await wire.get(await wire.open_session(version))
        assert isinstance(stream, Stream)
        await asyncio.to_thread(change, wire.server, kind)
        method = f"notifications/{CHANGES[kind]}/list_changed"
        assert await stream.receive() == {"jsonrpc": "2.0", "method": method}

    run(scenario, build_server())


@pytest.mark.parametrize("kind", CHANGES)
def test_a_listening_client_hears_of_the_lists_it_named(kind: str) -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions (Notification Filter)."""

    async def scenario(wire: Wire) -> None:
        wanted = f"{CHANGES[kind]}ListChanged"
        message = build_stateless("subscriptions/listen", {"notifications": {wanted: True}})
        outbound = FakeOutbound()
        task = asyncio.create_task(wire.post(message, build_headers(message), outbound=outbound))
        await outbound.arrived.wait()
        assert outbound.sent[0]["params"]["notifications"] == {wanted: True}
        outbound.arrived.clear()
        for other in ("tools", "prompts", "resources"):
            if other != CHANGES[kind]:
                change(wire.server, other)
        change(wire.server, kind)
        await outbound.arrived.wait()
        assert outbound.sent[1]["method"] == f"notifications/{CHANGES[kind]}/list_changed"
        await wire.endpoint.close()
        await task
        assert len(outbound.sent) == 2

    run(scenario, build_server())


def test_what_was_not_there_is_not_removed() -> None:
    """Our choice."""
    server = build_server(1)
    assert not server.remove_tool("x")
    assert not server.remove_prompt("x")
    assert not server.remove_resource("a://x")
    assert not server.remove_resource("a://{x}")
    assert server.remove_resource("a://n0")


@pytest.mark.parametrize("kind", ["tools", "prompts", "resources", "templates"])
def test_a_name_or_uri_that_is_taken_is_refused(kind: str) -> None:
    """Required by server/tools, server/resources and server/prompts: unique identifiers."""
    server = build_server(1)
    change(server, kind)
    with pytest.raises(DeclarationError, match=r"say\w* \(line \d+\): the name '.*' is taken"):
        change(server, kind)


# Capabilities

CHANGING = {"listChanged": True}
ALL: Json = {
    "logging": {},
    "tools": CHANGING,
    "prompts": CHANGING,
    "resources": {"subscribe": True} | CHANGING,
}


def offer_tool(server: MCPServer) -> None:
    server.add_tool(say)


def offer_resource(server: MCPServer) -> None:
    server.add_resource("a://b", say)


def offer_template(server: MCPServer) -> None:
    server.add_resource("a://{day}", say_day)


def offer_prompt(server: MCPServer) -> None:
    server.add_prompt(say)


def offer_prompt_with_choice(server: MCPServer) -> None:
    def choose(loud: bool) -> str:
        return ""

    server.add_prompt(choose)


def offer_completion(server: MCPServer) -> None:
    server.add_prompt(say_day)
    server.completion("ref/prompt", "say_day", "day")(complete)


def complete(value: str) -> list[str]:
    return [value]


OFFERED: list[tuple[Any, set[str]]] = [
    (offer_tool, {"logging", "tools"}),
    (offer_resource, {"logging", "resources"}),
    (offer_template, {"logging", "resources"}),
    (offer_prompt, {"logging", "prompts"}),
    (offer_prompt_with_choice, {"logging", "prompts", "completions"}),
    (offer_completion, {"logging", "prompts", "completions"}),
]


@pytest.mark.parametrize(("offer", "names"), OFFERED)
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_capabilities_are_exactly_what_the_server_has(version: str, offer: Any, names: set[str]) -> None:
    """Required by the Capabilities section of server/tools, server/resources, server/prompts and others."""
    server = MCPServer("test")
    offer(server)

    async def scenario(wire: Wire) -> None:
        if version == STATELESS:
            found = (await wire.ask("server/discover")).result["capabilities"]
        else:
            params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {}}
            found = (await wire.post(build_request("initialize", params))).result["capabilities"]
        assert set(found) == names
        assert found == {name: ALL.get(name, {}) for name in found}

    run(scenario, server)


def test_a_list_that_is_empty_for_now_can_be_announced() -> None:
    """Our choice: a client asks for what was announced when it connected, and for nothing else."""
    server = MCPServer("test", announce=["prompts"])
    assert set(build_capabilities(server, STATELESS)) == {"logging", "prompts"}
    server.add_tool(say)
    server.remove_tool("say")
    assert set(build_capabilities(server, STATELESS)) == {"logging", "prompts", "tools"}


def test_extensions_are_announced_where_the_revision_has_them() -> None:
    """Required by MCP 2026-07-28 basic/versioning (Extension Negotiation)."""
    server = build_server(1)
    server.extensions["com.example/x"] = {"a": 1}
    assert build_capabilities(server, STATELESS)["extensions"] == {"com.example/x": {"a": 1}}
    assert "extensions" not in build_capabilities(server, "2025-11-25")


# Scopes

READ = ToolAnnotations(read_only_hint=True)
WRITE = ToolAnnotations(destructive_hint=False)
SCOPES = {"read": "mcp:read", "write": "mcp:write", "destructive": "mcp:destroy"}

DERIVED: list[tuple[Json, Json, set[str]]] = [
    ({}, {}, set()),
    (SCOPES, {"annotations": READ}, {"mcp:read"}),
    (SCOPES, {"annotations": WRITE}, {"mcp:write"}),
    (SCOPES, {}, {"mcp:write", "mcp:destroy"}),
    (SCOPES, {"annotations": ToolAnnotations(title="x")}, {"mcp:write", "mcp:destroy"}),
    (SCOPES, {"annotations": READ, "scopes": ["other"]}, {"other"}),
    (SCOPES, {"scopes": []}, set()),
    ({"write": "w"}, {"annotations": READ}, set()),
    ({"write": "w"}, {}, {"w"}),
]


@pytest.mark.parametrize(("configured", "options", "scopes"), DERIVED)
def test_the_scopes_of_a_tool_follow_from_its_annotations(
    configured: Json, options: Json, scopes: set[str]
) -> None:
    """Our choice, by the defaults of schema.ts (ToolAnnotations)."""
    server = MCPServer("test", scope_by_annotation=configured)
    assert server.add_tool(say, **options).scopes == scopes


def test_resources_and_prompts_are_for_reading() -> None:
    """Our choice."""
    server = build_server(1, scope_by_annotation=SCOPES)
    listed: list[Prompt | Resource] = [*server.resources.list_all(), *server.resource_templates.list_all()]
    listed += server.prompts.list_all()
    assert [one.scopes for one in listed] == [frozenset({"mcp:read"})] * 3


@pytest.mark.parametrize("configured", [{"reading": "x"}, {"read": "a b"}, {"read": ""}])
def test_a_scope_by_annotation_that_means_nothing_is_refused(configured: Json) -> None:
    """Our choice."""
    with pytest.raises((ValueError, DeclarationError)):
        MCPServer("test", scope_by_annotation=configured)


def build_scoped() -> MCPServer:
    server = MCPServer("test")
    server.add_tool(say, scopes=["t"])
    server.add_prompt(say_day, scopes=["p"])
    server.add_resource("a://b", say, scopes=["r"])
    server.add_resource("t://{day}", say_day, scopes=["m"])
    server.completion("ref/prompt", "say_day", "day")(complete)
    return server


def refer(**reference: str) -> Json:
    return {"ref": reference, "argument": {"name": "day", "value": ""}}


NEEDED: list[tuple[str, Json, str, tuple[str, ...]]] = [
    ("tools/call", {"name": "say"}, "t", EVERY_VERSION),
    ("prompts/get", {"name": "say_day", "arguments": {"day": "x"}}, "p", EVERY_VERSION),
    ("resources/read", {"uri": "a://b"}, "r", EVERY_VERSION),
    ("resources/read", {"uri": "t://x"}, "m", EVERY_VERSION),
    ("resources/subscribe", {"uri": "a://b"}, "r", HANDSHAKE),
    ("completion/complete", refer(type="ref/prompt", name="say_day"), "p", EVERY_VERSION),
    ("completion/complete", refer(type="ref/resource", uri="t://{day}"), "m", EVERY_VERSION),
    ("completion/complete", refer(type="ref/resource", uri="t://x"), "m", EVERY_VERSION),
    (
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": ["a://b", "t://x", "n://x"]}},
        "m r",
        (STATELESS,),
    ),
]


@pytest.mark.parametrize(("method", "params", "scopes", "versions"), NEEDED)
def test_what_stands_behind_a_scope_asks_for_it(
    method: str, params: Json, scopes: str, versions: tuple[str, ...]
) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors)."""

    async def scenario(wire: Wire) -> None:
        for version in versions:
            refused = await wire.ask(method, params, version=version)
            assert refused.status == 403
            assert refused.reply.required_scopes == set(scopes.split())
            if method != "subscriptions/listen":
                granted = msgspec.structs.replace(ANN, scopes=frozenset({"mcp", *scopes.split()}))
                allowed = await wire.ask(method, params, version=version, principal=granted)
                assert "result" in allowed.body, allowed.body

    run(scenario, build_scoped())


@pytest.mark.parametrize("method", LISTS)
def test_lists_show_what_the_person_could_be_granted(method: str) -> None:
    """Our choice: the 403 can ask the person for it only if somebody tries."""

    async def scenario(wire: Wire) -> None:
        assert len((await wire.ask(method)).result[LISTS[method]]) == 1

    run(scenario, build_scoped())


MALFORMED: list[tuple[str, Json]] = [
    ("prompts/get", {"name": ["x"]}),
    ("completion/complete", {"ref": "x"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": 1}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": {}}}),
    ("subscriptions/listen", {"notifications": ["a://b"]}),
    ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [1, {}]}}),
]


@pytest.mark.parametrize(("method", "params"), MALFORMED)
def test_a_malformed_request_is_told_what_is_wrong_with_it(method: str, params: Json) -> None:
    """Our choice: no scope is asked for what isn't there."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.ask(method, params)).code in (-32602, -32020)

    run(scenario, build_scoped())
