"""One look at the folder: which skills there are, what is wrong with the others, and what a person may want
to know.

MCP extension io.modelcontextprotocol/skills (Skill Format, Nested Skills). A skill is a folder with a file
SKILL.md, however deep. One may lie in another: to the outer one its files are files like any others, so a
SKILL.md there that makes no skill does no harm to it.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from omnitornado.skills.contents import Contents, KnownFile
from omnitornado.skills.errors import SkillError
from omnitornado.skills.front_matter import FrontMatter
from omnitornado.skills.rules import MAIN_FILE, check_fields, check_size
from omnitornado.skills.tree import Tree

ROOT = PurePosixPath()


class FoundSkill(msgspec.Struct, frozen=True):
    """A skill that may be served."""

    path: PurePosixPath
    front_matter: FrontMatter
    files: tuple[PurePosixPath, ...]
    """All of them in order, SKILL.md and those of skills within it included."""


class Survey(msgspec.Struct, frozen=True):
    """What one look found."""

    skills: tuple[FoundSkill, ...]
    files: dict[PurePosixPath, KnownFile]
    """Of these skills."""
    folders: frozenset[PurePosixPath]
    """Every folder of the tree."""
    problems: dict[PurePosixPath, str]
    """Why something isn't served that was meant to be."""
    remarks: dict[PurePosixPath, str]
    """What may be a mistake, and may be meant."""


def survey(tree: Tree, contents: Contents) -> Survey:
    """Find the skills of a tree. Blocks; never raises for what it finds."""
    surveyor = _Surveyor(tree, contents)
    surveyor.look()
    contents.keep(tree.files)
    return Survey(tuple(surveyor.skills), surveyor.files, tree.folders, surveyor.problems, surveyor.remarks)


class _Surveyor:
    def __init__(self, tree: Tree, contents: Contents) -> None:
        self._tree = tree
        self._contents = contents
        self._homes = {path.parent for path in tree.files if path.name == MAIN_FILE}
        self._leading = {folder for home in self._homes for folder in home.parents} | {ROOT}
        self.skills: list[FoundSkill] = []
        self.files: dict[PurePosixPath, KnownFile] = {}
        self.problems = dict(tree.problems)
        self.remarks: dict[PurePosixPath, str] = {}

    def look(self) -> None:
        if ROOT in self._homes:
            self.problems[ROOT] = f"is a skill itself, for it holds a {MAIN_FILE}: name the folder above it"
            return
        # An outer skill comes before those within it.
        members: dict[PurePosixPath, list[PurePosixPath]] = {home: [] for home in sorted(self._homes)}
        for path in sorted(self._tree.files):
            homes = list(self._find_homes(path.parent))
            for home in homes:
                members[home].append(path)
            if not homes:
                self._look_beside(path)
        for home, paths in members.items():
            self._look_at(home, paths)

    def _find_homes(self, folder: PurePosixPath) -> Iterator[PurePosixPath]:
        """The skills that a folder lies in; it may be one itself."""
        return (one for one in (folder, *folder.parents) if one in self._homes)

    def _look_at(self, home: PurePosixPath, paths: list[PurePosixPath]) -> None:
        """Take the skill in a folder, or say what is wrong with it."""
        main = home / MAIN_FILE
        try:
            check_size(len(paths), sum(self._tree.files[path].stamp.size for path in paths))
        except SkillError as error:
            self.problems[home] = str(error)
            return
        known = self._read(paths)
        if any(home == path or home in path.parents for path in self.problems):
            return
        try:
            front_matter = _check(known[main], home.name)
        except SkillError as error:
            is_inner = any(self._find_homes(home.parent))
            found = self.remarks if is_inner else self.problems
            found[main] = f"{error}; it is served as a file, and as no skill" if is_inner else str(error)
            return
        if front_matter.ambiguous:
            places = ", ".join(front_matter.ambiguous)
            self.remarks[main] = f"readers of YAML disagree about {places}: quotes would settle it"
        self.skills.append(FoundSkill(home, front_matter, tuple(paths)))
        self.files |= known

    def _read(self, paths: list[PurePosixPath]) -> dict[PurePosixPath, KnownFile]:
        """What is in these files; those that can't be read are a problem."""
        known = {}
        for path in paths:
            try:
                known[path] = self._contents.learn(self._tree.files[path])
            except SkillError as error:
                self.problems[path] = str(error)
        return known

    def _look_beside(self, path: PurePosixPath) -> None:
        """A file that belongs to no skill. Beside the skills themselves that is nothing to speak of."""
        if path.name.lower() == MAIN_FILE.lower():
            self.problems[path] = f"must be named {MAIN_FILE}"
            return
        outermost = next((one for one in reversed(path.parents) if one not in self._leading), None)
        if outermost is not None:
            self.remarks.setdefault(outermost, f"holds no {MAIN_FILE}, and is not served")


def _check(main: KnownFile, folder: str) -> FrontMatter:
    """The front matter of a SKILL.md that is in order.

    Raises:
        SkillError: it isn't.
    """
    found = main.front_matter
    if not isinstance(found, FrontMatter):
        raise found or SkillError("has no front matter")
    check_fields(found.fields, folder)
    return found
