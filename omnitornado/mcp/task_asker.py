"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Update Requests): questions of a task.

The function waits for the answer. What it asked before it became a task is answered as it was then, if the
question is the same.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from omnitornado.mcp.client_capabilities import ClientCapabilityError, supports
from omnitornado.mcp.conversation import Memory
from omnitornado.mcp.live_task import LiveTask
from omnitornado.mcp.questions import Names, Question
from omnitornado.mcp.request_state import CallState, build_digest
from omnitornado.mcp.rounds import DIGEST_BYTES

T = TypeVar("T")


class TaskAsker(Memory):
    """Asks the client of a task. `state` is what the call had come to before it became one."""

    def __init__(
        self, task: LiveTask, capabilities: Mapping[str, Any], *, version: str, state: CallState | None
    ) -> None:
        super().__init__({} if state is None else state.once)
        self.capabilities = capabilities
        self._task = task
        self._version = version
        self._answered = {} if state is None else state.answered
        self._names = Names()

    async def ask(self, question: Question[T]) -> T:
        """The answer, once the client sends it.

        Raises:
            ClientCapabilityError: the client doesn't support it.
        """
        if not supports(self.capabilities, question.required, self._version):
            raise ClientCapabilityError(question.required)
        key = self._names.find(question.key)
        known = self._answered.get(key)
        if known is not None:
            digest = build_digest([question.method, question.params])[:DIGEST_BYTES]
            if known.digest == digest:
                return question.parse(known.answer)
        answer: T = await self._task.ask(key, question)
        return answer

    async def complete(self, elicitation_id: str) -> None:
        """This revision has no such notification."""

    async def start_task(self) -> bool:
        return True
