"""What each known client does from its first request to its refresh, as the files under tests/clients say;
and what follows from all of them, with the tests that hold each requirement.
"""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .client_sequence import FOLDER, NEEDS, STAGES, STEP, Replay, list_steps, load_sequences
from .conftest import StartSite
from .site import Site, build_initialize, read_json

SEQUENCES = load_sequences()
WAYS = [(name, way) for name, sequence in SEQUENCES.items() for way in sequence["ways"]]
REQUIREMENTS = tomllib.loads((FOLDER / "requirements.toml").read_text(encoding="utf-8"))["requirement"]
TESTS = FOLDER.parent
CLIENTS = {
    "chatgpt",
    "claude",
    "claude-code",
    "codex",
    "cursor",
    "fastmcp",
    "gemini-cli",
    "mcp-inspector",
    "mcp-remote",
    "python-sdk",
    "vscode",
}


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[f"{name}-{way}" for name, way in WAYS])
@pytest.mark.gen_test
async def test_a_known_client_connects_on_the_first_try(start_site: StartSite, name: str, way: str) -> None:
    """Our choice: its own requests in its own order, nobody being asked for its document."""
    site = await start_site(settings={"client_documents": {"mode": "known"}})
    await Replay(site).play(SEQUENCES[name], way)


@pytest.mark.parametrize(
    "need",
    [
        {"status": 200},
        {"challenge": {"scope": "admin"}},
        {"challenge": {"resource_metadata": "{url}/other"}},
        {"has": {"error": "invalid_token"}},
        {"among": {"error": ["x"]}},
        {"lacks": ["jsonrpc"]},
        {"answer_headers": {"Content-Type": "^text/html"}},
    ],
    ids=str,
)
@pytest.mark.gen_test
async def test_a_replay_stops_where_a_client_would(site: Site, need: dict[str, Any]) -> None:
    """Our choice: the test of the test, each kind of need unmet."""
    step = {"stage": "discovery", "send": "POST /mcp", "json": {}, "status": 401}
    sequence = {"client": "Sample", "ways": ["any"], "step": [step]}
    await Replay(site).play(sequence, "any")
    with pytest.raises((AssertionError, LookupError)):
        await Replay(site).play(sequence | {"step": [step | need]}, "any")


def test_every_known_client_has_its_file() -> None:
    """Our choice: each from its discovery to its refresh, and nothing in it that the replay does not read."""
    assert set(SEQUENCES) == CLIENTS
    for name, way in WAYS:
        sequence = SEQUENCES[name]
        assert set(sequence) <= {"client", "seen", "ways", "headers", "values", "step"}, name
        steps = list_steps(sequence, way)
        assert {step["stage"] for step in steps} >= set(STAGES) - {"end"}, (name, way)
        for step in steps:
            assert set(step) <= STEP | NEEDS, (name, step)
            assert ("send" in step) == ("status" in step), (name, step)
            assert step["stage"] in STAGES, (name, step)


@cache
def list_tests(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: str(requirement["number"]))
def test_what_all_clients_need_is_held_by_tests_that_exist(requirement: dict[str, Any]) -> None:
    """Our choice: each requirement leads to tests, or says what of it is not there."""
    assert set(requirement) <= {"number", "what", "tests", "gap"}
    assert requirement["what"].endswith(".")
    assert requirement.get("tests") or requirement.get("gap")
    for test in requirement.get("tests", []):
        path, _, function = test.partition("::")
        assert function in list_tests(TESTS / path), test


def test_the_requirements_are_numbered_through() -> None:
    """Our choice: none is left out."""
    assert [requirement["number"] for requirement in REQUIREMENTS] == list(range(1, 20))


@pytest.mark.gen_test
async def test_an_unknown_client_can_tell_that_it_must_register_again(site: Site) -> None:
    """Required by RFC 6749 §5.2 at the token endpoint; to the browser 400 and a page."""
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "gone"}
    answer = await site.anyone.post("/token", form)
    assert (answer.code, read_json(answer)["error"]) == (401, "invalid_client")
    page = await site.anyone.get(site.build_authorize_url(client_id="gone"))
    assert page.code == 400
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"add it again" in page.body


@pytest.mark.gen_test
async def test_an_access_token_lasts_an_hour_and_says_so_each_time(site: Site) -> None:
    """Our choice: some clients never refresh. At the first time, and after a refresh."""
    tokens = await site.obtain_tokens()
    again = read_json(
        await site.post_token({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    )
    assert tokens["expires_in"] >= 3600
    assert again["expires_in"] >= 3600
    site.clock.advance(3599)
    assert (await site.call(again["access_token"], build_initialize())).code == 200


@pytest.mark.gen_test
async def test_a_session_nobody_knows_is_404_with_every_method(site: Site) -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management): the client begins anew."""
    token = (await site.obtain_tokens())["access_token"]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for method in ("GET", "POST", "DELETE"):
        for session in ("unknown", "0", "x" * 200):
            body = message if method == "POST" else None
            answer = await site.call(token, body, method=method, Mcp_Session_Id=session)
            assert answer.code == 404, (method, session)


@pytest.mark.gen_test
async def test_a_page_of_an_allowed_origin_can_read_what_a_client_reads(start_site: StartSite) -> None:
    """Required by Fetch §3.2.3: the challenge of 401 and of 403, the session and the revision."""
    origin = "https://friend.example"
    site = await start_site(settings={"server": {"allowed_origins": [origin], "shutdown_grace": 0}})
    token = (await site.obtain_tokens(scope="mcp"))["access_token"]
    opened = await site.call(token, build_initialize(), Origin=origin)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "reset", "arguments": {}}}
    session = opened.headers["Mcp-Session-Id"]
    stranger = await site.call(None, call, Origin=origin)
    lacking = await site.call(token, call, Origin=origin, Mcp_Session_Id=session)
    assert (opened.code, stranger.code, lacking.code) == (200, 401, 403)
    for answer in (opened, stranger, lacking):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"WWW-Authenticate", "Mcp-Session-Id", "MCP-Protocol-Version"} <= set(exposed)
    for answer in (stranger, lacking):
        challenge = answer.headers["WWW-Authenticate"]
        assert f'resource_metadata="{site.url}/.well-known/oauth-protected-resource/mcp"' in challenge
        assert "scope=" in challenge
