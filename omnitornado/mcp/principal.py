"""Who calls: the signed-in person and the client that acts for them.

Our choice: the protocol itself knows no caller. The web handler authenticates and hands a `Principal` over.
"""

from contextvars import ContextVar

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """The person behind a request, the client they use, and what they allowed it."""

    username: str
    client_id: str
    client_name: str
    scopes: frozenset[str]
    grant: str = ""
    """A name for what they allowed it, that may be shown and logged; empty where there is none."""
    is_machine: bool = False
    """Whether no person is behind it: the client acts for itself, and `username` is a name made for it, that
    no person has.
    """


PRINCIPAL: ContextVar[Principal] = ContextVar("omnitornado_principal")
"""Set while a tool runs, in the event loop and in the tool's thread alike."""


def current_principal() -> Principal:
    """The caller of the tool that runs now.

    Raises:
        LookupError: no tool is running.
    """
    return PRINCIPAL.get()
