"""Implements: RFC 8628 §3.1 to §3.3, §5 and §6.1: a device without a browser asks, and a person answers
elsewhere.

The device shows the user code, which the person types in at this server and compares with what the device
shows. A code is eight letters of twenty: what guessing it would give is that somebody else's device works for
the guesser, so guesses are throttled (`throttle.py`), and only a person who is signed in can make any.
"""

import math
import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from omnitornado.base64url import decode, encode
from omnitornado.oauth.client import DEVICE_CODE, Clients
from omnitornado.oauth.client_auth import authenticate_client
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.people import Person
from omnitornado.oauth.resource import ProtectedResource, check_resources
from omnitornado.oauth.scope import ScopePolicy, check_client_scope, restrict
from omnitornado.oauth.secrets import DEVICE_PREFIX, SECRET_BYTES, TokenBytes, digest
from omnitornado.store.limits import DECIDED_DEVICE_KEPT
from omnitornado.store.records import DeviceCode
from omnitornado.store.transitions import OpenOutcome, Store

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words; no digits, so none is taken for a letter."""
CODE_LENGTH: Final = 8
KEY_BYTES: Final = 16
TRIES: Final = 20


class DeviceRules(msgspec.Struct, frozen=True):
    """What a device's request is checked against. `code_lifetime` and `interval` in seconds."""

    store: Store
    clients: Clients
    scopes: ScopePolicy
    resources: Sequence[ProtectedResource]
    code_lifetime: float = 600.0
    interval: float = 5.0
    token_bytes: TokenBytes = secrets.token_bytes


class DeviceRequest(msgspec.Struct, frozen=True):
    """A request that was kept, with what is told of it only now."""

    device: DeviceCode
    device_code: str
    user_code: str

    def build_response(self, issuer: str) -> dict[str, Any]:
        """RFC 8628 §3.2."""
        return {
            "device_code": self.device_code,
            "user_code": self.user_code,
            "verification_uri": f"{issuer}/device",
            "verification_uri_complete": f"{issuer}/device?user_code={self.user_code}",
            "expires_in": int(self.device.code_expires_at - self.device.issued_at),
            "interval": math.ceil(self.device.interval),
        }


async def request_device_code(
    parameters: Parameters,
    authorization: str | None,
    rules: DeviceRules,
    *,
    issuer: str,
    address: str,
    now: float,
) -> DeviceRequest:
    """RFC 8628 §3.1. Raises: OAuthError as at the token endpoint (RFC 6749 §5.2), and temporarily_unavailable
    where too many devices wait.
    """
    parameters.check_unique()
    client = await authenticate_client(parameters, authorization, rules.clients, issuer=issuer, now=now)
    if DEVICE_CODE not in client.grant_types:
        raise OAuthError(
            code="unauthorized_client",
            description="this client did not register for device codes",
            reason="grant_type_not_registered",
        )
    resources = check_resources(parameters.resources, rules.resources, issuer=issuer)
    device = DeviceCode(
        client_id=client.client_id,
        client_name=client.client_name,
        device_hash=b"",
        scope=check_client_scope(
            parameters.get("scope"),
            client.scope,
            rules.scopes,
            [resource for resource in rules.resources if resource.path in resources],
            redirect=None,
        ),
        resources=resources,
        issued_at=now,
        code_expires_at=now + rules.code_lifetime,
        expires_at=now + rules.code_lifetime + DECIDED_DEVICE_KEPT,
        interval=rules.interval,
        address=address,
    )
    return await _open(device, rules, now=now)


async def _open(device: DeviceCode, rules: DeviceRules, *, now: float) -> DeviceRequest:
    """Keep it under a user code that no other has. Raises: OAuthError temporarily_unavailable."""
    for _ in range(TRIES):
        user_code = build_user_code(token_bytes=rules.token_bytes)
        key = build_device_key(user_code)
        device_code = DEVICE_PREFIX + encode(key + rules.token_bytes(SECRET_BYTES))
        device = msgspec.structs.replace(device, device_hash=digest(device_code))
        outcome = await rules.store.open_device(key, device, now=now)
        if outcome is OpenOutcome.OPENED:
            return DeviceRequest(device=device, device_code=device_code, user_code=user_code)
        if outcome is OpenOutcome.FULL:
            break
    raise OAuthError(
        code="temporarily_unavailable",
        description="too many devices wait for approval; try again later",
        reason="device_codes_full",
        retry_after=60,
    )


def build_user_code(*, token_bytes: TokenBytes = secrets.token_bytes) -> str:
    """`WDJB-MJHT`: each letter as likely as any other."""
    letters = ""
    while len(letters) < CODE_LENGTH:
        # 240 is the largest multiple of 20 in a byte: beyond it some letters would come more often.
        letters += "".join(ALPHABET[byte % 20] for byte in token_bytes(CODE_LENGTH) if byte < 240)
    return f"{letters[:4]}-{letters[4:CODE_LENGTH]}"


def parse_user_code(text: str | None) -> str | None:
    """The code as it was shown, from what a person typed: in whatever case, with any spaces and signs. None
    for what is no code.
    """
    letters = "".join(c for c in (text or "")[:64].upper() if c.isalnum())
    if len(letters) != CODE_LENGTH or not set(letters) <= set(ALPHABET):
        return None
    return f"{letters[:4]}-{letters[4:]}"


def build_device_key(user_code: str) -> bytes:
    """What a request is kept under: the files hold no user code in plain."""
    return digest(f"user code {user_code}")[:KEY_BYTES]


def parse_device_code(device_code: str) -> bytes | None:
    """The key in a device code; None for anything that has not its shape."""
    if not device_code.startswith(DEVICE_PREFIX):
        return None
    raw = decode(device_code[len(DEVICE_PREFIX) :])
    if raw is None or len(raw) != KEY_BYTES + SECRET_BYTES:
        return None
    return raw[:KEY_BYTES]


async def find_open_device(user_code: str, store: Store, *, now: float) -> DeviceCode | None:
    """The request that waits for a person's decision under this code."""
    device = await store.find_device(build_device_key(user_code), now=now)
    if device is None or device.username is not None or now >= device.code_expires_at:
        return None
    return device


def find_grantable(device: DeviceCode, person: Person) -> tuple[str, ...] | None:
    """The scopes this person can give of those asked for; None where there are none of them."""
    scope = restrict(device.scope, person.scopes)
    return None if device.scope and not scope else scope
