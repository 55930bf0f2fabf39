"""The application's side of a Python client: what the server asks it is answered from a queue that the test
fills, and what the server tells it is noted.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import anyio
import mcp_types as types

from .connection import ELICIT, ROOTS, SAMPLE, Json


class Host:
    """Lives in the client's event loop. `on_change` is called after each question and notification."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self.asked: list[Json] = []
        self.heard: list[Json] = []
        self._on_change = on_change
        self._answers: dict[str, deque[Json]] = defaultdict(deque)
        self._prepared = anyio.Event()

    def build_options(self, *, can_be_asked: bool) -> Json:
        """What the SDK's `Client` is given."""
        options: Json = {"message_handler": self._hear}
        if can_be_asked:
            options |= {
                "elicitation_callback": self._elicit,
                "sampling_callback": self._sample,
                "sampling_capabilities": types.SamplingCapability(tools=types.SamplingToolsCapability()),
                "list_roots_callback": self._list_roots,
            }
        return options

    async def prepare(self, method: str, answers: tuple[Json, ...]) -> None:
        self._answers[method] = deque(answers)
        self._prepared.set()
        self._prepared = anyio.Event()

    def forget(self) -> None:
        self.asked, self.heard = [], []
        self._answers.clear()

    async def _hear(self, message: Any) -> None:
        if not isinstance(message, Exception):
            self.heard.append(message.model_dump(mode="json", by_alias=True, exclude_none=True))
            self._on_change()

    async def _elicit(self, context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult.model_validate(await self._answer(ELICIT, params))

    async def _sample(
        self, context: Any, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult | types.CreateMessageResultWithTools:
        answer = await self._answer(SAMPLE, params)
        if params.tools:
            return types.CreateMessageResultWithTools.model_validate(answer)
        return types.CreateMessageResult.model_validate(answer)

    async def _list_roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult.model_validate(await self._answer(ROOTS, None))

    async def _answer(self, method: str, params: Any) -> Json:
        described = {} if params is None else params.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.asked.append({"method": method, "params": described})
        self._on_change()
        while not self._answers[method]:
            await self._prepared.wait()
        return self._answers[method].popleft()
