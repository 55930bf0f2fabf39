"""Implements: MCP 2026-07-28 basic/index (ResultType, `serverInfo`), server/utilities/caching: what the
results of the stateless era carry.
"""

from types import MappingProxyType

from omnitornado.mcp.jsonrpc import Json

SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"

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


def complete_result(method: str, result: Json) -> Json:
    """What every finished result carries; one that says itself what it is stays so."""
    result.setdefault("resultType", "complete")
    if method in FRESH_FOR:
        result.setdefault("ttlMs", FRESH_FOR[method])
        # The same for every caller, but behind a login: a shared cache would show it to anyone.
        result["cacheScope"] = "private"
    return result


def add_server_info(result: Json, server_info: Json) -> None:
    """Say who answers."""
    result["_meta"] = {**result.get("_meta", {}), SERVER_INFO_KEY: server_info}
