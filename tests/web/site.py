"""A running server of the tests, and what a client does with it."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from omnitornado.mcp.context import Context
from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.server import MCPServer
from omnitornado.server import Server
from omnitornado.serving.mount import McpMount
from omnitornado.store.transitions import StoreUnavailable

from .browser import Browser

CALLBACK = "https://app.example/callback"
SECRET = "preset-secret"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

CLIENTS: list[dict[str, Any]] = [
    {
        "client_id": "preset",
        "client_secret": SECRET,
        "client_name": "Preset app",
        "redirect_uris": [CALLBACK],
    },
    {
        "client_id": "native",
        "client_name": "Native app",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none",
    },
    {"client_id": "unbound", "client_secret": SECRET, "client_name": "Unbound app"},
]


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.error: Exception | None = None

    def __call__(self) -> float:
        if self.error is not None:
            raise self.error
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Gate:
    """What the tools of the test server report, and what they wait for."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.ended = asyncio.Event()
        self.outcomes: list[str] = []


def build_tools(gate: Gate) -> MCPServer:
    mcp = MCPServer("test", title="Test tools")

    @mcp.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @mcp.tool()
    def whoami(context: Context) -> str:
        """Who calls."""
        return f"{context.username} by {context.client_id}"

    @mcp.tool(scopes=["admin"])
    def reset() -> str:
        """Needs more than the endpoint's scope."""
        return "done"

    @mcp.tool()
    def fail() -> str:
        """Goes wrong."""
        raise RuntimeError("a secret of the inside")

    @mcp.tool()
    async def count(context: Context) -> str:
        """Report progress."""
        for step in (1, 2):
            await context.progress(step, 2)
        return "counted"

    @mcp.tool()
    async def flood(context: Context) -> str:
        """Report more than a socket holds."""
        for step in range(8):
            await context.progress(step, 8, "x" * 1_000_000)
        return "flooded"

    @mcp.tool()
    async def wait(context: Context) -> str:
        """Wait at the gate."""
        gate.entered.set()
        try:
            await gate.opened.wait()
        except asyncio.CancelledError:
            gate.outcomes.append("cancelled")
            raise
        finally:
            gate.ended.set()
        gate.outcomes.append("finished")
        return "waited"

    return mcp


class Site:
    """A server on its own port."""

    def __init__(
        self, server: Server, url: str, client: AsyncHTTPClient, clock: Clock, gate: Gate, mcp: MCPServer
    ) -> None:
        self.server = server
        self.url = url
        self.client = client
        self.clock = clock
        self.gate = gate
        self.mcp = mcp
        self.services = server.authorization_server.services
        self.anyone = self.open_browser()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def endpoint(self) -> Endpoint:
        (mount,) = self.server._mounts
        assert isinstance(mount, McpMount)
        return mount._endpoint

    @property
    def mcp_url(self) -> str:
        return self.url + "/mcp"

    def open_browser(self, base_url: str | None = None) -> Browser:
        return Browser(self.client, base_url or self.url)

    async def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> HTTPResponse:
        """A request without cookies."""
        browser = self.open_browser()
        return await browser.request(method, path, body=body, headers=headers)

    # OAuth

    def build_authorize_url(self, **parameters: str | None) -> str:
        """An authorization request of the preset client; None leaves a parameter out."""
        sent: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "preset",
            "redirect_uri": CALLBACK,
            "state": "xyz",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        sent |= parameters
        return "/authorize?" + urlencode({name: value for name, value in sent.items() if value is not None})

    async def obtain_code(self, browser: Browser | None = None, **parameters: str | None) -> str:
        browser = browser or self.open_browser()
        location = await browser.approve(self.build_authorize_url(prompt="consent", **parameters))
        return read_query(location)["code"]

    async def redeem(self, code: str, **fields: str) -> HTTPResponse:
        sent = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        return await self.post_token(sent | fields)

    async def post_token(self, fields: dict[str, str], *, path: str = "/token") -> HTTPResponse:
        """As the preset client, by post, unless `fields` says otherwise."""
        return await self.open_browser().post(path, {"client_id": "preset", "client_secret": SECRET} | fields)

    async def obtain_tokens(self, browser: Browser | None = None, **parameters: str | None) -> dict[str, Any]:
        response = await self.redeem(await self.obtain_code(browser, **parameters))
        return read_json(response)

    # MCP

    async def call(
        self, token: str | None, message: object, *, method: str = "POST", **headers: str
    ) -> HTTPResponse:
        """One request to the MCP endpoint."""
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if message is None else json.dumps(message)
        return await self.fetch("/mcp", method=method, headers=sent, body=body)

    async def open_session(self, token: str, version: str = "2025-11-25") -> str:
        response = await self.call(token, build_initialize(version))
        assert response.code == 200, response.body
        return response.headers["Mcp-Session-Id"]

    async def call_stateless(
        self, token: str | None, method: str, params: dict[str, Any] | None = None, **headers: str
    ) -> HTTPResponse:
        message, sent = build_stateless(method, params or {})
        return await self.call(token, message, **(sent | headers))

    def break_store(self) -> None:
        """From here on the disk takes nothing, and what is asked for can't be told."""

        async def fail(*args: object, **kwargs: object) -> None:
            raise StoreUnavailable("the disk is full")

        store = self.server.authorization_server.store
        for name in ("_commit", "find_access", "find_client", "find_grants", "find_session"):
            setattr(store, name, fail)
        store.find_access_now = lambda *args, **kwargs: None  # type: ignore[method-assign]


def build_initialize(version: str = "2025-11-25") -> dict[str, Any]:
    info = {"name": "test", "version": "1"}
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


def build_stateless(method: str, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A message of the stateless era, and the headers that must mirror it."""
    meta = params.get("_meta", {}) | {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params | {"_meta": meta}}
    headers = {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}
    if "name" in params:
        headers["Mcp_Name"] = params["name"]
    return message, headers


def read_json(response: HTTPResponse) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/json", response.headers["Content-Type"]
    document: dict[str, Any] = json.loads(response.body)
    return document


def read_query(url: str) -> dict[str, str]:
    """The parameters of an address, each of which must stand there once."""
    values = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(value) == 1 for value in values.values()), url
    return {name: value[0] for name, value in values.items()}


async def until(is_so: Callable[[], object]) -> None:
    """Let the loop run until something is so; the test's own time limit bounds it."""
    while not is_so():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0)
