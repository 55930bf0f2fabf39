"""The one interface of the store: whole, atomic transitions, the same for every engine.

Each method checks, changes and makes durable in one step; no caller reads, awaits and then writes. A method
returns when what it says is on disk as `[store] durability` promises, refusals included: an answer that was
drawn from a change waits for that change's flush. `now` is always the caller's clock, in seconds.

A change that can't be kept raises `StoreUnavailable`; the caller answers 503 and nothing is promised. Reads
and refusals are answered as long as the engine knows the answer; `outage` says whether changes are taken.
"""

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

from omnitornado.store.bus import Bus
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


class StoreUnavailable(Exception):  # noqa: N818 - it reads as what happened
    """The disk (or the engine) did not take the change; nothing was promised."""


class IssueOutcome(enum.Enum):
    """What `issue_code` did. Nothing changed but with ISSUED."""

    ISSUED = "issued"
    REQUEST_GONE = "request_gone"
    """The pushed request has been answered or forgotten, or is another client's."""
    CONSENT_GONE = "consent_gone"
    """What the person approved before does not cover it any more."""
    BOUND_ELSEWHERE = "bound_elsewhere"
    """The client is bound to another redirect URI."""


class CodeOutcome(enum.Enum):
    """What `redeem_code` did."""

    REDEEMED = "redeemed"
    ALREADY_USED = "already_used"
    """The code had been redeemed: the grant made from it is revoked now (RFC 6749 §4.1.2)."""
    MISSING = "missing"
    """Unknown or expired."""


class OpenOutcome(enum.Enum):
    """What `open_device` did."""

    OPENED = "opened"
    TAKEN = "taken"
    """Another request has this user code: nothing changed, draw another."""
    FULL = "full"
    """There are too many: nothing changed."""


class DeviceOutcome(enum.Enum):
    """What `poll_device` found (RFC 8628 §3.5)."""

    PENDING = "pending"
    SLOW_DOWN = "slow_down"
    APPROVED = "approved"
    """`redeem_device` may follow."""
    DENIED = "denied"
    EXPIRED = "expired"
    REDEEMED = "redeemed"
    """It has been redeemed: `redeem_device` will revoke the grant made from it."""
    MISSING = "missing"
    """Unknown, forgotten, or another client's."""


class RefreshOutcome(enum.Enum):
    """What `rotate_refresh` did."""

    ROTATED = "rotated"
    RETRIED = "retried"
    """The token before the current one, within the grace: nothing changed, hand out the same successor."""
    REUSED = "reused"
    """An older token: the grant is revoked now (RFC 9700 §4.14.2)."""
    MISSING = "missing"
    """No such grant, expired, or another client's: nothing changed."""


class UseOutcome(enum.Enum):
    """What `use_once` did."""

    FIRST = "first"
    REPLAYED = "replayed"
    """The value has been used before: nothing changed."""
    FULL = "full"
    """Too many living values are kept, of this party or of all: nothing changed, and nothing is known of this
    one. To forget another in its place would let that one be used again."""


class Rotation(msgspec.Struct, frozen=True):
    """The answer of `rotate_refresh`: the outcome and the grant as it stands after it (None when MISSING)."""

    outcome: RefreshOutcome
    grant: Grant | None


class RefreshSuccessor(msgspec.Struct, frozen=True):
    """What a rotation puts in place: the new refresh token's digest and the sealed pair for a retry."""

    refresh_hash: bytes
    sealed_refresh: bytes
    sealed_access: bytes
    expires_at: float
    """When the grant ends, counted from this rotation."""


