"""What signing in, and opening an MCP session, changes."""

from typing import Any

import msgspec

from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import MAX_SAID, Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.plain import build_plain, build_text
from omnitornado.store.records import BrowserSession, KnownAddress, McpSession


def open_session(
    state: State,
    limits: Limits,
    session_hash: bytes,
    session: BrowserSession,
    replaces: bytes | None,
    now: float,
) -> Changes:
    gone = find_excess(
        state.sessions,
        state.sessions.find_members(session.username),
        limits.browser_sessions_per_person,
        adding=session_hash if replaces is None else replaces,
        age=lambda record: record.signed_in_at,
        now=now,
    )
    changes = [state.sessions.build_delete(key) for key in gone]
    if replaces is not None and state.sessions.get(replaces) is not None:
        changes.append(state.sessions.build_delete(replaces))
    return [*changes, state.sessions.build_put(session_hash, session)]


def close_session(state: State, session_hash: bytes) -> Changes:
    known = state.sessions.get(session_hash) is not None
    return (state.sessions.build_delete(session_hash),) if known else ()


def open_mcp_session(
    state: State, limits: Limits, session_hash: bytes, session: McpSession, now: float
) -> Changes:
    gone = find_excess(
        state.mcp_sessions,
        state.mcp_sessions.find_members(session.username),
        limits.mcp_sessions_per_person,
        adding=session_hash,
        age=_find_renewal,
        now=now,
    )
    session = msgspec.structs.replace(
        session,
        client_info=build_bounded(session.client_info),
        capabilities=build_bounded(session.capabilities),
    )
    return [
        *(state.mcp_sessions.build_delete(key) for key in gone),
        state.mcp_sessions.build_put(session_hash, session),
    ]


def build_bounded(members: dict[str, Any]) -> dict[str, Any]:
    """What a client says of itself, or nothing where that is more than any client has to say."""
    plain = build_plain(members)
    return plain if len(msgspec.msgpack.encode(plain)) <= MAX_SAID else {}


def _find_renewal(session: McpSession) -> float:
    return session.renewed_at or session.created_at


def is_renewal_due(session: McpSession, now: float) -> bool:
    """Whether half of its time has passed."""
    return now >= session.expires_at - (session.expires_at - _find_renewal(session)) / 2


def renew_mcp_session(state: State, session_hash: bytes, now: float) -> tuple[McpSession | None, Changes]:
    """The session with its end moved on, if half its time has passed; None where there is none."""
    session = state.mcp_sessions.find_living(session_hash, now)
    if session is None or not is_renewal_due(session, now):
        return session, ()
    lifetime = session.expires_at - _find_renewal(session)
    renewed = msgspec.structs.replace(session, expires_at=now + lifetime, renewed_at=now)
    return renewed, (state.mcp_sessions.build_put(session_hash, renewed),)


def subscribe_mcp_session(
    state: State, session_hash: bytes, uri: str, is_wanted: bool, now: float
) -> tuple[bool, Changes]:
    session = state.mcp_sessions.find_living(session_hash, now)
    uri = build_text(uri)
    if session is None or (uri in session.subscriptions) == is_wanted:
        return session is not None, ()
    others = tuple(one for one in session.subscriptions if one != uri)
    changed = msgspec.structs.replace(session, subscriptions=(*others, uri) if is_wanted else others)
    return True, (state.mcp_sessions.build_put(session_hash, changed),)


def set_mcp_log_level(state: State, session_hash: bytes, level: str, now: float) -> tuple[bool, Changes]:
    session = state.mcp_sessions.find_living(session_hash, now)
    if session is None or session.log_level == level:
        return session is not None, ()
    changed = msgspec.structs.replace(session, log_level=level)
    return True, (state.mcp_sessions.build_put(session_hash, changed),)


def close_mcp_session(state: State, session_hash: bytes, now: float) -> tuple[bool, Changes]:
    known = state.mcp_sessions.find_living(session_hash, now) is not None
    return known, (state.mcp_sessions.build_delete(session_hash),) if known else ()


def know_address(state: State, limits: Limits, key: bytes, known: KnownAddress, now: float) -> Changes:
    gone = find_excess(
        state.addresses,
        state.addresses.find_members(known.username),
        limits.known_addresses_per_person,
        adding=key,
        age=lambda record: record.expires_at,
        now=now,
    )
    return [*(state.addresses.build_delete(old) for old in gone), state.addresses.build_put(key, known)]
