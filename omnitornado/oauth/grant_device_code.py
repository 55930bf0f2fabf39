"""Implements: RFC 8628 §3.4 and §3.5: a device polls, and gets its tokens once a person has approved.

A device code is good once. Its replay is refused and ends the grant that was made from it, as a code's does.
"""

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.device import parse_device_code
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.issuance import (
    Approval,
    TokenResponse,
    TokenRules,
    build_first_tokens,
    invalid_grant,
)
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import DeviceCode
from omnitornado.store.transitions import CodeOutcome, DeviceOutcome


async def redeem(
    parameters: Parameters, client: OAuthClient, rules: TokenRules, *, issuer: str, now: float
) -> TokenResponse:
    """Raises: OAuthError authorization_pending, slow_down, access_denied, expired_token, invalid_grant."""
    device_code = parameters.require("device_code")
    key = parse_device_code(device_code)
    if key is None:
        raise invalid_grant("the device code is unknown", "device_code_unknown")
    device = await check_poll(key, digest(device_code), client, rules, now=now)
    with concerning(user=device.username):
        return await redeem_approved(
            key, device_code, device, parameters, client, rules, issuer=issuer, now=now
        )


async def redeem_approved(
    key: bytes,
    device_code: str,
    device: DeviceCode,
    parameters: Parameters,
    client: OAuthClient,
    rules: TokenRules,
    *,
    issuer: str,
    now: float,
) -> TokenResponse:
    """Tokens for a request that a person approved. Raises: OAuthError invalid_grant, invalid_target."""
    approval = Approval(
        username=device.username or "", redirect_uri="", scope=device.scope, resources=device.resources
    )
    first = build_first_tokens(approval, parameters, client, rules, issuer=issuer, now=now)
    outcome = await rules.store.redeem_device(
        key, digest(device_code), first.grant, first.access_hash, first.access, now=now
    )
    match outcome:
        case CodeOutcome.REDEEMED:
            return TokenResponse(body=first.body, grant=first.grant, reason="device_code_redeemed")
        case CodeOutcome.ALREADY_USED:
            raise invalid_grant(
                "the device code was used before; what it gave is revoked", "device_code_replayed"
            )
        case CodeOutcome.MISSING:
            raise invalid_grant("the device code is unknown", "device_code_unknown")


async def check_poll(
    key: bytes, device_hash: bytes, client: OAuthClient, rules: TokenRules, *, now: float
) -> DeviceCode:
    """The request, once it is approved, or redeemed already. Raises: OAuthError."""
    outcome, device = await rules.store.poll_device(key, device_hash, client_id=client.client_id, now=now)
    if device is None:
        raise invalid_grant("the device code is unknown", "device_code_unknown")
    if outcome is DeviceOutcome.PENDING:
        raise _build_refusal("authorization_pending", "the person has not decided yet", "device_pending")
    if outcome is DeviceOutcome.SLOW_DOWN:
        raise _build_refusal("slow_down", f"wait {device.interval:.0f} s between polls", "device_slow_down")
    if outcome is DeviceOutcome.DENIED:
        raise _build_refusal("access_denied", "the person said no", "denied")
    if outcome is DeviceOutcome.EXPIRED:
        raise _build_refusal(
            "expired_token", "the device code has expired; start again", "device_code_expired"
        )
    return device


def _build_refusal(code: str, description: str, reason: str) -> OAuthError:
    """RFC 8628 §3.5, each with the status of RFC 6749 §5.2."""
    return OAuthError(code=code, description=description, reason=reason, status=400)
