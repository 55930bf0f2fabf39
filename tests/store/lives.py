"""Clients that live: register, get a grant, refresh, are revoked; and what must be true of each after a
crash.

A step whose answer was an error may have happened or not; everything that was answered must have.
"""

from dataclasses import dataclass, field

from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import Grant
from omnitornado.store.transitions import CodeOutcome, IssueOutcome, RefreshOutcome, StoreUnavailable

from .samples import START, build_access, build_client, build_code, build_grant, build_successor, digest

END = START + 10**9


@dataclass
class Life:
    """What a client was told. A step in doubt was tried and not answered."""

    name: str
    done: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    rotations: int = 0

    @property
    def grant(self) -> Grant:
        return build_grant(self.name, client_id=self.name, expires_at=END)

    def has(self, step: str) -> bool:
        return step in self.done

    def list_steps(self) -> list[str]:
        """What it may do next."""
        if not self.has("register"):
            return ["register"]
        if not self.has("issue"):
            return ["issue"]
        if not self.has("redeem"):
            return ["redeem"]
        return [] if self.has("revoke") else ["rotate", "revoke"]

    async def take(self, store: EmbeddedStore, step: str) -> bool:
        """Take one step; False where the store could not promise it."""
        try:
            await getattr(self, "_" + step)(store)
        except StoreUnavailable:
            self.doubts.append(step)
            return False
        self.done.append(step)
        return True

    async def _register(self, store: EmbeddedStore) -> None:
        await store.register_client(build_client(self.name))

    async def _issue(self, store: EmbeddedStore) -> None:
        code = build_code(client_id=self.name, expires_at=END)
        assert await store.issue_code(digest(self.name), code) is IssueOutcome.ISSUED

    async def _redeem(self, store: EmbeddedStore) -> None:
        access = build_access(self.grant, expires_at=END)
        outcome = await store.redeem_code(digest(self.name), self.grant, digest(self.name), access, now=START)
        assert outcome is CodeOutcome.REDEEMED

    async def _rotate(self, store: EmbeddedStore) -> None:
        rotation = await store.rotate_refresh(
            self.grant.grant_id,
            digest(f"{self.name} refresh {self.rotations}"),
            build_successor(f"{self.name} refresh {self.rotations + 1}", expires_at=END),
            digest(f"{self.name} access {self.rotations + 1}"),
            build_access(self.grant, expires_at=END),
            client_id=self.name,
            grace=30.0,
            now=START,
        )
        assert rotation.outcome is RefreshOutcome.ROTATED
        self.rotations += 1

    async def _revoke(self, store: EmbeddedStore) -> None:
        assert await store.revoke_grant(self.grant.grant_id)

    async def check(self, store: EmbeddedStore) -> None:
        """Hold the store to what was answered; then take its word for what was in doubt."""
        code = await store.find_code(digest(self.name), now=START)
        grant = await store.find_grant(self.grant.grant_id, now=START)
        self._settle("register", await store.find_client(self.name, now=START) is not None)
        self._settle("issue", code is not None)
        self._settle("redeem", code is not None and code.grant_id is not None)
        if self.has("redeem"):
            self._settle("revoke", grant is None)
        if grant is not None:
            await self._check_grant(store, grant)
        self.doubts.clear()

    def _settle(self, step: str, is_done: bool) -> None:
        if self.has(step):
            assert is_done, f"{self.name}: {step} was answered and is gone"
        elif is_done:
            assert step in self.doubts, f"{self.name}: {step} was never asked for"
            self.done.append(step)

    async def _check_grant(self, store: EmbeddedStore, grant: Grant) -> None:
        found = [n for n in range(99) if grant.refresh_hash == digest(f"{self.name} refresh {n}")]
        assert found, self.name
        assert self.rotations <= found[0] <= self.rotations + ("rotate" in self.doubts)
        self.rotations = found[0]
        access = f"{self.name} access {self.rotations}" if self.rotations else self.name
        assert await store.find_access(digest(access), now=START) is not None
