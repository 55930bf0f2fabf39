"""Several processes on one Redis, behind a real balancer: a client never notices which one it came to."""

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.types import ElicitRequestParams, ElicitResult
from store.redis_server import RedisServer

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .proxies import WRITERS, find_free_port, open_proxy
from .raw import RawClient
from .sdk import Application

TOOLS = """
import os
from omnitornado import Context, MCPServer

mcp = MCPServer("nodes")


@mcp.tool()
def where() -> int:
    return os.getpid()


@mcp.tool()
async def ask(context: Context) -> str:
    return (await context.elicit("Sure?", bool)).action


@mcp.tool()
async def countdown(context: Context, pipe: str) -> str:
    await context.progress(0, 2, "begun")
    import asyncio, pathlib
    await asyncio.to_thread(pathlib.Path(pipe).read_text)
    await context.progress(1, 2, "going on")
    return "arrived"


@mcp.tool()
def grow() -> str:
    @mcp.tool(name=f"grown_{os.getpid()}")
    def grown() -> str:
        return "new"

    return "grown"
"""


GUEST = """
import os
from mcp.server.mcpserver import MCPServer

mcp = MCPServer("guest")


@mcp.tool()
def where() -> str:
    return str(os.getpid())
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


class Nodes:
    """The processes, and the address that all of them stand behind."""

    def __init__(self, servers: list[ServerProcess], issuer: str) -> None:
        self.servers = servers
        self.issuer = issuer

    def find(self, pid: int) -> ServerProcess:
        (found,) = [server for server in self.servers if server.pid == pid]
        return found


@pytest.fixture(params=list(WRITERS))
def nodes(
    request: pytest.FixtureRequest,
    redis: RedisServer,
    context: ssl.SSLContext,
    serve: Serve,
    tmp_path: Path,
) -> Iterator[Nodes]:
    (tmp_path / "nodes.py").write_text(TOOLS)
    with open_nodes(request.param, "nodes:mcp", redis, serve, tmp_path) as nodes:
        yield nodes


@contextmanager
def open_nodes(kind: str, app: str, redis: RedisServer, serve: Serve, tmp_path: Path) -> Iterator[Nodes]:
    """Two processes that serve `app` behind one balancer."""
    public = find_free_port()
    issuer = f"https://localhost:{public}"
    ports = [find_free_port(), find_free_port()]
    servers = []
    for port in ports:
        network = {"public_url": issuer, "trusted_proxies": ["127.0.0.1"]}
        store = {"url": redis.url, "path": ""}
        servers.append(serve(server=network, store=store, mcp={"app": app}, port=port))
    with open_proxy(kind, tmp_path, public, ports):
        yield Nodes(servers, issuer)


@pytest.fixture
def person(nodes: Nodes, ledger: Ledger, context: ssl.SSLContext) -> Iterator[Person]:
    with Person(nodes.issuer, ledger, verify=context) as person:
        yield person


@pytest.fixture
def raw(nodes: Nodes, ledger: Ledger, context: ssl.SSLContext) -> Iterator[RawClient]:
    """A connection for each request: the balancer sends each where it likes."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with RawClient(nodes.issuer, ledger, verify=context, limits=limits) as raw:
        yield raw


def find_pid(response: httpx.Response) -> int:
    """Which process has answered."""
    return int(response.json()["result"]["content"][0]["text"])


def connect_to(server: ServerProcess, raw: RawClient, ledger: Ledger) -> RawClient:
    """The same client and session, straight to one process."""
    host = raw.issuer.removeprefix("https://")
    direct = RawClient(f"http://127.0.0.1:{server.port}", ledger, headers={"Host": host})
    direct.client_id, direct.access_token = raw.client_id, raw.access_token
    direct.session_id, direct.version = raw.session_id, raw.version
    return direct


def test_every_step_may_land_anywhere(nodes: Nodes, raw: RawClient, person: Person) -> None:
    """Our choice: registration, login, code, refresh, sessions and calls, each on a connection of its own."""
    raw.connect(person)
    seen = {find_pid(raw.call_tool("where", {})) for _ in range(20)}
    assert seen == {server.pid for server in nodes.servers}
    assert raw.refresh().status_code == 200
    raw.initialize("2025-11-25")
    assert {find_pid(raw.call_tool("where", {})) for _ in range(20)} == seen
    assert raw.revoke(raw.refresh_token).status_code == 200
    for _ in range(10):
        assert raw.call_tool("where", {}).status_code == 401


def test_a_process_that_is_killed_takes_nobody_with_it(nodes: Nodes, raw: RawClient, person: Person) -> None:
    """Our choice: who was signed in stays so, sessions go on, and the balancer finds the other."""
    raw.connect(person)
    raw.initialize("2025-11-25")
    gone = nodes.find(find_pid(raw.call_tool("where", {})))
    pid = gone.pid
    gone.kill()
    answers = [raw.call_tool("where", {}) for _ in range(20)]
    served = [one for one in answers if one.status_code == 200]
    assert len(served) >= 19  # HAProxy may have sent one to it in the moment it died
    assert pid not in {find_pid(one) for one in served}
    gone.start()
    assert raw.refresh().status_code == 200


