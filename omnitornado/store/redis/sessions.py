"""Browser sessions, sessions of the handshake era, and the addresses people have signed in from."""

from typing import Any

import msgspec

from omnitornado.store.plain import build_text
from omnitornado.store.records import BrowserSession, KnownAddress, McpSession
from omnitornado.store.redis.fields import ADDRESS, MCP_SESSION, SESSION
from omnitornado.store.redis.part import Part
from omnitornado.store.sessions import build_bounded, is_renewal_due


class SessionsPart(Part):
    """As `Store` says of each."""

    async def open_session(
        self, session_hash: bytes, session: BrowserSession, *, replaces: bytes | None = None
    ) -> None:
        await self._run("open_session", self._clock(), session_hash, SESSION.pack(session), replaces or b"")

    async def find_session(self, session_hash: bytes, *, now: float) -> BrowserSession | None:
        return await self._find(SESSION, session_hash, now)

    async def close_session(self, session_hash: bytes) -> None:
        await self._forget(SESSION, session_hash, self._clock())

    async def open_mcp_session(self, session_hash: bytes, session: McpSession) -> None:
        bounded: dict[str, Any] = {
            "client_info": build_bounded(session.client_info),
            "capabilities": build_bounded(session.capabilities),
        }
        session = msgspec.structs.replace(session, **bounded)
        await self._run("open_mcp_session", self._clock(), session_hash, MCP_SESSION.pack(session))

    async def find_mcp_session(self, session_hash: bytes, *, now: float) -> McpSession | None:
        session = await self._find(MCP_SESSION, session_hash, now)
        if session is None or not is_renewal_due(session, now):
            return session
        raw = await self._run("renew_mcp_session", now, session_hash)
        return None if raw is None else MCP_SESSION.unpack(raw)

    async def subscribe_mcp_session(
        self, session_hash: bytes, uri: str, *, is_wanted: bool, now: float
    ) -> bool:
        args = (session_hash, build_text(uri), "1" if is_wanted else "")
        return bool(await self._run("subscribe_mcp_session", now, *args))

    async def set_mcp_log_level(self, session_hash: bytes, level: str, *, now: float) -> bool:
        return bool(await self._run("set_mcp_log_level", now, session_hash, level))

    async def close_mcp_session(self, session_hash: bytes) -> bool:
        return await self._forget(MCP_SESSION, session_hash, self._clock())

    async def know_address(self, key: bytes, known: KnownAddress) -> None:
        await self._run("know_address", self._clock(), key, ADDRESS.pack(known))

    async def is_known_address(self, key: bytes, *, now: float) -> bool:
        return await self._find(ADDRESS, key, now) is not None
