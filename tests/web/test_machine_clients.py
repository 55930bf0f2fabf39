"""Clients that act for themselves, over HTTP: what the login, the endpoint and the log make of them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from omnitornado import Context

from .conftest import StartSite
from .site import CLIENTS, SECRET, Site, build_initialize, build_stateless, read_json

ROBOT = {
    "client_id": "robot",
    "client_secret": SECRET,
    "client_name": "Robot",
    "grant_types": ["client_credentials"],
    "scope": "mcp",
}
TWIN = ROBOT | {"client_id": "twin"}
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
EXTENSION = "io.modelcontextprotocol/oauth-client-credentials"


@pytest.fixture
def site(io_loop: Any, start_site: StartSite) -> Site:
    async def start() -> Site:
        return await start_site(clients=[*CLIENTS, ROBOT, TWIN])

    found: Site = io_loop.run_sync(start)
    return found


async def ask(site: Site, client_id: str = "robot", **fields: str) -> HTTPResponse:
    return await site.post_token({"grant_type": "client_credentials", "client_id": client_id} | fields)


async def obtain(site: Site, client_id: str = "robot", **fields: str) -> str:
    response = await ask(site, client_id, **fields)
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
    token: str = read_json(response)["access_token"]
    return token


async def call(site: Site, token: str, name: str, **arguments: Any) -> Any:
    message, headers = build_stateless("tools/call", {"name": name, "arguments": arguments})
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = TASKS
    return read_json(await site.call(token, message, **headers))["result"]


@pytest.mark.gen_test
async def test_a_tool_sees_that_no_person_calls(site: Site) -> None:
    """Required by RFC 9700 §4.15: and by what name the client goes, that no person has."""

    def look(context: Context) -> list[str]:
        return [context.username, context.client_id, str(context.is_machine)]

    site.mcp.add_tool(look)
    own = await call(site, await obtain(site), "look")
    assert own["structuredContent"] == ["client:robot", "robot", "True"]
    theirs = await call(site, (await site.obtain_tokens())["access_token"], "look")
    assert theirs["structuredContent"] == ["ada", "preset", "False"]


@pytest.mark.gen_test
async def test_the_grant_is_advertised_where_a_client_may_use_it(site: Site, start_site: StartSite) -> None:
    """Required by RFC 8414 §2; and MCP 2026-07-28 server/discover names the extension."""
    other = await start_site()
    for one, is_there in ((site, True), (other, False)):
        document = read_json(await one.fetch("/.well-known/oauth-authorization-server"))
        assert ("client_credentials" in document["grant_types_supported"]) is is_there
        message, headers = build_stateless("server/discover", {})
        token = (await one.obtain_tokens())["access_token"]
        found = read_json(await one.call(token, message, **headers))["result"]["capabilities"]
        assert (EXTENSION in found.get("extensions", {})) is is_there


@pytest.mark.gen_test
async def test_a_session_belongs_to_the_client_that_opened_it(site: Site) -> None:
    """Our choice: as with people. With a new token it goes on, and nobody else has it."""
    opened = await site.call(await obtain(site), build_initialize())
    session = {"Mcp_Session_Id": opened.headers["Mcp-Session-Id"]}
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert (await site.call(await obtain(site), listing, **session)).code == 200
    for stranger in (await obtain(site, "twin"), (await site.obtain_tokens())["access_token"]):
        assert (await site.call(stranger, listing, **session)).code == 404


@pytest.mark.gen_test
async def test_a_task_belongs_to_the_client_that_started_it(site: Site) -> None:
    """Our choice: as with people."""

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    site.mcp.add_tool(work, task=True)
    task_id = (await call(site, await obtain(site), "work"))["taskId"]

    async def get(token: str) -> Any:
        message, headers = build_stateless("tasks/get", {"taskId": task_id})
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = TASKS
        return read_json(await site.call(token, message, Mcp_Name=task_id, **headers))

    assert (await get(await obtain(site)))["result"]["taskId"] == task_id
    for stranger in (await obtain(site, "twin"), (await site.obtain_tokens())["access_token"]):
        assert "error" in await get(stranger)


@pytest.mark.gen_test
async def test_its_limits_are_its_own(start_site: StartSite) -> None:
    """Our choice: one client's calls in flight take nothing from another's, nor from a person's."""
    site = await start_site(clients=[*CLIENTS, ROBOT, TWIN], settings={"mcp": {"calls_per_person": 1}})
    message, headers = build_stateless("tools/call", {"name": "wait", "arguments": {}})
    waiting = asyncio.ensure_future(site.call(await obtain(site), message, **headers))
    await site.gate.entered.wait()
    adding, headers = build_stateless("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert (await site.call(await obtain(site), adding, **headers)).code == 429
    for other in (await obtain(site, "twin"), (await site.obtain_tokens())["access_token"]):
        assert (await site.call(other, adding, **headers)).code == 200
    site.gate.opened.set()
    assert (await waiting).code == 200


@pytest.mark.gen_test
async def test_its_scope_holds_at_the_tools(site: Site) -> None:
    """Required by RFC 6750 §3.1, insufficient_scope: no person stands behind it who could grant more."""
    message, headers = build_stateless("tools/call", {"name": "reset", "arguments": {}})
    response = await site.call(await obtain(site), message, **headers)
    assert response.code == 403
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]
    refused = await ask(site, scope="admin")
    assert (refused.code, read_json(refused)["error"]) == (400, "invalid_scope")


@pytest.mark.gen_test
async def test_it_has_no_way_to_the_pages(site: Site) -> None:
    """Our choice: a client that acts for itself sends nobody to sign in, and nobody signs in as it."""
    browser = site.open_browser()
    response = await browser.get(site.build_authorize_url(client_id="robot"))
    assert response.code == 400
    page = await browser.get("/login")
    assert page.code == 200
    assert site.services.people.find_by_spelling("client:robot") is None


@pytest.mark.gen_test
async def test_the_audit_log_tells_it_from_people(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: who asked, what for and what was called, and no secret."""
    path = tmp_path / "audit.jsonl"
    site = await start_site(clients=[*CLIENTS, ROBOT], settings={"audit": {"path": str(path)}})
    token = await obtain(site)
    await call(site, token, "add", a=1, b=2)
    await ask(site, client_secret="not the secret")
    await site.post_token({"client_id": "robot", "token": token}, path="/revoke")
    audit = site.services.audit
    assert audit is not None
    audit.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = {line["event"]: line for line in lines}
    issued = found["token.issued"]
    assert (issued["reason"], issued["client"]) == ("client_credentials_redeemed", "robot")
    assert {found[name]["user"] for name in ("token.issued", "tool.called", "revoke.succeeded")} == {
        "client:robot"
    }
    assert (found["token.refused"]["reason"], found["token.refused"]["client"]) == (
        "client_secret_wrong",
        "robot",
    )
    assert token not in path.read_text()
    assert SECRET not in path.read_text()
