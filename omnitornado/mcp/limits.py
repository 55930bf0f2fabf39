"""What one person may take of the server at a time.

Our choice; the protocol has no word for it. Over a limit the answer is 429 with `Retry-After` and a JSON-RPC
error, whose code is an application's own (MCP 2026-07-28 basic/index, Error Codes).
"""

import msgspec

from omnitornado.mcp.event_log import EventLogLimits
from omnitornado.mcp.jsonrpc import MAX_NESTING, JsonRpcError

TOO_MANY = 429
"""The error's code, and its HTTP status."""


class Limits(msgspec.Struct, frozen=True):
    """Everything that is limited, except for a tool's time and a body's size."""

    calls_per_person: int = 64
    """Requests in flight."""
    streams_per_person: int = 64
    """Streams of GETs and of `subscriptions/listen`."""
    nesting: int = MAX_NESTING
    """Levels of objects and arrays in a body."""
    answer_timeout: float = 600.0
    """Seconds that a client, and the person at it, may take to answer a question of a tool's."""
    event_log: EventLogLimits = EventLogLimits()


class TaskLimits(msgspec.Struct, frozen=True):
    """What is limited of tasks. How many are kept, and how much of their results, is the store's to say."""

    time_limit: float = 3600.0
    """Seconds that a task may run, unless its tool says otherwise."""
    result_lifetime: float = 3600.0
    """Seconds for which a result is kept at least, unless its tool says otherwise."""
    max_lifetime: float = 86400.0
    """Seconds, of the time to run and the time to be kept together, whatever a tool says."""
    poll_interval: float = 1.0
    """Seconds between two looks that clients are told."""
    running_per_person: int = 16
    max_result: int = 1 << 20
    """Bytes."""
    threads: int = 32
    """Sync tools that run as tasks at a time."""


class Quota:
    """So many at a time for each person."""

    def __init__(self, limit: int, noun: str) -> None:
        self._limit = limit
        self._noun = noun
        self._taken: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(self._taken.values())

    def take(self, person: str, count: int = 1) -> None:
        """Take `count` more.

        Raises:
            JsonRpcError: 429, the person has as many as they may.
        """
        taken = self._taken.get(person, 0) + count
        if taken > self._limit:
            message = f"Too many {self._noun}: {self._limit} at a time. Try again in a moment."
            raise JsonRpcError(code=TOO_MANY, message=message, status=TOO_MANY)
        self._taken[person] = taken

    def give_back(self, person: str, count: int = 1) -> None:
        """Give `count` back."""
        left = self._taken.get(person, 0) - count
        if left:
            self._taken[person] = left
        else:
            # It may have gone already: who took nothing gives nothing back, whoever else has come and left.
            self._taken.pop(person, None)

    def hold(self, person: str, count: int) -> "Share":
        """Take, and give back at the end: `with quota.hold(…):`."""
        return Share(self, person, count)


class Share:
    """What one request takes of a quota. A class, for every request has one: `contextlib` costs three times
    as much.
    """

    __slots__ = ("_count", "_person", "_quota")

    def __init__(self, quota: Quota, person: str, count: int) -> None:
        self._quota = quota
        self._person = person
        self._count = count

    def __enter__(self) -> None:
        """Raises: JsonRpcError 429."""
        self._quota.take(self._person, self._count)

    def __exit__(self, *_: object) -> None:
        self._quota.give_back(self._person, self._count)
