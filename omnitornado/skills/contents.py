"""Implements: MCP extension io.modelcontextprotocol/skills (Integrity and Verification): the SHA-256 of each
file's raw bytes, and what else is known of its content. A file is read again only when it has changed.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from omnitornado.skills.errors import SkillError
from omnitornado.skills.front_matter import FrontMatter, parse_front_matter
from omnitornado.skills.media_types import find_media_type, is_text
from omnitornado.skills.rules import MAIN_FILE, MAX_BYTES
from omnitornado.skills.tree import FileStamp, FoundFile, read_file

SETTLED = 2.0
"""Seconds without a change after which a stamp is trusted: file systems count time in coarse steps, and a
file that was written twice within one has the same stamp with other content."""


class KnownFile(msgspec.Struct, frozen=True):
    """What one reading of a file found."""

    place: str
    stamp: FileStamp
    read_at: float
    """Seconds since the epoch, before the reading began."""
    digest: str
    size: int
    media_type: str
    is_text: bool
    front_matter: FrontMatter | SkillError | None
    """Of a SKILL.md: what it says, or what is wrong with it."""

    def is_current(self, found: FoundFile) -> bool:
        """Whether the file can't have changed since."""
        settled = self.read_at - max(self.stamp.modified, self.stamp.changed) / 1e9 > SETTLED
        return settled and self.stamp == found.stamp and self.place == found.place


class Contents:
    """Reads files, and remembers what it found. Blocks."""

    def __init__(self, root: Path, clock: Callable[[], float]) -> None:
        self._root = root
        self._clock = clock
        self._known: dict[PurePosixPath, KnownFile] = {}

    def learn(self, found: FoundFile) -> KnownFile:
        """What is in a file.

        Raises:
            SkillError: it can't be read.
        """
        known = self._known.get(found.path)
        if known is None or not known.is_current(found):
            known = self._known[found.path] = self._read(found)
        return known

    def is_current(self, files: Mapping[PurePosixPath, FoundFile]) -> bool:
        """Whether all that was read of these files still holds; what was not read belongs to no skill."""
        known = ((self._known.get(path), found) for path, found in files.items())
        return all(one is None or one.is_current(found) for one, found in known)

    def forget(self, path: PurePosixPath) -> None:
        """Read this one again next time, whatever its stamp says."""
        self._known.pop(path, None)

    def keep(self, paths: Iterable[PurePosixPath]) -> None:
        """Forget every other file."""
        self._known = {path: self._known[path] for path in paths if path in self._known}

    def _read(self, found: FoundFile) -> KnownFile:
        read_at = self._clock()
        try:
            content, stamp = read_file(self._root, found.place, MAX_BYTES + 1)
        except OSError as error:
            raise SkillError(f"can't be read: {error.strerror}") from None
        text = is_text(content)
        return KnownFile(
            place=found.place,
            stamp=stamp,
            read_at=read_at,
            digest=build_digest(content),
            size=len(content),
            media_type=find_media_type(found.path.name, is_text=text),
            is_text=text,
            front_matter=_find_front_matter(content, text) if found.path.name == MAIN_FILE else None,
        )


def build_digest(content: bytes) -> str:
    """The digest of a file."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _find_front_matter(content: bytes, is_text: bool) -> FrontMatter | SkillError:
    if not is_text:
        return SkillError("is not UTF-8 text")
    try:
        return parse_front_matter(content.decode("utf-8"))
    except SkillError as error:
        return error
