"""Implements: MCP 2025-11-25 basic/transports (Session Management).

A session id is 256 random bits. The store knows its SHA-256 alone, and whose it is: person, client and path
must all match, or the session is as unknown as one that never was. What lives only as long as the process
(calls in flight, open questions) stands beside it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from omnitornado.base64url import encode
from omnitornado.mcp.call import Call
from omnitornado.mcp.jsonrpc import INVALID_REQUEST, Json, JsonRpcError, RequestId
from omnitornado.mcp.log_levels import DEFAULT_LOG_LEVEL
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.session_asker import OpenQuestions
from omnitornado.store.records import McpSession

ID_BYTES = 32
MAX_ID_LENGTH = 128
MAX_REMEMBERED = 4096
"""Bytes of a client's self-description that are kept."""
MAX_LIVE = 10_000
"""Sessions that are held in memory beside the store; the one unused for longest goes first."""


class SessionStore(Protocol):
    """The transitions that sessions need of the store."""

    async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None: ...

    async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None: ...

    async def subscribe_mcp_session(
        self, session_hash: bytes, uri: str, *, is_wanted: bool, now: float
    ) -> bool: ...

    async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool: ...

    async def close_mcp_session(self, session_hash: bytes) -> bool: ...


OnChange = Callable[["LiveSession", str | None, bool], None]
"""Told of a session whose subscription to a URI has changed, and whether it is wanted; or, without a URI,
whose log level has."""


def _tell_nobody(session: "LiveSession", uri: str | None, is_wanted: bool) -> None:
    pass


