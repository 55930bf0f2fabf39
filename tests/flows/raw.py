"""A client that says exactly what the test wants it to say, for what no real client can be brought to do."""

import base64
import hashlib
import json
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from .ledger import Ledger
from .person import Person
from .process import PATIENCE

CALLBACK = "http://127.0.0.1:1/callback"
"""Nothing listens there: the person's browser never goes on to it."""
EVENTS = "application/json, text/event-stream"
STATE = "st/at e+1=&%2B"
"""It must come back byte for byte."""
STATELESS = "2026-07-28"


class RawClient:
    """A public client of the server at `issuer`: `register` or give it a `client_id`, then `authorize`."""

    def __init__(
        self,
        issuer: str,
        ledger: Ledger,
        *,
        client_id: str = "",
        callback: str = CALLBACK,
        verify: ssl.SSLContext | bool = False,
        **network: Any,
    ) -> None:
        """`verify`: for https; without it no time is spent on loading authorities. `network`: httpx's own."""
        self.issuer = issuer
        self.client_id = client_id
        self.callback = callback
        self.name = "Raw client"
        self.access_token = ""
        self.refresh_token = ""
        self.session_id: str | None = None
        self.version = ""
        self._verifier = secrets.token_urlsafe(48)
        self._ledger = ledger
        ledger.note(self._verifier)
        self.http = httpx.Client(timeout=PATIENCE, verify=verify, **network)

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.http.close()

    # OAuth

    def register(self) -> httpx.Response:
        document = {
            "client_name": self.name,
            "redirect_uris": [self.callback],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        response = self.http.post(f"{self.issuer}/register", json=document)
        if response.status_code == 201:
            self.client_id = response.json()["client_id"]
        return response

    def build_authorization_url(self, **parameters: str) -> str:
        """An authorization request. Its PKCE verifier stays with this client."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.callback,
            "state": STATE,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
            "resource": f"{self.issuer}/mcp",
            "nonce": secrets.token_urlsafe(8),  # no two requests are the same, as with real clients
        }
        return f"{self.issuer}/authorize?{urlencode(query | parameters)}"

    def request_token(self, **form: str) -> httpx.Response:
        """POST `/token`, with `client_secret` for a confidential client; good tokens are kept."""
        self._ledger.note_members(form)
        response = self.http.post(f"{self.issuer}/token", data={"client_id": self.client_id, **form})
        if response.status_code == 200:
            document = response.json()
            self._ledger.note_members(document)
            self.access_token = document["access_token"]
            self.refresh_token = document.get("refresh_token", "")
        return response

    def redeem(self, code: str, **form: str) -> httpx.Response:
        return self.request_token(
            grant_type="authorization_code",
            code=code,
            code_verifier=self._verifier,
            redirect_uri=self.callback,
            **form,
        )

    def refresh(self) -> httpx.Response:
        return self.request_token(grant_type="refresh_token", refresh_token=self.refresh_token)

    def revoke(self, token: str) -> httpx.Response:
        return self.http.post(f"{self.issuer}/revoke", data={"client_id": self.client_id, "token": token})

    def connect(self, person: Person) -> None:
        """Registration, sign-in, approval and tokens."""
        assert self.register().status_code == 201
        assert self.redeem(find_code(person.approve(self.build_authorization_url()))).status_code == 200

    # MCP

    def build_call(self, method: str, params: dict[str, Any], *, request_id: int | None = 1) -> httpx.Request:
        """A request of the session's revision, or of the stateless one where there is no session."""
        headers = {"Accept": EVENTS, "Authorization": f"Bearer {self.access_token}"}
        if self.session_id is not None:
            headers |= {"Mcp-Session-Id": self.session_id, "MCP-Protocol-Version": self.version}
        elif method != "initialize":
            headers |= {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
            name = params.get("name", params.get("taskId"))
            headers |= {} if name is None else {"Mcp-Name": name}
            params = params | {"_meta": build_stateless_meta() | params.get("_meta", {})}
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            body["id"] = request_id
        return self.http.build_request(
            "POST", f"{self.issuer}/mcp", headers=headers, content=json.dumps(body)
        )

    def call(self, method: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return self.http.send(self.build_call(method, params or {}))

    def call_tool(self, name: str, arguments: dict[str, Any]) -> httpx.Response:
        return self.call("tools/call", {"name": name, "arguments": arguments})

    def initialize(self, version: str) -> dict[str, Any]:
        """Open a session of this revision; gives the server's answer."""
        params = {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        response = self.call("initialize", params)
        assert response.status_code == 200, response.text
        self.session_id = response.headers["Mcp-Session-Id"]
        self._ledger.note(self.session_id)
        result: dict[str, Any] = response.json()["result"]
        self.version = result["protocolVersion"]
        initialized = self.http.send(self.build_call("notifications/initialized", {}, request_id=None))
        assert initialized.status_code == 202
        return result

    @contextmanager
    def listen(self) -> Iterator[Iterator[str]]:
        """The GET stream of the session, as lines."""
        assert self.session_id is not None
        headers = {
            "Accept": "text/event-stream",
            "Authorization": f"Bearer {self.access_token}",
            "Mcp-Session-Id": self.session_id,
            "MCP-Protocol-Version": self.version,
        }
        with self.http.stream("GET", f"{self.issuer}/mcp", headers=headers) as response:
            assert response.status_code == 200
            yield response.iter_lines()


def build_stateless_meta() -> dict[str, Any]:
    """What every request of 2026-07-28 carries (basic/index, Per-Request Metadata)."""
    return {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }


def find_query(url: str) -> dict[str, str]:
    """The query of a callback; each name stands there once."""
    found = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), url
    return {name: values[0] for name, values in found.items()}


def find_code(url: str) -> str:
    """The code of a callback."""
    return find_query(url)["code"]
