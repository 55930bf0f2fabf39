"""Tool calls in the audit log: the tool's name, never what it was called with."""

from omnitornado.audit import AuditLog
from omnitornado.mcp.principal import Principal


class CallRecord:
    """A `Witness` of one request's calls. It outlives the request where a task does."""

    __slots__ = ("_address", "_audit", "_request")

    def __init__(self, audit: AuditLog, address: str, request: str) -> None:
        self._audit = audit
        self._address = address
        self._request = request

    def tell(self, principal: Principal, tool: str, reason: str | None) -> None:
        self._audit.record(
            "tool.called" if reason is None else "tool.failed",
            tool=tool,
            reason=reason,
            user=principal.username,
            client=principal.client_id,
            grant=principal.grant or None,
            address=self._address,
            request=self._request,
        )
