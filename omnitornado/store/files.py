"""The few things the store does to files, in one place so that a test can make any of them fail.

Every file is created for its owner alone (0600), whatever the umask says. All methods block: they run before
the loop does, or in a thread.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from omnitornado.store.errors import StoreError, StoreLocked

_MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Files:
    """The file system."""

    def create(self, path: Path) -> int:
        """A new file for writing, in place of any that had the name."""
        self.remove(path)
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
        os.fchmod(fd, _MODE)
        return fd

    def open_append(self, path: Path, size: int) -> int:
        """An existing file for appending at `size`; what stands beyond it is cut off, durably."""
        fd = os.open(path, _FLAGS | os.O_APPEND)
        try:
            os.fchmod(fd, _MODE)
            os.ftruncate(fd, size)
            # What a killed process wrote may not be on the disk yet; it is about to be answered from.
            self.fsync(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def write(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over `target`, and put the new name itself on the disk."""
        os.replace(source, target)
        fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Delete, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


class Layout:
    """Where the files of one store lie: all beside the snapshot, under its name."""

    def __init__(self, path: Path) -> None:
        self.snapshot = path.absolute()
        self.lock = self._build_name(".lock")
        self.temporary = self._build_name(".tmp")

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
        return filter(None, map(pattern.fullmatch, os.listdir(self.snapshot.parent)))


def lock_store(layout: Layout) -> int:
    """Take the store for this process; gives the descriptor that holds it. `StoreLocked` when another has it.

    The file stays when the lock is given up: two processes must never hold locks on two files of one name.
    """
    folder = layout.snapshot.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if layout.snapshot.is_dir():
            raise StoreError(layout.snapshot, "is a directory; name a file")
        fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    except OSError as error:
        raise StoreError(Path(error.filename or folder), error.strerror or str(error)) from error
    try:
        os.fchmod(fd, _MODE)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError):
            raise StoreLocked(layout.lock, "another process is using this store") from error
        raise StoreError(layout.lock, error.strerror or str(error)) from error
    return fd
