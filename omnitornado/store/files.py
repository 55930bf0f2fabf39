"""The few things the store does to files, in one place so that a test can make any of them fail.

Every file is created for its owner alone (0600), whatever the umask says. All methods block: they run before
the loop does, or in a thread.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MODE = 0o600
_COPY_SIZE = 1024 * 1024


class Files:
    """The file system: first single calls to it, then what the store makes of them."""

    def open(self, path: Path, flags: int) -> int:
        """The descriptor of a file; a symbolic link is refused."""
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)

    def write_some(self, fd: int, data: memoryview) -> int:
        """Write the beginning of `data`; gives how many bytes that was."""
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def stat(self, path: Path) -> os.stat_result:
        return os.stat(path)

    def list_folder(self, path: Path) -> list[str]:
        return os.listdir(path)

    def create(self, path: Path) -> int:
        """A new file for writing, in place of any that had the name."""
        self.remove(path)
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.fchmod(fd, _MODE)
        return fd

    def open_append(self, path: Path, size: int) -> int:
        """An existing file for appending at `size`; what stands beyond it is cut off, durably."""
        fd = self.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.fchmod(fd, _MODE)
            self.truncate(fd, size)
            self.fsync(fd)
        except BaseException:
            self.close(fd)
            raise
        return fd

    def open_read(self, path: Path) -> BinaryIO:
        return os.fdopen(self.open(path, os.O_RDONLY), "rb")

    def write(self, fd: int, data: bytes) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            written = self.write_some(fd, rest)
            if written <= 0:
                raise OSError(errno.EIO, "nothing was written")
            rest = rest[written:]

    def copy_range(self, source: Path, fd: int, start: int, end: int) -> None:
        """Write the bytes of `source` from `start` to `end`."""
        with self.open_read(source) as file:
            file.seek(start)
            while start < end:
                data = file.read(min(_COPY_SIZE, end - start))
                if not data:
                    raise OSError(errno.EIO, "the file has become shorter", str(source))
                self.write(fd, data)
                start += len(data)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over `target`, and put the new name itself on the disk."""
        self.rename(source, target)
        fd = self.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(fd)
        finally:
            self.close(fd)

    def remove(self, path: Path) -> None:
        """Delete, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.unlink(path)

    def check_place(self, fd: int, path: Path) -> None:
        """Raise FileNotFoundError unless `fd` is what a start would find under `path`: a file that was
        deleted or moved, or whose folder was, still takes every write, and nobody would ever read it.
        """
        found, own = self.stat(path), os.fstat(fd)
        if (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            raise FileNotFoundError(errno.ENOENT, "another file stands in its place", str(path))


class Layout:
    """Where the files of one store lie: all beside the snapshot, under its name."""

    def __init__(self, path: Path, files: Files) -> None:
        self.snapshot = path.absolute()
        self.lock = self._build_name(".lock")
        self.temporary = self._build_name(".tmp")
        self._files = files

    def _build_name(self, suffix: str) -> Path:
        return self.snapshot.with_name(self.snapshot.name + suffix)

    def build_journal(self, generation: int) -> Path:
        return self._build_name(f".journal.{generation}")

    def build_journal_temporary(self, generation: int) -> Path:
        return self._build_name(f".journal.{generation}.tmp")

    def find_journals(self) -> list[int]:
        """Generations that have a file, ascending."""
        return sorted(int(match[1]) for match in self._iterate_beside(r"\.journal\.([1-9][0-9]*)"))

    def find_leftovers(self) -> list[Path]:
        """Temporary files of a process that was killed."""
        return [
            self.snapshot.with_name(match[0]) for match in self._iterate_beside(r"(\.journal\.[0-9]+)?\.tmp")
        ]

    def _iterate_beside(self, suffix: str) -> Iterator[re.Match[str]]:
        pattern = re.compile(re.escape(self.snapshot.name) + suffix)
        return filter(None, map(pattern.fullmatch, self._files.list_folder(self.snapshot.parent)))
