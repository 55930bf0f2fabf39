"""Implements: MCP 2026-07-28 server/discover, basic/patterns/cancellation.

The stateless era: each request says all about itself and is answered alone; a client that closes its stream
has cancelled its request.
"""

from collections.abc import Callable, Mapping
from functools import partial

from omnitornado.mcp.call import Call
from omnitornado.mcp.event_buffer import Bounds
from omnitornado.mcp.event_stream import EventStream
from omnitornado.mcp.exchange import Exchange, ReadNested, Reply, Round
from omnitornado.mcp.inbound import VERSION_KEY, Envelope, build_unsupported_version, check_request
from omnitornado.mcp.jsonrpc import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Batch,
    Json,
    JsonRpcError,
    Message,
    Notification,
    Request,
    build_result,
)
from omnitornado.mcp.listening import LISTEN, listen
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_reply
from omnitornado.mcp.request_state import CallState, RequestStates, find_responses
from omnitornado.mcp.responder import Responder
from omnitornado.mcp.rounds import ROUNDS, InputRequiredError, RoundAsker
from omnitornado.mcp.stateless_result import add_server_info, complete_result
from omnitornado.mcp.streams import Hub
from omnitornado.mcp.task_support import takes_tasks
from omnitornado.mcp.versions import STATELESS_VERSIONS, SUPPORTED_VERSIONS

DISCOVER = "server/discover"


class Stateless:
    """Serves the stateless era of one endpoint."""

    def __init__(
        self, responder: Responder, hub: Hub, states: RequestStates, read: ReadNested | None = None
    ) -> None:
        """`read`: how a function reads a resource of the same server."""
        self._responder = responder
        self._hub = hub
        self._states = states
        self._read = read

    async def answer_post(
        self,
        message: Message | Batch,
        headers: Mapping[str, str],
        principal: Principal,
        outlet: Outlet,
    ) -> Reply:
        """Answer a POST.

        Raises:
            JsonRpcError: whatever is wrong with the request; the table of errors gives the status.
        """
        if isinstance(message, Notification):
            return _take(message)
        if not isinstance(message, Request):
            raise JsonRpcError(
                code=INVALID_REQUEST, message="Invalid request: one request or notification a POST"
            )
        outlet.prepare(_build_stream, cancels_on_disconnect=True)
        envelope = check_request(message, headers)
        if message.method == LISTEN:
            return await listen(self._responder, self._hub, message, envelope, principal, outlet)
        answer = (
            self._discover if message.method == DISCOVER else self._responder.find_stateless(message.method)
        )
        if answer is None:
            raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {message.method[:128]}")
        state = None
        if "requestState" in message.params:
            state = await self._open_state(message, principal)
        exchange = self._build_exchange(message, principal, envelope, headers, outlet, state)
        try:
            result = complete_result(message.method, await answer(exchange))
        except InputRequiredError as needed:
            result = await self._build_input_required(needed)
        add_server_info(result, self._responder.describe(principal, envelope.version))
        return build_reply(200, build_result(message.id, result))

    def _build_exchange(
        self,
        request: Request,
        principal: Principal,
        envelope: Envelope,
        headers: Mapping[str, str],
        outlet: Outlet,
        state: CallState | None,
    ) -> Exchange:
        """Raises: JsonRpcError: -32602, responses that are not what they should be."""
        build_asker: Callable[[Call], RoundAsker] | None = None
        turn: Round | None = None
        if request.method in ROUNDS:  # no other method may ask (basic/patterns/mrtr)
            turn = Round(state, find_responses(request), partial(self._states.start, request, principal))
            build_asker = partial(self._build_asker, request, envelope, turn)
        return Exchange(
            request=request,
            principal=principal,
            version=envelope.version,
            headers=headers,
            send=outlet.send,
            progress_token=envelope.progress_token,
            log_level=envelope.log_level,
            build_asker=build_asker,
            capabilities=envelope.client_capabilities,
            round=turn,
            read=self._read,
            host=outlet.host,
        )

    def _build_asker(self, request: Request, envelope: Envelope, turn: Round, call: Call) -> RoundAsker:
        """Only for a function that wants a context: most don't."""
        return RoundAsker(
            call,
            envelope.client_capabilities,
            version=envelope.version,
            state=turn.state,
            start=turn.start,
            responses=turn.responses,
            can_start_task=self._can_start_task(request, envelope),
        )

    async def _open_state(self, request: Request, principal: Principal) -> CallState | None:
        """What earlier rounds of the call have come to.

        Raises:
            JsonRpcError: -32602, a request state that is not what it should be.
        """
        if request.method not in ROUNDS or "requestState" not in request.params:
            return None
        return await self._states.open(request.params["requestState"], request, principal)

    def _can_start_task(self, request: Request, envelope: Envelope) -> bool:
        if request.method != "tools/call" or not takes_tasks(envelope.client_capabilities):
            return False
        return self._responder.takes_task(request)

    async def _discover(self, exchange: Exchange) -> Json:
        introduction = await self._responder.introduce(exchange.principal, exchange.version, None)
        result: Json = {
            "supportedVersions": list(SUPPORTED_VERSIONS),
            "capabilities": introduction.capabilities,
        }
        if introduction.instructions:
            result["instructions"] = introduction.instructions
        return result

    async def _build_input_required(self, needed: InputRequiredError) -> Json:
        """InputRequiredResult: the call goes on when the client has answered."""
        return {
            "resultType": "input_required",
            "inputRequests": needed.requests,
            "requestState": await self._states.seal(needed.state),
        }


def _build_stream() -> EventStream:
    # Nothing is kept of it: it ends with its connection (streamable-http, Receiving Messages).
    return EventStream(Bounds())


def _take(notification: Notification) -> Reply:
    """Accept a notification. This revision has none from the client over HTTP: there is nothing to do."""
    meta = notification.params.get("_meta")
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    if isinstance(version, str) and version not in STATELESS_VERSIONS:
        raise build_unsupported_version(version)
    return Reply(202)
