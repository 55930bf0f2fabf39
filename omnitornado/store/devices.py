"""Implements: RFC 8628 §3.2 to §3.5: what a device's request for access, a person's decision, a poll and the
redemption change.
"""

import hmac
from collections.abc import Sequence

import msgspec

from omnitornado.store.codes import start_grant
from omnitornado.store.ending import end_grant
from omnitornado.store.limits import (
    DECIDED_DEVICE_KEPT,
    MAX_POLL_INTERVAL,
    POLL_TOLERANCE,
    SLOW_DOWN_STEP,
    Limits,
)
from omnitornado.store.memory import Changes, State
from omnitornado.store.records import AccessToken, DeviceCode, Grant
from omnitornado.store.transitions import CodeOutcome, DeviceOutcome, OpenOutcome


def open_device(
    state: State, limits: Limits, key: bytes, device: DeviceCode, now: float
) -> tuple[OpenOutcome, Changes]:
    if state.devices.find_living(key, now) is not None:
        return OpenOutcome.TAKEN, ()
    if len(state.devices) >= limits.device_codes and state.devices.get(key) is None:
        return OpenOutcome.FULL, ()
    return OpenOutcome.OPENED, (state.devices.build_put(key, device),)


def decide_device(
    state: State,
    key: bytes,
    device_hash: bytes,
    username: str,
    scope: Sequence[str] | None,
    now: float,
) -> tuple[DeviceCode | None, Changes]:
    """The request as decided. None where it is not the one that was shown, or is no longer open."""
    device = _find_own(state, key, device_hash, now)
    if device is None or device.username is not None or now >= device.code_expires_at:
        return None, ()
    decided = msgspec.structs.replace(
        device,
        username=username,
        is_approved=scope is not None,
        scope=device.scope if scope is None else tuple(scope),
    )
    return decided, (state.devices.build_put(key, decided),)


def poll_device(
    state: State, key: bytes, device_hash: bytes, client_id: str, now: float
) -> tuple[DeviceOutcome, DeviceCode | None, Changes]:
    """Where the request stands, and what polling for it changes: the pace alone."""
    device = _find_own(state, key, device_hash, now)
    if device is None or device.client_id != client_id:
        return DeviceOutcome.MISSING, None, ()
    if device.grant_id is not None:
        return DeviceOutcome.REDEEMED, device, ()
    if now >= device.code_expires_at:
        return DeviceOutcome.EXPIRED, device, ()
    if device.username is not None:
        return DeviceOutcome.APPROVED if device.is_approved else DeviceOutcome.DENIED, device, ()
    is_hasty = device.polled_at > 0 and now - device.polled_at < device.interval - POLL_TOLERANCE
    interval = min(device.interval + SLOW_DOWN_STEP, MAX_POLL_INTERVAL) if is_hasty else device.interval
    polled = msgspec.structs.replace(device, polled_at=now, interval=max(interval, device.interval))
    outcome = DeviceOutcome.SLOW_DOWN if is_hasty else DeviceOutcome.PENDING
    return outcome, polled, (state.devices.build_put(key, polled),)


def redeem_device(
    state: State,
    limits: Limits,
    key: bytes,
    device_hash: bytes,
    grant: Grant,
    access_hash: bytes,
    access: AccessToken,
    now: float,
) -> tuple[CodeOutcome, Changes]:
    device = _find_own(state, key, device_hash, now)
    if device is None or device.client_id != grant.client_id or device.username != grant.username:
        return CodeOutcome.MISSING, ()
    if device.grant_id is not None:
        # Two parties hold the device code, so one of them stole it.
        known = state.grants.get(device.grant_id) is not None
        return CodeOutcome.ALREADY_USED, end_grant(state, device.grant_id) if known else ()
    if not device.is_approved or now >= device.code_expires_at:
        return CodeOutcome.MISSING, ()
    used = msgspec.structs.replace(
        device, grant_id=grant.grant_id, expires_at=max(device.expires_at, now + DECIDED_DEVICE_KEPT)
    )
    return CodeOutcome.REDEEMED, (
        state.devices.build_put(key, used),
        *start_grant(state, limits, grant, access_hash, access, now),
    )


def _find_own(state: State, key: bytes, device_hash: bytes, now: float) -> DeviceCode | None:
    device = state.devices.find_living(key, now)
    is_own = device is not None and hmac.compare_digest(device.device_hash, device_hash)
    return device if is_own else None
