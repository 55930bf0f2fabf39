"""A folder of skills as the endpoint serves it, and as it changes.

MCP extension io.modelcontextprotocol/skills (Resource Metadata, Integrity and Verification). What is read is
what the entries say: a file whose content is another by now is looked at again before anything is sent. How
changes are noticed is our choice: the folder is looked at every few seconds, on a thread.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath

from omnitornado.log import log_event
from omnitornado.mcp.resources import ResourceContent
from omnitornado.mcp.skills import Catalog
from omnitornado.mcp.streams import Change
from omnitornado.mcp.tool_error import ToolError
from omnitornado.skills.catalog import build_catalog, list_changes
from omnitornado.skills.contents import Contents, KnownFile, build_digest
from omnitornado.skills.errors import SkillError
from omnitornado.skills.survey import Survey, survey
from omnitornado.skills.tree import Tree, read_file, walk

log = logging.getLogger("omnitornado.skills")

TRIES = 3
"""Looks at a file that is another each time."""
SHARE = 20
"""The watch rests at least this many times as long as its last look took."""


class SkillFolder:
    """The skills in one folder. Its methods may be called from any thread."""

    def __init__(
        self, root: Path, *, scopes: frozenset[str] = frozenset(), clock: Callable[[], float] = time.time
    ) -> None:
        """
        Args:
            root: the folder.
            scopes: what a person must have allowed a client that reads the files, beyond the endpoint's own.
            clock: seconds since the epoch.
        """
        self._root = root
        self._scopes = scopes
        self._contents = Contents(root, clock)
        self._lock = threading.Lock()
        self._looks = 0
        self._tree: Tree | None = None
        self._survey = Survey((), {}, frozenset(), {}, {})
        self._files: dict[str, tuple[PurePosixPath, KnownFile]] = {}
        self._catalog = Catalog()
        self._tell: Callable[[Change], None] = _tell_nobody

    @property
    def catalog(self) -> Catalog:
        """What there is."""
        return self._catalog

    def tell_changes(self, tell: Callable[[Change], None]) -> None:
        """Call `tell` after each change, in the thread that noticed it."""
        self._tell = tell

    def load(self) -> None:
        """The first look, before anything is served. Blocks.

        Raises:
            SkillError: a skill is broken, or there is none; the words name the file.
        """
        self._look()
        problems = [f"{path}: {reason}" for path, reason in sorted(self._survey.problems.items())]
        if problems:
            others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise SkillError(problems[0].removeprefix(".: ") + others)
        if not self._catalog.skills:
            raise SkillError("holds no skill: a skill is a folder with a file SKILL.md")

    def log_start(self) -> None:
        """Say what is served, once the log is there."""
        log_event("skills.loaded", skills=len(self._catalog.skills), files=len(self._catalog.files))
        self._log_findings({}, {})

    def refresh(self, seen: int | None = None, *, doubted: PurePosixPath | None = None) -> None:
        """Look again, and tell of what has changed. What is broken now is served no more. Blocks.

        Args:
            seen: the number of looks before; somebody else's look since then is enough.
            doubted: a file to read again whatever its stamp says.
        """
        with self._lock:
            if seen is not None and seen != self._looks:
                return
            if doubted is not None:
                self._contents.forget(doubted)
                self._tree = None
            before, catalog = self._survey, self._catalog
            self._look()
            changes = list_changes(catalog, self._catalog)
            if changes:
                log_event("skills.changed", skills=len(self._catalog.skills), files=len(self._catalog.files))
            self._log_findings(before.problems, before.remarks)
        for change in changes:
            self._tell(change)

    async def watch(
        self,
        interval: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look again every `interval` seconds, until the task is cancelled."""
        rest = interval
        while True:
            await sleep(rest)
            started = timer()
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:
                log.exception("the folder of skills could not be looked at")
            rest = max(interval, SHARE * (timer() - started))

    async def read(self, uri: str) -> ResourceContent | None:
        """The content of a file; None when it is gone.

        Raises:
            ToolError: it changes faster than it can be read.
        """
        return await asyncio.to_thread(self._read, uri)

    def _read(self, uri: str) -> ResourceContent | None:
        for _ in range(TRIES):
            looks = self._looks
            found = self._files.get(uri)
            if found is None:
                return None
            path, known = found
            try:
                content, _ = read_file(self._root, known.place, known.size + 1)
            except OSError:
                content = None
            if content is not None and build_digest(content) == known.digest:
                body = content.decode("utf-8") if known.is_text else content
                return ResourceContent(body, mime_type=known.media_type)
            self.refresh(looks, doubted=path)
        raise ToolError("The file is being changed right now. Try again in a moment.")

    def _look(self) -> None:
        self._looks += 1
        tree = walk(self._root)
        if tree == self._tree and self._contents.is_current(tree.files):
            return
        self._tree, found = tree, survey(tree, self._contents)
        catalog, files = build_catalog(found, read=self.read, scopes=self._scopes)
        self._survey, self._files, self._catalog = found, files, catalog

    def _log_findings(self, problems: dict[PurePosixPath, str], remarks: dict[PurePosixPath, str]) -> None:
        """Say what was not said before."""
        for path, reason in sorted(self._survey.problems.items()):
            if problems.get(path) != reason:
                log_event("skills.broken", level=logging.WARNING, path=path, detail=reason)
        for path, reason in sorted(self._survey.remarks.items()):
            if remarks.get(path) != reason:
                log_event("skills.remark", path=path, detail=reason)


def _tell_nobody(change: Change) -> None:
    """Nobody listens yet."""
