"""Implements: MCP 2025-11-25 basic/transports (Session Management, Multiple Connections), across processes.

Our choice. What belongs to a session of the handshake era goes to the process that has it: answers to open
questions, cancellations, messages for the session's own stream, its end. Of several own streams of one
session the newest speaks, wherever it is: no message goes on two.
"""

import msgspec

from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.handshake import Handshake
from omnitornado.mcp.jsonrpc import Json, Notification, Response
from omnitornado.mcp.neighbours.messages import (
    Answered,
    Changed,
    Deaf,
    Ended,
    Hearing,
    Levelled,
    Notified,
    Subscribed,
    Unasked,
)
from omnitornado.mcp.neighbours.network import SILENCE, Network
from omnitornado.mcp.neighbours.streams import FarStreams
from omnitornado.mcp.sessions import LiveSession, Sessions
from omnitornado.mcp.streams import Change, Hub


class Voice(msgspec.Struct, frozen=True, order=True):
    """An own stream of a session: when it was opened, and in which process."""

    opened_at: float
    node: bytes


class FarSessions:
    """The sessions of an endpoint, as far as other processes have part in them."""

    def __init__(self, network: Network, hub: Hub, sessions: Sessions, handshake: Handshake) -> None:
        handshake.links = self
        self._network = network
        self._hub = hub
        self._sessions = sessions
        self._handshake = handshake
        self._streams = FarStreams(network, handshake.resume_here)
        self._ours: dict[bytes, Voice] = {}
        self._theirs: dict[bytes, tuple[Voice, float]] = {}
        """The newest own stream of a session elsewhere, and when that was heard of."""
        network.hear(Changed, lambda one, _: hub.tell(Change(one.kind, one.uri)))
        network.hear(Unasked, lambda one, _: self._hear_unasked(one))
        network.hear(Answered, lambda one, _: self._hear_answered(one))
        network.hear(Notified, lambda one, _: self._hear_notified(one))
        network.hear(Subscribed, lambda one, _: self._hear_subscribed(one))
        network.hear(Levelled, lambda one, _: self._hear_levelled(one))
        network.hear(Ended, lambda one, _: self._hear_ended(one))
        network.hear(Hearing, self._hear_hearing)
        network.hear(Deaf, self._hear_deaf)
        network.on_beat.append(self._look)
        network.on_gone.append(self._lose)
        hub.is_silent = self._is_silent
        sessions.on_change = self._tell_change
        sessions.is_shared = True

    # What happens here

    async def resume(self, session: bytes, event_id: str) -> Reader | None:
        """The rest of a stream that another process has, or None. Raises: JsonRpcError, 400."""
        return await self._streams.resume(session, event_id)

    def tell_change(self, change: Change) -> None:
        """A list or a resource has changed."""
        self._network.tell(Changed(change.kind, change.uri))

    def send(self, session: bytes, message: Json) -> None:
        """A message for a session's own stream: here if it is here, or else wherever it is."""
        if not self._hub.send(session, message):
            self._network.tell(Unasked(session, message))

    def pass_response(self, session: LiveSession, response: Response) -> None:
        """Nobody here has asked that."""
        self._network.tell(Answered(session.key, response.id, response.result, response.error))

    def pass_notification(self, session: LiveSession, notification: Notification) -> None:
        """It may be about something under way elsewhere."""
        self._network.tell(Notified(session.key, notification.method, notification.params))

    def open_own(self, session: bytes) -> None:
        """A session's own stream has been opened here."""
        voice = self._ours[session] = Voice(self._network.clock(), self._network.node)
        self._network.tell(Hearing({session: voice.opened_at}))

    def close_own(self, session: bytes) -> None:
        """One is read no more here; there may be another."""
        if not self._hub.is_read(session) and self._ours.pop(session, None) is not None:
            self._network.tell(Deaf(session))

    def end(self, session: bytes) -> None:
        """A session is over."""
        self._network.tell(Ended(session))

    async def close(self) -> None:
        await self._streams.close()

    # What is heard

    def _tell_change(self, session: LiveSession, uri: str | None, is_wanted: bool) -> None:
        if uri is None:
            self._network.tell(Levelled(session.key, session.log_level))
        else:
            self._network.tell(Subscribed(session.key, uri, is_wanted))

    def _hear_unasked(self, message: Unasked) -> None:
        self._hub.send(message.session, message.message)

    def _hear_answered(self, message: Answered) -> None:
        self._handshake.take_here(Response(message.id, message.result, message.error), message.session)

    def _hear_notified(self, message: Notified) -> None:
        self._handshake.take_here(Notification(message.method, message.params), message.session)

    def _hear_subscribed(self, message: Subscribed) -> None:
        session = self._sessions.find_here(message.session)
        if session is not None:
            session.note_subscription(message.uri, is_wanted=message.is_wanted)

    def _hear_levelled(self, message: Levelled) -> None:
        session = self._sessions.find_here(message.session)
        if session is not None:
            session.note_log_level(message.level)

    def _hear_ended(self, message: Ended) -> None:
        self._theirs.pop(message.session, None)
        self._handshake.end_here(message.session)

    # Whose stream speaks

    def _is_silent(self, session: object) -> bool:
        """Whether a newer own stream of the session is elsewhere."""
        theirs = self._theirs.get(session) if isinstance(session, bytes) else None
        ours = self._ours.get(session) if isinstance(session, bytes) else None
        if theirs is None or ours is None:
            return False
        voice, heard_at = theirs
        return voice > ours and heard_at >= self._network.clock() - SILENCE

    def _hear_hearing(self, message: Hearing, node: bytes) -> None:
        now = self._network.clock()
        for session, opened_at in message.sessions.items():
            voice, known = Voice(opened_at, node), self._theirs.get(session)
            if session in self._ours and (known is None or known[0] <= voice):
                self._theirs[session] = (voice, now)

    def _hear_deaf(self, message: Deaf, node: bytes) -> None:
        known = self._theirs.get(message.session)
        if known is not None and known[0].node == node:
            del self._theirs[message.session]

    def _look(self) -> None:
        until = self._network.clock() - SILENCE
        for session in [one for one, (_, heard_at) in self._theirs.items() if heard_at < until]:
            del self._theirs[session]
        if self._ours:
            self._network.tell(Hearing({session: one.opened_at for session, one in self._ours.items()}))

    def _lose(self, node: bytes) -> None:
        for session in [one for one, (voice, _) in self._theirs.items() if voice.node == node]:
            del self._theirs[session]
