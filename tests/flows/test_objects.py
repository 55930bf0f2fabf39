"""Objects of the official SDK and of fastmcp behind the login, used by the official Python client."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PASSWORD_HASH, ServerProcess
from .raw import RawClient, find_code
from .sdk import Application

MODES = ["legacy", "2026-07-28"]
KINDS = ["official", "lowlevel", "fast"]


def read_text(answer: types.CallToolResult) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, types.TextContent))


async def answer_question(context: Any, params: Any) -> types.ElicitResult:
    (name,) = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content={name: "Ada"})


async def answer_sampling(context: Any, params: Any) -> types.CreateMessageResult:
    text = types.TextContent(type="text", text="hi")
    return types.CreateMessageResult(role="assistant", model="m", stop_reason="endTurn", content=text)


def run(
    server: ServerProcess, ledger: Ledger, mode: str, scenario: Callable[[Client], Awaitable[None]]
) -> Application:
    """A connected application's work."""
    with Person(server.issuer, ledger) as person:
        application = Application(server.mcp_url, person, ledger)

        async def journey() -> None:
            options: dict[str, Any] = {
                "elicitation_callback": answer_question,
                "sampling_callback": answer_sampling,
            }
            async with application.connect(mode, **options) as client:
                await scenario(client)

        asyncio.run(journey())
        assert (person.sign_ins, person.approvals) == (1, 1)
    return application


# What an object can do


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_tools_progress_and_identity(serve_object: Serve, ledger: Ledger, kind: str, mode: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/tools, basic/authorization."""
    server = serve_object(kind)
    steps: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total))

    async def scenario(client: Client) -> None:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else mode)
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"add", "whoami", "countdown", "ask", "hold"} <= set(names)
        assert read_text(await client.call_tool("add", {"a": 2, "b": 3})) == "5"
        await client.call_tool("countdown", {"steps": 3}, progress_callback=hear)
        assert steps == [(1, 3), (2, 3), (3, 3)]
        caller = json.loads(read_text(await client.call_tool("whoami", {})))
        assert (caller["subject"], caller["scopes"]) == ("ada", ["mcp"])
        assert (caller["claims"]["client_name"], caller["claims"]["aud"]) == ("Python app", server.mcp_url)
        assert caller["token"].startswith("withheld-")

    application = run(server, ledger, mode, scenario)
    assert application.storage.client is not None
    assert len(application.session_ids) == (1 if mode == "legacy" else 0)


@pytest.mark.parametrize(
    ("kind", "mode", "said"),
    [
        ("official", "legacy", "hello Ada"),
        ("official", "2026-07-28", "hello Ada"),
        ("lowlevel", "legacy", "hello Ada"),
        ("fast", "legacy", "hello Ada"),
    ],
)
def test_a_tool_asks_the_person(serve_object: Serve, ledger: Ledger, kind: str, mode: str, said: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/elicitation, where the package supports it."""

    async def scenario(client: Client) -> None:
        assert read_text(await client.call_tool("ask", {})) == said

    run(serve_object(kind), ledger, mode, scenario)


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_asks_the_model(serve_object: Serve, ledger: Ledger, mode: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 client/sampling."""

    async def scenario(client: Client) -> None:
        assert read_text(await client.call_tool("sample", {})) == "it said hi"

    run(serve_object("official"), ledger, mode, scenario)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["official", "fast"])
def test_resources_and_prompts(serve_object: Serve, ledger: Ledger, kind: str, mode: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 server/resources and server/prompts."""

    async def scenario(client: Client) -> None:
        (resource,) = (await client.list_resources()).resources
        for uri, text in ((str(resource.uri), "hello"), ("test://greeting/Ada", "hello Ada")):
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, types.TextResourceContents)
            assert content.text == text
        (prompt,) = (await client.list_prompts()).prompts
        (message,) = (await client.get_prompt(prompt.name, {"code": "x = 1"})).messages
        assert isinstance(message.content, types.TextContent)
        assert message.content.text == "Review x = 1"

    run(serve_object(kind), ledger, mode, scenario)


def test_what_is_mounted_in_a_fastmcp_object_is_served_too(serve_object: Serve, ledger: Ledger) -> None:
    """Our choice: the object is served as it is."""

    async def scenario(client: Client) -> None:
        assert read_text(await client.call_tool("child_deep", {})) == "deep"

    run(serve_object("fast"), ledger, "2026-07-28", scenario)


@pytest.mark.parametrize("kind", ["official", "fast"])
def test_no_credential_reaches_the_object(serve_object: Serve, ledger: Ledger, kind: str) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Access Token Privilege Restriction)."""
    server = serve_object(kind)
    found: dict[str, str] = {}

    async def scenario(client: Client) -> None:
        found.update(json.loads(read_text(await client.call_tool("headers", {}))))

    application = run(server, ledger, "2026-07-28", scenario)
    assert {"host", "user-agent", "mcp-method"} <= set(found)
    assert {"authorization", "cookie"} & set(found) == set()
    assert application.storage.tokens is not None
    assert application.storage.tokens.access_token not in json.dumps(found)


# Scopes


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_behind_a_scope_asks_for_it_and_then_runs(
    serve_object: Serve, ledger: Ledger, kind: str
) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Step-Up Authorization Flow)."""
    server = serve_object(kind)
    with Person(server.issuer, ledger) as person:
        application = Application(server.mcp_url, person, ledger)

        async def journey() -> None:
            async with application.connect("2026-07-28") as client:
                assert read_text(await client.call_tool("add", {"a": 1, "b": 1})) == "2"
                assert read_text(await client.call_tool("reset", {})) == "reset"

        asyncio.run(journey())
        assert (person.sign_ins, person.approvals) == (1, 2)
    assert application.storage.tokens is not None
    assert set((application.storage.tokens.scope or "").split()) == {"mcp", "admin"}


