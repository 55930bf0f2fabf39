"""unattended.mjs: a program with an official TypeScript SDK, and nobody at a browser."""

from collections.abc import Callable
from typing import Any

from .ledger import Ledger
from .node import NodeProgram
from .process import ServerProcess


class UnattendedProgram(NodeProgram):
    """`package` is "sdk" (1.x) or "client" (2.x). `issue_assertion`, given audience and resource, is the
    identity provider.
    """

    def __init__(
        self,
        package: str,
        server: ServerProcess,
        ledger: Ledger,
        issue_assertion: Callable[[str, str], str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._issue_assertion = issue_assertion
        super().__init__("unattended.mjs", package, server.mcp_url)

    def call(self, provider: str, name: str, args: dict[str, Any], **options: Any) -> Any:
        """Connect by one of the SDK's providers and call a tool: its result, and the tokens it was got by."""
        done = self.do("call", provider=provider, name=name, args=args, options=options)
        self._ledger.note_members(done["tokens"])
        return done["result"]["structuredContent"], done["tokens"]

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._issue_assertion is not None
        asked = question["assertion"]
        jwt = self._issue_assertion(asked["audience"], asked["resource"])
        self._ledger.note(jwt)
        return {"jwt": jwt}
