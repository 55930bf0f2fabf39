"""Implements: MCP 2026-07-28 server/discover, basic/patterns/subscriptions, basic/patterns/cancellation,
server/utilities/caching.

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
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Batch,
    Json,
    JsonRpcError,
    Message,
    Notification,
    Request,
    RequestId,
    build_notification,
    build_result,
    encode,
)
from omnitornado.mcp.nested_read import read_nested
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.param_headers import check_param_headers
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.prompt_methods import get_prompt, list_prompts
from omnitornado.mcp.replies import build_reply
from omnitornado.mcp.request_state import RequestStates, find_responses
from omnitornado.mcp.resource_methods import (
    list_resource_templates,
    list_resources,
    read_resource,
)
from omnitornado.mcp.rounds import ROUNDS, InputRequiredError, RoundAsker
from omnitornado.mcp.skill_methods import get_skill, list_skills, read_directory
from omnitornado.mcp.subscriptions import check_subscriptions
from omnitornado.mcp.tool_methods import call_tool, find_tool, list_tools
from omnitornado.mcp.versions import STATELESS_VERSIONS, SUPPORTED_VERSIONS

SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

FRESH_FOR = MappingProxyType(
    {
        "server/discover": 3_600_000,
        "tools/list": 300_000,
        "prompts/list": 300_000,
        "resources/list": 300_000,
        "resources/templates/list": 300_000,
        "skills/list": 300_000,
        "skills/get": 0,
    }
)
"""Milliseconds. A list that changes earlier is announced to whoever listens. A resource says its own. A skill
is asked for by itself when what a client knows of it has turned out to be old."""

LISTEN = "subscriptions/listen"

FILTERS = MappingProxyType(
    {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
)
"""Member of a subscription's filter to the kind of list."""


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
        return await work(services, exchange, Call(exchange.send))

    return method


async def _call_tool(services: Services, exchange: Exchange, call: Call) -> Json:
    tool = find_tool(services, exchange)
    check_param_headers(tool.param_headers, exchange.get_object("arguments"), exchange.headers)
    return await call_tool(services, exchange, call)


def _parse_filter(services: Services, params: Json, version: str) -> tuple[dict[str, str], dict[str, None]]:
    """The lists that the client wants to hear of, and the resources: those that there are."""
    asked = params.get("notifications")
    if not isinstance(asked, dict):
        raise JsonRpcError(code=INVALID_PARAMS, message="Invalid params: notifications must be an object")
    uris = asked.get("resourceSubscriptions") or []
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        message = "Invalid params: resourceSubscriptions must be a list of URIs"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    check_subscriptions(uris)
    known = dict.fromkeys(uri for uri in uris if services.server.find_resource(uri) is not None)
    capabilities = build_capabilities(services.server, version)
    kinds = {name: kind for name, kind in FILTERS.items() if asked.get(name) is True}
    return {name: kind for name, kind in kinds.items() if kind in capabilities}, known


def _build_tagged(tag: Json, method: str, params: Json | None = None) -> Json:
    return build_notification(method, {"_meta": tag, **(params or {})})


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "server/discover": _discover,
        "tools/list": list_tools,
        "tools/call": _start(_call_tool),
        "resources/list": list_resources,
        "resources/templates/list": list_resource_templates,
        "resources/read": _start(read_resource),
        "resources/directory/read": read_directory,
        "skills/list": list_skills,
        "skills/get": get_skill,
        "prompts/list": list_prompts,
        "prompts/get": _start(get_prompt),
        "completion/complete": _start(complete_argument),
    }
)