class LiveSession:
    """A session as this process knows it."""

    __slots__ = (
        "_clock",
        "_on_change",
        "_store",
        "calls",
        "capabilities",
        "changes",
        "key",
        "log_level",
        "questions",
        "subscriptions",
        "username",
        "version",
    )

    def __init__(
        self,
        key: bytes,
        record: McpSession,
        *,
        store: SessionStore,
        clock: Callable[[], float],
        token_bytes: Callable[[int], bytes],
        on_change: OnChange,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self.key = key
        self.username = record.username
        self.version = record.protocol_version
        self.capabilities = record.capabilities
        """What the client declared when it opened the session (ClientCapabilities)."""
        self.questions = OpenQuestions(token_bytes)
        self.log_level = record.log_level or DEFAULT_LOG_LEVEL
        self.calls: dict[RequestId, Call] = {}
        self.changes = 0
        """How often its subscriptions or log level have changed since this process knows it."""
        self.subscriptions = dict.fromkeys(record.subscriptions)
        """URIs of resources whose updates the client wants to hear of, in its order."""

    async def subscribe(self, uri: str, *, is_wanted: bool) -> None:
        """Hear of a resource, or no more. Raises: StoreUnavailable."""
        await self._store.subscribe_mcp_session(self.key, uri, is_wanted=is_wanted, now=self._clock())
        self.note_subscription(uri, is_wanted=is_wanted)
        self._on_change(self, uri, is_wanted)

    def note_subscription(self, uri: str, *, is_wanted: bool) -> None:
        """The store knows."""
        self.changes += 1
        if is_wanted:
            self.subscriptions.setdefault(uri)
        else:
            self.subscriptions.pop(uri, None)

    async def set_log_level(self, level: str) -> None:
        """Send log messages from this level on. Raises: StoreUnavailable."""
        await self._store.set_mcp_log_level(self.key, level, now=self._clock())
        self.note_log_level(level)
        self._on_change(self, None, True)

    def note_log_level(self, level: str) -> None:
        """The store knows."""
        self.changes += 1
        self.log_level = level

    def follow(self, record: McpSession) -> None:
        """Another process may have changed what the store has, and the word of it may have been lost."""
        self.log_level = record.log_level or DEFAULT_LOG_LEVEL
        if self.subscriptions.keys() != set(record.subscriptions):
            self.subscriptions.clear()
            self.subscriptions.update(dict.fromkeys(record.subscriptions))


class Sessions:
    """Opens, finds and closes the sessions of one endpoint."""

    def __init__(
        self,
        store: SessionStore,
        *,
        path: str,
        lifetime: float,
        clock: Callable[[], float],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._path = path
        self._lifetime = lifetime
        self._clock = clock
        self._token_bytes = token_bytes
        self._live: OrderedDict[bytes, LiveSession] = OrderedDict()
        self.on_change: OnChange = _tell_nobody
        self.is_shared = False
        """Whether other processes serve the same sessions."""

    async def open(self, principal: Principal, version: str, client_info: Json, capabilities: Json) -> str:
        """Open a session; its id is returned once it is as durable as the store promises."""
        session_id = encode(self._token_bytes(ID_BYTES))
        now = self._clock()
        record = McpSession(
            username=principal.username,
            client_id=principal.client_id,
            path=self._path,
            protocol_version=version,
            client_info=_shorten(client_info),
            capabilities=_shorten_capabilities(capabilities),
            created_at=now,
            expires_at=now + self._lifetime,
        )
        await self._store.open_mcp_session(_hash(session_id), record)
        return session_id

    async def find(self, session_id: str | None, principal: Principal) -> LiveSession:
        """The session of this id, if it is this person's and client's, at this path.

        Raises:
            JsonRpcError: with status 400 without an id, 404 for one that is unknown, ended or someone else's.
        """
        if session_id is None:
            message = "Bad request: Mcp-Session-Id is missing; begin with initialize"
            raise JsonRpcError(code=INVALID_REQUEST, message=message, status=400)
        if len(session_id) > MAX_ID_LENGTH or not session_id.isascii():
            raise _build_not_found("not of the form of a session id")
        key = _hash(session_id)
        known = self._live.get(key) if self.is_shared else None
        changes = 0 if known is None else known.changes
        record = await self._store.find_mcp_session(key, now=self._clock())
        if record is None:
            raise _build_not_found("unknown or ended")
        if (record.username, record.client_id, record.path) != (
            principal.username,
            principal.client_id,
            self._path,
        ):
            raise _build_not_found("opened by another person or client, or at another path")
        if known is not None and known.changes == changes:
            known.follow(record)  # nothing newer has been heard while the store was asked
        return self._find_live(key, record)

    async def close(self, session: LiveSession) -> None:
        """End a session."""
        self._live.pop(session.key, None)
        await self._store.close_mcp_session(session.key)

    def find_here(self, key: bytes) -> LiveSession | None:
        """A session of which something lives in this process."""
        return self._live.get(key)

    def forget(self, key: bytes) -> LiveSession | None:
        """It has ended; what lived of it here."""
        return self._live.pop(key, None)

    def _find_live(self, key: bytes, record: McpSession) -> LiveSession:
        live = self._live.get(key)
        if live is None:
            live = self._live[key] = LiveSession(
                key,
                record,
                store=self._store,
                clock=self._clock,
                token_bytes=self._token_bytes,
                on_change=self._tell_change,
            )
            if len(self._live) > MAX_LIVE:
                self._forget_oldest()
        else:
            self._live.move_to_end(key)
        return live

    def _tell_change(self, session: LiveSession, uri: str | None, is_wanted: bool) -> None:
        self.on_change(session, uri, is_wanted)

    def _forget_oldest(self) -> None:
        # A session with calls in flight must stay: a cancellation would not find them.
        oldest = next((key for key, live in self._live.items() if not live.calls), None)
        if oldest is not None:
            del self._live[oldest]


def _hash(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode("ascii")).digest()


def _build_not_found(reason: str) -> JsonRpcError:
    message = "Session not found: it has ended; begin again with initialize"
    return JsonRpcError(code=INVALID_REQUEST, message=message, reason=f"session {reason}", status=404)


def _shorten(described: Json) -> dict[str, Any]:
    """A client's words about itself, or of long ones the plain short strings alone."""
    if len(msgspec.json.encode(described)) <= MAX_REMEMBERED:
        return described
    plain = [(key, value) for key, value in described.items() if isinstance(value, str) and len(key) <= 64]
    return {key: value[:256] for key, value in plain[:8]}


def _shorten_capabilities(declared: Json) -> dict[str, Any]:
    """What a client declares, or of many words those that decide what it can be asked."""
    if len(msgspec.json.encode(declared)) <= MAX_REMEMBERED:
        return declared
    known = {name: declared[name] for name in ("elicitation", "sampling", "roots") if name in declared}
    return {
        name: {part: {} for part in ("form", "url", "tools", "context", "listChanged") if part in parts}
        for name, parts in known.items()
        if isinstance(parts, dict)
    }