def test_guesses_are_counted_together(nodes: Nodes, raw: RawClient, person: Person, ledger: Ledger) -> None:
    """Our choice: whoever guesses gains nothing by coming to another process each time."""
    raw.connect(person)
    directs = [connect_to(server, raw, ledger) for server in nodes.servers]
    wrong = {"client_id": "preset", "client_secret": "a guess"}
    statuses = []
    for number in range(12):
        direct = directs[number % 2]
        response = direct.http.post(f"{direct.issuer}/token", data=wrong | {"grant_type": "refresh_token"})
        statuses.append(response.status_code)
    assert statuses.count(401) < 10  # each for itself would have let five go free
    assert statuses[-2:] == [429, 429]
    for direct in directs:
        direct.http.close()


def test_a_question_is_answered_through_the_balancer(
    nodes: Nodes, person: Person, ledger: Ledger, context: ssl.SSLContext
) -> None:
    """Our choice: the official client's answers go on other connections than its calls."""

    async def answer(request_context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="decline")

    async def run(mode: str) -> list[str]:
        application = Application(f"{nodes.issuer}/mcp", person, ledger)
        limits = httpx2.Limits(max_keepalive_connections=0)
        network = httpx2.AsyncHTTPTransport(verify=context, limits=limits)
        async with application.connect(mode, transport=network, elicitation_callback=answer) as client:
            results = [await client.call_tool("ask", {}) for _ in range(8)]
        return [result.content[0].text for result in results]  # type: ignore[union-attr]

    for mode in ("legacy", "2026-07-28"):
        said = asyncio.run(run(mode))
        assert said == ["decline"] * 8


def test_an_object_s_sessions_stay_with_their_process(
    redis: RedisServer, context: ssl.SSLContext, serve: Serve, tmp_path: Path, ledger: Ledger
) -> None:
    """Our choice: by the lines of the guide HAProxy remembers which process has a session."""
    (tmp_path / "guest.py").write_text(GUEST)
    with (
        open_nodes("sticky", "guest:mcp", redis, serve, tmp_path) as nodes,
        Person(nodes.issuer, ledger, verify=context) as person,
        RawClient(
            nodes.issuer, ledger, verify=context, limits=httpx.Limits(max_keepalive_connections=0)
        ) as raw,
    ):
        raw.connect(person)
        raw.http.headers["Content-Type"] = "application/json"  # which the object wants said
        seen = set()
        for _ in range(4):
            raw.session_id, raw.version = None, "2025-11-25"
            client = {"protocolVersion": raw.version, "capabilities": {}, "clientInfo": CLIENT}
            opened = raw.call("initialize", client)
            raw.session_id = opened.headers["Mcp-Session-Id"]
            ledger.note(raw.session_id)
            raw.http.send(raw.build_call("notifications/initialized", {}, request_id=None))
            found = {find_pid_in_events(raw.call_tool("where", {})) for _ in range(6)}
            assert len(found) == 1
            seen |= found
        assert len(seen) == 2


CLIENT = {"name": "raw", "version": "1"}


def find_pid_in_events(response: httpx.Response) -> int:
    """The same of an answer that may be a stream."""
    (line,) = [one for one in response.text.splitlines() if '"result"' in one]
    return int(json.loads(line.removeprefix("data: "))["result"]["content"][0]["text"])


def test_a_stream_is_taken_up_at_another_process(
    nodes: Nodes, raw: RawClient, person: Person, ledger: Ledger, tmp_path: Path
) -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery)."""
    raw.connect(person)
    raw.initialize("2025-11-25")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    one, other = (connect_to(server, raw, ledger) for server in nodes.servers)
    params = {"name": "countdown", "arguments": {"pipe": str(pipe)}, "_meta": {"progressToken": "p"}}
    response = one.http.send(one.build_call("tools/call", params), stream=True)
    lines = response.iter_lines()
    last_id = ""
    for line in lines:
        if line.startswith("id:"):
            last_id = line.partition(":")[2].strip()
        if "begun" in line:
            break
    response.close()  # the connection is lost
    headers = {
        "Accept": "text/event-stream",
        "Authorization": f"Bearer {other.access_token}",
        "Mcp-Session-Id": other.session_id or "",
        "MCP-Protocol-Version": other.version,
        "Last-Event-ID": last_id,
    }
    with other.http.stream("GET", f"{other.issuer}/mcp", headers=headers) as rest:
        assert rest.status_code == 200
        threading.Thread(target=pipe.write_text, args=("go",)).start()
        text = "".join(rest.iter_lines())
    assert "going on" in text
    assert "arrived" in text
    one.http.close()
    other.http.close()


def test_a_change_is_heard_at_the_other_process(
    nodes: Nodes, raw: RawClient, person: Person, ledger: Ledger
) -> None:
    """Required by MCP 2025-11-25 server/tools (List Changed Notification)."""
    raw.connect(person)
    raw.initialize("2025-11-25")
    one, other = (connect_to(server, raw, ledger) for server in nodes.servers)
    with other.listen() as lines:
        assert next(lines).startswith(":")
        one.call_tool("grow", {})
        assert any("tools/list_changed" in line for line in lines)
    one.http.close()
    other.http.close()
