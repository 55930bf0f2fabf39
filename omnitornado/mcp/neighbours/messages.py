"""What processes tell each other, as it goes over the bus. No access token, session id or task id is in it:
sessions and tasks go by the digests that the store knows them by.
"""

from typing import Any, TypeAlias

import msgspec

from omnitornado.mcp.jsonrpc import Json, RequestId


class Hello(msgspec.Struct, frozen=True, tag=True):
    """A process has come: who hears it says `Here`."""


class Here(msgspec.Struct, frozen=True, tag=True):
    """A process is there; every few seconds."""


class Gone(msgspec.Struct, frozen=True, tag=True):
    """A process stops."""


class Changed(msgspec.Struct, frozen=True, tag=True):
    """A list has changed, or the resource of this URI."""

    kind: str
    uri: str | None


class Unasked(msgspec.Struct, frozen=True, tag=True):
    """A message for a session's own stream, whoever has it."""

    session: bytes
    message: Json


class Answered(msgspec.Struct, frozen=True, tag=True):
    """A client's answer to a question that is open elsewhere."""

    session: bytes
    id: RequestId
    result: Any
    error: Any


class Notified(msgspec.Struct, frozen=True, tag=True):
    """A client's notification about what is under way elsewhere."""

    session: bytes
    method: str
    params: Json


class Subscribed(msgspec.Struct, frozen=True, tag=True):
    """A session wants to hear of a resource, or no more."""

    session: bytes
    uri: str
    is_wanted: bool


class Levelled(msgspec.Struct, frozen=True, tag=True):
    """A session wants log messages from this level on."""

    session: bytes
    level: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A session is over."""

    session: bytes


class Hearing(msgspec.Struct, frozen=True, tag=True):
    """Sessions whose own stream is here, each with when it was opened."""

    sessions: dict[bytes, float]


class Deaf(msgspec.Struct, frozen=True, tag=True):
    """A session's own stream is here no more."""

    session: bytes


class Asked(msgspec.Struct, frozen=True, tag=True):
    """A question to all: each answers with `Said`."""

    ticket: bytes
    about: str
    """What answers it: "stream" or "task"."""
    args: Any


class Said(msgspec.Struct, frozen=True, tag=True):
    """One process's answer; None: it knows nothing of it."""

    ticket: bytes
    answer: Any


class Passed(msgspec.Struct, frozen=True, tag=True):
    """Some of a stream's events: data, id and retry of each. None of them: the line holds."""

    stream: bytes
    events: list[tuple[bytes | None, str | None, int | None]]
    is_end: bool = False


class Taken(msgspec.Struct, frozen=True, tag=True):
    """What was passed has been taken, and there is room for more."""

    stream: bytes


class Left(msgspec.Struct, frozen=True, tag=True):
    """Nobody reads the stream there any more."""

    stream: bytes


class TaskMoved(msgspec.Struct, frozen=True, tag=True):
    """A task stands differently."""

    task: bytes


Message: TypeAlias = (
    Hello
    | Here
    | Gone
    | Changed
    | Unasked
    | Answered
    | Notified
    | Subscribed
    | Levelled
    | Ended
    | Hearing
    | Deaf
    | Asked
    | Said
    | Passed
    | Taken
    | Left
    | TaskMoved
)
