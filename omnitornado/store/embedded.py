"""The embedded engine: dictionaries in memory, a journal beside them, and the snapshot that replaces it.

What is promised, and its worst case:

- `durability = "always"`: a method returns after the fsync that covers what it did and what it says. A crash
  of the process, of the system or of the power loses nothing that was answered. Many callers share one fsync.
- `durability = "interval"`: methods return at once. A crash of any kind loses up to the last second (half a
  second of waiting, and the fsync), more only where the disk itself is slower than that.
- Never waited for, in both: that a grant was used (`touch_grant`), that an MCP session lives on
  (`find_mcp_session`), and a use that asks not to be (`use_once`). A crash loses up to the last second of
  these; what an outage saw of them, up to the snapshot after it.
- A transition is whole on the disk or not at all.
- Reads wait only where the record asked for has a change that isn't on the disk yet. `find_access` gives a
  token without waiting: what it knows of it was on the disk before anyone could hold it.
- A disk that is full, read-only or gone, that fails an fsync or does not answer: every waiting transition
  raises `StoreUnavailable`, what it changed is taken back in memory, and from then on every change raises.
  Reads and refusals go on from what memory holds, which is what was promised. It heals by itself: memory is
  written to a new snapshot and a new journal, and only when both are on the disk is a change taken again.
  Whether a change that raised is there after a crash meanwhile is not known; nobody was told that it was.
  With "interval" the last second before the failure has been answered: memory keeps it, and a crash before
  the recovery loses it.
- A snapshot that fails loses nothing: the journals are kept until one succeeds.
- Time is the caller's `now`; the store's own clock sweeps, caps, decides what a load leaves out, and stands
  in where a method has no `now`. A record may stay a minute or so past its end, but is never given out then.
- A damaged file: an unfinished write at the very end of the last journal is cut off and reported. Damage that
  hits the very last frame alone can't be told from that. All other damage refuses to start.
- One process has the files, under a lock; all are readable by their owner alone.

A decision is made by `clients`, `codes`, `grants` and their neighbours; each method here makes it count in
one block with no `await` in it, and only then waits.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from omnitornado.store import (
    clients,
    codes,
    devices,
    disconnecting,
    documents,
    grants,
    keys,
    pushed,
    sessions,
    single_use,
    tasks,
)
from omnitornado.store.engine import Engine, StoreStats
from omnitornado.store.files import Files
from omnitornado.store.journal import Durability
from omnitornado.store.limits import Limits
from omnitornado.store.memory import Changes, State
from omnitornado.store.opening import MAX_JOURNAL, Options, open_engine
from omnitornado.store.reading import OnProgress
from omnitornado.store.records import (
    AccessToken,
    AuthorizationCode,
    BrowserSession,
    Client,
    ClientDocument,
    Consent,
    DeviceCode,
    Grant,
    KnownAddress,
    McpSession,
    PushedRequest,
    RedirectBinding,
    Task,
    UsedValue,
)
from omnitornado.store.transitions import (
    CodeOutcome,
    DeviceOutcome,
    IssueOutcome,
    OpenOutcome,
    RefreshSuccessor,
    Rotation,
    UseOutcome,
)

T = TypeVar("T")


class EmbeddedStore:
    """The `Store` of one process: `open`, then `await start()` on the loop that serves, finally `close()`."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._state = engine.state
        self._access = engine.state.access
        self._grants = engine.state.grants
        self._clock = engine.clock
        self._limits = limits

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        durability: Durability = "always",
        snapshot_interval: float = 60.0,
        max_journal: int = MAX_JOURNAL,
        retry_interval: float = 1.0,
        stall_limit: float = 30.0,
        clock: Callable[[], float] = time.time,
        max_unused_clients: int = 1000,
        limits: Limits | None = None,
        files: Files | None = None,
        on_progress: OnProgress | None = None,
    ) -> "EmbeddedStore":
        """Load what `path` (the snapshot; the journal and the lock lie beside it) holds. None: memory alone.

        Blocks. A snapshot is written each `snapshot_interval`, and before that once the journal has more than
        `max_journal` bytes and more than the last snapshot. In seconds: `snapshot_interval`;
        `retry_interval`, between two attempts at a recovery, at least; `stall_limit`, how long a flush may
        take before it counts as failed. `on_progress` is told how many bytes of how many have been loaded.
        Raises: StoreLocked, StoreDamaged, StoreNewer, StoreError; where loading refuses, nothing was changed.
        """
        options = Options(
            durability=durability,
            snapshot_interval=snapshot_interval,
            max_journal=max_journal,
            retry_interval=retry_interval,
            stall_limit=stall_limit,
            on_progress=on_progress,
        )
        engine = open_engine(path, options, clock, Files() if files is None else files)
        caps = msgspec.structs.replace(limits or Limits(), unused_clients=max_unused_clients)
        return cls(engine, caps)

    async def start(self) -> None:
        """Begin flushing, sweeping and writing snapshots on the running loop. Transitions raise before it."""
        self._engine.start()

    async def close(self) -> None:
        """Flush, write the final snapshot, give up the lock. Calling it again does nothing."""
        await self._engine.close()

    async def sweep(self) -> None:
        """Forget what has expired now, in bounded slices; it also happens by itself."""
        await self._engine.sweep()

    async def save_snapshot(self) -> bool:
        """Write a snapshot now; it also happens by itself. False, and logged, where it failed."""
        return await self._engine.save_snapshot()

    def stats(self) -> StoreStats:
        return self._engine.find_stats()

    @property
    def state(self) -> State:
        """What is kept, without waiting and without a promise: to look at, and to fill before `start`."""
        return self._state

    @property
    def bus(self) -> None:
        """One process has the files."""
        return None

    @property
    def outage(self) -> str | None:
        outage = self._engine.outage
        return None if outage is None else outage.reason

    async def _commit(self, answer: T, changes: Changes) -> T:
        self._engine.record(changes)
        await self._engine.journal.wait()
        return answer

    async def register_client(self, client: Client) -> tuple[str, ...]:
        return await self._commit(*clients.register_client(self._state, self._limits, client, self._clock()))

    async def find_client(self, client_id: str, *, now: float) -> Client | None:
        client = self._state.clients.find_living(client_id, now)
        await self._engine.settle(client_id)
        return client

    async def update_client(self, client: Client, registration_hash: bytes, *, now: float) -> Client | None:
        return await self._commit(*clients.update_client(self._state, client, registration_hash, now))

    async def delete_client(self, client_id: str, registration_hash: bytes, *, now: float) -> int | None:
        return await self._commit(*clients.delete_client(self._state, client_id, registration_hash, now))

    async def keep_document(self, url: str, kept: ClientDocument) -> None:
        changes = documents.keep_document(self._state, self._limits, url, kept, self._clock())
        await self._commit(None, changes)

    async def forget_document(self, url: str) -> None:
        await self._commit(None, documents.forget_document(self._state, url))

    async def find_document(self, url: str, *, now: float) -> ClientDocument | None:
        kept = self._state.documents.find_living(url, now)
        await self._engine.settle(url)
        return kept

    async def find_redirect_binding(self, client_id: str) -> RedirectBinding | None:
        binding = self._state.bindings.get(client_id)
        await self._engine.settle(client_id)
        return binding

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
        decision = codes.issue_code(
            self._state,
            self._limits,
            code_hash,
            code,
            bind_redirect,
            remember,
            is_unasked,
            pushed,
            self._clock(),
        )
        return await self._commit(*decision)

    async def find_code(self, code_hash: bytes, *, now: float) -> AuthorizationCode | None:
        code = self._state.codes.find_living(code_hash, now)
        await self._engine.settle(code_hash)
        return code

    async def redeem_code(
        self, code_hash: bytes, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float
    ) -> CodeOutcome:
        decision = codes.redeem_code(self._state, self._limits, code_hash, grant, access_hash, access, now)
        return await self._commit(*decision)

    async def push_request(self, key: bytes, request: PushedRequest, *, now: float) -> None:
        await self._commit(None, pushed.push_request(self._state, self._limits, key, request, now))

    async def find_pushed(self, key: bytes, *, now: float) -> PushedRequest | None:
        request = self._state.pushed.find_living(key, now)
        await self._engine.settle(key)
        return request

    async def open_device(self, key: bytes, device: DeviceCode, *, now: float) -> OpenOutcome:
        return await self._commit(*devices.open_device(self._state, self._limits, key, device, now))

    async def find_device(self, key: bytes, *, now: float) -> DeviceCode | None:
        device = self._state.devices.find_living(key, now)
        await self._engine.settle(key)
        return device

    async def decide_device(
        self, key: bytes, device_hash: bytes, *, username: str, scope: Sequence[str] | None, now: float
    ) -> DeviceCode | None:
        decision = devices.decide_device(self._state, key, device_hash, username, scope, now)
        return await self._commit(*decision)

    async def poll_device(
        self, key: bytes, device_hash: bytes, *, client_id: str, now: float
    ) -> tuple[DeviceOutcome, DeviceCode | None]:
        outcome, device, changes = devices.poll_device(self._state, key, device_hash, client_id, now)
        self._engine.note(changes)
        if not changes:  # a pending one says nothing that the disk would have to know
            await self._engine.settle(key)
        return outcome, device

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
        decision = devices.redeem_device(
            self._state, self._limits, key, device_hash, grant, access_hash, access, now
        )
        return await self._commit(*decision)

    async def issue_grant(self, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float) -> None:
        changes = codes.start_grant(self._state, self._limits, grant, access_hash, access, now)
        await self._commit(None, changes)

    async def find_grant(self, grant_id: bytes, *, now: float) -> Grant | None:
        grant = self._grants.find_living(grant_id, now)
        await self._engine.settle(grant_id)
        return grant

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
        decision = grants.rotate_refresh(
            self._state,
            self._limits,
            grant_id,
            presented_hash,
            successor,
            access_hash,
            access,
            client_id=client_id,
            grace=grace,
            now=now,
        )
        return await self._commit(*decision)

    async def issue_access(self, access_hash: bytes, access: AccessToken, *, now: float) -> bool:
        return await self._commit(*grants.issue_access(self._state, self._limits, access_hash, access, now))

    async def find_access(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        access = self._access.get(access_hash)
        if access is None:
            await self._engine.settle(access_hash)
            return None
        grant = self._grants.get(access.grant_id)
        if grant is None:
            await self._engine.settle(access.grant_id)
            return None
        return (access, grant) if now < access.expires_at and now < grant.expires_at else None

    def find_access_now(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        access = self._access.get(access_hash)
        grant = None if access is None else self._grants.get(access.grant_id)
        if access is None or grant is None or now >= access.expires_at or now >= grant.expires_at:
            return None
        return None if grants.is_touch_due(grant, now) else (access, grant)

    async def revoke_access(self, access_hash: bytes) -> bool:
        return await self._commit(*grants.revoke_access(self._state, access_hash, self._clock()))

    async def revoke_grant(self, grant_id: bytes) -> bool:
        return await self._commit(*grants.revoke_grant(self._state, grant_id, self._clock()))

    async def disconnect_client(self, *, username: str, client_id: str, grant_id: bytes) -> bool:
        decision = disconnecting.disconnect_client(self._state, username, client_id, grant_id, self._clock())
        return await self._commit(*decision)

    async def touch_grant(self, grant_id: bytes, *, now: float) -> None:
        self._engine.note(grants.touch_grant(self._state, grant_id, now))

    async def find_grants(self, username: str, *, now: float) -> Sequence[Grant]:
        living = grants.find_grants(self._state, username, now)
        await self._engine.journal.wait()
        return living

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
            codes.build_consent_key(
                username=username, client_id=client_id, redirect_uri=redirect_uri, resource=resource
            )
            for resource in resources
        ]
        covers = codes.has_consent(self._state, keys, scope)
        for key in keys:
            await self._engine.settle(key)
        return covers

    async def open_session(
        self, session_hash: bytes, session: BrowserSession, *, replaces: bytes | None = None
    ) -> None:
        changes = sessions.open_session(
            self._state, self._limits, session_hash, session, replaces, self._clock()
        )
        await self._commit(None, changes)

    async def find_session(self, session_hash: bytes, *, now: float) -> BrowserSession | None:
        session = self._state.sessions.find_living(session_hash, now)
        await self._engine.settle(session_hash)
        return session

    async def close_session(self, session_hash: bytes) -> None:
        await self._commit(None, sessions.close_session(self._state, session_hash))

    async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None:
        changes = sessions.open_mcp_session(self._state, self._limits, session_hash, session, self._clock())
        await self._commit(None, changes)

    async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
        while not self._engine.journal.is_settled(session_hash):
            await self._engine.journal.wait()
        # Read after the wait, not before: a close or a subscription meanwhile must not be written over.
        session, changes = sessions.renew_mcp_session(self._state, session_hash, now)
        self._engine.note(changes)
        return session

    async def subscribe_mcp_session(
        self, session_hash: bytes, uri: str, *, is_wanted: bool, now: float
    ) -> bool:
        decision = sessions.subscribe_mcp_session(self._state, session_hash, uri, is_wanted, now)
        return await self._commit(*decision)

    async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
        return await self._commit(*sessions.set_mcp_log_level(self._state, session_hash, level, now))

    async def close_mcp_session(self, session_hash: bytes) -> bool:
        return await self._commit(*sessions.close_mcp_session(self._state, session_hash, self._clock()))

    async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes:
        return await self._commit(*keys.find_or_create_key(self._state, name, fresh, now))

    async def start_task(self, task_hash: bytes, task: Task, *, now: float) -> bool:
        return await self._commit(*tasks.start_task(self._state, self._limits, task_hash, task, now))

    async def find_task(self, task_hash: bytes, *, now: float) -> Task | None:
        task = self._state.tasks.find_living(task_hash, now)
        await self._engine.settle(task_hash)
        return task

    async def end_task(
        self, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
    ) -> Task | None:
        decision = tasks.end_task(self._state, task_hash, status=status, cause=cause, sealed=sealed, now=now)
        return await self._commit(*decision)

    async def interrupt_tasks(self, *, path: str, now: float) -> int:
        return await self._commit(*tasks.interrupt_tasks(self._state, path, now))

    async def use_once(
        self, purpose: str, party: str, value: str, *, expires_at: float, now: float, wait: bool = True
    ) -> UseOutcome:
        key = single_use.build_use_key(purpose, party, value)
        used = UsedValue(single_use.build_party(purpose, party), expires_at, purpose)
        outcome, changes = single_use.use_once(self._state, self._limits, key, used, now)
        if wait:
            return await self._commit(outcome, changes)
        self._engine.journal.check_alive()  # what can't be remembered must not be used
        self._engine.note(changes)
        return outcome

    async def know_address(self, key: bytes, known: KnownAddress) -> None:
        await self._commit(None, sessions.know_address(self._state, self._limits, key, known, self._clock()))

    async def is_known_address(self, key: bytes, *, now: float) -> bool:
        known = self._state.addresses.find_living(key, now) is not None
        await self._engine.settle(key)
        return known
