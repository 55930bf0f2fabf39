"""Implements: MCP 2026-07-28 server/discover, basic/patterns/subscriptions, basic/patterns/cancellation,
server/utilities/caching.

The stateless era: each request says all about itself and is answered alone; a client that closes its stream
has cancelled its request.
"""

from collections.abc import Mapping
from types import MappingProxyType

from omnitornado.mcp.calls import Call
from omnitornado.mcp.exchange import Exchange, Method, Reply, Services
from omnitornado.mcp.inbound import VERSION_KEY, Accept, build_unsupported_version, check_request
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
    build_notification,
    build_result,
)
from omnitornado.mcp.param_headers import check_param_headers
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import build_reply
from omnitornado.mcp.streams import Outbound
from omnitornado.mcp.tool_methods import call_tool, find_tool, list_tools
from omnitornado.mcp.versions import STATELESS_VERSIONS, SUPPORTED_VERSIONS

SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

FRESH_FOR = MappingProxyType({"server/discover": 3_600_000, "tools/list": 300_000})
"""Milliseconds. A list that changes earlier is announced to whoever listens."""

FILTERS = MappingProxyType({"toolsListChanged": "tools"})
"""Member of a subscription's filter to the kind of list."""


async def _discover(services: Services, exchange: Exchange) -> Json:
    result: Json = {
        "supportedVersions": list(SUPPORTED_VERSIONS),
        "capabilities": services.server.build_capabilities(),
    }
    if services.server.instructions:
        result["instructions"] = services.server.instructions
    return result


async def _call_tool(services: Services, exchange: Exchange) -> Json:
    tool = find_tool(services, exchange)
    check_param_headers(tool.param_headers, exchange.get_object("arguments"), exchange.headers)
    return await call_tool(services, exchange, Call(exchange.send))


async def _listen(services: Services, exchange: Exchange) -> Json:
    """A stream of the changes that the client asked for. Ends with a result when the server stops; when the
    client leaves, the handler cancels the task."""
    wanted = _parse_filter(exchange)
    if exchange.send is None:
        raise JsonRpcError(code=INVALID_REQUEST, message="Not acceptable: text/event-stream", status=406)
    tag = {SUBSCRIPTION_KEY: exchange.request.id}

    def build(method: str) -> Json:
        return build_notification(method, {"_meta": tag})

    listener = services.hub.open(object(), frozenset(wanted.values()), build)
    try:
        honoured = dict.fromkeys(wanted, True)
        params = {"_meta": tag, "notifications": honoured}
        await exchange.send(build_notification("notifications/subscriptions/acknowledged", params))
        while (message := await listener.receive()) is not None:
            await exchange.send(message)
    except OSError:
        pass  # the client has left
    finally:
        listener.close()
    return {"_meta": tag}


def _parse_filter(exchange: Exchange) -> dict[str, str]:
    asked = exchange.params.get("notifications")
    if not isinstance(asked, dict):
        raise JsonRpcError(code=INVALID_PARAMS, message="Invalid params: notifications must be an object")
    return {name: kind for name, kind in FILTERS.items() if asked.get(name) is True}


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "server/discover": _discover,
        "tools/list": list_tools,
        "tools/call": _call_tool,
        "subscriptions/listen": _listen,
    }
)


class Stateless:
    """Serves the stateless era of one endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

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
            JsonRpcError: whatever is wrong with the request; the table of errors gives the status.
        """
        if isinstance(message, Notification):
            return _take(message)
        if not isinstance(message, Request):
            raise JsonRpcError(
                code=INVALID_REQUEST, message="Invalid request: one request or notification a POST"
            )
        envelope = check_request(message, headers)
        method = METHODS.get(message.method)
        if method is None:
            raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {message.method[:128]}")
        exchange = Exchange(
            request=message,
            principal=principal,
            version=envelope.version,
            headers=headers,
            send=stream.send if accept.stream else None,
            progress_token=envelope.progress_token,
            log_level=envelope.log_level,
        )
        result = self._complete(message.method, await method(self._services, exchange), envelope.version)
        return build_reply(200, build_result(message.id, result))

    def _complete(self, method: str, result: Json, version: str) -> Json:
        """What every result of this era carries (basic/index, ResultType and per-response fields)."""
        result["resultType"] = "complete"
        result["_meta"] = {
            **result.get("_meta", {}),
            SERVER_INFO_KEY: self._services.server.describe(version),
        }
        if method in FRESH_FOR:
            result["ttlMs"] = FRESH_FOR[method]
            # The same for every caller, but behind a login: a shared cache would show it to anyone.
            result["cacheScope"] = "private"
        return result


def _take(notification: Notification) -> Reply:
    """Accept a notification. This revision has none from the client over HTTP: there is nothing to do."""
    meta = notification.params.get("_meta")
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    if isinstance(version, str) and version not in STATELESS_VERSIONS:
        raise build_unsupported_version(version)
    return Reply(202)
