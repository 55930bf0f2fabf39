"""Implements: MCP 2026-07-28 basic/patterns/subscriptions, MCP extension io.modelcontextprotocol/tasks (Task
Status Notifications): `subscriptions/listen`.
"""

from functools import partial
from types import MappingProxyType

from omnitornado.mcp.capabilities import build_capabilities
from omnitornado.mcp.exchange import Reply, Services
from omnitornado.mcp.inbound import Envelope
from omnitornado.mcp.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Json,
    JsonRpcError,
    Request,
    RequestId,
    build_notification,
    build_result,
    encode,
)
from omnitornado.mcp.outlet import Outlet
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.stateless_result import complete_result, describe_server
from omnitornado.mcp.subscriptions import check_subscriptions
from omnitornado.mcp.task_methods import find_listened_tasks

LISTEN = "subscriptions/listen"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

FILTERS = MappingProxyType(
    {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
)
"""Member of a subscription's filter to the kind of list."""


async def listen(
    services: Services, request: Request, envelope: Envelope, principal: Principal, outlet: Outlet
) -> Reply:
    """A stream of the changes that the client asked for. It ends with a result when the server stops, and
    when the client leaves. Nothing waits for that but the stream: thousands of them cost little.

    A task is told of at once, for it may have changed before it was listened to.

    Raises:
        JsonRpcError: -32602, -32021; 406 for a client that takes no stream.
    """
    asked = request.params.get("notifications")
    if not isinstance(asked, dict):
        raise JsonRpcError(code=INVALID_PARAMS, message="Invalid params: notifications must be an object")
    wanted, uris = _parse_filter(services.server, asked, envelope.version)
    tasks = await find_listened_tasks(services, asked, envelope.client_capabilities, principal)
    stream = outlet.begin()
    if stream is None:
        message = "Not acceptable: text/event-stream"
        raise JsonRpcError(code=INVALID_REQUEST, message=message, status=406)
    honoured: Json = dict.fromkeys(wanted, True)
    if uris:
        honoured["resourceSubscriptions"] = list(uris)
    if tasks:
        honoured["taskIds"] = [task.task_id for task in tasks]
    build = partial(_build_tagged, {SUBSCRIPTION_KEY: request.id})
    stream.add(build("notifications/subscriptions/acknowledged", {"notifications": honoured}))
    feed = services.hub.feed(
        stream,
        stream,
        frozenset(wanted.values()),
        uris,
        build,
        last=partial(_build_end, services.server, request.id, envelope.version),
    )
    for task in tasks:
        task.add_feed(feed)
    return Reply(200, is_open=True)


def _parse_filter(server: MCPServer, asked: Json, version: str) -> tuple[dict[str, str], dict[str, None]]:
    """The lists that the client wants to hear of, and the resources: those that there are."""
    uris = asked.get("resourceSubscriptions") or []
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        message = "Invalid params: resourceSubscriptions must be a list of URIs"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    check_subscriptions(uris)
    known = dict.fromkeys(uri for uri in uris if server.find_resource(uri) is not None)
    capabilities = build_capabilities(server, version)
    kinds = {name: kind for name, kind in FILTERS.items() if asked.get(name) is True}
    return {name: kind for name, kind in kinds.items() if kind in capabilities}, known


def _build_tagged(tag: Json, method: str, params: Json | None = None) -> Json:
    return build_notification(method, {"_meta": tag, **(params or {})})


def _build_end(server: MCPServer, request_id: RequestId, version: str) -> bytes:
    """SubscriptionsListenResult: the server stops."""
    result = complete_result(LISTEN, {"_meta": {SUBSCRIPTION_KEY: request_id}})
    describe_server(result, server, version)
    return encode(build_result(request_id, result))
