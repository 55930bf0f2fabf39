"""Who is told of tool calls: the protocol knows no audit log, and the one who serves a request may keep one.

Our choice.
"""

from contextvars import ContextVar
from typing import Protocol

from omnitornado.mcp.principal import Principal


class Witness(Protocol):
    """Is told of each tool call that ends, on the event loop, and must not wait."""

    def tell(self, principal: Principal, tool: str, reason: str | None) -> None:
        """`reason`: None where the tool gave its result, else a code for why it did not."""


WITNESS: ContextVar[Witness | None] = ContextVar("omnitornado_witness", default=None)
"""Set by whoever serves a request, for the calls that it makes."""
