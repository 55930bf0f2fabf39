"""Files of a store that no process has: what `store check`, `repair` and `export` begin with."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from omnitornado.store.errors import StoreError, StoreLocked
from omnitornado.store.files import Files, Layout


@contextlib.contextmanager
def hold_offline(path: Path) -> Iterator[Layout]:
    """The files, with their lock held where there is one; none is made. Raises: StoreLocked, StoreError."""
    layout = Layout(path, Files())
    with contextlib.ExitStack() as held:
        try:
            if not layout.snapshot.exists() and not layout.find_journals():
                raise StoreError(layout.snapshot, "there is no store")
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(layout.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                held.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreLocked(layout.lock, "a process is using this store; stop it first") from error
        except OSError as error:
            raise StoreError(Path(error.filename or path), error.strerror or str(error)) from error
        yield layout
