"""Implements: MCP 2026-07-28 client/elicitation, client/sampling, client/roots, as the author of a tool sees
them.

One call works with every client. Up to 2025-11-25 a question goes to the client on the call's own stream, and
the function waits for the answer. From 2026-07-28 on the call ends with the question, and the client calls
again with the answer: **the function then runs again from its start**, and what was answered before is
answered at once. So

- what stands before a question runs again with each answer: put what must happen once into `once`;
- ask in the same order each time. Questions that are asked together (`asyncio.gather`) take one round;
- a question that differs from the one that was answered (another message, another form) is asked anew.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, overload

import msgspec

from omnitornado.mcp.client_capabilities import FORM, ROOTS, SAMPLING, SAMPLING_TOOLS, URL, supports
from omnitornado.mcp.elicitation import Answer, build_form_question, build_url_question
from omnitornado.mcp.form import find_form
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.questions import Question
from omnitornado.mcp.roots import Root, build_roots_question
from omnitornado.mcp.sampling import Sample, SamplingMessage, build_sampling_question
from omnitornado.mcp.tool_error import ToolError

T = TypeVar("T")

_KINDS: Mapping[str, Json] = {
    "elicitation": FORM,
    "elicitation.form": FORM,
    "elicitation.url": URL,
    "sampling": SAMPLING,
    "sampling.tools": SAMPLING_TOOLS,
    "roots": ROOTS,
}


class Asker(Protocol):
    """How questions reach the client, in one of the two eras."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the client declares (ClientCapabilities)."""

    async def ask(self, question: Question[T]) -> T: ...

    async def complete(self, elicitation_id: str) -> None: ...

    async def start_task(self) -> bool:
        """Go on as a task; whether the call is one."""

    def find_made(self, key: str) -> Any:
        """What was made under this key, or UNSET."""

    def keep_made(self, key: str, value: Any) -> Any:
        """Remember it; gives it as it is remembered."""

    def making(self) -> AbstractContextManager[None]:
        """While something is being made that must not be made twice."""


class Memory:
    """What `once` made, as it comes back through JSON."""

    __slots__ = ("made",)

    def __init__(self, made: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.made = dict(made)

    def find_made(self, key: str) -> Any:
        return self.made.get(key, msgspec.UNSET)

    def keep_made(self, key: str, value: Any) -> Any:
        """Raises TypeError: the value has no JSON form."""
        return self.made.setdefault(key, msgspec.json.decode(msgspec.json.encode(value)))

    def making(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def start_task(self) -> bool:
        return False


class NoAsker(Memory):
    """For calls that can't ask."""

    capabilities: Mapping[str, Any] = MappingProxyType({})

    async def ask(self, question: Question[T]) -> T:
        raise ToolError("Nobody can be asked here.")

    async def complete(self, elicitation_id: str) -> None:
        pass


class Conversation:
    """The part of a context that asks. Each question raises what the era knows:

    - `ClientCapabilityError`, a `ToolError`: the client can't be asked this;
    - `ToolError`: it refused, answered with something else, or did not answer in time.

    `key` names a question among those of a call; without one they are numbered.
    """

    __slots__ = ("_asker", "protocol_version")

    def __init__(self, *, protocol_version: str, asker: Asker) -> None:
        self.protocol_version = protocol_version
        self._asker = asker

    def supports(self, kind: str) -> bool:
        """Whether the client can be asked: "elicitation", "elicitation.url", "sampling", "sampling.tools" or
        "roots"."""
        if kind not in _KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(_KINDS)}")
        return supports(self._asker.capabilities, _KINDS[kind], self.protocol_version)

    @overload
    async def elicit(self, message: str, form: type[T], *, key: str | None = None) -> Answer[T]: ...

    @overload
    async def elicit(self, message: str, form: Any, *, key: str | None = None) -> Answer[Any]: ...

    async def elicit(self, message: str, form: Any, *, key: str | None = None) -> Answer[Any]:
        """Ask the person to fill in a form. Never for passwords or keys: that is what `elicit_url` is for.

        Args:
            message: what for.
            form: a dataclass, Struct or TypedDict with flat fields; the type of a single value; or a JSON
                schema, whose answer is a dictionary.
            key: names the question.

        Returns:
            `Accepted` with `data` of the form's type, `Declined`, or `Cancelled`; `action` tells them apart.

        Raises:
            DeclarationError: no form can ask for that.
        """
        found = find_form(form)
        return await self._ask(lambda: build_form_question(message, found, key, self.protocol_version))

    async def elicit_url(
        self, message: str, url: str, *, elicitation_id: str | None = None, key: str | None = None
    ) -> Answer[None]:
        """Ask the person to open an address, for what must not pass through the client.

        `Accepted` says that they agreed to, not that they are done. Before the page takes anything, it must
        make sure that it is the same person (client/elicitation, Phishing): the address is no proof.

        Args:
            message: what for.
            url: where to. Nothing secret, and nothing random unless it comes from `once`.
            elicitation_id: for `complete_elicitation`.
            key: names the question.
        """
        name = elicitation_id or secrets.token_urlsafe(16)
        return await self._ask(lambda: build_url_question(message, url, name, key, self.protocol_version))

    async def complete_elicitation(self, elicitation_id: str) -> None:
        """Tell the client that what `elicit_url` began is done. 2025-11-25 alone has this: nothing happens
        elsewhere."""
        await self._asker.complete(elicitation_id)

    async def sample(
        self,
        messages: str | Sequence[str | SamplingMessage],
        *,
        max_tokens: int,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: Sequence[str] | None = None,
        model_preferences: Json | None = None,
        metadata: Json | None = None,
        tools: Sequence[Json] | None = None,
        tool_choice: str | None = None,
        key: str | None = None,
    ) -> Sample:
        """Have the client's model continue a conversation.

        Args:
            messages: what the user says; or messages, each a text of the user's, {"role": …, "content": …},
                or what an earlier `sample` gave.
            max_tokens: the most it may say.
            system_prompt: its instructions; the client may change them.
            temperature: as the model's provider has it.
            stop_sequences: texts that end it.
            model_preferences: hints and priorities (client/sampling, Model Preferences).
            metadata: for the model's provider.
            tools: that it may want to have called, as MCP's `Tool`; `Sample.tool_uses` says which it does.
            tool_choice: "auto", "required" or "none".
            key: names the question.
        """
        options = {
            "maxTokens": max_tokens,
            "systemPrompt": system_prompt,
            "temperature": temperature,
            "stopSequences": stop_sequences,
            "modelPreferences": model_preferences,
            "metadata": metadata,
            "tools": tools,
            "toolChoice": None if tool_choice is None else {"mode": tool_choice},
        }
        return await self._ask(lambda: build_sampling_question(messages, options, key, self.protocol_version))

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """The folders and files that the client works on. A hint: no permission to touch them."""
        return await self._ask(lambda: build_roots_question(key))

    async def _ask(self, build: Callable[[], Question[T]]) -> T:
        try:
            question = build()
        except ValueError as error:
            raise ToolError(str(error)) from None
        return await self._asker.ask(question)
