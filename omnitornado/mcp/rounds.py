"""Implements: MCP 2026-07-28 basic/patterns/mrtr: questions of the stateless era.

A question without an answer ends the call with an InputRequiredResult. The client calls again with the answer
and the sealed state of the call; the function runs again from its start, and gets the answers there are.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import msgspec

from omnitornado.mcp.call import Call, CallSuspendedError
from omnitornado.mcp.client_capabilities import ClientCapabilityError, supports
from omnitornado.mcp.conversation import Memory
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.questions import Names, Question
from omnitornado.mcp.request_state import Answered, CallState, build_digest

T = TypeVar("T")

ROUNDS = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods that may be answered with a question (basic/patterns/mrtr, Supported Requests)."""
MAX_ROUNDS = 100
"""Questions one after the other in one call."""
DIGEST_BYTES = 16


class InputRequiredError(CallSuspendedError):
    """The call ends here for now: the client has to answer first."""

    def __init__(self, requests: Json, state: CallState) -> None:
        super().__init__(", ".join(requests))
        self.requests = requests
        self.state = state


class TaskWantedError(CallSuspendedError):
    """The call ends here, and goes on as a task."""

    def __init__(self, state: CallState) -> None:
        super().__init__()
        self.state = state


class RoundAsker(Memory):
    """Asks the client of one request. `state` is what earlier rounds have come to (`start` makes one where
    there were none), `responses` what the client answers now; `can_start_task` says whether it may become
    a task."""

    def __init__(
        self,
        call: Call,
        capabilities: Mapping[str, Any],
        *,
        version: str,
        state: CallState | None,
        start: Callable[[], CallState],
        responses: Json,
        can_start_task: bool = False,
    ) -> None:
        super().__init__(state.once if state is not None else {})
        self.capabilities = capabilities
        self._call = call
        self._version = version
        self._state = state
        self._responses = responses
        self._start = start
        self._answered = dict(state.answered) if state is not None else {}
        self._can_start_task = can_start_task
        self._wants_task = False
        self._making = 0
        self._asked: dict[str, tuple[bytes, Json]] = {}
        self._names = Names()

    async def ask(self, question: Question[T]) -> T:
        """The answer, or the end of this round.

        Raises:
            ClientCapabilityError: the client doesn't support it.
        """
        if not supports(self.capabilities, question.required, self._version):
            raise ClientCapabilityError(question.required)
        key = self._names.find(question.key)
        digest = build_digest([question.method, question.params])[:DIGEST_BYTES]
        known = self._answered.get(key)
        if known is not None and known.digest == digest:
            return await self._parse(key, question, known.answer)
        if key in self._responses and self._was_asked(key, digest):
            answer = self._responses[key]
            parsed = await self._parse(key, question, answer)
            self._answered[key] = Answered(digest, answer)
            return parsed
        if not self._asked and not self._wants_task:
            # In a turn of its own: those who ask at the same time get into the same round.
            asyncio.get_running_loop().call_soon(self._suspend)
        self._asked[key] = (digest, {"method": question.method, "params": question.params})
        return await self._wait_for_the_end()

    @contextmanager
    def making(self) -> Iterator[None]:
        """Questions that are asked meanwhile wait: what is made here goes with them."""
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1
            if self._asked or self._wants_task:
                asyncio.get_running_loop().call_soon(self._suspend)

    async def start_task(self) -> bool:
        """End the call here, so that it goes on as a task; False where it can't."""
        if not self._can_start_task:
            return False
        if not self._asked and not self._wants_task:
            asyncio.get_running_loop().call_soon(self._suspend)
        self._wants_task = True
        return await self._wait_for_the_end()

    async def complete(self, elicitation_id: str) -> None:
        """This revision has no such notification."""

    def _was_asked(self, key: str, digest: bytes) -> bool:
        # A client that answers before it was asked brings no state: its word is as good as it is later.
        return self._state is None or self._state.asked.get(key) == digest

    async def _parse(self, key: str, question: Question[T], answer: Any) -> T:
        try:
            return question.parse(answer)
        except ValueError as error:
            message = f"Invalid params: inputResponses.{key}: {error}"
            # Past the author's code: what the client got wrong is no failure of the function.
            self._call.stop(JsonRpcError(code=INVALID_PARAMS, message=message))
        return await self._wait_for_the_end()

    def _suspend(self) -> None:
        if self._making:
            return  # `making` comes back to it
        state = self._state or self._start()
        state = msgspec.structs.replace(state, answered=self._answered, once=self.made)
        if not self._asked:
            self._call.stop(TaskWantedError(state))
        elif state.round >= MAX_ROUNDS:
            message = f"The call has asked {MAX_ROUNDS} times and is not done"
            self._call.stop(JsonRpcError(code=INTERNAL_ERROR, message=message, status=200))
        else:
            asked = {key: digest for key, (digest, _) in self._asked.items()}
            state = msgspec.structs.replace(state, round=state.round + 1, asked=asked)
            requests = {key: request for key, (_, request) in self._asked.items()}
            self._call.stop(InputRequiredError(requests, state))

    async def _wait_for_the_end(self) -> NoReturn:
        """Whoever runs the call cancels this."""
        while True:
            await asyncio.get_running_loop().create_future()
