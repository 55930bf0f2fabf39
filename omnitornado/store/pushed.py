"""Implements: RFC 9126 §2.2 and §4, §7.3 (a pushed request has a short life and is answered once).

What keeping a pushed authorization request changes. Issuing a code uses it up: `codes.issue_code`.
"""

from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.records import PushedRequest


def push_request(state: State, limits: Limits, key: bytes, pushed: PushedRequest, now: float) -> Changes:
    gone = find_excess(
        state.pushed,
        state.pushed.find_members(pushed.party),
        limits.pushed_requests,
        adding=key,
        age=lambda record: record.pushed_at,
        now=now,
    )
    return [*(state.pushed.build_delete(old) for old in gone), state.pushed.build_put(key, pushed)]
