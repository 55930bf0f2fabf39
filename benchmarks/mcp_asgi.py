"""The same tool on the official Python SDK and on fastmcp, with a token check, served by uvicorn.

python -m benchmarks.mcp_asgi sdk|fastmcp TOKEN asyncio/h11|uvloop/httptools
"""

import asyncio
import sys
import time
from typing import Any

import uvicorn
from pydantic import AnyHttpUrl

ISSUER = "https://auth.example.com"
RESOURCE = "http://127.0.0.1/mcp"
SCOPE = "mcp"


def build_sdk(token: str) -> Any:
    """MCPServer without sessions, answering in JSON: its fastest way."""
    from mcp.server.auth.provider import AccessToken, TokenVerifier
    from mcp.server.auth.settings import AuthSettings
    from mcp.server.mcpserver import MCPServer

    expires_at = int(time.time()) + 3600

    class Verifier(TokenVerifier):
        async def verify_token(self, given: str) -> AccessToken | None:
            if given != token:
                return None
            return AccessToken(token=given, client_id="load", scopes=[SCOPE], expires_at=expires_at)

    auth = AuthSettings(
        issuer_url=AnyHttpUrl(ISSUER), resource_server_url=AnyHttpUrl(RESOURCE), required_scopes=[SCOPE]
    )
    server = MCPServer("benchmark", token_verifier=Verifier(), auth=auth, log_level="ERROR")
    server.tool()(add)
    return server.streamable_http_app(json_response=True, stateless_http=True)


def build_fastmcp(token: str) -> Any:
    """FastMCP in the same way."""
    from fastmcp import FastMCP
    from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

    tokens = {token: {"client_id": "load", "scopes": [SCOPE], "expires_at": int(time.time()) + 3600}}
    server: Any = FastMCP("benchmark", auth=StaticTokenVerifier(tokens, required_scopes=[SCOPE]))
    server.tool(add)
    return server.http_app(path="/mcp", json_response=True, stateless_http=True)


async def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


class Announcing(uvicorn.Server):
    """Says its port once it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(f"Port: {self.servers[0].sockets[0].getsockname()[1]}", flush=True)


def main() -> None:
    kind, token, engine = sys.argv[1:4]
    loop, http = engine.split("/")
    app = build_sdk(token) if kind == "sdk" else build_fastmcp(token)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, loop=loop, http=http, access_log=False, log_level="error"
    )
    server = Announcing(config)
    # As uvicorn's own command does it: with the loop that the configuration names.
    asyncio.Runner(loop_factory=config.get_loop_factory()).run(server.serve())


if __name__ == "__main__":
    main()
