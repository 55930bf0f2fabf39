"""Servers that nobody here wrote, behind the login, unmodified, used by the official Python client."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp.client import Client
from upstream.children import find_processes

from .conftest import Serve
from .ledger import Ledger
from .node import find_node
from .person import Person
from .process import PASSWORD_HASH, PATIENCE, ServerProcess, build_environment
from .raw import RawClient
from .sdk import Application
from .typescript_application import TypeScriptApplication

MODES = ["legacy", "2026-07-28"]
SERVERS = Path(__file__).with_name("upstreams")
HOSTILE = Path(__file__).parents[1] / "upstream" / "hostile.py"


def build_node(name: str, *arguments: str) -> list[str]:
    """A server of the npm registry, as installed."""
    path = SERVERS / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js"
    return [find_node(), str(path), *arguments]


def build_python(name: str) -> list[str]:
    return [sys.executable, str(SERVERS / f"{name}.py")]


def build_upstreams(*commands: list[str], **keys: Any) -> dict[str, Any]:
    """`[mcp]` with upstreams named a, b, … ."""
    tables = [{"name": chr(97 + n), "command": command, **keys} for n, command in enumerate(commands)]
    return {"app": "", "upstreams": tables}


def read_text(answer: types.CallToolResult) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, types.TextContent))


async def answer_question(context: Any, params: Any) -> types.ElicitResult:
    names = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content=dict.fromkeys(list(names)[:1], "Ada"))


async def answer_sampling(context: Any, params: Any) -> types.CreateMessageResult:
    text = types.TextContent(type="text", text="a sample")
    return types.CreateMessageResult(role="assistant", model="m", stop_reason="endTurn", content=text)


def run(
    server: ServerProcess,
    ledger: Ledger,
    mode: str,
    scenario: Callable[[Client], Awaitable[None]],
    *,
    username: str = "ada",
    url: str = "",
) -> Application:
    """A connected application's work."""
    with Person(server.issuer, ledger, username=username) as person:
        application = Application(url or server.mcp_url, person, ledger)

        async def journey() -> None:
            options: dict[str, Any] = {
                "elicitation_callback": answer_question,
                "sampling_callback": answer_sampling,
            }
            async with asyncio.timeout(PATIENCE), application.connect(mode, **options) as client:
                assert client.protocol_version == ("2025-11-25" if mode == "legacy" else mode)
                await scenario(client)

        asyncio.run(journey())
        assert (person.sign_ins, person.approvals) == (1, 1)
    return application


def wait_until_gone(mark: str) -> None:
    until = time.monotonic() + PATIENCE
    while find_processes(mark):
        assert time.monotonic() < until, find_processes(mark)
        time.sleep(0.02)


# Who calls


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["official", "fast"])
def test_the_person_reaches_the_server_and_the_token_does_not(
    serve: Serve, ledger: Ledger, mode: str, kind: str
) -> None:
    """Required by MCP 2026-07-28 basic/authorization, Access Token Privilege Restriction."""
    server = serve(mcp=build_upstreams(build_python(kind)))
    told: list[str] = []

    async def scenario(client: Client) -> None:
        environment = read_text(await client.call_tool("whoami", {}))
        told.append(environment)
        assert json.loads(environment)["OMNITORNADO_USERNAME"] == "ada"
        steps: list[tuple[float, float | None]] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            steps.append((progress, total))

        await client.call_tool("steps", {"count": 3}, progress_callback=hear)
        assert steps == [(1, 3), (2, 3), (3, 3)]
        if kind == "official":
            told.append(read_text(await client.call_tool("caller", {})))
            caller = json.loads(told[-1])
            assert (caller["username"], caller["client_name"]) == ("ada", "Python app")
            assert caller["scopes"] == ["a"]
            assert read_text(await client.call_tool("ask", {})) == "hello Ada"

    run(server, ledger, mode, scenario)
    assert ledger.find_leaks("".join(told)) == []


