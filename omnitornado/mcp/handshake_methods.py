"""Implements: MCP 2025-11-25 basic/utilities/ping, basic/utilities/cancellation, server/utilities/logging,
and earlier revisions' pages of the same names: the methods and notifications of the handshake era.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from omnitornado.mcp.call import Call, CallCancelledError
from omnitornado.mcp.completion_methods import complete_argument
from omnitornado.mcp.exchange import CallMethod, Exchange, Method, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, Json, JsonRpcError, is_id
from omnitornado.mcp.log_levels import LOG_LEVELS
from omnitornado.mcp.prompt_methods import get_prompt, list_prompts
from omnitornado.mcp.resource_methods import (
    list_resource_templates,
    list_resources,
    read_resource,
    subscribe_resource,
    unsubscribe_resource,
)
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.skill_methods import get_skill, list_skills, read_directory
from omnitornado.mcp.tool_methods import call_tool, list_tools


async def _ping(services: Services, exchange: Exchange) -> Json:
    return {}


def _track(work: CallMethod) -> Method:
    """Run the author's function so that `notifications/cancelled` finds it."""

    async def method(services: Services, exchange: Exchange) -> Json:
        session: LiveSession = exchange.owner
        call = session.calls[exchange.request.id] = Call(exchange.send, exchange.host)
        try:
            return await work(services, exchange, call)
        finally:
            # A client that used the id again meanwhile owns the entry.
            if session.calls.get(exchange.request.id) is call:
                del session.calls[exchange.request.id]

    return method


async def _set_log_level(services: Services, exchange: Exchange) -> Json:
    level = exchange.get_string("level")
    if level not in LOG_LEVELS:
        raise JsonRpcError(
            code=INVALID_PARAMS, message=f"Invalid params: level is one of {', '.join(LOG_LEVELS)}"
        )
    await exchange.owner.set_log_level(level)
    return {}


log = logging.getLogger("omnitornado.mcp")

MAX_REASON = 200
"""Characters of a client's reason that the log shows."""

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "ping": _ping,
        "tools/list": list_tools,
        "tools/call": _track(call_tool),
        "resources/list": list_resources,
        "resources/templates/list": list_resource_templates,
        "resources/read": _track(read_resource),
        "resources/subscribe": subscribe_resource,
        "resources/unsubscribe": unsubscribe_resource,
        "resources/directory/read": read_directory,
        "skills/list": list_skills,
        "skills/get": get_skill,
        "prompts/list": list_prompts,
        "prompts/get": _track(get_prompt),
        "completion/complete": _track(complete_argument),
        "logging/setLevel": _set_log_level,
    }
)


def _cancel(session: LiveSession, params: Json) -> bool:
    request_id = params.get("requestId")
    call = session.calls.get(request_id) if is_id(request_id) else None  # type: ignore[arg-type]
    if call is None:
        return False
    call.stop(CallCancelledError())
    reason = params.get("reason")
    if isinstance(reason, str):
        # Quoted: the words are the client's.
        log.info("cancelled: %r", reason[:MAX_REASON])
    return True


NOTIFICATIONS = MappingProxyType({"notifications/cancelled": _cancel})
"""Each says whether it has found here what it is about. Every other notification needs nothing done; unknown
ones are accepted (JSON-RPC 2.0 §4.1)."""
