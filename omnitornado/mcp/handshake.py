"""Implements: MCP 2025-03-26, 2025-06-18 and 2025-11-25 basic/lifecycle, basic/transports (Streamable HTTP).

The handshake era: `initialize` opens a session, whose negotiated revision holds for every later message. A
version header that names another revision of this era is let pass (only an unsupported one is refused, as the
transport page says); one client never sends it.

A call goes on when its client leaves, and what it says waits in the event log.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from omnitornado.mcp.call import Call, CallCancelledError
from omnitornado.mcp.errors import find_status
from omnitornado.mcp.event_log import EventLog
from omnitornado.mcp.event_stream import EventStream, Reader
from omnitornado.mcp.exchange import Exchange, ReadNested, Reply
from omnitornado.mcp.handshake_methods import NOTIFICATIONS
from omnitornado.mcp.inbound import (
    SESSION_HEADER,
    VERSION_HEADER,
    Accept,
    build_unsupported_version,
    find_progress_token,
)
from omnitornado.mcp.jsonrpc import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Batch,
    Json,
    JsonRpcError,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    build_error,
    build_notification,
    build_result,
)
from omnitornado.mcp.links import Links, NoLinks
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_reply, log_refusal
from omnitornado.mcp.responder import Responder
from omnitornado.mcp.session_asker import SessionAsker
from omnitornado.mcp.sessions import LiveSession, Sessions
from omnitornado.mcp.streams import LIST_KINDS, Change, Feed, Hub
from omnitornado.mcp.versions import (
    BATCH_VERSION,
    HANDSHAKE_VERSIONS,
    PRIMING_SINCE,
    STATELESS_VERSIONS,
    negotiate_version,
)

LAST_EVENT_HEADER = "last-event-id"


class Handshake:
    """Serves the handshake era of one endpoint."""

    def __init__(
        self,
        responder: Responder,
        hub: Hub,
        sessions: Sessions,
        events: EventLog,
        *,
        answer_timeout: float,
        read: ReadNested | None = None,
    ) -> None:
        """`answer_timeout` in seconds; `read`: how a function reads a resource of the same server."""
        self._responder = responder
        self._hub = hub
        self._read = read
        self._sessions = sessions
        self._events = events
        self._answer_timeout = answer_timeout
        self.links: Links = NoLinks(hub)
        """To the other processes that serve the endpoint, if there are any."""

    async def answer_post(
        self,
        message: Message | Batch,
        headers: Mapping[str, str],
        principal: Principal,
        outlet: Outlet,
    ) -> Reply:
        """Answer a POST.

        Raises:
            JsonRpcError: no session, an unsupported version, a batch where there are none.
        """
        if isinstance(message, Request) and message.method == "initialize":
            return await self._initialize(message, principal)
        session = await self._find_session(headers, principal)
        if isinstance(message, list):
            if session.version != BATCH_VERSION:
                raise JsonRpcError(
                    code=INVALID_REQUEST, message=f"Invalid request: no batches in {session.version}"
                )
            self._prepare(outlet, session, [one.id for one in message if isinstance(one, Request)])
            return await self._answer_batch(message, session, headers, principal, outlet)
        if not isinstance(message, Request):
            self._take(message, session)
            return Reply(202)
        self._prepare(outlet, session, [message.id])
        answer = await self._answer(message, session, headers, principal, outlet)
        if answer is None:
            return Reply(202)  # cancelled: no response (basic/utilities/cancellation)
        error = answer.get("error")
        return build_reply(200 if error is None else find_status(error["code"], in_session=True), answer)

    async def open_stream(
        self, headers: Mapping[str, str], principal: Principal, accept: Accept
    ) -> Reader | Reply:
        """Answer a GET: the session's stream; with `Last-Event-ID`, the rest of the stream of that event.

        405 to a stateless client (2026-07-28 streamable-http, Earlier Revisions) and without a session: there
        is nothing to hear yet, and a client of the old HTTP+SSE transport learns that it isn't served here.

        Raises:
            JsonRpcError: as for a POST; and an event id that is none of the session's.
        """
        if headers.get(VERSION_HEADER) in STATELESS_VERSIONS or headers.get(SESSION_HEADER) is None:
            return _build_not_allowed("GET opens the stream of a session; begin with initialize")
        session = await self._find_session(headers, principal)
        if not accept.stream:
            raise JsonRpcError(code=INVALID_REQUEST, message="Not acceptable: text/event-stream", status=406)
        event_id = headers.get(LAST_EVENT_HEADER)
        if event_id is not None:
            resumed = (
                self.resume_here(session.key, event_id)
                or await self.links.resume(session.key, event_id)
                or self._events.build_loss(event_id)
            )
            if resumed is not None:
                return resumed
        stream = self._open_stream(session, None)
        reader = stream.attach()
        feed = self._hub.feed(
            session.key,
            stream,
            LIST_KINDS,
            session.subscriptions,
            build_notification,
            audience=self._responder.find_audience(principal, session.key),
        )
        self._note_own(session.key, reader)
        if event_id is not None:
            self._tell_all(session, principal, feed)
        return reader

    async def answer_delete(self, headers: Mapping[str, str], principal: Principal) -> Reply:
        """Answer a DELETE: the session ends, with its streams and its calls.

        Raises:
            JsonRpcError: as for a POST.
        """
        if headers.get(VERSION_HEADER) in STATELESS_VERSIONS:
            return _build_not_allowed("there are no sessions in this revision")
        session = await self._find_session(headers, principal)
        await self._sessions.close(session)
        self._end(session)
        self.links.end(session.key)
        return Reply(204)

    def _end(self, session: LiveSession) -> None:
        self._hub.close(session.key)
        self._events.close(session.key)
        for call in list(session.calls.values()):
            call.stop(CallCancelledError())
        self._responder.forget(session)

    # What other processes pass on

    def resume_here(self, session: bytes, event_id: str) -> Reader | None:
        """The rest of a stream of this process's; None where it has no such stream. Raises: JsonRpcError."""
        reader = self._events.resume(session, event_id)
        if reader is not None and self._events.is_own(event_id):
            self._note_own(session, reader)
        return reader

    def end_here(self, session: bytes) -> None:
        """It has been ended elsewhere."""
        live = self._sessions.forget(session)
        if live is not None:
            self._end(live)

    def take_here(self, message: Response | Notification, session: bytes) -> None:
        """A client's message that came elsewhere, for what may be under way here."""
        live = self._sessions.find_here(session)
        if live is not None:
            _find_taker(message, live)

    def _prepare(self, outlet: Outlet, session: LiveSession, answers: Sequence[RequestId]) -> None:
        primed = session.version >= PRIMING_SINCE
        outlet.prepare(
            lambda: self._open_stream(session, answers),
            cancels_on_disconnect=False,
            # From then on a client can lose its connection and still get the result.
            begins_early=primed,
            closes_early=primed,
        )

    def _open_stream(self, session: LiveSession, answers: Sequence[RequestId] | None) -> EventStream:
        return self._events.open(session.key, answers=answers, primed=session.version >= PRIMING_SINCE)

    def _tell_all(self, session: LiveSession, principal: Principal, feed: Feed) -> None:
        """For a client whose stream was lost: it may have missed a change of any list, and of what it
        subscribed to.
        """
        for kind in sorted(self._responder.find_lists(principal, session.version)):
            feed.offer(Change(kind))
        for uri in session.subscriptions:
            feed.offer(Change("resources", uri))

    def _build_asker(self, session: LiveSession, outlet: Outlet, call: Call) -> SessionAsker:
        return SessionAsker(
            call,
            session.questions,
            session.capabilities,
            version=session.version,
            timeout=self._answer_timeout,
            send=outlet.send,
            send_unasked=partial(self.links.send, session.key),
        )

    async def _find_session(self, headers: Mapping[str, str], principal: Principal) -> LiveSession:
        version = headers.get(VERSION_HEADER)
        if version is not None and version not in HANDSHAKE_VERSIONS:
            raise build_unsupported_version(version)
        return await self._sessions.find(headers.get(SESSION_HEADER), principal)

    async def _initialize(self, request: Request, principal: Principal) -> Reply:
        exchange = Exchange(request, principal, "", {}, None)
        version = negotiate_version(exchange.get_string("protocolVersion"))
        session_id = await self._sessions.open(
            principal, version, exchange.get_object("clientInfo"), exchange.get_object("capabilities")
        )
        session = await self._sessions.find(session_id, principal)
        try:
            introduction = await self._responder.introduce(principal, version, session)
        except BaseException:
            # Nobody has heard of it yet.
            await asyncio.shield(self._sessions.close(session))
            raise
        result: Json = {
            "protocolVersion": version,
            "capabilities": introduction.capabilities,
            "serverInfo": introduction.server_info,
        }
        if introduction.instructions:
            result["instructions"] = introduction.instructions
        return build_reply(200, build_result(request.id, result), {"Mcp-Session-Id": session_id})

    async def _answer_batch(
        self,
        batch: Batch,
        session: LiveSession,
        headers: Mapping[str, str],
        principal: Principal,
        outlet: Outlet,
    ) -> Reply:
        outlet.host = None  # each member has a task of its own
        work: list[Coroutine[Any, Any, Json | None]] = []
        for message in batch:
            if isinstance(message, JsonRpcError):
                work.append(_build_refusal(message))
            elif isinstance(message, Request):
                work.append(self._answer(message, session, headers, principal, outlet))
            else:
                self._take(message, session)
        answers = []
        for answer in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            if answer is not None:
                answers.append(answer)
        return build_reply(200, answers) if answers else Reply(202)

    def _take(self, message: Message, session: LiveSession) -> None:
        if isinstance(message, Request) or _find_taker(message, session):
            return
        if isinstance(message, Response):
            self.links.pass_response(session, message)
        elif message.method in NOTIFICATIONS:
            self.links.pass_notification(session, message)

    def _note_own(self, session: bytes, reader: Reader) -> None:
        self.links.open_own(session)
        reader.on_close = (lambda: self.links.close_own(session),)

    async def _answer(
        self,
        request: Request,
        session: LiveSession,
        headers: Mapping[str, str],
        principal: Principal,
        outlet: Outlet,
    ) -> Json | None:
        """The response to a request; None for one that was cancelled."""
        try:
            answer = self._responder.find_in_session(request.method)
            if answer is None:
                raise _build_unknown_method(request.method)
            exchange = Exchange(
                request=request,
                principal=principal,
                version=session.version,
                headers=headers,
                send=outlet.send,
                progress_token=find_progress_token(request.params.get("_meta")),
                log_level=session.log_level,
                owner=session,
                build_asker=partial(self._build_asker, session, outlet),
                close_stream=outlet.close_connection,
                host=outlet.host,
                capabilities=session.capabilities,
                read=self._read,
            )
            return build_result(request.id, await answer(exchange))
        except CallCancelledError:
            return None
        except JsonRpcError as error:
            log_refusal(error)
            return build_error(error, request.id)


def _find_taker(message: Response | Notification, session: LiveSession) -> bool:
    """Give a client's message to what it is about; False where that is not here."""
    if isinstance(message, Response):
        return session.questions.answer(message)
    take = NOTIFICATIONS.get(message.method)
    return take is not None and take(session, message.params)


def _build_unknown_method(method: str) -> JsonRpcError:
    if method == "initialize":
        # 2025-03-26 basic/lifecycle: it must not be part of a batch.
        return JsonRpcError(code=INVALID_REQUEST, message="Invalid request: initialize stands alone")
    return JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {method[:128]}")


async def _build_refusal(error: JsonRpcError) -> Json:
    return build_error(error)


def _build_not_allowed(message: str) -> Reply:
    error = build_error(JsonRpcError(code=INVALID_REQUEST, message=f"Method not allowed: {message}"))
    return build_reply(405, error, {"Allow": "POST"})
