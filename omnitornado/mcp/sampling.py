"""Implements: MCP 2026-07-28 client/sampling (Creating Messages, Sampling with Tools, Message Content
Constraints), and earlier revisions' shapes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from omnitornado.mcp.client_capabilities import SAMPLING, SAMPLING_TOOLS
from omnitornado.mcp.content import Content, clean_text
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.questions import Question, parse_result
from omnitornado.mcp.versions import SAMPLING_LISTS_SINCE


class Sample(msgspec.Struct, frozen=True):
    """What the client's model said."""

    content: tuple[Json, ...]
    """Content blocks: text, image, audio, tool_use."""
    model: str
    stop_reason: str | None = None
    """endTurn, stopSequence, maxTokens, toolUse, or the provider's own."""

    @property
    def text(self) -> str:
        """The texts among the blocks."""
        return "\n".join(block["text"] for block in self.content if block["type"] == "text")

    @property
    def tool_uses(self) -> tuple[Json, ...]:
        """The tools that the model wants to have called: blocks with id, name and input."""
        return tuple(block for block in self.content if block["type"] == "tool_use")

    def build_message(self) -> Json:
        """The message as it goes into the next request of the same conversation."""
        return {"role": "assistant", "content": list(self.content)}


SamplingContent: TypeAlias = str | Content | Json | Sequence[str | Content | Json]
"""Text, a block as tools return it, or one as MCP's schema has it (tool_use, tool_result); or several."""
SamplingMessage: TypeAlias = Json | Sample
"""A message of a conversation: {"role": "user", "content": …}, or what the model said before."""


def build_sampling_question(
    messages: str | Sequence[str | SamplingMessage],
    options: Mapping[str, Any],
    key: str | None,
    version: str,
) -> Question[Sample]:
    """Ask the client's model.

    Args:
        messages: a text that the user says, or a conversation; a text in it is the user's.
        options: params of `sampling/createMessage`; None leaves one out.
        key: its name.
        version: the revision.

    Raises:
        ValueError: a message that is none.
    """
    conversation = [messages] if isinstance(messages, str) else messages
    params: Json = {"messages": [_build_message(message, version) for message in conversation]}
    params |= {name: value for name, value in options.items() if value is not None}
    required = SAMPLING_TOOLS if "tools" in params or "toolChoice" in params else SAMPLING
    return Question("sampling/createMessage", params, required, _parse_sample, key or "sampling")


def _build_message(message: str | SamplingMessage, version: str) -> Json:
    if isinstance(message, Sample):
        message = message.build_message()
    if isinstance(message, str):
        message = {"role": "user", "content": message}
    if message.get("role") not in ("user", "assistant") or "content" not in message:
        raise ValueError('a sampling message has "role", user or assistant, and "content"')
    content = message["content"]
    blocks = [_build_block(one) for one in (content if isinstance(content, list | tuple) else [content])]
    if len({block.get("type") == "tool_result" for block in blocks}) > 1:
        # client/sampling, Tool Result Messages: providers have a role of their own for them.
        raise ValueError("a sampling message with tool results has nothing else")
    if len(blocks) != 1 and version < SAMPLING_LISTS_SINCE:
        raise ValueError("this client's revision has one content block a sampling message")
    return {**message, "content": blocks[0] if len(blocks) == 1 else blocks}


def _build_block(content: str | Content | Json) -> Json:
    if isinstance(content, str):
        return {"type": "text", "text": clean_text(content)}
    return content.build_block() if isinstance(content, Content) else content


def _parse_sample(result: Any) -> Sample:
    parsed = parse_result(result, _SampleResult)
    content = parsed.content if isinstance(parsed.content, list) else [parsed.content]
    for block in content:
        kind = block.get("type")
        needed = _BLOCKS.get(kind) if isinstance(kind, str) else None
        if needed is None or not all(
            isinstance(block.get(name), kind_of) for name, kind_of in needed.items()
        ):
            raise ValueError("content must be blocks of text, image, audio or tool_use")
    return Sample(tuple(content), parsed.model, parsed.stop_reason)


class _SampleResult(msgspec.Struct, rename="camel"):
    role: Literal["user", "assistant"]
    content: Json | list[Json]
    model: str
    stop_reason: str | None = None


_BLOCKS: Mapping[str, Mapping[str, type]] = {
    "text": {"text": str},
    "image": {"data": str, "mimeType": str},
    "audio": {"data": str, "mimeType": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"toolUseId": str, "content": list},
}
