"""What lies in the folder: every file and folder that may be served, and what stands in the way of it.

Our choice: names that begin with a dot are passed over. A symbolic link counts as what it leads to, as long
as that is in the folder too. What was found is opened later without following any link: whoever can change
the folder while the server looks at it gains nothing by it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from omnitornado.skills.errors import SkillError

MAX_ENTRIES = 50_000
"""Files and folders of the whole tree."""
MAX_DEPTH = 32


class FileStamp(msgspec.Struct, frozen=True):
    """What changes when a file does."""

    inode: int
    size: int
    modified: int
    changed: int
    """Nanoseconds, as the two times of a file are."""


class FoundFile(msgspec.Struct, frozen=True):
    """A file by the name it is served under."""

    path: PurePosixPath
    place: str
    """The names that lead to it from the root, with no link among them."""
    stamp: FileStamp


class Tree(msgspec.Struct, frozen=True):
    """What one look found."""

    folders: frozenset[PurePosixPath]
    files: dict[PurePosixPath, FoundFile]
    problems: dict[PurePosixPath, str]


def walk(root: Path) -> Tree:
    """Look at everything below `root`. Blocks; never raises for what it finds."""
    walker = _Walker(os.path.realpath(root))
    walker.walk_folder(walker.root, PurePosixPath(), ())
    return Tree(frozenset(walker.folders), walker.files, walker.problems)


class _Walker:
    def __init__(self, root: str) -> None:
        self.root = root
        self.folders: set[PurePosixPath] = set()
        self.files: dict[PurePosixPath, FoundFile] = {}
        self.problems: dict[PurePosixPath, str] = {}
        self._seen = 0

    def walk_folder(self, place: str, path: PurePosixPath, above: tuple[str, ...]) -> None:
        """`place`: where it really is. `above`: the places of the folders that hold it."""
        if place in above:
            self.problems[path] = "is a link to a folder that holds it"
            return
        if len(above) > MAX_DEPTH:
            self.problems[path] = f"lies more than {MAX_DEPTH} folders deep"
            return
        try:
            with os.scandir(place) as found:
                entries = sorted((one for one in found if not one.name.startswith(".")), key=_find_name)
        except OSError as error:
            self.problems[path] = f"can't be read: {error.strerror}"
            return
        self.folders.add(path)
        for entry in entries:
            self._seen += 1
            if self._seen > MAX_ENTRIES:
                self.problems[PurePosixPath()] = f"holds more than {MAX_ENTRIES} files and folders"
                return
            self._take(entry, path / entry.name, (*above, place))

    def _take(self, entry: "os.DirEntry[str]", path: PurePosixPath, above: tuple[str, ...]) -> None:
        try:
            entry.name.encode("utf-8")
            target = self._resolve(entry.path) if entry.is_symlink() else entry.path
            found = os.stat(target, follow_symlinks=False)
        except UnicodeEncodeError:
            self.problems[path.parent / ascii(entry.name)] = "has a name that is not UTF-8"
        except SkillError as error:
            self.problems[path] = str(error)
        except OSError as error:
            self.problems[path] = f"can't be read: {error.strerror}"
        else:
            if stat.S_ISDIR(found.st_mode):
                self.walk_folder(target, path, above)
            elif stat.S_ISREG(found.st_mode):
                place = target.removeprefix(self.root).lstrip("/")
                self.files[path] = FoundFile(path, place, build_stamp(found))
            else:
                self.problems[path] = "is neither a file nor a folder"

    def _resolve(self, place: str) -> str:
        """Where a link leads.

        Raises:
            SkillError: out of the folder, or nowhere.
        """
        try:
            target = os.path.realpath(place, strict=True)
        except OSError:
            raise SkillError("is a link that leads nowhere") from None
        if not PurePosixPath(target).is_relative_to(self.root):
            raise SkillError(f"is a link that leads out of the folder, to {target}")
        return target


def _find_name(entry: "os.DirEntry[str]") -> str:
    return entry.name


def build_stamp(found: os.stat_result) -> FileStamp:
    """The stamp of a file."""
    return FileStamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_file(root: Path, place: str, limit: int) -> tuple[bytes, FileStamp]:
    """The content of a file, at most `limit` bytes of it, and its stamp from before it was read. Blocks.

    Raises:
        OSError: it is gone, or no file any more, or there is a link on the way.
    """
    with _open_beneath(root, place) as descriptor:
        stamp = build_stamp(os.fstat(descriptor))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(limit), stamp


@contextmanager
def _open_beneath(root: Path, place: str) -> Iterator[int]:
    """Open a file name by name, so that no link on the way is followed, whenever it appeared.

    Raises:
        OSError
    """
    flags = os.O_RDONLY | os.O_CLOEXEC
    opened = os.open(root, flags | os.O_DIRECTORY)
    try:
        names = place.split("/")
        for number, name in enumerate(names, 1):
            if name in ("", ".", ".."):
                raise OSError(0, "not a place in the folder", place)
            # A pipe that took the file's place would hold the thread up until somebody writes into it.
            kind = os.O_NONBLOCK if number == len(names) else os.O_DIRECTORY
            inner = os.open(name, flags | os.O_NOFOLLOW | kind, dir_fd=opened)
            os.close(opened)
            opened = inner
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(0, "not a file", place)
        yield opened
    finally:
        os.close(opened)
