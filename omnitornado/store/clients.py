"""Implements: RFC 7591 §3.2 (keeping what was registered): what registering and using a client changes.

Like its neighbours, this module decides: functions take the state, and give their answer with the changes
that make it so. They change nothing themselves.
"""

import msgspec

from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import Limits
from omnitornado.store.memory import UNUSED, Changes, State
from omnitornado.store.plain import build_plain
from omnitornado.store.records import Client


def register_client(
    state: State, limits: Limits, client: Client, now: float
) -> tuple[tuple[str, ...], Changes]:
    """The ids that had to go, and the changes."""
    client = msgspec.structs.replace(client, metadata=build_plain(client.metadata))
    known = state.clients.find_living(client.client_id, now)
    if known is not None and known.used_at is not None:
        client = msgspec.structs.replace(client, used_at=known.used_at, expires_at=None)
    gone = find_excess(
        state.clients,
        UNUSED,
        limits.unused_clients,
        adding=client.client_id,
        age=lambda record: record.issued_at,
        now=now,
    )
    changes = [state.clients.build_delete(client_id) for client_id in gone]
    changes.append(state.clients.build_put(client.client_id, client))
    return tuple(gone), changes


def use_client(state: State, client_id: str, now: float) -> Changes:
    """Mark a registered client as one that has got a grant: it no longer lapses, nor falls to the cap."""
    client = state.clients.find_living(client_id, now)
    if client is None or client.used_at is not None:
        return ()
    return (
        state.clients.build_put(client_id, msgspec.structs.replace(client, used_at=now, expires_at=None)),
    )
