"""Implements: MCP 2026-07-28 client/elicitation, client/sampling, client/roots (Capabilities), schema.ts
(ClientCapabilities, MissingRequiredClientCapabilityError); MCP 2025-11-25 basic/lifecycle.

What a client says it can be asked for. A server asks nothing else of it.
"""

from collections.abc import Mapping
from typing import Any

from omnitornado.mcp.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY, Json, JsonRpcError
from omnitornado.mcp.tool_error import ToolError
from omnitornado.mcp.versions import URL_ELICITATION_SINCE

FORM: Json = {"elicitation": {}}
URL: Json = {"elicitation": {"url": {}}}
SAMPLING: Json = {"sampling": {}}
SAMPLING_TOOLS: Json = {"sampling": {"tools": {}}}
ROOTS: Json = {"roots": {}}


class ClientCapabilityError(ToolError):
    """The client can't be asked this. Uncaught it becomes what the revision has for it: the error
    MissingRequiredClientCapability, or before 2026-07-28 a result with `isError`."""

    def __init__(self, required: Json, message: str | None = None) -> None:
        super().__init__(message or f"The client does not support {_describe(required)}.")
        self.required = required
        """ClientCapabilities: what it would have to declare."""

    def build_error(self) -> JsonRpcError:
        """The error of the stateless era."""
        return JsonRpcError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=str(self),
            data={"requiredCapabilities": self.required},
        )


def supports(capabilities: Mapping[str, Any], required: Json, version: str) -> bool:
    """Whether a client that declares `capabilities` can be asked for something that needs `required`."""
    if required is FORM:
        declared = capabilities.get("elicitation")
        # Without a mode it is form alone (client/elicitation, Capabilities).
        return isinstance(declared, dict) and ("form" in declared or "url" not in declared)
    if required is URL and version < URL_ELICITATION_SINCE:
        return False
    for name, parts in required.items():
        declared = capabilities.get(name)
        if not isinstance(declared, dict) or not all(part in declared for part in parts):
            return False
    return True


def _describe(required: Json) -> str:
    return " and ".join(f"{name} ({', '.join(parts)})" if parts else name for name, parts in required.items())
