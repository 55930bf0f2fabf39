"""Implements: RFC 6749 §4.1.2 (codes are used once), and the consent an approval leaves behind.

What issuing and redeeming a code changes.
"""

from collections.abc import Iterable, Sequence

import msgspec

from omnitornado.store.clients import use_client
from omnitornado.store.documents import use_document
from omnitornado.store.ending import end_grant, start_access
from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import REDEEMED_CODE_KEPT, Limits
from omnitornado.store.memory import Change, Changes, State
from omnitornado.store.records import AccessToken, AuthorizationCode, Consent, Grant, RedirectBinding
from omnitornado.store.transitions import CodeOutcome


def issue_code(
    state: State,
    limits: Limits,
    code_hash: bytes,
    code: AuthorizationCode,
    bind_redirect: RedirectBinding | None,
    remember: Sequence[Consent],
    now: float,
) -> tuple[bool, Changes]:
    gone = find_excess(
        state.codes,
        state.codes.find_members(code.username),
        limits.codes_per_person,
        adding=code_hash,
        # One that was used is known for a replay alone: it goes before one that waits for its client.
        age=lambda record: (float(record.grant_id is None), record.expires_at),
        now=now,
    )
    changes: list[Change] = [state.codes.build_delete(key) for key in gone]
    changes.append(state.codes.build_put(code_hash, code))
    if bind_redirect is not None:
        bound = state.bindings.get(bind_redirect.client_id)
        if bound is None:
            changes.append(state.bindings.build_put(bind_redirect.client_id, bind_redirect))
        elif bound.redirect_uri != bind_redirect.redirect_uri:
            return False, ()
    for consent in remember:
        changes += _remember_consent(state, limits, consent)
    return True, changes


def redeem_code(
    state: State,
    limits: Limits,
    code_hash: bytes,
    grant: Grant,
    access_hash: bytes,
    access: AccessToken,
    now: float,
) -> tuple[CodeOutcome, Changes]:
    code = state.codes.find_living(code_hash, now)
    if code is None:
        return CodeOutcome.MISSING, ()
    if code.grant_id is not None:
        # Two parties hold the code, so one of them stole it: what it gave ends (RFC 6749 §4.1.2).
        known = state.grants.get(code.grant_id) is not None
        return CodeOutcome.ALREADY_USED, end_grant(state, code.grant_id) if known else ()
    used = msgspec.structs.replace(
        code, grant_id=grant.grant_id, expires_at=max(code.expires_at, now + REDEEMED_CODE_KEPT)
    )
    return CodeOutcome.REDEEMED, (
        state.codes.build_put(code_hash, used),
        *start_grant(state, limits, grant, access_hash, access, now),
    )


def start_grant(
    state: State, limits: Limits, grant: Grant, access_hash: bytes, access: AccessToken, now: float
) -> Changes:
    """A new grant with its first access token, whatever it was made from."""
    return [
        *_make_room(state, limits, grant, now),
        state.grants.build_put(grant.grant_id, grant),
        *start_access(state, access_hash, access),
        *use_client(state, limits, grant.client_id, grant.username, now),
        *use_document(state, grant.client_id, now),
    ]


def _make_room(state: State, limits: Limits, grant: Grant, now: float) -> Changes:
    gone = find_excess(
        state.grants,
        state.grants.find_members(grant.username),
        limits.grants_per_person,
        adding=grant.grant_id,
        age=lambda record: record.last_used_at,
        now=now,
    )
    return [change for grant_id in gone for change in end_grant(state, grant_id)]


def build_consent_key(*, username: str, client_id: str, redirect_uri: str, resource: str) -> bytes:
    """The key of a consent: the names, each with its length, so that none can run into the next."""
    return msgspec.msgpack.encode((username, client_id, redirect_uri, resource))


def has_consent(state: State, keys: Iterable[bytes], scope: Sequence[str]) -> bool:
    """Whether each of the consents is there and covers all of `scope`."""
    consents = map(state.consents.get, keys)
    return all(consent is not None and set(consent.scope).issuperset(scope) for consent in consents)


def _remember_consent(state: State, limits: Limits, consent: Consent) -> Changes:
    key = build_consent_key(
        username=consent.username,
        client_id=consent.client_id,
        redirect_uri=consent.redirect_uri,
        resource=consent.resource,
    )
    before = state.consents.get(key)
    if before is not None:
        scope = (*before.scope, *(name for name in consent.scope if name not in before.scope))
        consent = msgspec.structs.replace(consent, scope=scope)
    gone = find_excess(
        state.consents,
        state.consents.find_members(consent.username),
        limits.consents_per_person,
        adding=key,
        age=lambda record: record.granted_at,
        now=consent.granted_at,
    )
    return [*(state.consents.build_delete(old) for old in gone), state.consents.build_put(key, consent)]
