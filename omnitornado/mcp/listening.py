"""Implements: MCP 2026-07-28 basic/patterns/subscriptions, MCP extension io.modelcontextprotocol/tasks (Task
Status Notifications): `subscriptions/listen`.
"""

from functools import partial
from types import MappingProxyType

from omnitornado.mcp.exchange import Reply
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
from omnitornado.mcp.responder import Listening, Responder
from omnitornado.mcp.stateless_result import add_server_info, complete_result
from omnitornado.mcp.streams import Hub
from omnitornado.mcp.subscriptions import check_subscriptions

LISTEN = "subscriptions/listen"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

FILTERS = MappingProxyType(
    {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
)
"""Member of a subscription's filter to the kind of list."""


async def listen(
    responder: Responder,
    hub: Hub,
    request: Request,
    envelope: Envelope,
    principal: Principal,
    outlet: Outlet,
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
    listening = await responder.prepare_listening(_parse_filter(asked), request, envelope, principal)
    stream = outlet.begin()
    if stream is None:
        if listening.on_end is not None:
            listening.on_end()
        message = "Not acceptable: text/event-stream"
        raise JsonRpcError(code=INVALID_REQUEST, message=message, status=406)
    build = partial(_build_tagged, {SUBSCRIPTION_KEY: request.id})
    honoured = _build_honoured(listening)
    stream.add(build("notifications/subscriptions/acknowledged", {"notifications": honoured}))
    server_info = responder.describe(principal, envelope.version)
    feed = hub.feed(
        stream,
        stream,
        frozenset(listening.filters.values()),
        listening.uris,
        build,
        audience=responder.find_audience(principal, None),
        last=partial(_build_end, server_info, request.id),
        on_end=listening.on_end,
    )
    for task in listening.tasks:
        task.add_feed(feed)
    return Reply(200, is_open=True)


def _parse_filter(asked: Json) -> Listening:
    """What the client wants to hear of. Raises: JsonRpcError, -32602."""
    uris = asked.get("resourceSubscriptions") or []
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        message = "Invalid params: resourceSubscriptions must be a list of URIs"
        raise JsonRpcError(code=INVALID_PARAMS, message=message)
    check_subscriptions(uris)
    return Listening(
        {name: kind for name, kind in FILTERS.items() if asked.get(name) is True}, dict.fromkeys(uris)
    )


def _build_honoured(listening: Listening) -> Json:
    honoured: Json = dict.fromkeys(listening.filters, True)
    if listening.uris:
        honoured["resourceSubscriptions"] = list(listening.uris)
    if listening.tasks:
        honoured["taskIds"] = [task.task_id for task in listening.tasks]
    return honoured


def _build_tagged(tag: Json, method: str, params: Json | None = None) -> Json:
    return build_notification(method, {"_meta": tag, **(params or {})})


def _build_end(server_info: Json, request_id: RequestId) -> bytes:
    """SubscriptionsListenResult: the server stops."""
    result = complete_result(LISTEN, {"_meta": {SUBSCRIPTION_KEY: request_id}})
    add_server_info(result, server_info)
    return encode(build_result(request_id, result))
