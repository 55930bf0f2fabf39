"""Our choice: a function of the author's reads a resource of the same server (`Context.read_resource`)."""

import base64

from omnitornado.mcp.call import Call
from omnitornado.mcp.context import Context
from omnitornado.mcp.exchange import Services
from omnitornado.mcp.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY, Json, JsonRpcError
from omnitornado.mcp.resources import ResourceContent, ResourceNotFoundError
from omnitornado.mcp.tool_error import ToolError


async def read_nested(
    services: Services, call: Call, context: Context, uri: str
) -> tuple[ResourceContent, ...]:
    """What a resource's function returns, run within a call: it sees the same context, and may ask.

    Raises:
        ResourceNotFoundError: there is none at this URI.
        ToolError: it failed, or the person has not allowed the client what it needs.
    """
    found = services.server.find_resource(uri)
    if found is None:
        raise ResourceNotFoundError(uri)
    resource, values = found
    if not resource.scopes <= context.scopes:
        raise ToolError(f"Reading {uri} needs {' '.join(sorted(resource.scopes))}.")
    values |= dict.fromkeys(resource.arguments.context_names, context)
    try:
        with call.nest() as nested:
            contents = await services.runner.run_function(
                resource, values, context, nested, lambda value: resource.build_contents(value, uri)
            )
    except JsonRpcError as error:
        if error.code == MISSING_REQUIRED_CLIENT_CAPABILITY:
            raise
        raise ToolError(error.message) from None
    return tuple(map(_build_content, contents))


def _build_content(content: Json) -> ResourceContent:
    return ResourceContent(
        content["text"] if "text" in content else base64.b64decode(content["blob"]),
        content["uri"],
        content.get("mimeType"),
        content.get("_meta"),
    )
