"""Implements: MCP 2026-07-28 server/tools (Tool Result): content blocks, and what a return value becomes.

Our choice: text stays text, bytes are said to be an image or audio by the author, anything else is shown as
its JSON. A list that holds a ready block is a list of blocks; any other list is one value.
"""

import base64
from typing import Any, Literal

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.versions import RESOURCE_LINKS_SINCE


class Annotations(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """For whom a block is and how much it matters (server/resources, Annotations)."""

    audience: tuple[Literal["user", "assistant"], ...] = ()
    priority: float | None = None
    """From 0, optional, to 1, required."""
    last_modified: str | None = None
    """ISO 8601."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A ready content block; the base of the kinds below."""

    annotations: Annotations | None = None

    def build_block(self) -> Json:
        """The block as MCP's schema has it."""
        block = self._build_fields()
        if self.annotations is not None:
            block["annotations"] = msgspec.to_builtins(self.annotations)
        return block

    def _build_fields(self) -> Json:
        raise NotImplementedError


class Text(Content, frozen=True):
    """Text, for when a plain `str` needs annotations."""

    text: str

    def _build_fields(self) -> Json:
        return build_text(self.text)


class Image(Content, frozen=True):
    """An image: the file's bytes and its media type (image/png, image/jpeg, …)."""

    data: bytes
    mime_type: str

    def _build_fields(self) -> Json:
        return {"type": "image", "data": _build_base64(self.data), "mimeType": self.mime_type}


class Audio(Content, frozen=True):
    """A sound: the file's bytes and its media type (audio/wav, audio/mpeg, …)."""

    data: bytes
    mime_type: str

    def _build_fields(self) -> Json:
        return {"type": "audio", "data": _build_base64(self.data), "mimeType": self.mime_type}


class ResourceLink(Content, frozen=True):
    """A resource the client may read, by its URI."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None

    def _build_fields(self) -> Json:
        fields = {
            "type": "resource_link",
            "uri": self.uri,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "mimeType": self.mime_type,
        }
        return {key: value for key, value in fields.items() if value is not None}


class EmbeddedResource(Content, frozen=True):
    """A resource's content itself, as text or bytes."""

    uri: str
    content: str | bytes
    mime_type: str | None = None

    def _build_fields(self) -> Json:
        resource: Json = {"uri": self.uri}
        if self.mime_type is not None:
            resource["mimeType"] = self.mime_type
        if isinstance(self.content, str):
            resource["text"] = clean_text(self.content)
        else:
            resource["blob"] = _build_base64(self.content)
        return {"type": "resource", "resource": resource}


def _build_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def clean_text(text: str) -> str:
    """The text as it can be sent: a lone surrogate has no UTF-8 form and becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def build_text(text: str) -> Json:
    """A text block."""
    return {"type": "text", "text": clean_text(text)}


def build_blocks(value: Any) -> list[Json]:
    """The content blocks of a return value.

    Raises:
        TypeError: the value has no JSON form.
    """
    if value is None:
        return []
    if isinstance(value, Content):
        return [value.build_block()]
    if isinstance(value, str):
        return [build_text(value)]
    if isinstance(value, list | tuple) and any(isinstance(item, Content) for item in value):
        return [block for item in value for block in build_blocks(item)]
    return [{"type": "text", "text": msgspec.json.encode(value).decode("utf-8")}]


def adapt_blocks(blocks: list[Json], version: str) -> list[Json]:
    """Blocks in the words of a revision: one without resource links gets them as text."""
    if version >= RESOURCE_LINKS_SINCE:
        return blocks
    return [_build_plain_link(block) if block["type"] == "resource_link" else block for block in blocks]


def _build_plain_link(block: Json) -> Json:
    return build_text(f"{block.get('title') or block['name']}: {block['uri']}")
