"""Implements: MCP 2025-06-18 and 2025-11-25 client/elicitation, client/sampling, client/roots,
basic/utilities/cancellation: questions of the handshake era.

A question is a request on the call's own stream. The answer comes as a POST of the same session, which is
bound to person and client; one for a question that is unknown, or answered, is ignored. While the client has
the question the call's time stands still; the answer has a time of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from omnitornado.mcp.call import Call, Send
from omnitornado.mcp.client_capabilities import ClientCapabilityError, supports
from omnitornado.mcp.context import CallEndedError
from omnitornado.mcp.conversation import Memory
from omnitornado.mcp.jsonrpc import Json, RequestId, Response, build_notification
from omnitornado.mcp.questions import Question
from omnitornado.mcp.tool_error import ToolError
from omnitornado.mcp.versions import URL_ELICITATION_SINCE

T = TypeVar("T")

MAX_REFUSAL = 512
"""Characters of a client's error message that are passed on."""


class OpenQuestions:
    """The questions of a session that wait for their answer. Ids are not used again after a restart."""

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._prefix = ""
        self._count = 0
        self._waiting: dict[RequestId, asyncio.Future[Response]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self) -> tuple[str, "asyncio.Future[Response]"]:
        """An id, and what will be its answer."""
        self._prefix = self._prefix or self._token_bytes(6).hex()
        self._count += 1
        request_id = f"{self._prefix}-{self._count}"
        future = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        return request_id, future

    def close(self, request_id: str) -> None:
        """Wait for it no longer."""
        self._waiting.pop(request_id, None)

    def answer(self, response: Response) -> bool:
        """Take a client's response; False, and it is ignored, where nobody waits for it."""
        future = self._waiting.pop(response.id, None)
        if future is None or future.done():
            return False
        future.set_result(response)
        return True


class SessionAsker(Memory):
    """Asks the client of a session, during one call. `timeout` in seconds."""

    def __init__(
        self,
        call: Call,
        questions: OpenQuestions,
        capabilities: Mapping[str, Any],
        *,
        version: str,
        timeout: float,
        send: Send | None,
        send_unasked: Callable[[Json], None],
    ) -> None:
        super().__init__()
        self.capabilities = capabilities
        self._call = call
        self._questions = questions
        self._version = version
        self._timeout = timeout
        self._send = send
        self._send_unasked = send_unasked

    async def ask(self, question: Question[T]) -> T:
        """Send a question, and wait for its answer.

        Raises:
            ClientCapabilityError: the client doesn't support it.
            ToolError: it takes no stream, refused, didn't answer in time, or answered with something else.
        """
        response = await self.put(question)
        if response.error is not None:
            raise ToolError(f"The client did not answer: {_find_message(response.error)}")
        try:
            return question.parse(response.result)
        except ValueError as error:
            raise ToolError(f"The client's answer does not fit: {error}") from None

    async def put(self, question: Question[Any]) -> Response:
        """Send a question, and wait for whatever comes back.

        Raises:
            ClientCapabilityError: the client doesn't support it.
            ToolError: it takes no stream, or didn't answer in time.
        """
        if not supports(self.capabilities, question.required, self._version):
            raise ClientCapabilityError(question.required)
        if self._send is None:
            raise ToolError("The client takes no event stream, so it can't be asked anything during a call.")
        return await self._exchange(self._send, question)

    async def complete(self, elicitation_id: str) -> None:
        """Tell the client that its URL elicitation is done: on the call's stream, or on the session's."""
        if self._version < URL_ELICITATION_SINCE:
            return
        params: Json = {"elicitationId": elicitation_id}
        message = build_notification("notifications/elicitation/complete", params)
        if self._call.ended or self._send is None:
            self._send_unasked(message)
        else:
            await self._call.deliver(message)

    async def _exchange(self, send: Send, question: Question[Any]) -> Response:
        if self._call.ended:
            raise CallEndedError("the call was cancelled or ran out of time")
        request_id, answered = self._questions.open()
        request = {"jsonrpc": "2.0", "id": request_id, "method": question.method, "params": question.params}
        try:
            with self._call.pause():
                await send(request)
                return await asyncio.wait_for(answered, self._timeout)
        except TimeoutError:
            params: Json = {"requestId": request_id, "reason": "It took too long"}
            await send(build_notification("notifications/cancelled", params))
            raise ToolError(f"The client did not answer within {self._timeout:g} seconds.") from None
        finally:
            self._questions.close(request_id)


def _find_message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message[:MAX_REFUSAL] if isinstance(message, str) else "an error without a message"
