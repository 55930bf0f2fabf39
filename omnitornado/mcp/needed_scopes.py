"""What a request needs beyond the endpoint's own scope.

Implements: MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors),
server/utilities/completion (Security), our choice of what is behind which scope.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from omnitornado.mcp.jsonrpc import INVALID_REQUEST, JsonRpcError, Request
from omnitornado.mcp.prompts import Prompt
from omnitornado.mcp.resources import Resource
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.subscriptions import MAX_SUBSCRIPTIONS

T = TypeVar("T")

NOTHING: frozenset[str] = frozenset()


class ScopeError(JsonRpcError):
    """The token lacks scopes. 403, with a challenge that names all that the call needs."""

    def __init__(self, needed: frozenset[str]) -> None:
        message = f"Insufficient scope: this call needs {' '.join(sorted(needed))}"
        super().__init__(code=INVALID_REQUEST, message=message, status=403)
        self.needed = needed


def find_needed_scopes(server: MCPServer, request: Request) -> frozenset[str]:
    """The scopes of everything that a request calls, reads, subscribes to or completes.

    What is malformed or unknown needs none: the method says what is wrong with it.
    """
    if request.method == "tools/call":
        tool = _find(server.tools.find, request.params.get("name"))
        return NOTHING if tool is None else tool.scopes
    needed = NOTHING
    for one in _find_touched(server, request.method, request.params):
        if one is not None:
            needed |= one.scopes
    return needed


def _find_touched(
    server: MCPServer, method: str, params: dict[str, Any]
) -> Iterator[Prompt | Resource | None]:
    if method == "prompts/get":
        yield _find(server.prompts.find, params.get("name"))
    elif method in ("resources/read", "resources/subscribe"):
        yield _find_resource(server, params.get("uri"))
    elif method == "subscriptions/listen":
        asked = _get(params.get("notifications"), "resourceSubscriptions")
        # One more than may be subscribed to: a longer list is refused anyway.
        for uri in asked[: MAX_SUBSCRIPTIONS + 1] if isinstance(asked, list) else ():
            yield _find_resource(server, uri)
    elif method == "completion/complete":
        reference = params.get("ref")
        if _get(reference, "type") == "ref/prompt":
            yield _find(server.prompts.find, _get(reference, "name"))
        else:
            uri = _get(reference, "uri")
            yield _find(server.resource_templates.find, uri) or _find_resource(server, uri)


def _find(find: Callable[[str], T | None], name: Any) -> T | None:
    return find(name) if isinstance(name, str) else None


def _find_resource(server: MCPServer, uri: Any) -> Resource | None:
    if not server.has_scoped_resources or not isinstance(uri, str):
        return None
    found = server.find_resource(uri)
    return None if found is None else found[0]


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