# Sessions


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_belongs_to_its_person_and_client(serve_object: Serve, ledger: Ledger, kind: str) -> None:
    """Required by MCP 2025-11-25 basic/security_best_practices (Session Hijacking): to others it is 404."""
    users = [{"username": name, "password_hash": PASSWORD_HASH} for name in ("ada", "bob")]
    server = serve_object(kind, users=users)
    with (
        Person(server.issuer, ledger) as ada,
        Person(server.issuer, ledger, username="bob") as bob,
        RawClient(server.issuer, ledger) as raw,
        RawClient(server.issuer, ledger) as same_client,
        RawClient(server.issuer, ledger) as other_client,
    ):
        raw.connect(ada)
        same_client.client_id = raw.client_id
        code = find_code(bob.approve(same_client.build_authorization_url()))
        assert same_client.redeem(code).status_code == 200
        other_client.connect(ada)
        for client in (raw, same_client, other_client):
            client.http.headers["Content-Type"] = "application/json"
        open_session(raw, ledger)
        assert call_add(raw) == 200
        for thief in (same_client, other_client):
            thief.session_id, thief.version = raw.session_id, raw.version
            assert call_add(thief) == 404
            assert read_status(thief, "GET") == 404
            assert read_status(thief, "DELETE") == 404
        # The same person and client with a new token carry on.
        del raw.http.headers["Content-Type"]
        assert raw.refresh().status_code == 200
        raw.http.headers["Content-Type"] = "application/json"
        assert call_add(raw) == 200
        assert read_status(raw, "DELETE") == 200
        assert call_add(raw) == 404
        raw.session_id = "0" * 32
        assert call_add(raw) == 404


def open_session(raw: RawClient, ledger: Ledger) -> None:
    """As `RawClient.initialize`, for servers that answer with a stream."""
    info = {"name": "raw", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    response = raw.call("initialize", params)
    assert response.status_code == 200, response.text
    raw.session_id, raw.version = response.headers["Mcp-Session-Id"], "2025-11-25"
    ledger.note(raw.session_id)
    initialized = raw.build_call("notifications/initialized", {}, request_id=None)
    assert raw.http.send(initialized).status_code == 202


def call_add(raw: RawClient) -> int:
    return raw.call_tool("add", {"a": 1, "b": 1}).status_code


def read_status(raw: RawClient, method: str) -> int:
    headers = {"Authorization": f"Bearer {raw.access_token}", "Accept": "text/event-stream"}
    headers |= {"Mcp-Session-Id": raw.session_id or "", "MCP-Protocol-Version": raw.version}
    return raw.http.request(method, f"{raw.issuer}/mcp", headers=headers).status_code
