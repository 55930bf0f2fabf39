"""The official Python SDK's client, with a person who answers its browser requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from .ledger import Ledger
from .person import Person
from .process import PATIENCE
from .raw import find_query

CALLBACK = "http://localhost:3030/callback"


class Storage:
    """What the application keeps between its runs (`mcp.client.auth.TokenStorage`)."""

    def __init__(self, ledger: Ledger) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        self.received: list[OAuthToken] = []
        self._ledger = ledger

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.received.append(tokens)
        self._ledger.note(tokens.access_token, tokens.refresh_token)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info
        self._ledger.note(client_info.client_secret)


class Application:
    """An application that uses the SDK. A new one with the old `storage` is the same, started again."""

    def __init__(
        self,
        mcp_url: str,
        person: Person,
        ledger: Ledger,
        storage: Storage | None = None,
        *,
        document: str | None = None,
    ) -> None:
        """`document`: the address where the application says what it is."""
        self.mcp_url = mcp_url
        self.storage = storage or Storage(ledger)
        self.session_ids: list[str] = []
        """The sessions its requests named, each once, in their order."""
        self.paths: list[str] = []
        self._person = person
        self._ledger = ledger
        self._callback = ""
        self.provider = OAuthClientProvider(
            server_url=mcp_url,
            client_metadata=OAuthClientMetadata(client_name="Python app", redirect_uris=[AnyUrl(CALLBACK)]),
            storage=self.storage,
            redirect_handler=self._open_browser,
            callback_handler=self._await_callback,
            client_metadata_url=document,
        )

    @asynccontextmanager
    async def connect(
        self, mode: str, *, transport: httpx2.AsyncBaseTransport | None = None, **options: Any
    ) -> AsyncIterator[Client]:
        """A connected client; `options` are the SDK's own, callbacks among them. `transport`: its network."""
        hooks = {"request": [self._note_request]}
        async with (
            httpx2.AsyncClient(
                auth=self.provider, timeout=PATIENCE, event_hooks=hooks, transport=transport
            ) as http,
            Client(streamable_http_client(self.mcp_url, http_client=http), mode=mode, **options) as client,
        ):
            yield client

    async def _open_browser(self, url: str) -> None:
        self._callback = await asyncio.to_thread(self._person.approve, url)

    async def _await_callback(self) -> AuthorizationCodeResult:
        query = find_query(self._callback)
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    async def _note_request(self, request: httpx2.Request) -> None:
        self.paths.append(request.url.path)
        session_id = request.headers.get("Mcp-Session-Id")
        if session_id is not None and session_id not in self.session_ids:
            self.session_ids.append(session_id)
            self._ledger.note(session_id)


def expire_access_token(application: Application) -> None:
    """Make the SDK believe that its access token's time is over: what an hour would do."""
    application.provider.context.token_expiry_time = 1.0
