"""The tools that an object has, asked for as a client would ask, and the scopes that they name.

Implements: MCP 2026-07-28 server/tools (Listing Tools), server/utilities/pagination. `securitySchemes` on a
tool, or in its `_meta`, is what clients with a login for single tools read; that it counts here is our
choice.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omnitornado.sdk.asgi import App, Exchange, Head, Request, build_scope

VERSION: Final = "2026-07-28"
MAX_PAGES: Final = 100
METHOD_NOT_FOUND: Final = -32601
SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
"""RFC 6749 §3.3."""
SCHEMES: Final = "securitySchemes"


class ListedTool(msgspec.Struct, frozen=True):
    """A tool as an object lists it."""

    name: str
    title: str
    description: str
    scopes: frozenset[str] = frozenset()
    """What a call of it needs beyond the endpoint's own scope."""


class ListingError(Exception):
    """An object that does not say what tools it has, and why."""


class ScopeError(ValueError):
    """A tool that names scopes wrongly."""


class _Answer:
    """Keeps what an application answers."""

    def __init__(self) -> None:
        self.status = 0
        self.is_event_stream = False
        self.pieces: list[bytes] = []

    async def begin(self, head: Head) -> None:
        self.status, self.is_event_stream = head.status, head.is_event_stream

    async def write_piece(self, piece: bytes) -> None:
        self.pieces.append(piece)

    async def write_whole(self, head: Head, body: bytes) -> None:
        await self.begin(head)
        self.pieces.append(body)

    def read_result(self) -> dict[str, Any]:
        """Raises: ListingError."""
        text = b"".join(self.pieces)
        if self.is_event_stream:
            lines = [line for line in text.splitlines() if line.startswith(b"data:")]
            text = lines[-1].removeprefix(b"data:") if lines else b""
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            raise ListingError(f"status {self.status}") from None
        result = message.get("result")
        if not isinstance(result, dict):
            error = message.get("error")
            error = error if isinstance(error, dict) else {}
            if error.get("code") == METHOD_NOT_FOUND:
                return {}
            raise ListingError(str(error.get("message", self.status)))
        return result


async def list_tools(app: App, path: str, identity: Mapping[str, Any]) -> list[ListedTool]:
    """Every page of `tools/list`, asked for by who stands in `identity`, nobody where it is empty; nothing
    from an object that has no tools.

    Raises: ListingError, ScopeError, and what the application raises.
    """
    found: list[ListedTool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        result = await _fetch_page(app, path, identity, cursor)
        found += [read_tool(tool) for tool in result.get("tools", [])]
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str):
            return found
    raise ListingError(f"more than {MAX_PAGES} pages")


async def _fetch_page(app: App, path: str, identity: Mapping[str, Any], cursor: str | None) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params: dict[str, Any] = {"_meta": meta} if cursor is None else {"_meta": meta, "cursor": cursor}
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": "tools/list", "params": params})
    headers = {
        "host": "localhost",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/list",
        "content-length": str(len(body)),
    }
    request = Request("POST", path, "", list(headers.items()), "http", ("localhost", 80), "127.0.0.1")
    answer = _Answer()
    exchange = Exchange(body, answer)
    await app(build_scope(request, **identity), exchange.receive, exchange.send)
    return answer.read_result()


def read_tool(tool: dict[str, Any]) -> ListedTool:
    """A member of `tools`. Raises: ScopeError."""
    annotations = tool.get("annotations") or {}
    schemes = tool.get(SCHEMES) or (tool.get("_meta") or {}).get(SCHEMES)
    return ListedTool(
        name=str(tool.get("name")),
        title=str(tool.get("title") or annotations.get("title") or ""),
        description=str(tool.get("description") or ""),
        scopes=find_scheme_scopes(schemes),
    )


def find_scheme_scopes(schemes: Any) -> frozenset[str]:
    """The scopes of `securitySchemes`: one scheme is enough, so the first that names any decides, and none
    are needed where a scheme asks for no login.

    Raises: ScopeError.
    """
    listed = [scheme for scheme in schemes if isinstance(scheme, dict)] if isinstance(schemes, list) else []
    if any(scheme.get("type") == "noauth" for scheme in listed):
        return frozenset()
    for scheme in listed:
        if scheme.get("type") == "oauth2" and scheme.get("scopes"):
            return check_scopes(scheme["scopes"])
    return frozenset()


def check_scopes(scopes: Any) -> frozenset[str]:
    """Raises: ScopeError for anything but a list of scope tokens."""
    if not isinstance(scopes, list) or not all(
        isinstance(scope, str) and SCOPE_TOKEN.fullmatch(scope) for scope in scopes
    ):
        raise ScopeError(f"scopes must be a list of scope tokens (RFC 6749 §3.3), not {scopes!r:.100}")
    return frozenset(scopes)
