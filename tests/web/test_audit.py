"""What stands in the audit log after requests, and what never does."""

import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from omnitornado.config import ConfigError

from .conftest import QuietLog, StartSite
from .site import SECRET, Site


async def start(start_site: StartSite, folder: Path) -> tuple[Site, Path]:
    path = folder / "audit.jsonl"
    return await start_site(settings={"audit": {"path": str(path)}}), path


def stop(site: Site, path: Path) -> list[dict[str, Any]]:
    """The lines, once the server has written all of them."""
    audit = site.services.audit
    assert audit is not None
    audit.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def pick(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


@pytest.mark.gen_test
async def test_a_sign_in_leaves_who_which_client_from_where_and_the_grant(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice."""
    site, path = await start(start_site, tmp_path)
    tokens = await site.obtain_tokens()
    refreshed = await site.post_token(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    )
    assert refreshed.code == 200
    await site.post_token({"token": tokens["access_token"]}, path="/revoke")
    lines = stop(site, path)

    (signed_in,) = pick(lines, "login.succeeded")
    assert (signed_in["user"], signed_in["address"], signed_in["outcome"]) == ("ada", "127.0.0.1", "done")
    (approved,) = pick(lines, "authorize.approved")
    assert (approved["user"], approved["client"], approved["scope"]) == ("ada", "preset", ["mcp"])
    first, second = pick(lines, "token.issued")
    assert (first["reason"], second["reason"]) == ("code_redeemed", "refresh_rotated")
    assert first["grant"] == second["grant"]
    (revoked,) = pick(lines, "revoke.succeeded")
    assert (revoked["client"], revoked["user"], revoked["grant"]) == ("preset", "ada", first["grant"])
    assert all(line["request"] for line in lines[1:])


@pytest.mark.gen_test
async def test_a_refusal_names_whom_it_concerns_as_far_as_that_is_known(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice."""
    site, path = await start(start_site, tmp_path)
    code = await site.obtain_code()
    await site.redeem(code, client_secret="wrong")
    await site.redeem(code, code_verifier="w" * 43)
    tokens = json.loads((await site.redeem(code)).body)
    await site.redeem(code)
    await site.call_stateless(tokens["access_token"], "tools/list")
    await site.call_stateless("unknown", "tools/list")
    lines = stop(site, path)

    refused = [(r["reason"], r.get("client"), r.get("user")) for r in pick(lines, "token.refused")]
    assert refused == [
        ("client_secret_wrong", "preset", None),
        ("pkce_mismatch", "preset", "ada"),
        ("code_replayed", "preset", "ada"),
    ]
    assert {r["reason"] for r in pick(lines, "mcp.refused")} == {"token_unknown"}
    assert {r["outcome"] for r in pick(lines, "mcp.refused")} == {"refused"}


@pytest.mark.gen_test
async def test_a_wrong_password_is_there_without_what_was_typed(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice: people type their password into the wrong field."""
    site, path = await start(start_site, tmp_path)
    browser = site.open_browser()
    for username, password in (("ada", "hunter2-wrong"), ("hunter2-in-the-wrong-field", "x")):
        await browser.sign_in(username, password)
    lines = stop(site, path)
    assert [line.get("user") for line in pick(lines, "login.refused")] == ["ada", None]
    assert "hunter2" not in path.read_text()


@pytest.mark.gen_test
async def test_no_secret_is_in_it(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: codes, tokens, secrets and passwords, in whatever spelling they came."""
    site, path = await start(start_site, tmp_path)
    code = await site.obtain_code()
    tokens = json.loads((await site.redeem(code)).body)
    basic = base64.b64encode(f"preset:{SECRET}x".encode()).decode()
    await site.open_browser().request(
        "POST", "/token", body="grant_type=x", headers={"Authorization": f"Basic {basic}"}
    )
    await site.post_token(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"][:-3] + "xxx"}
    )
    await site.post_token({"token": tokens["refresh_token"]}, path="/revoke")
    stop(site, path)
    written = path.read_text()
    for secret in (code, tokens["access_token"], tokens["refresh_token"], SECRET, basic, '"password"'):
        assert secret not in written


@pytest.mark.gen_test
async def test_public_documents_and_pages_leave_no_line(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: what a scanner asks for fills nothing."""
    site, path = await start(start_site, tmp_path)
    for place in (
        "/",
        "/nothing",
        "/.well-known/oauth-authorization-server",
        "/healthz",
        "/omnitornado/x.css",
    ):
        await site.fetch(place)
    assert [line["event"] for line in stop(site, path)] == ["server.started"]


@pytest.mark.gen_test
async def test_an_error_page_shows_the_reference_that_stands_in_the_log(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice."""
    site, path = await start(start_site, tmp_path)
    page = await site.fetch(site.build_authorize_url(client_id="nobody"))
    lines = stop(site, path)
    (refused,) = pick(lines, "authorize.refused")
    assert refused["reason"] == "client_unknown"
    assert refused["request"] in page.body.decode()


@pytest.mark.gen_test
async def test_a_file_that_cannot_be_written_is_a_configuration_error(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice: a record that was asked for and can't be kept must be known at once."""
    path = tmp_path / "audit.jsonl"
    path.mkdir()
    with pytest.raises(ConfigError, match="audit"):
        await start_site(settings={"audit": {"path": str(path)}})


@pytest.mark.gen_test
@pytest.mark.parametrize("era", ["stateless", "handshake"])
async def test_a_tool_call_is_there_by_name_without_what_it_was_called_with(
    start_site: StartSite, tmp_path: Path, quiet_log: QuietLog, era: str
) -> None:
    """Our choice."""
    quiet_log.expect("tool fail failed")
    site, path = await start(start_site, tmp_path)
    token = (await site.obtain_tokens())["access_token"]
    session = await site.open_session(token) if era == "handshake" else ""

    async def call(name: str, arguments: dict[str, Any]) -> None:
        params = {"name": name, "arguments": arguments}
        if era == "stateless":
            await site.call_stateless(token, "tools/call", params)
        else:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            await site.call(token, message, Mcp_Session_Id=session, MCP_Protocol_Version="2025-11-25")

    await call("add", {"a": 770077, "b": 2})
    await call("fail", {})
    await call("add", {"a": "770077"})
    await call("reset", {})
    lines = stop(site, path)

    calls = [(c["event"], c["tool"], c["outcome"], c.get("reason")) for c in lines if "tool" in c]
    assert calls == [
        ("tool.called", "add", "done", None),
        ("tool.failed", "fail", "failed", "tool_error"),
        ("tool.failed", "add", "failed", "tool_arguments"),
    ]
    (first, *_) = pick(lines, "tool.called")
    assert (first["user"], first["client"], first["address"]) == ("ada", "preset", "127.0.0.1")
    assert first["grant"] == pick(lines, "token.issued")[0]["grant"]
    (refused,) = pick(lines, "mcp.refused")
    assert (refused["reason"], refused["user"]) == ("scope_insufficient", "ada")
    assert "770077" not in path.read_text()


@pytest.mark.gen_test
async def test_tool_calls_can_be_left_out(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice."""
    path = tmp_path / "audit.jsonl"
    site = await start_site(settings={"audit": {"path": str(path), "tool_calls": False}})
    token = (await site.obtain_tokens())["access_token"]
    await site.call_stateless(token, "tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert not pick(stop(site, path), "tool.called")


@pytest.mark.gen_test
async def test_a_start_that_fails_leaves_no_open_file_behind(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: a program may try again."""
    path = tmp_path / "audit.jsonl"
    site = await start_site()
    with pytest.raises(ConfigError, match="port"):
        await start_site(port=site.port, settings={"audit": {"path": str(path)}})
    assert [thread for thread in threading.enumerate() if thread.name == "audit"] == []
