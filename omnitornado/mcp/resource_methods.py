"""Implements: MCP 2026-07-28 server/resources (Protocol Messages, Error Handling), server/utilities/caching,
and MCP 2025-11-25 server/resources (Subscriptions): `resources/…`, for both eras.
"""

from omnitornado.mcp.call import Call
from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.registry import find_page
from omnitornado.mcp.resources import Resource, ResourceNotFoundError, adapt_contents
from omnitornado.mcp.subscriptions import check_subscriptions
from omnitornado.mcp.versions import CACHE_HINTS_SINCE

RESOURCE_NOT_FOUND = -32002
"""Before 2026-07-28, which has -32602 in its place."""

MAX_ECHO = 2048
"""Characters of an unknown URI that an error repeats."""


async def list_resources(services: Services, exchange: Exchange) -> Json:
    """A page of resources. Every caller sees all of them, as with tools."""
    offered = services.server.list_resources()
    resources, cursor = find_page(offered, "resources", exchange.params, services.page_size)
    return _build_page("resources", resources, cursor, exchange.version)


async def list_resource_templates(services: Services, exchange: Exchange) -> Json:
    """A page of templates."""
    templates, cursor = services.server.resource_templates.list_page(exchange.params, services.page_size)
    return _build_page("resourceTemplates", templates, cursor, exchange.version)


def _build_page(member: str, resources: list[Resource], cursor: str | None, version: str) -> Json:
    result: Json = {member: [resource.describe(version) for resource in resources]}
    if cursor is not None:
        result["nextCursor"] = cursor
    return result


async def read_resource(services: Services, exchange: Exchange, call: Call) -> Json:
    """Run a resource's function and give its contents the revision's shape.

    Raises:
        JsonRpcError: unknown resource, malformed params, a failure of the function.
        CallCancelledError: the client took the request back.
    """
    uri = exchange.get_string("uri")
    resource, contents = await read_contents(services, exchange, call, uri)
    result: Json = {"contents": adapt_contents(contents, exchange.version)}
    if exchange.version >= CACHE_HINTS_SINCE:
        # A result that took more than its URI to make must not be kept (caching, Cache Key).
        took_input = "inputResponses" in exchange.params or "requestState" in exchange.params
        result["ttlMs"] = 0 if took_input else int(resource.ttl * 1000)
        result["cacheScope"] = "private" if took_input else resource.cache
    return result


async def read_contents(
    services: Services, exchange: Exchange, call: Call, uri: str
) -> tuple[Resource, list[Json]]:
    """The resource at a URI, and what its function returns as contents.

    Raises:
        JsonRpcError: unknown resource, a failure of the function.
        CallCancelledError: the client took the request back.
    """
    found = services.server.find_resource(uri)
    if found is None:
        raise build_not_found(uri, exchange.version)
    resource, values = found
    context = exchange.build_context(call)
    values |= dict.fromkeys(resource.arguments.context_names, context)
    try:
        contents = await services.runner.run_function(
            resource, values, context, call, lambda value: resource.build_contents(value, uri)
        )
    except ResourceNotFoundError:
        raise build_not_found(uri, exchange.version) from None
    return resource, contents


async def subscribe_resource(services: Services, exchange: Exchange) -> Json:
    """Send the session's stream an update whenever this resource changes (handshake era).

    Raises:
        JsonRpcError: unknown resource, or too many subscriptions.
        StoreUnavailable: it could not be kept.
    """
    uri = exchange.get_string("uri")
    if services.server.find_resource(uri) is None:
        raise build_not_found(uri, exchange.version)
    check_subscriptions({*exchange.owner.subscriptions, uri})
    await exchange.owner.subscribe(uri, is_wanted=True)
    return {}


async def unsubscribe_resource(services: Services, exchange: Exchange) -> Json:
    """No more of that. A resource that was not subscribed to needs nothing done."""
    await exchange.owner.subscribe(exchange.get_string("uri"), is_wanted=False)
    return {}


def build_not_found(uri: str, version: str) -> JsonRpcError:
    """Resource not found, with the code of the revision (Error Handling)."""
    code = INVALID_PARAMS if version >= CACHE_HINTS_SINCE else RESOURCE_NOT_FOUND
    return JsonRpcError(code=code, message="Resource not found", data={"uri": uri[:MAX_ECHO]})
