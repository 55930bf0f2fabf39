"""An application that uses an official TypeScript SDK: application.mjs, and a person at a browser."""

import json
from typing import Any

from .ledger import Ledger
from .node import NodeProgram
from .person import Person
from .process import ServerProcess


class TypeScriptApplication(NodeProgram):
    """One run of it. A new one with the same state file is the same application, started again.

    `package` is "sdk" (1.x) or "client" (2.x); `mode` is "legacy", "auto" or a revision.
    """

    def __init__(
        self, package: str, mode: str, server: ServerProcess, person: Person, ledger: Ledger
    ) -> None:
        self.state_file = server.folder / "typescript.json"
        self._person = person
        self._ledger = ledger
        super().__init__("application.mjs", package, mode, server.mcp_url, str(self.state_file))

    def connect(self, **options: Any) -> dict[str, Any]:
        """Open a connection: its number, and what it knows of the server. `options` are the SDK's, and
        `canBeAsked`.
        """
        described: dict[str, Any] = self.do("connect", options=options)
        self._ledger.note(described["session"])
        return described

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """The person goes where the application sends them."""
        return {"callback": self._person.approve(question["authorize"])}

    def note(self) -> None:
        state = self._read_state()
        self._ledger.note(state["verifier"])
        self._ledger.note_members(state["tokens"])

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
