"""What goes wrong with a server behind us, in words that its callers may read."""

from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, JsonRpcError


class UpstreamError(Exception):
    """The upstream server can't answer."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The upstream server {name} {reason}")
        self.name = name
        self.reason = reason

    def build_error(self) -> JsonRpcError:
        """What its callers are answered. 200: the request itself was received well."""
        return JsonRpcError(code=INTERNAL_ERROR, message=f"{self}.", status=200)


class ChildError(UpstreamError):
    """A child has ended, or was ended for what it did."""


class BusyError(UpstreamError):
    """No child can be started at the moment."""

    def build_error(self) -> JsonRpcError:
        return JsonRpcError(code=INTERNAL_ERROR, message=f"{self}.", status=503)
