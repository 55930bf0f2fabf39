"""Tasks over HTTP: what the login has to do with them."""

import asyncio
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from .browser import Browser, find_forms
from .site import Site, build_stateless, read_json

Json = dict[str, Any]


async def ask(site: Site, token: str, method: str, params: Json) -> HTTPResponse:
    """A request of a client that takes tasks."""
    message, headers = build_stateless(method, params)
    declared: Json = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = declared
    if "taskId" in params:
        headers["Mcp_Name"] = params["taskId"]
    return await site.call(token, message, **headers)


async def start(site: Site, token: str, name: str) -> str:
    response = await ask(site, token, "tools/call", {"name": name, "arguments": {}})
    assert response.code == 200, response.body
    task_id: str = read_json(response)["result"]["taskId"]
    return task_id


async def get(site: Site, token: str, task_id: str) -> Json:
    result: Json = read_json(await ask(site, token, "tasks/get", {"taskId": task_id}))["result"]
    return result


@pytest.mark.gen_test
async def test_disconnecting_an_app_ends_what_it_started(site: Site, browser: Browser) -> None:
    """Our choice: nothing goes on in the name of a person who has withdrawn it."""

    async def work() -> str:
        site.gate.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            site.gate.ended.set()
        return "never"

    site.mcp.add_tool(work, task=True)
    token = (await site.obtain_tokens(browser))["access_token"]
    task_id = await start(site, token, "work")
    await site.gate.entered.wait()
    await site.endpoint.tasks.look()
    assert (await get(site, token, task_id))["status"] == "working"
    (form,) = [form for form in find_forms(await browser.get("/account")) if "public_id" in form.fields]
    await browser.submit(form)
    assert (await ask(site, token, "tasks/get", {"taskId": task_id})).code == 401
    await site.endpoint.tasks.look()
    await site.gate.ended.wait()
    # Whoever connects the same app again sees what became of it.
    token = (await site.obtain_tokens(browser))["access_token"]
    task = await get(site, token, task_id)
    assert task["status"] == "cancelled"
    assert "withdrawn" in task["statusMessage"]


@pytest.mark.gen_test
async def test_a_rotated_token_goes_on_with_its_tasks(site: Site, browser: Browser) -> None:
    """Our choice: the grant stays the same."""

    async def work() -> str:
        await asyncio.Event().wait()
        return "never"

    site.mcp.add_tool(work, task=True)
    tokens = await site.obtain_tokens(browser)
    task_id = await start(site, tokens["access_token"], "work")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = read_json(await site.post_token(fields))["access_token"]
    await site.endpoint.tasks.look()
    assert (await get(site, renewed, task_id))["status"] == "working"


@pytest.mark.gen_test
async def test_a_token_with_fewer_scopes_is_challenged_for_those_of_the_tool(
    site: Site, browser: Browser
) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors)."""

    async def work() -> str:
        return "for admins"

    site.mcp.add_tool(work, task=True, scopes=["admin"])
    more = (await site.obtain_tokens(browser, scope="mcp admin"))["access_token"]
    task_id = await start(site, more, "work")
    less = (await site.obtain_tokens(browser, scope="mcp"))["access_token"]
    refused = await ask(site, less, "tasks/get", {"taskId": task_id})
    assert refused.code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert 'scope="admin mcp"' in refused.headers["WWW-Authenticate"]
    assert b"for admins" not in refused.body
    assert (await get(site, more, task_id))["taskId"] == task_id
