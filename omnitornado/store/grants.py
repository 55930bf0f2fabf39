"""Implements: RFC 6749 §6 and RFC 9700 §4.14.2 (rotation, reuse ends the grant), RFC 7009 §2 (revocation).

What happens to a grant and its tokens after the code.
"""

import hmac

import msgspec

from omnitornado.store.ending import add_access, end_grant
from omnitornado.store.limits import TOUCH_GRANULARITY, Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.transitions import RefreshOutcome, RefreshSuccessor, Rotation

_MISSING = Rotation(RefreshOutcome.MISSING, None)


def rotate_refresh(
    state: State,
    limits: Limits,
    grant_id: bytes,
    presented_hash: bytes,
    successor: RefreshSuccessor,
    access_hash: bytes,
    access: AccessToken,
    *,
    client_id: str,
    grace: float,
    now: float,
) -> tuple[Rotation, Changes]:
    grant = state.grants.find_living(grant_id, now)
    # A grant without a refresh token has none that could be reused: whoever asks made this one up.
    if grant is None or grant.client_id != client_id or grant.refresh_hash is None:
        return _MISSING, ()
    if hmac.compare_digest(presented_hash, grant.refresh_hash):
        rotated = _build_rotated(grant, successor, now)
        return Rotation(RefreshOutcome.ROTATED, rotated), (
            state.grants.build_put(grant_id, rotated),
            *add_access(state, limits, access_hash, access),
        )
    previous = grant.previous_hash
    if (
        previous is not None
        and now - grant.rotated_at <= grace
        and hmac.compare_digest(presented_hash, previous)
    ):
        return Rotation(RefreshOutcome.RETRIED, grant), ()
    return Rotation(RefreshOutcome.REUSED, grant), end_grant(state, grant_id)


def _build_rotated(grant: Grant, successor: RefreshSuccessor, now: float) -> Grant:
    return msgspec.structs.replace(
        grant,
        refresh_hash=successor.refresh_hash,
        previous_hash=grant.refresh_hash,
        rotated_at=now,
        sealed_refresh=successor.sealed_refresh,
        sealed_access=successor.sealed_access,
        expires_at=successor.expires_at,
        last_used_at=now,
    )


def issue_access(
    state: State, limits: Limits, access_hash: bytes, access: AccessToken, now: float
) -> tuple[bool, Changes]:
    if state.grants.find_living(access.grant_id, now) is None:
        return False, ()
    return True, add_access(state, limits, access_hash, access)


def revoke_access(state: State, access_hash: bytes, now: float) -> tuple[bool, Changes]:
    access = state.access.find_living(access_hash, now)
    known = access is not None and state.grants.find_living(access.grant_id, now) is not None
    return known, (state.access.build_delete(access_hash),) if known else ()


def revoke_grant(state: State, grant_id: bytes, now: float) -> tuple[bool, Changes]:
    """With all its tokens."""
    known = state.grants.find_living(grant_id, now) is not None
    return known, end_grant(state, grant_id) if known else ()


def is_touch_due(grant: Grant, now: float) -> bool:
    """Whether it is worth noting that the grant was used."""
    return now - grant.last_used_at >= TOUCH_GRANULARITY


def touch_grant(state: State, grant_id: bytes, now: float) -> Changes:
    grant = state.grants.find_living(grant_id, now)
    if grant is None or not is_touch_due(grant, now):
        return ()
    return (state.grants.build_put(grant_id, msgspec.structs.replace(grant, last_used_at=now)),)


def find_grants(state: State, username: str, now: float) -> list[Grant]:
    living = (state.grants.find_living(grant_id, now) for grant_id in state.grants.find_members(username))
    return sorted(filter(None, living), key=lambda grant: (grant.created_at, grant.grant_id))