def test_each_path_is_a_resource_of_its_own(serve: Serve, ledger: Ledger) -> None:
    """Required by RFC 9728 §3 and MCP 2026-07-28 basic/authorization: a token is good for its audience."""
    server = serve(
        mcp={**build_upstreams(build_python("official"), [*build_python("official")]), "app": "tools:mcp"}
    )
    for path, scope in (("/mcp", "mcp"), ("/a/mcp", "a"), ("/b/mcp", "b")):
        found = httpx.get(f"{server.issuer}/.well-known/oauth-protected-resource{path}").json()
        assert found["resource"] == server.issuer + path
        assert found["scopes_supported"] == [scope]
    assert ("Upstream URL", f"{server.issuer}/a/mcp") in server.banner
    assert "upstream b state=ok path=/b/mcp children=0" in httpx.get(f"{server.issuer}/healthz?verbose").text
    assert f"{server.issuer}/b/mcp" in httpx.get(server.issuer).text

    async def scenario(client: Client) -> None:
        assert "whoami" in [tool.name for tool in (await client.list_tools()).tools]

    application = run(server, ledger, "legacy", scenario, url=f"{server.issuer}/a/mcp")
    assert application.storage.tokens is not None
    bearer = {"Authorization": f"Bearer {application.storage.tokens.access_token}"}
    for path, status in (("/a/mcp", 400), ("/b/mcp", 401), ("/mcp", 401)):
        assert httpx.post(server.issuer + path, headers=bearer, json={}).status_code == status


# Servers of the npm registry


