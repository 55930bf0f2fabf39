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
from omnitornado.store.transitions import CodeOutcome, IssueOutcome


def issue_code(
    state: State,
    limits: Limits,
    code_hash: bytes,
    code: AuthorizationCode,
    bind_redirect: RedirectBinding | None,
    remember: Sequence[Consent],
    is_unasked: bool,
    pushed: bytes | None,
    now: float,
) -> tuple[IssueOutcome, Changes]:
    if pushed is not None:
        request = state.pushed.find_living(pushed, now)
        if request is None or request.client_id != code.client_id:
            return IssueOutcome.REQUEST_GONE, ()
    if is_unasked and not (remember and all(_is_covered(state, consent) for consent in remember)):
        return IssueOutcome.CONSENT_GONE, ()
    bound = None if bind_redirect is None else state.bindings.get(bind_redirect.client_id)
    if bound is not None and bind_redirect is not None and bound.redirect_uri != bind_redirect.redirect_uri:
        return IssueOutcome.BOUND_ELSEWHERE, ()
    changes: list[Change] = [] if pushed is None else [state.pushed.build_delete(pushed)]
    if bind_redirect is not None and bound is None:
        changes.append(state.bindings.build_put(bind_redirect.client_id, bind_redirect))
    changes += _keep_code(state, limits, code_hash, code, now)
    for consent in remember:
        changes += _remember_consent(state, limits, consent)
    return IssueOutcome.ISSUED, changes


def _keep_code(
    state: State, limits: Limits, code_hash: bytes, code: AuthorizationCode, now: float
) -> Changes:
    gone = find_excess(
        state.codes,
        state.codes.find_members(code.username),
        limits.codes_per_person,
        adding=code_hash,
        # One that was used is known for a replay alone: it goes before one that waits for its client.
        age=lambda record: (float(record.grant_id is None), record.expires_at),
        now=now,
    )
    return [*(state.codes.build_delete(key) for key in gone), state.codes.build_put(code_hash, code)]


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


def _find_key(consent: Consent) -> bytes:
    return build_consent_key(
        username=consent.username,
        client_id=consent.client_id,
        redirect_uri=consent.redirect_uri,
        resource=consent.resource,
    )


def _is_covered(state: State, consent: Consent) -> bool:
    return has_consent(state, [_find_key(consent)], consent.scope)


def _remember_consent(state: State, limits: Limits, consent: Consent) -> Changes:
    key = _find_key(consent)
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
