"""Implements: MCP extension io.modelcontextprotocol/skills (Skill Entries, Resource Mapping, Reading
Directories).

What the endpoint serves of skills: entries, the files they name, and the folders these lie in. Where they
come from is somebody else's.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias
from urllib.parse import quote

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.resources import Resource
from omnitornado.mcp.streams import Change

SKILLS_EXTENSION = "io.modelcontextprotocol/skills"
SKILLS_SETTINGS: Json = {"directoryRead": True}
"""What the capabilities say of it (Capability Negotiation)."""

FOLDER_TYPE = "inode/directory"

_SUB_DELIMS = "!$&'()*+,;="
"""RFC 3986 §2.2."""


class SkillFile(msgspec.Struct, frozen=True):
    """A file as a skill's entry names it (SkillResource)."""

    uri: str
    digest: str
    """"sha256:" and 64 lowercase hexadecimal characters."""
    size: int
    """Bytes."""


class Skill(msgspec.Struct, frozen=True):
    """One skill."""

    uri: str
    """Of its SKILL.md."""
    entry: Json
    """As `skills/list` and `skills/get` give it. Shared between answers: nobody changes it."""
    weight: int
    """Bytes of the entry as JSON."""


class Folder(msgspec.Struct, frozen=True):
    """A folder as its parent lists it."""

    uri: str
    name: str

    def describe(self, version: str) -> Json:
        """The entry in `resources/directory/read`."""
        return {"uri": self.uri, "name": self.name, "mimeType": FOLDER_TYPE}


Child: TypeAlias = Resource | Folder


class Catalog(msgspec.Struct, frozen=True):
    """Everything there is at one moment, by URI, in a stable order."""

    skills: Mapping[str, Skill] = {}
    files: Mapping[str, Resource] = {}
    folders: Mapping[str, Mapping[str, Child]] = {}
    """Each with its children."""

    def list_main_files(self) -> dict[str, Resource]:
        """The SKILL.md of each skill: what `resources/list` shows of them."""
        return {uri: self.files[uri] for uri in self.skills}


class SkillSource(Protocol):
    """Where skills come from."""

    @property
    def catalog(self) -> Catalog:
        """What there is now."""

    def tell_changes(self, tell: Callable[[Change], None]) -> None:
        """Call `tell` after each change, in whatever thread noticed it."""


def build_skill(uri: str, front_matter: Json, files: list[SkillFile]) -> Skill:
    """A skill from what is at the head of its SKILL.md, and all of its files."""
    entry = {"uri": uri, "frontmatter": front_matter, "resources": msgspec.to_builtins(files)}
    return Skill(uri, entry, len(msgspec.json.encode(entry)))


def build_skill_uri(parts: tuple[str, ...]) -> str:
    """The URI of a file or folder by the names that lead to it (Resource Mapping). The first of them stands
    where an authority does, and is a `reg-name` (RFC 3986 §3.2.2); the others are path segments (§3.3)."""
    first, *others = parts
    return "/".join(
        ["skill:/", quote(first, safe=_SUB_DELIMS), *(quote(one, safe=_SUB_DELIMS + ":@") for one in others)]
    )
