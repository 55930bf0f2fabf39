"""A disk with a page cache: what a process sees of its files, and what would be left if the power failed now.

Everything is done on real files, and noted. Only an fsync that succeeds makes what was written to a file
last, and only one of the folder makes names last. After an fsync that failed, what was written to the file
until then may still be read, but no later fsync writes it: that is what Linux does.
"""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from omnitornado.store.files import Files

ERRORS = {
    "open": errno.EMFILE,
    "write_some": errno.ENOSPC,
    "fsync": errno.EIO,
    "rename": errno.EIO,
    "unlink": errno.EROFS,
    "truncate": errno.EIO,
    "stat": errno.EIO,
    "list_folder": errno.EIO,
    "close": errno.EIO,
}
"""Each call, with what it says when it fails."""


@dataclass
class Node:
    """A file. A write is its offset and bytes; bytes None cuts the file off there."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    limbo: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Written, and given up by the system after a failed fsync."""


@dataclass
class NameChange:
    """A name that a file has from now on, or (None) that is gone."""

    path: Path
    node: Node | None


class SimulatedDisk(Files):
    """`fault(operation)` is asked before every call, and says whether it fails; it may raise by itself."""

    def __init__(self) -> None:
        self.calls = 0
        self.fault: Callable[[str], bool] = lambda operation: False
        self._names: dict[Path, Node] = {}
        self._durable_names: dict[Path, Node] = {}
        self._name_changes: list[list[NameChange]] = []
        self._nodes: dict[int, Node | None] = {}

    def _ask(self, operation: str) -> None:
        self.calls += 1
        if self.fault(operation):
            number = ERRORS[operation]
            raise OSError(number, os.strerror(number))

    def open(self, path: Path, flags: int) -> int:
        self._ask("open")
        fd = super().open(path, flags)
        if flags & os.O_CREAT:
            node = self._names[path] = Node()
            self._name_changes.append([NameChange(path, node)])
        self._nodes[fd] = self._names.get(path)
        return fd

    def write_some(self, fd: int, data: memoryview) -> int:
        try:
            self._ask("write_some")
        except OSError:
            # A full disk takes what still fits.
            self._write(fd, data[: len(data) // 2])
            raise
        # Never all of it at once, so that a caller who thinks so is found out.
        return self._write(fd, data[: max(1, len(data) * 2 // 3)])

    def _write(self, fd: int, data: memoryview) -> int:
        offset = os.fstat(fd).st_size
        os.pwrite(fd, data, offset)
        self._find(fd).pending.append((offset, bytes(data)))
        return len(data)

    def _find(self, fd: int) -> Node:
        node = self._nodes[fd]
        assert node is not None
        return node

    def fsync(self, fd: int) -> None:
        node = self._nodes[fd]
        try:
            self._ask("fsync")
        except OSError:
            if node is not None:
                node.limbo += node.pending
                node.pending = []
            raise
        if node is None:
            self._durable_names, self._name_changes = dict(self._names), []
        else:
            node.durable, node.pending = _apply(node.durable, node.pending), []

    def close(self, fd: int) -> None:
        super().close(fd)  # a close that fails has closed all the same
        self._ask("close")

    def rename(self, source: Path, target: Path) -> None:
        self._ask("rename")
        super().rename(source, target)
        node = self._names[target] = self._names.pop(source)
        self._name_changes.append([NameChange(source, None), NameChange(target, node)])

    def unlink(self, path: Path) -> None:
        self._ask("unlink")
        super().unlink(path)
        if self._names.pop(path, None) is not None:
            self._name_changes.append([NameChange(path, None)])

    def truncate(self, fd: int, size: int) -> None:
        self._ask("truncate")
        if os.fstat(fd).st_size > size:
            self._find(fd).pending.append((size, None))
        super().truncate(fd, size)

    def stat(self, path: Path) -> os.stat_result:
        self._ask("stat")
        return super().stat(path)

    def list_folder(self, path: Path) -> list[str]:
        self._ask("list_folder")
        return super().list_folder(path)

    def lose_power(self, folder: Path, rng: random.Random) -> "SimulatedDisk":
        """What is left after it, in `folder`: all that was made to last; of the rest, anything may be."""
        left = SimulatedDisk()
        names = dict(self._durable_names)
        for changes in self._name_changes:
            if rng.random() < 0.5:
                for change in changes:
                    names.pop(change.path, None)
                    if change.node is not None:
                        names[change.path] = change.node
        folder.mkdir()
        for path, node in names.items():
            content = _apply(node.durable, _pick(node.limbo + node.pending, rng))
            target = folder / path.name
            target.write_bytes(content)
            left._names[target] = Node(content)
        left._durable_names = dict(left._names)
        return left


def _apply(content: bytes, writes: list[tuple[int, bytes | None]]) -> bytes:
    for offset, data in writes:
        if data is None:
            content = content[:offset]
        else:
            content = content.ljust(offset, b"\0")
            content = content[:offset] + data + content[offset + len(data) :]
    return content


def _pick(writes: list[tuple[int, bytes | None]], rng: random.Random) -> list[tuple[int, bytes | None]]:
    picked: list[tuple[int, bytes | None]] = []
    for offset, data in writes:
        fate = rng.randrange(4)
        if fate == 0 or data is None:
            picked += [(offset, data)] if fate == 0 else []
        elif fate == 1:
            picked.append((offset, data[: rng.randrange(len(data) + 1)]))
        elif fate == 2:
            picked.append((offset, bytes(len(data))))  # its length has changed, its bytes have not come
    return picked
