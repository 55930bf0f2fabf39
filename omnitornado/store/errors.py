"""Why a store can't be opened, in one line that names the file and the reason."""

from pathlib import Path


class StoreError(Exception):
    """The store can't be opened or used as it stands; `str()` is one line for the operator."""

    def __init__(
        self, file: Path | str, reason: str, *, record: int | None = None, offset: int | None = None
    ) -> None:
        """`file`: where the store is; of a shared engine, its address. `record` counts from 1; 0 is the
        file's header. `offset`: in bytes, where it starts in the file.
        """
        place = "" if record is None else f"record {record} (at byte {offset}): "
        super().__init__(f"{file}: {place}{reason}")
        self.file = file
        self.reason = reason
        self.record = record
        self.offset = offset


class StoreRefused(StoreError):  # noqa: N818 - as above
    """The shared engine can't be reached, or is none that could be used."""


class StoreDamaged(StoreError):  # noqa: N818 - it reads as what happened
    """A file holds something else than what was promised to be there; starting would forget promises."""


class StoreLocked(StoreError):  # noqa: N818 - as above
    """Another process is using these files."""


class StoreNewer(StoreError):  # noqa: N818 - as above
    """A file that a newer version of this program has written; this one would lose what it does not know."""
