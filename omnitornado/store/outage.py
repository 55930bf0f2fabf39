"""Why the store takes no change at the moment: what the system said, as one of a few words."""

import errno

import msgspec

REASONS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.ENOENT: "gone",
    errno.ENOTDIR: "gone",
    errno.ENODEV: "gone",
    errno.ESTALE: "gone",
    errno.ETIMEDOUT: "stalled",
    errno.EMFILE: "too_many_files",
    errno.ENFILE: "too_many_files",
    errno.EWOULDBLOCK: "taken",
}


class Outage(msgspec.Struct, frozen=True):
    """From the flush that failed to the recovery."""

    reason: str
    """One of `REASONS`, or "disk_error" for what has no word of its own."""
    detail: str
    """The system's own words: for the log, never for a client."""
    began_at: float


def find_reason(error: BaseException) -> str:
    """The word for an error."""
    number = error.errno if isinstance(error, OSError) else None
    return "disk_error" if number is None else REASONS.get(number, "disk_error")
