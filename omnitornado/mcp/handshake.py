"""Implements: MCP 2025-03-26, 2025-06-18 and 2025-11-25 basic/lifecycle, basic/transports (Streamable HTTP),
basic/utilities/ping, basic/utilities/cancellation, server/utilities/logging.

The handshake era: `initialize` opens a session, whose negotiated revision holds for every later message. A
version header that names another revision of this era is let pass (only an unsupported one is refused, as the
transport page says); one client never sends it.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from omnitornado.mcp.calls import Call, CallCancelledError, Send
from omnitornado.mcp.errors import find_status
from omnitornado.mcp.exchange import Exchange, Method, Reply, Services
from omnitornado.mcp.inbound import (
    SESSION_HEADER,
    VERSION_HEADER,
    Accept,
    build_unsupported_version,
    find_progress_token,
)
from omnitornado.mcp.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Batch,
    Json,
    JsonRpcError,
    Message,
    Notification,
    Request,
    build_error,
    build_notification,
    build_result,
    is_id,
)
from omnitornado.mcp.log_levels import LOG_LEVELS
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_reply, log_refusal
from omnitornado.mcp.sessions import LiveSession, Sessions
from omnitornado.mcp.streams import CHANGED, Listener, Outbound
from omnitornado.mcp.tool_methods import call_tool, list_tools
from omnitornado.mcp.versions import BATCH_VERSION, HANDSHAKE_VERSIONS, STATELESS_VERSIONS, negotiate_version


async def _ping(services: Services, exchange: Exchange) -> Json:
    return {}


async def _call_tool(services: Services, exchange: Exchange) -> Json:
    session: LiveSession = exchange.owner
    call = session.calls[exchange.request.id] = Call(exchange.send)
    try:
        return await call_tool(services, exchange, call)
    finally:
        # A client that used the id again meanwhile owns the entry.
        if session.calls.get(exchange.request.id) is call:
            del session.calls[exchange.request.id]


async def _set_log_level(services: Services, exchange: Exchange) -> Json:
    level = exchange.get_string("level")
    if level not in LOG_LEVELS:
        raise JsonRpcError(
            code=INVALID_PARAMS, message=f"Invalid params: level is one of {', '.join(LOG_LEVELS)}"
        )
    exchange.owner.log_level = level
    return {}


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "ping": _ping,
        "tools/list": list_tools,
        "tools/call": _call_tool,
        "logging/setLevel": _set_log_level,
    }
)


def _cancel(session: LiveSession, params: Json) -> None:
    request_id = params.get("requestId")
    call = session.calls.get(request_id) if is_id(request_id) else None  # type: ignore[arg-type]
    if call is not None:
        call.stop(CallCancelledError())


NOTIFICATIONS = MappingProxyType({"notifications/cancelled": _cancel})
"""Every other notification needs nothing done; unknown ones are accepted (JSON-RPC 2.0 §4.1)."""


class Handshake:
    """Serves the handshake era of one endpoint."""

    def __init__(self, services: Services, sessions: Sessions) -> None:
        self._services = services
        self._sessions = sessions

    async def answer_post(
        self,
        message: Message | Batch,
        headers: Mapping[str, str],
        principal: Principal,
        stream: Outbound,
        accept: Accept,
    ) -> Reply:
        """Answer a POST.

        Raises:
            JsonRpcError: no session, an unsupported version, a batch where there are none.
        """
        if isinstance(message, Request) and message.method == "initialize":
            return await self._initialize(message, principal)
        session = await self._find_session(headers, principal)
        send = stream.send if accept.stream else None
        if isinstance(message, list):
            if session.version != BATCH_VERSION:
                raise JsonRpcError(
                    code=INVALID_REQUEST, message=f"Invalid request: no batches in {session.version}"
                )
            return await self._answer_batch(message, session, headers, principal, send)
        if not isinstance(message, Request):
            self._take(message, session)
            return Reply(202)
        answer = await self._answer(message, session, headers, principal, send)
        if answer is None:
            return Reply(202)  # cancelled: no response (basic/utilities/cancellation)
        error = answer.get("error")
        return build_reply(200 if error is None else find_status(error["code"], in_session=True), answer)

    async def open_stream(
        self, headers: Mapping[str, str], principal: Principal, accept: Accept
    ) -> Listener | Reply:
        """Answer a GET: a listener for the session's stream.

        405 to a stateless client (2026-07-28 streamable-http, Earlier Revisions) and without a session: there
        is nothing to hear yet, and a client of the old HTTP+SSE transport learns that it isn't served here.

        Raises:
            JsonRpcError: as for a POST.
        """
        if headers.get(VERSION_HEADER) in STATELESS_VERSIONS or headers.get(SESSION_HEADER) is None:
            return _build_not_allowed("GET opens the stream of a session; begin with initialize")
        session = await self._find_session(headers, principal)
        if not accept.stream:
            raise JsonRpcError(code=INVALID_REQUEST, message="Not acceptable: text/event-stream", status=406)
        return self._services.hub.open(session.key, frozenset(CHANGED), build_notification)

    async def answer_delete(self, headers: Mapping[str, str], principal: Principal) -> Reply:
        """Answer a DELETE: the session ends, with its streams and its calls.

        Raises:
            JsonRpcError: as for a POST.
        """
        if headers.get(VERSION_HEADER) in STATELESS_VERSIONS:
            return _build_not_allowed("there are no sessions in this revision")
        session = await self._find_session(headers, principal)
        await self._sessions.close(session)
        self._services.hub.close(session.key)
        for call in list(session.calls.values()):
            call.stop(CallCancelledError())
        return Reply(204)

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
        server = self._services.server
        result: Json = {
            "protocolVersion": version,
            "capabilities": server.build_capabilities(),
            "serverInfo": server.describe(version),
        }
        if server.instructions:
            result["instructions"] = server.instructions
        return build_reply(200, build_result(request.id, result), {"Mcp-Session-Id": session_id})

    async def _answer_batch(
        self,
        batch: Batch,
        session: LiveSession,
        headers: Mapping[str, str],
        principal: Principal,
        send: Send | None,
    ) -> Reply:
        work: list[Coroutine[Any, Any, Json | None]] = []
        for message in batch:
            if isinstance(message, JsonRpcError):
                work.append(_build_refusal(message))
            elif isinstance(message, Request):
                work.append(self._answer(message, session, headers, principal, send))
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
        if isinstance(message, Notification) and message.method in NOTIFICATIONS:
            NOTIFICATIONS[message.method](session, message.params)

    async def _answer(
        self,
        request: Request,
        session: LiveSession,
        headers: Mapping[str, str],
        principal: Principal,
        send: Send | None,
    ) -> Json | None:
        """The response to a request; None for one that was cancelled."""
        try:
            method = METHODS.get(request.method)
            if method is None:
                raise _build_unknown_method(request.method)
            exchange = Exchange(
                request=request,
                principal=principal,
                version=session.version,
                headers=headers,
                send=send,
                progress_token=find_progress_token(request.params.get("_meta")),
                log_level=session.log_level,
                owner=session,
            )
            return build_result(request.id, await method(self._services, exchange))
        except CallCancelledError:
            return None
        except JsonRpcError as error:
            log_refusal(error)
            return build_error(error, request.id)


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
