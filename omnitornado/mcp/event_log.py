"""Implements: MCP 2025-11-25 basic/transports (Resumability and Redelivery, Multiple Connections).

The resumable streams of the handshake era: by session, then by the name that stands in their event ids. A
session never finds another's, and a stream replays its own events alone.

Kept in memory, and bounded: a number of events and bytes a session, bytes in all, and a time after which a
stream that is over (or whose client stays away) is forgotten. The streams that are over go first.

After a restart nothing is left, and the session lives on: whoever comes back for a call's stream is answered
that its result is gone, on a stream of its own, so that the request does not stay open in the client.
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from omnitornado.base64url import encode as encode_base64url
from omnitornado.mcp.event_buffer import Bounds
from omnitornado.mcp.event_stream import EventStream, Reader
from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    JsonRpcError,
    RequestId,
    build_error,
    encode,
    is_id,
)

NAME_BYTES = 9
MAX_ENCODED = 512
"""Bytes of request ids that an event id carries."""
MAX_STREAMS = 64
"""Streams that a session has in the log."""

_EVENT_ID = re.compile(r"([A-Za-z0-9_-]{12}(~[A-Za-z0-9_-]*)?)\.([0-9]{1,15})")


class EventLogLimits(msgspec.Struct, frozen=True):
    """What is kept for clients that come back. Bytes, and seconds."""

    session: Bounds = Bounds()
    total_bytes: int = 64 << 20
    retention: float = 300.0
    retry: float = 1.0
    """How long a client that was sent away waits before it comes back."""


class _SessionLog:
    """The streams of one session."""

    __slots__ = ("events", "size", "streams")

    def __init__(self) -> None:
        self.streams: OrderedDict[str, EventStream] = OrderedDict()
        self.events = 0
        self.size = 0


class EventLog:
    """Every resumable stream of an endpoint."""

    def __init__(
        self, limits: EventLogLimits, *, clock: Callable[[], float], token_bytes: Callable[[int], bytes]
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._token_bytes = token_bytes
        self._sessions: dict[bytes, _SessionLog] = {}
        self._idle: OrderedDict[EventStream, tuple[bytes, float]] = OrderedDict()
        """Streams that are over or that nobody reads, with their session and since when."""
        self.size = 0
        """Bytes in all."""

    def __len__(self) -> int:
        return sum(len(log.streams) for log in self._sessions.values())

    def open(self, session: bytes, *, answers: Sequence[RequestId] | None, primed: bool) -> EventStream:
        """A new stream of a session.

        Args:
            session: the session's key.
            answers: ids of the requests it answers; None for a stream of a GET.
            primed: whether the client knows events with empty data.
        """
        self._sweep()
        log = self._sessions.setdefault(session, _SessionLog())

        def changed(events: int, size: int) -> None:
            log.events += events
            log.size += size
            self.size += size
            if events > 0 or size > 0:
                self._make_room(session, log, stream)

        name = self._build_name(answers)
        stream = log.streams[name] = EventStream(
            self._limits.session,
            name=name,
            primed=primed,
            retry=round(self._limits.retry * 1000) if primed else None,
            changed=changed,
        )
        is_get = answers is None
        stream.on_idle = lambda: self._note_idle(session, stream) if is_get or stream.finished else None
        if len(log.streams) > MAX_STREAMS:
            oldest = next(iter(log.streams.values()))
            self._forget(session, self._find_over(log, besides=stream) or oldest)
        return stream

    def resume(self, session: bytes, event_id: str) -> Reader | None:
        """The rest of the stream that an event was part of, as its one reader.

        Returns:
            None when it is not here: in another process, or gone.

        Raises:
            JsonRpcError: 400, no event of this session has such an id.
        """
        self._sweep()
        name, _, number = _parse_event_id(event_id)
        log = self._sessions.get(session)
        stream = None if log is None else log.streams.get(name)
        if stream is None:
            return None
        if not stream.has_sent(number):
            raise _build_unknown(event_id)
        self._idle.pop(stream, None)
        return stream.attach(number)

    def close(self, session: bytes) -> None:
        """Forget a session's streams; their connections end."""
        log = self._sessions.get(session)
        for stream in list(log.streams.values()) if log is not None else ():
            self._forget(session, stream)

    def _build_name(self, answers: Sequence[RequestId] | None) -> str:
        name = base64.urlsafe_b64encode(self._token_bytes(NAME_BYTES)).decode("ascii")
        if answers is None:
            return name
        encoded = encode(list(answers))
        return f"{name}~{encode_base64url(encoded) if len(encoded) <= MAX_ENCODED else ''}"

    @staticmethod
    def is_own(event_id: str) -> bool:
        """Whether a well-formed event id is one of a session's own stream, and not of a call's."""
        return "~" not in event_id

    def build_loss(self, event_id: str) -> Reader | None:
        """What a client reads that comes back for a stream that is gone: that its results are.

        Returns:
            None when it was a GET's: a new one serves as well.

        Raises:
            JsonRpcError: 400, as `resume`.
        """
        _, answers, _ = _parse_event_id(event_id)
        if answers is None:
            return None
        ids = _parse_answers(answers)
        if not ids:
            raise _build_unknown(event_id)
        message = "The result is gone: the server was restarted, or kept it as long as it could. Call again."
        error = JsonRpcError(code=INTERNAL_ERROR, message=message)
        stream = EventStream(self._limits.session)
        for request_id in ids[:-1]:
            stream.add(build_error(error, request_id))
        stream.finish(encode(build_error(error, ids[-1])))
        return stream.attach()

    # Bounds

    def _note_idle(self, session: bytes, stream: EventStream) -> None:
        log = self._sessions.get(session)
        if log is not None and stream.name in log.streams:
            self._idle.pop(stream, None)
            self._idle[stream] = (session, self._clock())

    def _make_room(self, session: bytes, log: _SessionLog, current: EventStream) -> None:
        bounds = self._limits.session
        while log.events > bounds.events or log.size > bounds.bytes:
            # The one that holds most pays: a flood of one call costs no other call its result.
            by_size = log.size > bounds.bytes
            most = max(log.streams.values(), key=lambda one: one.buffer.size if by_size else len(one.buffer))
            if most.buffer.drop_oldest():
                continue
            over = self._find_over(log, besides=current)
            if over is None or most is current:
                break  # one answer alone is beyond the bounds: it stays
            self._forget(session, over)
        while self.size > self._limits.total_bytes:
            waiting = next((one for one in self._idle if not one.reader and one is not current), None)
            if waiting is not None:
                self._forget(self._idle[waiting][0], waiting)
            elif not current.buffer.drop_oldest():
                break

    def _find_over(self, log: _SessionLog, *, besides: EventStream) -> EventStream | None:
        """The oldest stream that has ended and that nobody reads."""
        streams = log.streams.values()
        return next((one for one in streams if one.finished and not one.reader and one is not besides), None)

    def _sweep(self) -> None:
        until = self._clock() - self._limits.retention
        while self._idle:
            stream, (session, since) = next(iter(self._idle.items()))
            if since > until:
                return
            if stream.reader is None:
                self._forget(session, stream)
            else:
                del self._idle[stream]

    def _forget(self, session: bytes, stream: EventStream) -> None:
        log = self._sessions[session]
        del log.streams[stream.name or ""]
        stream.discard()
        self._idle.pop(stream, None)
        if not log.streams:
            del self._sessions[session]


def _parse_event_id(event_id: str) -> tuple[str, str | None, int]:
    """The stream's name, what it says of the requests it answers, and the event's number. Raises:
    JsonRpcError.
    """
    parsed = _EVENT_ID.fullmatch(event_id)
    if parsed is None:
        raise _build_unknown(event_id)
    return parsed[1], parsed[2], int(parsed[3])


def _parse_answers(text: str) -> list[RequestId]:
    """The request ids of an event id; none for one that carries none, or isn't ours."""
    try:
        value = msgspec.json.decode(base64.b64decode(text[1:] + "==", altchars=b"-_"))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one for one in value if is_id(one)] if isinstance(value, list) else []


def _build_unknown(event_id: str) -> JsonRpcError:
    return JsonRpcError(
        code=INVALID_REQUEST,
        message="Bad request: Last-Event-ID is no event of this session; open a stream without it",
        reason=f"unknown event id {event_id[:64]!r}",
        status=400,
    )
