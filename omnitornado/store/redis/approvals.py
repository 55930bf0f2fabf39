"""What a person approves: authorization codes, the consent they leave behind, and devices' requests."""

from collections.abc import Sequence

from omnitornado.store.codes import build_consent_key
from omnitornado.store.limits import (
    DECIDED_DEVICE_KEPT,
    MAX_POLL_INTERVAL,
    POLL_TOLERANCE,
    REDEEMED_CODE_KEPT,
    SLOW_DOWN_STEP,
)
from omnitornado.store.records import (
    AccessToken,
    AuthorizationCode,
    Consent,
    DeviceCode,
    Grant,
    PushedRequest,
    RedirectBinding,
)
from omnitornado.store.redis.cache import GRANT as GRANT_MESSAGE
from omnitornado.store.redis.fields import ACCESS, BINDING, CODE, CONSENT, DEVICE, GRANT, PUSHED, pack_names
from omnitornado.store.redis.part import Part
from omnitornado.store.transitions import CodeOutcome, DeviceOutcome, IssueOutcome, OpenOutcome


class ApprovalsPart(Part):
    """As `Store` says of each."""

    async def issue_code(
        self,
        code_hash: bytes,
        code: AuthorizationCode,
        *,
        bind_redirect: RedirectBinding | None = None,
        remember: Sequence[Consent] = (),
        is_unasked: bool = False,
        pushed: bytes | None = None,
    ) -> IssueOutcome:
        binding = (
            ("", "") if bind_redirect is None else (bind_redirect.client_id, BINDING.pack(bind_redirect))
        )
        consents = [
            part
            for consent in remember
            for part in (consent.username, _build_consent_key(consent), CONSENT.pack(consent))
        ]
        asked = (pushed or b"", "1" if is_unasked else "")
        answer = await self._run(
            "issue_code", self._clock(), code_hash, CODE.pack(code), *binding, *asked, *consents
        )
        return IssueOutcome(answer.decode())

    async def push_request(self, key: bytes, request: PushedRequest, *, now: float) -> None:
        await self._run("push_request", now, key, PUSHED.pack(request))

    async def find_pushed(self, key: bytes, *, now: float) -> PushedRequest | None:
        return await self._find(PUSHED, key, now)

    async def find_code(self, code_hash: bytes, *, now: float) -> AuthorizationCode | None:
        return await self._find(CODE, code_hash, now)

    async def redeem_code(
        self, code_hash: bytes, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float
    ) -> CodeOutcome:
        made = (grant.grant_id, GRANT.pack(grant), access_hash, ACCESS.pack(access))
        return self._build_outcome(await self._run("redeem_code", now, code_hash, *made, REDEEMED_CODE_KEPT))

    def _build_outcome(self, answer: bytes) -> CodeOutcome:
        outcome = CodeOutcome(answer.decode())
        if outcome is CodeOutcome.ALREADY_USED:
            self._cache.clear()  # of its own transitions a process need not wait to hear
        return outcome

    async def has_consent(
        self,
        *,
        username: str,
        client_id: str,
        redirect_uri: str,
        resources: Sequence[str],
        scope: Sequence[str],
    ) -> bool:
        keys = [
            build_consent_key(
                username=username, client_id=client_id, redirect_uri=redirect_uri, resource=resource
            )
            for resource in resources
        ]
        if not keys:
            return True
        found = await self._link.call("HMGET", self._build_key("consents", username), *keys)
        return all(raw is not None and set(CONSENT.unpack(raw).scope).issuperset(scope) for raw in found)

    async def open_device(self, key: bytes, device: DeviceCode, *, now: float) -> OpenOutcome:
        return OpenOutcome((await self._run("open_device", now, key, DEVICE.pack(device))).decode())

    async def find_device(self, key: bytes, *, now: float) -> DeviceCode | None:
        return await self._find(DEVICE, key, now)

    async def decide_device(
        self, key: bytes, device_hash: bytes, *, username: str, scope: Sequence[str] | None, now: float
    ) -> DeviceCode | None:
        decision = ("", b"") if scope is None else ("1", pack_names(tuple(scope)))
        raw = await self._run("decide_device", now, key, device_hash, username, *decision)
        return None if raw is None else DEVICE.unpack(raw)

    async def poll_device(
        self, key: bytes, device_hash: bytes, *, client_id: str, now: float
    ) -> tuple[DeviceOutcome, DeviceCode | None]:
        pace = (POLL_TOLERANCE, SLOW_DOWN_STEP, MAX_POLL_INTERVAL)
        outcome, *found = await self._run("poll_device", now, key, device_hash, client_id, *pace)
        return DeviceOutcome(outcome.decode()), DEVICE.unpack(found[0]) if found else None

    async def redeem_device(
        self,
        key: bytes,
        device_hash: bytes,
        grant: Grant,
        access_hash: bytes,
        access: AccessToken,
        *,
        now: float,
    ) -> CodeOutcome:
        made = (grant.grant_id, GRANT.pack(grant), access_hash, ACCESS.pack(access))
        answer = await self._run("redeem_device", now, key, device_hash, *made, DECIDED_DEVICE_KEPT)
        return self._build_outcome(answer)

    async def disconnect_client(self, *, username: str, client_id: str, grant_id: bytes) -> bool:
        known = bool(await self._run("disconnect_client", self._clock(), username, client_id, grant_id))
        self._cache.forget(GRANT_MESSAGE + grant_id)
        return known


def _build_consent_key(consent: Consent) -> bytes:
    return build_consent_key(
        username=consent.username,
        client_id=consent.client_id,
        redirect_uri=consent.redirect_uri,
        resource=consent.resource,
    )