class Store(Protocol):
    """State shared by every handler."""

    @property
    def outage(self) -> str | None:
        """Why no change is taken at the moment, in a word; None when all is well."""

    # Clients (RFC 7591)
    async def register_client(self, client: Client) -> tuple[str, ...]:
        """Keep a registration. Over the cap of clients that never got a grant, the oldest of those go first:
        their ids are returned."""

    async def find_client(self, client_id: str, *, now: float) -> Client | None:
        """The registration, or None when unknown or lapsed."""

    async def update_client(self, client: Client, registration_hash: bytes, *, now: float) -> Client | None:
        """Put `client` in place of the registration of its id, if `registration_hash` is that one's; what is
        kept from now on, or None with nothing changed. When it was issued, first used, and lapses stays as it
        is.
        """

    async def delete_client(self, client_id: str, registration_hash: bytes, *, now: float) -> int | None:
        """Forget a registration, if `registration_hash` is its own, and end every grant of the client; how
        many those were, or None with nothing changed.
        """

    # Clients' own documents (Client ID Metadata Documents)
    async def keep_document(self, url: str, kept: ClientDocument) -> None:
        """Keep the last good copy. Over the cap of those whose client never got a grant, the oldest go."""

    async def forget_document(self, url: str) -> None:
        """Forget the last good copy: it has been withdrawn. What its client was given stays."""

    async def find_document(self, url: str, *, now: float) -> ClientDocument | None:
        """The last good copy, fresh or not; None when there is none, or it is too old for any use."""

    async def find_redirect_binding(self, client_id: str) -> RedirectBinding | None: ...

    # Authorization codes and grants
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
        """Keep a code, and with it the redirect binding and the consents that the approval made.

        `is_unasked`: the person was not asked, so each of `remember`, and there must be one, is covered by
        what they approved before. `pushed`: the key of the pushed request that this answers, and uses up.
        """

    async def find_code(self, code_hash: bytes, *, now: float) -> AuthorizationCode | None:
        """The code's facts, redeemed or not; None when unknown or past its time."""

    async def redeem_code(
        self, code_hash: bytes, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float
    ) -> CodeOutcome:
        """Use the code up and make the grant and its first access token. Marks the client as used."""

    # Pushed authorization requests (RFC 9126). `issue_code` uses one up.
    async def push_request(self, key: bytes, request: PushedRequest, *, now: float) -> None:
        """Keep a request. Over the cap of those with its `party` the one pushed longest ago goes."""

    async def find_pushed(self, key: bytes, *, now: float) -> PushedRequest | None:
        """The request, as long as no code has answered it; None when unknown, answered or past its time."""

    # Device authorization (RFC 8628). `key` is a digest of the user code.
    async def open_device(self, key: bytes, device: DeviceCode, *, now: float) -> OpenOutcome:
        """Keep a device's request."""

    async def find_device(self, key: bytes, *, now: float) -> DeviceCode | None:
        """The request with this user code, decided or not; None when unknown or forgotten."""

    async def decide_device(
        self, key: bytes, device_hash: bytes, *, username: str, scope: Sequence[str] | None, now: float
    ) -> DeviceCode | None:
        """Note a person's approval of `scope`, or with None their refusal, of the request that has this
        device code. None, with nothing changed, when it is another one, decided already, or past its time.
        """

    async def poll_device(
        self, key: bytes, device_hash: bytes, *, client_id: str, now: float
    ) -> tuple[DeviceOutcome, DeviceCode | None]:
        """Where the request stands. One that is pending notes the pace of its polls (never waited for: losing
        it costs nothing).
        """

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
        """Use an approved request up, as `redeem_code` does. MISSING also where it is not the grant's
        client's, or the grant's person has not approved it.
        """

    async def issue_grant(self, grant: Grant, access_hash: bytes, access: AccessToken, *, now: float) -> None:
        """Make a grant and its first access token, where nothing kept here stands for it: the client proved
        what it is based on in the request itself. Marks the client as used.
        """

    async def find_grant(self, grant_id: bytes, *, now: float) -> Grant | None: ...

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
        """Replace the current refresh token by its successor and keep the new access token, if
        `presented_hash` is the current one; see `RefreshOutcome` for the other cases. `grace` in seconds."""

    async def issue_access(self, access_hash: bytes, access: AccessToken, *, now: float) -> bool:
        """Keep one more access token of a living grant; False when the grant is gone."""

    async def find_access(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        """The token and its grant, both living; None otherwise. The hot path: every request calls it."""

    def find_access_now(self, access_hash: bytes, *, now: float) -> tuple[AccessToken, Grant] | None:
        """What `find_access` gives, where that takes no waiting and `touch_grant` would note nothing. None
        says nothing: ask `find_access`."""

    async def revoke_access(self, access_hash: bytes) -> bool:
        """Forget one access token; False when it was unknown."""

    async def revoke_grant(self, grant_id: bytes) -> bool:
        """End a grant, and with it every token; False when it was unknown."""

    async def disconnect_client(self, *, username: str, client_id: str, grant_id: bytes) -> bool:
        """Take back what a person has allowed a client: end their grant, and forget what they have approved
        for it, remembered or waiting to be redeemed. False when the grant was unknown, or not theirs; the
        rest is done all the same.
        """

    async def touch_grant(self, grant_id: bytes, *, now: float) -> None:
        """Note that the grant was used. Coarse (minutes) and never waited for: losing it costs nothing."""

    async def find_grants(self, username: str, *, now: float) -> Sequence[Grant]:
        """A person's living grants, oldest first."""

    # Remembered consent
    async def has_consent(
        self,
        *,
        username: str,
        client_id: str,
        redirect_uri: str,
        resources: Sequence[str],
        scope: Sequence[str],
    ) -> bool:
        """Whether what the person approved covers all of `scope` at each of `resources` ("" for none)."""

    # Browser sessions
    async def open_session(
        self, session_hash: bytes, session: BrowserSession, *, replaces: bytes | None = None
    ) -> None:
        """Keep a signed-in session, in place of `replaces` (rotation at login)."""

    async def find_session(self, session_hash: bytes, *, now: float) -> BrowserSession | None: ...

    async def close_session(self, session_hash: bytes) -> None: ...

    # MCP sessions of the handshake revisions
    async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None: ...

    async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
        """The session. One that is used keeps living: past half its time its end moves on by the same
        lifetime (never waited for)."""

    async def subscribe_mcp_session(
        self, session_hash: bytes, uri: str, *, is_wanted: bool, now: float
    ) -> bool:
        """Note that a session's client wants to hear of a resource, or no more; False when it is over."""

    async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
        """Note from which level on it wants log messages; False when the session is over."""

    async def close_mcp_session(self, session_hash: bytes) -> bool:
        """End it; False when it was unknown."""

    # Keys of the server's own
    async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes:
        """The key of this name. `fresh`, random bytes, becomes it where there is none yet."""

    # Tasks (SEP-2663)
    async def start_task(self, task_hash: bytes, task: Task, *, now: float) -> bool:
        """Keep a new task. False, with nothing changed, where the person has as many as may be kept, or as
        many bytes of results."""

    async def find_task(self, task_hash: bytes, *, now: float) -> Task | None: ...

    async def end_task(
        self, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
    ) -> Task | None:
        """End a task that works, with what it came to. The first end counts: gives the task as it stands
        now, or None when it is unknown or past its time."""

    async def interrupt_tasks(self, *, path: str, now: float) -> int:
        """Nobody works on the tasks of an endpoint any more: those that have not ended have failed, with the
        cause `interrupted`. Gives how many."""

    # Values that are good once: the `jti` of an assertion (RFC 7523 §3) or of a proof (RFC 9449 §11.1)
    async def use_once(
        self, purpose: str, party: str, value: str, *, expires_at: float, now: float, wait: bool = True
    ) -> UseOutcome:
        """Use a value up. It is the same value where `purpose`, `party` (who made it: a client's or an
        issuer's name) and `value` are the same.

        `expires_at`: until when the caller would take the value; it is remembered until then. `wait`: False
        where an fsync for each use would cost too much; a crash then forgets the uses of its last second, or
        of the outage it ended.
        """

    # Addresses a person has signed in from
    async def know_address(self, key: bytes, known: KnownAddress) -> None: ...

    async def is_known_address(self, key: bytes, *, now: float) -> bool: ...


class RunningStore(Store, Protocol):
    """An engine, and its beginning and end."""

    @property
    def bus(self) -> Bus | None:
        """Reaches the other processes that share it, from `start` on; None where there can't be any."""

    async def start(self) -> None:
        """Begin, on the running loop. Raises: StoreError."""

    async def close(self) -> None:
        """Let what is promised be kept, and end. Calling it again does nothing."""