@pytest.mark.parametrize("mode", MODES)
def test_server_everything(serve: Serve, ledger: Ledger, mode: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28: tools, prompts, resources, progress, questions."""
    server = serve(mcp=build_upstreams(build_node("everything")))
    steps: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def scenario(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"echo", "get-sum", "trigger-sampling-request", "trigger-elicitation-request"} <= names
        assert read_text(await client.call_tool("echo", {"message": "x"})) == "Echo: x"
        assert "7" in read_text(await client.call_tool("get-sum", {"a": 3, "b": 4}))
        structured = await client.call_tool("get-structured-content", {"location": "New York"})
        assert isinstance(structured.structured_content, dict)
        arguments = {"duration": 0.2, "steps": 2}
        await client.call_tool("trigger-long-running-operation", arguments, progress_callback=hear)
        assert steps == [1, 2]
        assert "Ada" in read_text(await client.call_tool("trigger-elicitation-request", {}))
        sample = await client.call_tool("trigger-sampling-request", {"prompt": "hi", "maxTokens": 10})
        assert "a sample" in read_text(sample)
        resources = (await client.list_resources()).resources
        assert (await client.read_resource(str(resources[0].uri))).contents
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert "simple-prompt" in prompts
        assert (await client.get_prompt("simple-prompt")).messages

    run(server, ledger, mode, scenario)


@pytest.mark.parametrize(
    ("package", "mode"), [("sdk", "legacy"), ("client", "legacy"), ("client", "2026-07-28")]
)
def test_the_typescript_clients_use_it(serve: Serve, ledger: Ledger, package: str, mode: str) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28: the other official clients, with a server of theirs."""
    server = serve(mcp=build_upstreams(build_node("everything")))
    with Person(server.issuer, ledger) as person:
        application = TypeScriptApplication(package, mode, server, person, ledger)
        try:
            application.connect()
            tools = application.do("request", on=0, method="tools/list", params={})["tools"]
            assert "echo" in [tool["name"] for tool in tools]
            echoed = application.do("call", on=0, name="echo", args={"message": "x"})["result"]
            assert echoed["content"] == [{"type": "text", "text": "Echo: x"}]
            steps = {"duration": 0.2, "steps": 2}
            answer = application.do("call", on=0, name="trigger-long-running-operation", args=steps)
            assert [step["progress"] for step in answer["progress"]] == [1, 2]
            accepted = {"action": "accept", "content": {"name": "Ada"}}
            application.do("prepare", on=0, method="elicitation/create", answers=[accepted])
            asked = application.do("call", on=0, name="trigger-elicitation-request", args={})["result"]
            assert "Ada" in "".join(block.get("text", "") for block in asked["content"])
            application.close()
        finally:
            application.kill()
        assert (person.sign_ins, person.approvals) == (1, 1)


@pytest.mark.parametrize("mode", MODES)
def test_server_filesystem(serve: Serve, ledger: Ledger, tmp_path: Path, mode: str) -> None:
    """Our choice: it serves the folder that the operator names, and no other."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "note.txt").write_text("hello")
    (tmp_path / "secret.txt").write_text("nobody's")
    server = serve(mcp=build_upstreams(build_node("filesystem", str(folder))))

    async def scenario(client: Client) -> None:
        read = await client.call_tool("read_text_file", {"path": str(folder / "note.txt")})
        assert read_text(read) == "hello"
        refused = await client.call_tool("read_text_file", {"path": str(tmp_path / "secret.txt")})
        assert refused.is_error
        assert "nobody's" not in read_text(refused)
        await client.call_tool("write_file", {"path": str(folder / "new.txt"), "content": "new"})
        assert (folder / "new.txt").read_text() == "new"

    run(server, ledger, mode, scenario)


@pytest.mark.parametrize("mode", MODES)
def test_server_memory_is_each_persons_own(serve: Serve, ledger: Ledger, tmp_path: Path, mode: str) -> None:
    """Our choice: two people, two processes; and what one keeps in it is there for their other client."""
    users = [{"username": name, "password_hash": PASSWORD_HASH} for name in ("ada", "bob")]
    command = ["/bin/sh", "-c", f'MEMORY_FILE_PATH={tmp_path}/$OMNITORNADO_USERNAME.jsonl exec "$@"', "sh"]
    server = serve(mcp=build_upstreams(command + build_node("memory")), users=users)
    entity = {"name": "Ada", "entityType": "person", "observations": ["likes engines"]}

    async def remember(client: Client) -> None:
        await client.call_tool("create_entities", {"entities": [entity]})

    async def recall(client: Client) -> None:
        assert "engines" in read_text(await client.call_tool("read_graph", {}))

    async def know_nothing(client: Client) -> None:
        assert "engines" not in read_text(await client.call_tool("read_graph", {}))

    run(server, ledger, mode, remember)
    run(server, ledger, mode, recall)
    run(server, ledger, mode, know_nothing, username="bob")
    server.wait_for_log("upstream.started", count=2)
    assert server.count_log("upstream.started") == 2


# Nothing stays


def open_session(server: ServerProcess, ledger: Ledger) -> None:
    """A client calls a tool of the server behind /mcp, in a session that stays open."""
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        raw.initialize("2025-11-25")
        assert raw.call("tools/list").status_code == 200


@pytest.mark.parametrize("ending", ["stop", "kill"])
@pytest.mark.parametrize("kind", ["node", "stubborn", "daemon"])
def test_nothing_of_a_process_outlives_the_server(
    serve: Serve, ledger: Ledger, ending: str, kind: str
) -> None:
    """Our choice: not after kill -9 either, and not what it has started itself, in a session of its own."""
    mark = secrets.token_hex(8)
    hostile = [sys.executable, str(HOSTILE), mark]
    daemon = f"(setsid sh -c 'sleep 1000; : {mark}' >/dev/null 2>&1 </dev/null &); exec \"$@\""
    commands = {
        "node": [*build_node("everything"), "stdio", mark],
        "stubborn": [*hostile, "stubborn"],
        "daemon": ["/bin/sh", "-c", daemon, "sh", *hostile],
    }
    server = serve(mcp=build_upstreams(commands[kind], path="/mcp"))
    open_session(server, ledger)
    # The keeper names it too.
    assert len(find_processes(mark)) >= (3 if kind == "daemon" else 2)
    if ending == "stop":
        server.stop()
        assert find_processes(mark) == []
    else:
        server.kill()
        wait_until_gone(mark)


def test_who_is_idle_ends_while_the_server_goes_on(serve: Serve, ledger: Ledger) -> None:
    """Our choice: `idle_time`."""
    mark = secrets.token_hex(8)
    server = serve(mcp=build_upstreams([sys.executable, str(HOSTILE), mark], path="/mcp", idle_time="1s"))
    open_session(server, ledger)
    server.wait_for_log("reason=idle")
    wait_until_gone(mark)
    open_session(server, ledger)
    server.wait_for_log("upstream.started", count=2)
    assert server.count_log("upstream.started") == 2


def test_a_command_is_served_without_a_file(tmp_path: Path, ledger: Ledger) -> None:
    """Our choice: `--stdio`, with a person and a password for this run."""
    command = f"{sys.executable} {HOSTILE}"
    process = subprocess.Popen(
        [sys.executable, "-m", "omnitornado", "--stdio", command, "--port", "0"],
        cwd=tmp_path,
        env=build_environment(),
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        banner: dict[str, str] = {}
        while "Password" not in banner:
            key, _, value = process.stdout.readline().rstrip("\n").partition(": ")
            assert key, banner
            banner[key] = value
        person = Person(banner["Issuer"], ledger, username=banner["Username"], password=banner["Password"])
        with person, RawClient(banner["Issuer"], ledger) as raw:
            raw.connect(person)
            answer = raw.call_tool("echo", {"text": "x"}).json()
            assert answer["result"]["content"] == [{"type": "text", "text": "x"}]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []
