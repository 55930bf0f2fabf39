"""What the tests of children share: running one, and seeing what is left of it."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from omnitornado.upstream.child import Child, Command
from omnitornado.upstream.errors import ChildError

HOSTILE = Path(__file__).with_name("hostile.py")
ENVIRONMENT = {"PATH": os.environ["PATH"]}
GRACE = 0.2


def build_command(*arguments: str, max_line: int = 1 << 16) -> Command:
    """A command; without a program it is the hostile server, with these options."""
    if not arguments or not arguments[0].startswith("/"):
        arguments = (sys.executable, str(HOSTILE), *arguments)
    return Command("test", arguments, ENVIRONMENT, Path.cwd(), max_line, GRACE)


class Listener:
    """Remembers what a child says."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.error: ChildError | None = None

    def take_line(self, line: bytes) -> None:
        self.lines.append(line)

    def note_end(self, error: ChildError) -> None:
        assert self.error is None
        self.error = error


def build_child(*arguments: str, max_line: int = 1 << 16) -> tuple[Child, Listener]:
    listener = Listener()
    return Child(build_command(*arguments, max_line=max_line), listener), listener


async def until(is_so: Callable[[], object], patience: float = 20.0) -> None:
    """Return as soon as something is so: processes take what time they take."""
    async with asyncio.timeout(patience):
        while not is_so():  # noqa: ASYNC110 - the system has no event for what is waited for
            await asyncio.sleep(0.005)


def list_descriptors() -> set[str]:
    """Our open files, without the null device, which uvloop keeps one of."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target != os.devnull:
            found.add(name)
    return found


def find_processes(mark: str) -> list[int]:
    """The processes that have this on their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and int(name) != os.getpid():
            found.append(int(name))
    return found


def find_zombies() -> list[str]:
    """Our own children that nobody has collected."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            found.append(name)
    return found
