"""Implements: MCP 2026-07-28 server/tools (Tool Result): content blocks, and what a return value becomes.

Our choice: text stays text, bytes are said to be an image or audio by the author, anything else is shown as
its JSON. A list that holds a ready block is a list of blocks; any other list is one value.
"""

import base64
from typing import Any, Literal

import msgspec

from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.versions import ICONS_SINCE, LAST_MODIFIED_SINCE, META_SINCE, RESOURCE_LINKS_SINCE


class Annotations(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """For whom a block is and how much it matters (server/resources, Annotations)."""

    audience: tuple[Literal["user", "assistant"], ...] = ()
    priority: float | None = None
    """From 0, optional, to 1, required."""
    last_modified: str | None = None
    """ISO 8601."""

    def __post_init__(self) -> None:
        if not set(self.audience) <= {"user", "assistant"}:
            raise ValueError('audience is a list of "user" and "assistant"')
        if self.priority is not None and not 0 <= self.priority <= 1:
            raise ValueError("priority is a number from 0 to 1")

    def build(self, version: str) -> Json:
        """The annotations in the words of a revision."""
        built: Json = msgspec.to_builtins(self)
        if version < LAST_MODIFIED_SINCE:
            built.pop("lastModified", None)
        return built


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A ready content block; the base of the kinds below."""

    annotations: Annotations | None = None
    meta: Json | None = None
    """`_meta` of the block."""

    def build_block(self) -> Json:
        """The block as MCP's schema has it."""
        block = self._build_fields()
        if self.annotations is not None:
            block["annotations"] = msgspec.to_builtins(self.annotations)
        if self.meta is not None:
            block["_meta"] = self.meta
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
    size: int | None = None
    """Bytes."""
    icons: tuple[Icon, ...] = ()

    def _build_fields(self) -> Json:
        fields = {
            "type": "resource_link",
            "uri": self.uri,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "mimeType": self.mime_type,
            "size": self.size,
            "icons": msgspec.to_builtins(self.icons) or None,
        }
        return {key: value for key, value in fields.items() if value is not None}


class EmbeddedResource(Content, frozen=True):
    """A resource's content itself, as text or bytes."""

    uri: str
    content: str | bytes
    mime_type: str | None = None

    def _build_fields(self) -> Json:
        return {
            "type": "resource",
            "resource": build_resource_contents(self.uri, self.content, self.mime_type),
        }


def build_resource_contents(uri: str, content: str | bytes, mime_type: str | None) -> Json:
    """`TextResourceContents` or `BlobResourceContents`."""
    contents: Json = {"uri": uri}
    if mime_type is not None:
        contents["mimeType"] = mime_type
    if isinstance(content, str):
        contents["text"] = clean_text(content)
    else:
        contents["blob"] = _build_base64(content)
    return contents


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
    return blocks if version >= ICONS_SINCE else [_adapt_block(block, version) for block in blocks]


def _adapt_block(block: Json, version: str) -> Json:
    if block["type"] == "resource_link" and version < RESOURCE_LINKS_SINCE:
        return _build_plain_link(block)
    adapted = {key: value for key, value in block.items() if key != "icons"}
    if version < META_SINCE:
        adapted.pop("_meta", None)
    if version < LAST_MODIFIED_SINCE and "lastModified" in adapted.get("annotations", ()):
        adapted["annotations"] = {k: v for k, v in adapted["annotations"].items() if k != "lastModified"}
    return adapted


def _build_plain_link(block: Json) -> Json:
    return build_text(f"{block.get('title') or block['name']}: {block['uri']}")
