"""Ending a grant, and keeping its access tokens few."""

from omnitornado.store.limits import Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.records import AccessToken


def end_grant(state: State, grant_id: bytes) -> Changes:
    """The grant goes, and its tokens with it: void they are without it, but they would stay until their time
    is up, and who is allowed in and disconnected again and again could fill the memory with them.
    """
    return [
        state.grants.build_delete(grant_id),
        *(state.access.build_delete(key) for key in state.access.find_owned(grant_id)),
    ]


def start_access(state: State, access_hash: bytes, access: AccessToken) -> Changes:
    """The first token of a new grant, which has no other, whatever had the same id before."""
    others = (key for key in state.access.find_owned(access.grant_id) if key != access_hash)
    return [
        *(state.access.build_delete(key) for key in others),
        state.access.build_put(access_hash, access),
    ]


def add_access(state: State, limits: Limits, access_hash: bytes, access: AccessToken) -> Changes:
    """One more token of a grant; over the cap, the one that ends first goes."""
    put = state.access.build_put(access_hash, access)
    owned = state.access.find_owned(access.grant_id)
    if len(owned) < limits.access_tokens_per_grant:
        return (put,)
    if state.access.get(access_hash) is not None:
        owned = [key for key in owned if key != access_hash]
    gone = owned[: len(owned) + 1 - limits.access_tokens_per_grant]
    return [*(state.access.build_delete(key) for key in gone), put]
