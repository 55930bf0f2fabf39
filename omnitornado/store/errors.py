"""Why a store can't be opened, in one line that names the file and the reason."""

from pathlib import Path


class StoreError(Exception):
    """The store can't be opened or used as it stands; `str()` is one line for the operator."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class StoreDamaged(StoreError):  # noqa: N818 - it reads as what happened
    """A file holds something else than what was promised to be there; starting would forget promises."""


class StoreLocked(StoreError):  # noqa: N818 - as above
    """Another process is using these files."""
