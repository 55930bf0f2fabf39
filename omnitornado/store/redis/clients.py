"""Clients that registered, clients' own documents, and the redirect URI a preset client is bound to."""

import msgspec

from omnitornado.store.plain import build_plain
from omnitornado.store.records import Client, ClientDocument, RedirectBinding
from omnitornado.store.redis.fields import BINDING, CLIENT, DOCUMENT
from omnitornado.store.redis.part import Part


class ClientsPart(Part):
    """As `Store` says of each."""

    async def register_client(self, client: Client) -> tuple[str, ...]:
        client = msgspec.structs.replace(client, metadata=build_plain(client.metadata))
        gone = await self._run("register_client", self._clock(), client.client_id, CLIENT.pack(client))
        return tuple(name.decode() for name in gone)

    async def find_client(self, client_id: str, *, now: float) -> Client | None:
        return await self._find(CLIENT, client_id, now)

    async def update_client(self, client: Client, registration_hash: bytes, *, now: float) -> Client | None:
        client = msgspec.structs.replace(client, metadata=build_plain(client.metadata))
        raw = await self._run("update_client", now, client.client_id, registration_hash, CLIENT.pack(client))
        return None if raw is None else CLIENT.unpack(raw)

    async def delete_client(self, client_id: str, registration_hash: bytes, *, now: float) -> int | None:
        ended: int | None = await self._run("delete_client", now, client_id, registration_hash)
        self._cache.clear()
        return ended

    async def keep_document(self, url: str, kept: ClientDocument) -> None:
        kept = msgspec.structs.replace(kept, document=build_plain(kept.document))
        await self._run("keep_document", self._clock(), url, DOCUMENT.pack(kept))

    async def forget_document(self, url: str) -> None:
        await self._forget(DOCUMENT, url, self._clock())

    async def find_document(self, url: str, *, now: float) -> ClientDocument | None:
        return await self._find(DOCUMENT, url, now)

    async def find_redirect_binding(self, client_id: str) -> RedirectBinding | None:
        return await self._find(BINDING, client_id, 0.0)
