"""Implements: MCP 2026-07-28 server/discover, basic/patterns/cancellation.

The stateless era: each request says all about itself and is answered alone; a client that closes its stream
has cancelled its request.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from omnitornado.mcp.call import Call
from omnitornado.mcp.capabilities import build_capabilities
from omnitornado.mcp.completion_methods import complete_argument
from omnitornado.mcp.event_buffer import Bounds
from omnitornado.mcp.event_stream import EventStream
from omnitornado.mcp.exchange import CallMethod, Exchange, Method, Reply, Services
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
from omnitornado.mcp.nested_read import read_nested
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.prompt_methods import get_prompt, list_prompts
from omnitornado.mcp.replies import build_reply
from omnitornado.mcp.request_state import CallState, RequestStates, find_responses
from omnitornado.mcp.resource_methods import list_resource_templates, list_resources, read_resource
from omnitornado.mcp.rounds import ROUNDS, InputRequiredError, RoundAsker
from omnitornado.mcp.skill_methods import get_skill, list_skills, read_directory
from omnitornado.mcp.stateless_result import complete_result, describe_server
from omnitornado.mcp.task_methods import call_tool_or_start_task, cancel_task, get_task, update_task
from omnitornado.mcp.task_support import takes_tasks
from omnitornado.mcp.tool_methods import list_tools
from omnitornado.mcp.versions import STATELESS_VERSIONS, SUPPORTED_VERSIONS


async def _discover(services: Services, exchange: Exchange) -> Json:
    result: Json = {
        "supportedVersions": list(SUPPORTED_VERSIONS),
        "capabilities": build_capabilities(services.server, exchange.version),
    }
    if services.server.instructions:
        result["instructions"] = services.server.instructions
    return result


def _start(work: CallMethod) -> Method:
    """Run the author's function; the handler cancels the task when the client leaves."""

    async def method(services: Services, exchange: Exchange) -> Json:
        return await work(services, exchange, Call(exchange.send, exchange.host))

    return method


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "server/discover": _discover,
        "tools/list": list_tools,
        "tools/call": _start(call_tool_or_start_task),
        "resources/list": list_resources,
        "resources/templates/list": list_resource_templates,
        "resources/read": _start(read_resource),
        "resources/directory/read": read_directory,
        "skills/list": list_skills,
        "skills/get": get_skill,
        "prompts/list": list_prompts,
        "prompts/get": _start(get_prompt),
        "completion/complete": _start(complete_argument),
        "tasks/get": get_task,
        "tasks/update": update_task,
        "tasks/cancel": cancel_task,
    }
)


class Stateless:
    """Serves the stateless era of one endpoint."""

    def __init__(self, services: Services, states: RequestStates) -> None:
        self._services = services
        self._states = states
        self._read = partial(read_nested, services)

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
            return await listen(self._services, message, envelope, principal, outlet)
        method = METHODS.get(message.method)
        if method is None:
            raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {message.method[:128]}")
        state = None
        if "requestState" in message.params:
            state = await self._open_state(message, principal)
        exchange = self._build_exchange(message, principal, envelope, headers, outlet, state)
        try:
            result = complete_result(message.method, await method(self._services, exchange))
        except InputRequiredError as needed:
            result = await self._build_input_required(needed)
        describe_server(result, self._services.server, envelope.version)
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
        if request.method in ROUNDS:  # no other method may ask (basic/patterns/mrtr)
            responses = find_responses(request)
            build_asker = partial(self._build_asker, request, principal, envelope, state, responses)
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
            is_continued=state is not None,
            read=self._read,
            host=outlet.host,
        )

    def _build_asker(
        self,
        request: Request,
        principal: Principal,
        envelope: Envelope,
        state: CallState | None,
        responses: Json,
        call: Call,
    ) -> RoundAsker:
        """Only for a function that wants a context: most don't."""
        return RoundAsker(
            call,
            envelope.client_capabilities,
            version=envelope.version,
            state=state,
            start=partial(self._states.start, request, principal),
            responses=responses,
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
        tool = self._services.server.tools.find(str(request.params.get("name")))
        return tool is not None and tool.task is not None

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