class Stateless:
    """Serves the stateless era of one endpoint."""

    def __init__(self, services: Services, states: RequestStates) -> None:
        self._services = services
        self._states = states

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
            return self._listen(message, envelope.version, outlet)
        method = METHODS.get(message.method)
        if method is None:
            raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {message.method[:128]}")
        build_asker = await self._find_asker(message, principal, envelope)
        exchange = self._build_exchange(message, principal, envelope, headers, outlet, build_asker)
        try:
            result = self._complete(message.method, await method(self._services, exchange))
        except InputRequiredError as needed:
            result = await self._build_input_required(needed)
        self._describe_server(result, envelope.version)
        return build_reply(200, build_result(message.id, result))

    def _listen(self, request: Request, version: str, outlet: Outlet) -> Reply:
        """A stream of the changes that the client asked for. It ends with a result when the server stops, and
        when the client leaves. Nothing waits for that but the stream: thousands of them cost little.

        Raises:
            JsonRpcError: -32602; 406 for a client that takes no stream.
        """
        wanted, uris = _parse_filter(self._services, request.params, version)
        stream = outlet.begin()
        if stream is None:
            message = "Not acceptable: text/event-stream"
            raise JsonRpcError(code=INVALID_REQUEST, message=message, status=406)
        tag = {SUBSCRIPTION_KEY: request.id}
        honoured: Json = dict.fromkeys(wanted, True)
        if uris:
            honoured["resourceSubscriptions"] = list(uris)
        params = {"_meta": tag, "notifications": honoured}
        stream.add(build_notification("notifications/subscriptions/acknowledged", params))
        self._services.hub.feed(
            stream,
            stream,
            frozenset(wanted.values()),
            uris,
            partial(_build_tagged, tag),
            last=partial(self._build_end, request.id, version),
        )
        return Reply(200, is_open=True)

    def _build_end(self, request_id: RequestId, version: str) -> bytes:
        """SubscriptionsListenResult: the server stops."""
        result = self._complete(LISTEN, {"_meta": {SUBSCRIPTION_KEY: request_id}})
        self._describe_server(result, version)
        return encode(build_result(request_id, result))

    def _build_exchange(
        self,
        request: Request,
        principal: Principal,
        envelope: Envelope,
        headers: Mapping[str, str],
        outlet: Outlet,
        build_asker: Callable[[Call], RoundAsker] | None,
    ) -> Exchange:
        return Exchange(
            request=request,
            principal=principal,
            version=envelope.version,
            headers=headers,
            send=outlet.send,
            progress_token=envelope.progress_token,
            log_level=envelope.log_level,
            build_asker=build_asker,
            read=partial(read_nested, self._services),
        )

    async def _find_asker(
        self, request: Request, principal: Principal, envelope: Envelope
    ) -> Callable[[Call], RoundAsker] | None:
        """How the request's call asks; None for a method that may not (basic/patterns/mrtr).

        Raises:
            JsonRpcError: -32602, a request state or responses that are not what they should be.
        """
        if request.method not in ROUNDS:
            return None
        state = None
        if "requestState" in request.params:
            state = await self._states.open(request.params["requestState"], request, principal)
        return partial(
            RoundAsker,
            capabilities=envelope.client_capabilities,
            version=envelope.version,
            state=state,
            start=partial(self._states.start, request, principal),
            responses=find_responses(request),
        )

    async def _build_input_required(self, needed: InputRequiredError) -> Json:
        """InputRequiredResult: the call goes on when the client has answered."""
        return {
            "resultType": "input_required",
            "inputRequests": needed.requests,
            "requestState": await self._states.seal(needed.state),
        }

    def _describe_server(self, result: Json, version: str) -> None:
        described = self._services.server.describe(version)
        result["_meta"] = {**result.get("_meta", {}), SERVER_INFO_KEY: described}

    def _complete(self, method: str, result: Json) -> Json:
        """What every finished result carries (basic/index, ResultType; server/utilities/caching)."""
        result["resultType"] = "complete"
        if method in FRESH_FOR:
            result["ttlMs"] = FRESH_FOR[method]
            # The same for every caller, but behind a login: a shared cache would show it to anyone.
            result["cacheScope"] = "private"
        return result


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
