"""What a person's taking a client's access back changes.

Our choice. It is one transition: were the grant gone and the rest still there, what is left would let the
client in again, unasked.
"""

from omnitornado.store.ending import end_grant
from omnitornado.store.memory import Changes, State


def disconnect_client(
    state: State, username: str, client_id: str, grant_id: bytes, now: float
) -> tuple[bool, Changes]:
    """Whether the grant was a living one of theirs, and the changes."""
    grant = state.grants.find_living(grant_id, now)
    known = grant is not None and (grant.username, grant.client_id) == (username, client_id)
    return known, [
        *(end_grant(state, grant_id) if known else ()),
        *_forget_consents(state, username, client_id),
        *_forget_codes(state, username, client_id),
        *_forget_devices(state, username, client_id),
    ]


def _forget_consents(state: State, username: str, client_id: str) -> Changes:
    return [
        state.consents.build_delete(key)
        for key in state.consents.find_members(username)
        if (consent := state.consents.get(key)) is not None and consent.client_id == client_id
    ]


def _forget_codes(state: State, username: str, client_id: str) -> Changes:
    """Those that wait for their client. One that was redeemed stays: a replay of it still ends what it gave
    (RFC 6749 §4.1.2), which may be another grant.
    """
    return [
        state.codes.build_delete(key)
        for key in state.codes.find_members(username)
        if (code := state.codes.get(key)) is not None
        and code.client_id == client_id
        and code.grant_id is None
    ]


def _forget_devices(state: State, username: str, client_id: str) -> Changes:
    """As with codes: the requests that this person has approved and nobody has redeemed."""
    return [
        state.devices.build_delete(key)
        for key in state.devices.find_client_members(client_id)
        if (device := state.devices.get(key)) is not None
        and (device.username, device.is_approved, device.grant_id) == (username, True, None)
    ]
