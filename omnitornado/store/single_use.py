"""Implements: RFC 7523 §3 and RFC 9449 §11.1 (a `jti` is used once): what using a value up changes."""

import hashlib

import msgspec

from omnitornado.store.limits import Limits
from omnitornado.store.memory import Change, Changes, State
from omnitornado.store.records import UsedValue
from omnitornado.store.transitions import UseOutcome


def build_use_key(purpose: str, party: str, value: str) -> bytes:
    """A digest of the three, each with its length, so that none can run into the next."""
    return hashlib.sha256(msgspec.msgpack.encode(_encode_all(purpose, party, value))).digest()


def build_party(purpose: str, party: str) -> str:
    """What a party's values are counted under: short, however long its name is."""
    return hashlib.sha256(msgspec.msgpack.encode(_encode_all(purpose, party))).hexdigest()[:32]


def _encode_all(*texts: str) -> tuple[bytes, ...]:
    # JSON can carry halves of surrogate pairs, which UTF-8 can't.
    return tuple(text.encode("utf-8", "surrogatepass") for text in texts)


def use_once(
    state: State, limits: Limits, key: bytes, used: UsedValue, now: float
) -> tuple[UseOutcome, Changes]:
    if state.used.find_living(key, now) is not None:
        return UseOutcome.REPLAYED, ()
    changes: list[Change] = []
    mine = state.used.find_members(used.party)
    if len(mine) >= limits.used_values_per_party and key not in mine:
        changes = [state.used.build_delete(old) for old in mine if state.used.find_living(old, now) is None]
        if not changes:
            return UseOutcome.FULL, ()
    # What stands in for one party's past values is of the same purpose: its name has that in it.
    if state.used.count(used.purpose) - len(changes) >= limits.used_values and state.used.get(key) is None:
        return UseOutcome.FULL, ()
    return UseOutcome.FIRST, [*changes, state.used.build_put(key, used)]
