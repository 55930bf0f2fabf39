"""What a store must answer, written as plainly as can be: one dictionary a kind, looked through each time.

It keeps nothing on a disk and forgets nothing but what is past its time, so that a restart must make no
difference.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from omnitornado.store.limits import Limits
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
)
from omnitornado.store.transitions import (
    CodeOutcome,
    DeviceOutcome,
    IssueOutcome,
    OpenOutcome,
    RefreshOutcome,
    RefreshSuccessor,
    Rotation,
    UseOutcome,
)

T = TypeVar("T")
change = msgspec.structs.replace


class Model:
    """Has the store's methods, without `async`."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self.clients: dict[str, Client] = {}
        self.codes: dict[bytes, AuthorizationCode] = {}
        self.grants: dict[bytes, Grant] = {}
        self.access: dict[bytes, AccessToken] = {}
        self.devices: dict[bytes, DeviceCode] = {}
        self.pushed: dict[bytes, PushedRequest] = {}
        self.consents: dict[tuple[str, str, str, str], Consent] = {}
        self.bindings: dict[str, RedirectBinding] = {}
        self.sessions: dict[bytes, BrowserSession] = {}
        self.mcp_sessions: dict[bytes, McpSession] = {}
        self.addresses: dict[bytes, KnownAddress] = {}
        self.tasks: dict[bytes, Task] = {}
        self.documents: dict[str, ClientDocument] = {}
        self.used: dict[tuple[str, str, str], float] = {}

    @staticmethod
    def _forget(records: dict[Any, Any], now: float) -> None:
        for key, record in list(records.items()):
            if record.expires_at is not None and record.expires_at <= now:
                del records[key]

    @staticmethod
    def _trim(
        records: dict[Any, T], mine: Callable[[T], bool], age: Callable[[T], Any], limit: int
    ) -> list[Any]:
        """Make room for one more."""
        keys = sorted((age(record), key) for key, record in records.items() if mine(record))
        gone = [key for _, key in keys[: max(0, len(keys) + 1 - limit)]]
        for key in gone:
            del records[key]
        return gone

    def register_client(self, client: Client) -> tuple[str, ...]:
        self._forget(self.clients, self.clock())
        known = self.clients.pop(client.client_id, None)
        if known is not None and known.used_at is not None:
            client = change(client, used_at=known.used_at, used_by=known.used_by, expires_at=None)
        gone = self._trim(
            self.clients,
            lambda one: one.used_at is None,
            lambda one: one.issued_at,
            self.limits.unused_clients,
        )
        self.clients[client.client_id] = client
        return tuple(gone)

    def find_client(self, client_id: str, *, now: float) -> Client | None:
        self._forget(self.clients, now)
        return self.clients.get(client_id)

    def update_client(self, client: Client, registration_hash: bytes, *, now: float) -> Client | None:
        known = self.find_client(client.client_id, now=now)
        if known is None or known.registration_hash is None or known.registration_hash != registration_hash:
            return None
        kept = {name: getattr(known, name) for name in ("issued_at", "expires_at", "used_at")}
        self.clients[client.client_id] = change(client, **kept)
        return self.clients[client.client_id]

    def delete_client(self, client_id: str, registration_hash: bytes, *, now: float) -> int | None:
        known = self.find_client(client_id, now=now)
        if known is None or known.registration_hash is None or known.registration_hash != registration_hash:
            return None
        self._forget(self.grants, now)
        ended = [key for key, grant in self.grants.items() if grant.client_id == client_id]
        for key in ended:
            del self.grants[key]
        self.codes = {key: code for key, code in self.codes.items() if code.client_id != client_id}
        self.devices = {key: one for key, one in self.devices.items() if one.client_id != client_id}
        del self.clients[client_id]
        return len(ended)

    def keep_document(self, url: str, kept: ClientDocument) -> None:
        self._forget(self.documents, self.clock())
        known = self.documents.pop(url, None)
        if known is not None and known.used_at is not None:
            kept = change(kept, used_at=known.used_at)
        else:
            self._trim(
                self.documents,
                lambda one: one.used_at is None,
                lambda one: one.fetched_at,
                self.limits.unused_documents,
            )
        self.documents[url] = kept

    def forget_document(self, url: str) -> None:
        self.documents.pop(url, None)

    def find_document(self, url: str, *, now: float) -> ClientDocument | None:
        self._forget(self.documents, now)
        return self.documents.get(url)

    def find_redirect_binding(self, client_id: str) -> RedirectBinding | None:
        return self.bindings.get(client_id)

    def issue_code(
        self,
        code_hash: bytes,
        code: AuthorizationCode,
        *,
        bind_redirect: RedirectBinding | None = None,
        remember: Sequence[Consent] = (),
        is_unasked: bool = False,
        pushed: bytes | None = None,
    ) -> IssueOutcome:
        if pushed is not None:
            request = self.find_pushed(pushed, now=self.clock())
            if request is None or request.client_id != code.client_id:
                return IssueOutcome.REQUEST_GONE
        if is_unasked and not (remember and all(map(self._is_covered, remember))):
            return IssueOutcome.CONSENT_GONE
        if bind_redirect is not None:
            bound = self.bindings.setdefault(bind_redirect.client_id, bind_redirect)
            if bound.redirect_uri != bind_redirect.redirect_uri:
                return IssueOutcome.BOUND_ELSEWHERE
        if pushed is not None:
            del self.pushed[pushed]
        self._forget(self.codes, self.clock())
        self.codes.pop(code_hash, None)
        self._trim(
            self.codes,
            lambda one: one.username == code.username,
            lambda one: (one.grant_id is None, one.expires_at),
            self.limits.codes_per_person,
        )
        self.codes[code_hash] = code
        for consent in remember:
            self._remember(consent)
        return IssueOutcome.ISSUED

    def push_request(self, key: bytes, request: PushedRequest, *, now: float) -> None:
        self._forget(self.pushed, now)
        self.pushed.pop(key, None)
        self._trim(
            self.pushed,
            lambda one: one.party == request.party,
            lambda one: one.pushed_at,
            self.limits.pushed_requests,
        )
        self.pushed[key] = request

    def find_pushed(self, key: bytes, *, now: float) -> PushedRequest | None:
        self._forget(self.pushed, now)
        return self.pushed.get(key)

    def _is_covered(self, consent: Consent) -> bool:
        return self.has_consent(
            username=consent.username,
            client_id=consent.client_id,
            redirect_uri=consent.redirect_uri,
            resources=[consent.resource],
            scope=consent.scope,
        )

    def _remember(self, new: Consent) -> None:
        key = (new.username, new.client_id, new.redirect_uri, new.resource)
        before = self.consents.pop(key, None)
        self._trim(
            self.consents,
            lambda one: one.username == new.username,
            lambda one: one.granted_at,
            self.limits.consents_per_person,
        )
        scope = tuple(dict.fromkeys((before.scope if before else ()) + new.scope))
        self.consents[key] = change(new, scope=scope)

    def find_code(self, code_hash: bytes, *, now: float) -> AuthorizationCode | None:
        self._forget(self.codes, now)
        return self.codes.get(code_hash)

    def redeem_code(
        self, code_hash: bytes, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float
    ) -> CodeOutcome:
        code = self.find_code(code_hash, now=now)
        if code is None:
            return CodeOutcome.MISSING
        if code.grant_id is not None:
            self._end(code.grant_id)
            return CodeOutcome.ALREADY_USED
        self.codes[code_hash] = change(
            code, grant_id=grant.grant_id, expires_at=max(code.expires_at, now + 600)
        )
        self._make_grant(grant, access_hash, access, now)
        return CodeOutcome.REDEEMED

    def issue_grant(self, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float) -> None:
        self._make_grant(grant, access_hash, access, now)

    def _make_grant(self, grant: Grant, access_hash: bytes, access: AccessToken, now: float) -> None:
        self._forget(self.grants, now)
        client = self.find_client(grant.client_id, now=now)
        if client is not None and client.used_at is None:
            self._use(client, grant.username, now)
        self._trim(
            self.grants,
            lambda one: one.username == grant.username,
            lambda one: one.last_used_at,
            self.limits.grants_per_person,
        )
        self._end(grant.grant_id)
        self.grants[grant.grant_id] = grant
        self.access[access_hash] = access
        kept = self.find_document(grant.client_id, now=now)
        if kept is not None and kept.used_at is None:
            self.documents[grant.client_id] = change(kept, used_at=now)

    def open_device(self, key: bytes, device: DeviceCode, *, now: float) -> OpenOutcome:
        if self.find_device(key, now=now) is not None:
            return OpenOutcome.TAKEN
        self.devices[key] = device
        return OpenOutcome.OPENED

    def find_device(self, key: bytes, *, now: float) -> DeviceCode | None:
        self._forget(self.devices, now)
        return self.devices.get(key)

    def decide_device(
        self, key: bytes, device_hash: bytes, *, username: str, scope: Sequence[str] | None, now: float
    ) -> DeviceCode | None:
        device = self.find_device(key, now=now)
        if device is None or device.device_hash != device_hash or device.username is not None:
            return None
        if now >= device.code_expires_at:
            return None
        granted = device.scope if scope is None else tuple(scope)
        self.devices[key] = change(device, username=username, is_approved=scope is not None, scope=granted)
        return self.devices[key]

    def poll_device(
        self, key: bytes, device_hash: bytes, *, client_id: str, now: float
    ) -> tuple[DeviceOutcome, DeviceCode | None]:
        device = self.find_device(key, now=now)
        if device is None or device.device_hash != device_hash or device.client_id != client_id:
            return DeviceOutcome.MISSING, None
        if device.grant_id is not None:
            return DeviceOutcome.REDEEMED, device
        if now >= device.code_expires_at:
            return DeviceOutcome.EXPIRED, device
        if device.username is not None:
            return (DeviceOutcome.APPROVED if device.is_approved else DeviceOutcome.DENIED), device
        if device.polled_at and now < device.polled_at + device.interval - 1:
            self.devices[key] = change(device, polled_at=now, interval=min(device.interval + 5, 60.0))
            return DeviceOutcome.SLOW_DOWN, self.devices[key]
        self.devices[key] = change(device, polled_at=now)
        return DeviceOutcome.PENDING, self.devices[key]

    def redeem_device(
        self,
        key: bytes,
        device_hash: bytes,
        grant: Grant,
        access_hash: bytes,
        access: AccessToken,
        *,
        now: float,
    ) -> CodeOutcome:
        device = self.find_device(key, now=now)
        if device is None or device.device_hash != device_hash or device.client_id != grant.client_id:
            return CodeOutcome.MISSING
        if device.username != grant.username:
            return CodeOutcome.MISSING
        if device.grant_id is not None:
            self._end(device.grant_id)
            return CodeOutcome.ALREADY_USED
        if not device.is_approved or now >= device.code_expires_at:
            return CodeOutcome.MISSING
        self.devices[key] = change(
            device, grant_id=grant.grant_id, expires_at=max(device.expires_at, now + 600)
        )
        self._make_grant(grant, access_hash, access, now)
        return CodeOutcome.REDEEMED

    def _use(self, client: Client, username: str, now: float) -> None:
        granted = {grant.client_id for grant in self.grants.values()}
        mine = [one for one in self.clients.values() if one.used_at is not None and one.used_by == username]
        excess = max(0, len(mine) + 1 - self.limits.clients_per_person)
        idle = sorted(
            (one.used_at, one.client_id) for one in mine if one.used_at and one.client_id not in granted
        )
        for _, client_id in idle[:excess]:
            del self.clients[client_id]
        self.clients[client.client_id] = change(client, used_at=now, used_by=username, expires_at=None)

    def _end(self, grant_id: bytes) -> Grant | None:
        self.access = {key: one for key, one in self.access.items() if one.grant_id != grant_id}
        return self.grants.pop(grant_id, None)

    def _add(self, access_hash: bytes, access: AccessToken, now: float) -> None:
        self._forget(self.access, now)
        self.access.pop(access_hash, None)
        self._trim(
            self.access,
            lambda one: one.grant_id == access.grant_id,
            lambda one: one.expires_at,
            self.limits.access_tokens_per_grant,
        )
        self.access[access_hash] = access

    def find_grant(self, grant_id: bytes, *, now: float) -> Grant | None:
        self._forget(self.grants, now)
        return self.grants.get(grant_id)

    def rotate_refresh(
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
        grant = self.find_grant(grant_id, now=now)
        if grant is None or grant.client_id != client_id or grant.refresh_hash is None:
            return Rotation(RefreshOutcome.MISSING, None)
        if presented_hash == grant.refresh_hash:
            members = msgspec.structs.asdict(successor)
            grant = change(grant, previous_hash=presented_hash, rotated_at=now, last_used_at=now, **members)
            self.grants[grant_id] = grant
            self._add(access_hash, access, now)
            return Rotation(RefreshOutcome.ROTATED, grant)
        if presented_hash == grant.previous_hash and now - grant.rotated_at <= grace:
            return Rotation(RefreshOutcome.RETRIED, grant)
        return Rotation(RefreshOutcome.REUSED, self._end(grant_id))

    def issue_access(self, access_hash: bytes, access: AccessToken, *, now: float) -> bool:
        if self.find_grant(access.grant_id, now=now) is None:
            return False
        self._add(access_hash, access, now)
        return True

    def find_access(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        self._forget(self.access, now)
        access = self.access.get(access_hash)
        grant = None if access is None else self.find_grant(access.grant_id, now=now)
        return None if access is None or grant is None else (access, grant)

    def revoke_access(self, access_hash: bytes) -> bool:
        if self.find_access(access_hash, now=self.clock()) is None:
            return False
        del self.access[access_hash]
        return True

    def revoke_grant(self, grant_id: bytes) -> bool:
        self._forget(self.grants, self.clock())
        return self.grants.pop(grant_id, None) is not None

    def disconnect_client(self, *, username: str, client_id: str, grant_id: bytes) -> bool:
        grant = self.find_grant(grant_id, now=self.clock())
        if grant is not None and grant.username == username and grant.client_id == client_id:
            del self.grants[grant_id]
        else:
            grant = None
        for consent in [key for key in self.consents if key[:2] == (username, client_id)]:
            del self.consents[consent]
        for code_hash, code in list(self.codes.items()):
            if (code.username, code.client_id, code.grant_id) == (username, client_id, None):
                del self.codes[code_hash]
        for key, device in list(self.devices.items()):
            is_theirs = device.username == username and device.client_id == client_id
            if is_theirs and device.is_approved and device.grant_id is None:
                del self.devices[key]
        return grant is not None

    def touch_grant(self, grant_id: bytes, *, now: float) -> None:
        grant = self.find_grant(grant_id, now=now)
        if grant is not None and now - grant.last_used_at >= 60:
            self.grants[grant_id] = change(grant, last_used_at=now)

    def find_grants(self, username: str, *, now: float) -> list[Grant]:
        self._forget(self.grants, now)
        mine = (grant for grant in self.grants.values() if grant.username == username)
        return sorted(mine, key=lambda grant: (grant.created_at, grant.grant_id))

    def has_consent(
        self,
        *,
        username: str,
        client_id: str,
        redirect_uri: str,
        resources: Sequence[str],
        scope: Sequence[str],
    ) -> bool:
        found = [self.consents.get((username, client_id, redirect_uri, resource)) for resource in resources]
        return all(one is not None and all(name in one.scope for name in scope) for one in found)

    def open_session(
        self, session_hash: bytes, session: BrowserSession, *, replaces: bytes | None = None
    ) -> None:
        self._forget(self.sessions, self.clock())
        self.sessions.pop(session_hash if replaces is None else replaces, None)
        self._trim(
            self.sessions,
            lambda one: one.username == session.username,
            lambda one: one.signed_in_at,
            self.limits.browser_sessions_per_person,
        )
        self.sessions[session_hash] = session

    def find_session(self, session_hash: bytes, *, now: float) -> BrowserSession | None:
        self._forget(self.sessions, now)
        return self.sessions.get(session_hash)

    def close_session(self, session_hash: bytes) -> None:
        self.sessions.pop(session_hash, None)

    def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None:
        self._forget(self.mcp_sessions, self.clock())
        self.mcp_sessions.pop(session_hash, None)
        self._trim(
            self.mcp_sessions,
            lambda one: one.username == session.username,
            lambda one: max(one.created_at, one.renewed_at),
            self.limits.mcp_sessions_per_person,
        )
        self.mcp_sessions[session_hash] = session

    def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
        self._forget(self.mcp_sessions, now)
        session = self.mcp_sessions.get(session_hash)
        if session is not None:
            lifetime = session.expires_at - max(session.created_at, session.renewed_at)
            if session.expires_at - now <= lifetime / 2:
                session = change(session, expires_at=now + lifetime, renewed_at=now)
                self.mcp_sessions[session_hash] = session
        return session

    def subscribe_mcp_session(self, session_hash: bytes, uri: str, *, is_wanted: bool, now: float) -> bool:
        self._forget(self.mcp_sessions, now)
        session = self.mcp_sessions.get(session_hash)
        if session is not None:
            wanted = dict.fromkeys(session.subscriptions)
            if is_wanted:
                wanted.setdefault(uri)
            else:
                wanted.pop(uri, None)
            self.mcp_sessions[session_hash] = change(session, subscriptions=tuple(wanted))
        return session is not None

    def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
        self._forget(self.mcp_sessions, now)
        session = self.mcp_sessions.get(session_hash)
        if session is not None:
            self.mcp_sessions[session_hash] = change(session, log_level=level)
        return session is not None

    def close_mcp_session(self, session_hash: bytes) -> bool:
        self._forget(self.mcp_sessions, self.clock())
        return self.mcp_sessions.pop(session_hash, None) is not None

    def know_address(self, key: bytes, known: KnownAddress) -> None:
        self._forget(self.addresses, self.clock())
        self.addresses.pop(key, None)
        self._trim(
            self.addresses,
            lambda one: one.username == known.username,
            lambda one: one.expires_at,
            self.limits.known_addresses_per_person,
        )
        self.addresses[key] = known

    def is_known_address(self, key: bytes, *, now: float) -> bool:
        self._forget(self.addresses, now)
        return key in self.addresses

    def start_task(self, task_hash: bytes, task: Task, *, now: float) -> bool:
        self._forget(self.tasks, now)
        mine = [one for one in self.tasks.values() if one.username == task.username]
        kept = sum(len(one.sealed) for one in mine)
        if len(mine) >= self.limits.tasks_per_person or kept >= self.limits.task_bytes_per_person:
            return False
        self.tasks[task_hash] = task
        return True

    def find_task(self, task_hash: bytes, *, now: float) -> Task | None:
        self._forget(self.tasks, now)
        return self.tasks.get(task_hash)

    def end_task(
        self, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
    ) -> Task | None:
        task = self.find_task(task_hash, now=now)
        if task is not None and task.status == "working":
            task = change(task, status=status, cause=cause, sealed=sealed, updated_at=now)
            self.tasks[task_hash] = task
        return task

    def interrupt_tasks(self, *, path: str, now: float) -> int:
        self._forget(self.tasks, now)
        ended = {
            key: change(task, status="failed", cause="interrupted", updated_at=now)
            for key, task in self.tasks.items()
            if task.status == "working" and task.path == path
        }
        self.tasks |= ended
        return len(ended)

    def use_once(
        self, purpose: str, party: str, value: str, *, expires_at: float, now: float, wait: bool = True
    ) -> UseOutcome:
        self.used = {key: end for key, end in self.used.items() if now < end}
        if (purpose, party, value) in self.used:
            return UseOutcome.REPLAYED
        mine = [key for key in self.used if key[:2] == (purpose, party)]
        if len(mine) >= self.limits.used_values_per_party:
            return UseOutcome.FULL
        self.used[purpose, party, value] = expires_at
        return UseOutcome.FIRST
