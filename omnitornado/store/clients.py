"""Implements: RFC 7591 §3.2 and RFC 7592 §2 (keeping what was registered): what registering, changing,
deleting and using a client changes.

Like its neighbours, this module decides: functions take the state, and give their answer with the changes
that make it so. They change nothing themselves.
"""

import hmac
from heapq import nsmallest

import msgspec

from omnitornado.store.ending import end_grant
from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import Limits
from omnitornado.store.memory import UNUSED, Changes, State, find_user_group
from omnitornado.store.plain import build_plain
from omnitornado.store.records import Client


def register_client(
    state: State, limits: Limits, client: Client, now: float
) -> tuple[tuple[str, ...], Changes]:
    """The ids that had to go, and the changes."""
    client = msgspec.structs.replace(client, metadata=build_plain(client.metadata))
    known = state.clients.find_living(client.client_id, now)
    if known is not None and known.used_at is not None:
        client = msgspec.structs.replace(
            client, used_at=known.used_at, used_by=known.used_by, expires_at=None
        )
    gone = find_excess(
        state.clients,
        state.clients.find_members(UNUSED),
        limits.unused_clients,
        adding=client.client_id,
        age=lambda record: record.issued_at,
        now=now,
    )
    changes = [state.clients.build_delete(client_id) for client_id in gone]
    changes.append(state.clients.build_put(client.client_id, client))
    return tuple(gone), changes


def update_client(
    state: State, client: Client, registration_hash: bytes, now: float
) -> tuple[Client | None, Changes]:
    """The registration as it stands from now on. What the server alone says of it is kept: since when it is,
    whether it was used, and when it lapses."""
    known = _find_managed(state, client.client_id, registration_hash, now)
    if known is None:
        return None, ()
    client = msgspec.structs.replace(
        client,
        issued_at=known.issued_at,
        expires_at=known.expires_at,
        used_at=known.used_at,
        used_by=known.used_by,
        metadata=build_plain(client.metadata),
    )
    return client, (state.clients.build_put(client.client_id, client),)


def delete_client(
    state: State, client_id: str, registration_hash: bytes, now: float
) -> tuple[int | None, Changes]:
    """How many grants end with it, and the changes: a grant's tokens are void without it. Its codes go as
    well, so that a redemption under way makes no grant.
    """
    if _find_managed(state, client_id, registration_hash, now) is None:
        return None, ()
    gone = [*state.grants.find_client_members(client_id)]
    living = sum(state.grants.find_living(grant_id, now) is not None for grant_id in gone)
    return living, [
        state.clients.build_delete(client_id),
        *(state.codes.build_delete(key) for key in state.codes.find_client_members(client_id)),
        *(state.devices.build_delete(key) for key in state.devices.find_client_members(client_id)),
        *(change for grant_id in gone for change in end_grant(state, grant_id)),
    ]


def _find_managed(state: State, client_id: str, registration_hash: bytes, now: float) -> Client | None:
    """The registration, if this is the digest of its current registration access token."""
    client = state.clients.find_living(client_id, now)
    expected = None if client is None else client.registration_hash
    return client if expected is not None and hmac.compare_digest(expected, registration_hash) else None


def _has_grant(state: State, client_id: str, now: float) -> bool:
    grants = state.grants.find_client_members(client_id)
    return any(state.grants.find_living(grant_id, now) is not None for grant_id in grants)


def _find_use(state: State, client_id: str) -> float:
    client = state.clients.get(client_id)
    return 0.0 if client is None or client.used_at is None else client.used_at


def use_client(state: State, limits: Limits, client_id: str, username: str, now: float) -> Changes:
    """Mark a registered client as one that has got a grant: it no longer lapses, nor falls to the cap of
    those that have none. Of the clients that a person was the first to allow in, those that nobody allows in
    any more make room; one that still has a grant never goes.
    """
    client = state.clients.find_living(client_id, now)
    if client is None or client.used_at is not None:
        return ()
    mine = state.clients.find_members(find_user_group(username))
    excess = len(mine) + 1 - limits.clients_per_person
    idle = [one for one in mine if not _has_grant(state, one, now)] if excess > 0 else []
    gone = nsmallest(max(excess, 0), idle, key=lambda one: (_find_use(state, one), one))
    used = msgspec.structs.replace(client, used_at=now, used_by=username, expires_at=None)
    return [
        *(state.clients.build_delete(one) for one in gone),
        state.clients.build_put(client_id, used),
    ]
