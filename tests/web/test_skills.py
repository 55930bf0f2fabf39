"""Skills on the real server: behind the login, beside tools and without any, and as they change."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from omnitornado.config import ConfigError
from omnitornado.mcp.server import MCPServer
from omnitornado.server import Server

from .browser import find_forms
from .conftest import StartSite
from .site import Site, read_json
from .streams import begin, build_get, read_block
from .wire import Connection


def write_skill(root: Path, name: str, body: str = "Do it.\n") -> Path:
    place = root / name / "SKILL.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"---\nname: {name}\ndescription: Does {name}.\n---\n{body}")
    return place


async def ask(site: Site, token: str, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    response = await site.call_stateless(token, method, params, Mcp_Name=(params or {}).get("uri", ""))
    assert response.code == 200, response.body
    result: dict[str, Any] = read_json(response)["result"]
    return result


@pytest.mark.gen_test
async def test_skills_are_served_beside_tools_and_behind_the_login(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Required by the skills extension (Listing Skills, Reading Skill Content)."""
    place = write_skill(tmp_path, "pdf")
    site = await start_site(settings={"mcp": {"skills": str(tmp_path)}})
    assert (await site.call_stateless(None, "skills/list")).code == 401
    token = (await site.obtain_tokens())["access_token"]
    (skill,) = (await ask(site, token, "skills/list"))["skills"]
    read = await ask(site, token, "resources/read", {"uri": skill["uri"]})
    assert read["contents"][0]["text"] == place.read_text()
    assert (await ask(site, token, "tools/list"))["tools"]


@pytest.mark.gen_test
async def test_scopes_of_skills_are_asked_for_and_shown(start_site: StartSite, tmp_path: Path) -> None:
    """Required by RFC 6750 §3.1 and MCP 2026-07-28 basic/authorization (Scope Challenge Handling)."""
    write_skill(tmp_path, "pdf")
    site = await start_site(settings={"mcp": {"skills": str(tmp_path), "skills_scopes": ["skills"]}})
    document = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
    assert "skills" in document["scopes_supported"]
    token = (await site.obtain_tokens(scope="mcp"))["access_token"]
    uri = "skill://pdf/SKILL.md"
    refused = await site.call_stateless(token, "resources/read", {"uri": uri}, Mcp_Name=uri)
    assert refused.code == 403
    assert 'scope="mcp skills"' in refused.headers["WWW-Authenticate"]
    browser = site.open_browser()
    page = await browser.open_consent(site.build_authorize_url(scope="mcp skills"))
    assert find_forms(page)
    assert "Does pdf." in page.body.decode()
    token = (await site.obtain_tokens(scope="mcp skills"))["access_token"]
    assert (await ask(site, token, "resources/read", {"uri": uri}))["contents"]


@pytest.mark.gen_test
async def test_a_change_on_the_disk_reaches_an_open_stream(start_site: StartSite, tmp_path: Path) -> None:
    """Required by MCP 2025-11-25 server/resources (List Changed Notification)."""
    write_skill(tmp_path, "pdf")
    site = await start_site(
        settings={"mcp": {"skills": str(tmp_path), "skills_interval": "1s"}}, keep_alive=0.01
    )
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token)
    async with Connection(site.port) as connection:
        await begin(connection, build_get(site, token, session))
        write_skill(tmp_path, "new")
        block = await read_block(connection)
        while "notifications/resources/list_changed" not in block.get("data", ""):
            block = await read_block(connection)
    listed = (await ask(site, token, "skills/list"))["skills"]
    assert [skill["frontmatter"]["name"] for skill in listed] == ["new", "pdf"]


@pytest.mark.gen_test
async def test_skills_are_all_a_server_needs(tmp_path: Path) -> None:
    """Our choice: `[mcp] skills` without `app`."""
    write_skill(tmp_path / "skills", "pdf")
    (tmp_path / "my.toml").write_text("[server]\nport = 0\n[store]\npath = ''\n[mcp]\nskills = 'skills'\n")
    server = Server.from_config(tmp_path / "my.toml")
    assert isinstance(server._app, MCPServer)
    assert list(server._app.list_resources()) == ["skill://pdf/SKILL.md"]
    await server.start()
    await server.stop()
    assert not [task for task in asyncio.all_tasks() if "watch" in repr(task.get_coro()) and not task.done()]


def test_a_server_with_a_broken_skill_does_not_start(tmp_path: Path) -> None:
    """Our choice: exit code 2 with file, line, key and reason."""
    (tmp_path / "my.toml").write_text("[store]\npath = ''\n[mcp]\nskills = 'gone'\n")
    with pytest.raises(ConfigError, match=r"my\.toml:4: \[mcp\] skills: .*gone: can't be read: No such file"):
        Server.from_config(tmp_path / "my.toml")
