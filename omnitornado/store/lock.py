"""One process has the files of a store: a lock on a file beside them, given up with the process."""

import contextlib
import fcntl
import os
from pathlib import Path

from omnitornado.store.errors import StoreError, StoreLocked
from omnitornado.store.files import Layout

_MODE = 0o600


class StoreLock:
    """Taken when made. Raises: StoreLocked when another process has it, StoreError.

    The file stays when the lock is given up: two processes must never hold locks on two files of one name.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.lock
        folder = layout.snapshot.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if layout.snapshot.is_dir():
                raise StoreError(layout.snapshot, "is a directory; name a file")
            self._fd = _take_lock(self._path)
        except BlockingIOError as error:
            raise StoreLocked(self._path, "another process is using this store") from error
        except OSError as error:
            raise StoreError(Path(error.filename or folder), error.strerror or str(error)) from error

    def renew(self) -> None:
        """Take it anew where its file has gone or been replaced, and no other process was quicker. The folder
        is not made anew: it may come back with what it had. Raises: OSError.
        """
        own = os.fstat(self._fd)
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                return
        left, self._fd = self._fd, _take_lock(self._path)
        os.close(left)

    def close(self) -> None:
        os.close(self._fd)


def _take_lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        os.fchmod(fd, _MODE)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd
