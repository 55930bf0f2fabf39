"""Grants and their tokens."""

from collections.abc import Sequence

from omnitornado.store.grants import is_touch_due
from omnitornado.store.limits import TOUCH_GRANULARITY
from omnitornado.store.records import AccessToken, Grant
from omnitornado.store.redis.cache import GRANT as GRANT_MESSAGE
from omnitornado.store.redis.cache import TOKEN as TOKEN_MESSAGE
from omnitornado.store.redis.fields import ACCESS, GRANT
from omnitornado.store.redis.part import Part, find_living
from omnitornado.store.transitions import RefreshOutcome, RefreshSuccessor, Rotation, StoreUnavailable


class GrantsPart(Part):
    """As `Store` says of each."""

    async def issue_grant(self, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float) -> None:
        made = (grant.grant_id, GRANT.pack(grant), access_hash, ACCESS.pack(access))
        await self._run("issue_grant", now, *made)

    async def find_grant(self, grant_id: bytes, *, now: float) -> Grant | None:
        return await self._find(GRANT, grant_id, now)

    async def rotate_refresh(
        self,
        grant_id: bytes,
        presented_hash: bytes,
        successor: RefreshSuccessor,
        access_hash: bytes,
        access: AccessToken,
        *,
        client_id: str,
        grace: float,
        now: float,
    ) -> Rotation:
        outcome, *found = await self._run(
            "rotate_refresh",
            now,
            grant_id,
            presented_hash,
            client_id,
            grace,
            successor.refresh_hash,
            successor.sealed_refresh,
            successor.sealed_access,
            successor.expires_at,
            access_hash,
            ACCESS.pack(access),
        )
        rotation = Rotation(RefreshOutcome(outcome.decode()), GRANT.unpack(found[0]) if found else None)
        # What is kept says when the grant ends and was used, which a rotation changes as well.
        if rotation.outcome in (RefreshOutcome.ROTATED, RefreshOutcome.REUSED):
            self._cache.forget(GRANT_MESSAGE + grant_id)
        return rotation

    async def issue_access(self, access_hash: bytes, access: AccessToken, *, now: float) -> bool:
        return bool(await self._run("issue_access", now, access_hash, ACCESS.pack(access)))

    async def find_access(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        epoch = self._cache.epoch
        found = await self._run("find_access", now, access_hash)
        if found is None:
            return None
        access, grant = ACCESS.unpack(found[0]), GRANT.unpack(found[1])
        if find_living(access, now) is None or find_living(grant, now) is None:
            return None
        self._cache.keep(access_hash, access, grant, now=now, epoch=epoch)
        return access, grant

    def find_access_now(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        found = self._cache.find(access_hash, now)
        if found is None or now >= found.access.expires_at or now >= found.grant.expires_at:
            return None
        return None if is_touch_due(found.grant, now) else (found.access, found.grant)

    async def revoke_access(self, access_hash: bytes) -> bool:
        known = bool(await self._run("revoke_access", self._clock(), access_hash))
        self._cache.forget(TOKEN_MESSAGE + access_hash)
        return known

    async def revoke_grant(self, grant_id: bytes) -> bool:
        known = bool(await self._run("revoke_grant", self._clock(), grant_id))
        self._cache.forget(GRANT_MESSAGE + grant_id)
        return known

    async def touch_grant(self, grant_id: bytes, *, now: float) -> None:
        if self._cache.is_used_lately(grant_id, now):
            return
        try:
            is_noted = await self._run("touch_grant", now, grant_id, TOUCH_GRANULARITY)
        except StoreUnavailable:
            return  # losing it costs nothing
        if is_noted:
            self._cache.note_use(grant_id, now)

    async def find_grants(self, username: str, *, now: float) -> Sequence[Grant]:
        found = [GRANT.unpack(raw) for raw in await self._run("find_grants", now, username)]
        living = [grant for grant in found if find_living(grant, now) is not None]
        return sorted(living, key=lambda grant: (grant.created_at, grant.grant_id))
