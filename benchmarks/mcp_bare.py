"""The yardstick: a bare Tornado RequestHandler that does the same work without any protocol checks.

    python -m benchmarks.mcp_bare TOKEN

Parses the body, looks the token up by its digest, adds two numbers and answers with the same bytes. It uses
msgspec, as the server under measurement does: a yardstick of `json` would be slower and flatter the ratio.
"""

import asyncio
import hashlib
import sys
import time
from typing import Any, NamedTuple

import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class Grant(NamedTuple):
    """Whose token it is, and until when."""

    username: str
    expires_at: float


class BareHandler(RequestHandler):
    """POST alone."""

    def initialize(self, tokens: dict[bytes, Grant]) -> None:
        self.tokens = tokens

    def post(self) -> None:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        grant = self.tokens.get(hashlib.sha256(token.encode("ascii")).digest())
        if scheme != "Bearer" or grant is None or grant.expires_at < time.time():
            self.send_error(401)
            return
        message = msgspec.json.decode(self.request.body)
        arguments = message["params"]["arguments"]
        total = arguments["a"] + arguments["b"]
        self.set_header("Content-Type", "application/json")
        self.write(msgspec.json.encode(build_answer(message["id"], total)))


def build_answer(request_id: int, total: int) -> dict[str, Any]:
    """What an MCP server of 2026-07-28 says."""
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "result": {
            "content": [{"type": "text", "text": str(total)}],
            "isError": False,
            "structuredContent": total,
            "resultType": "complete",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "benchmark", "version": "1.0.0"}},
        },
    }


async def serve(token: str) -> None:
    tokens = {hashlib.sha256(token.encode("ascii")).digest(): Grant("ada", time.time() + 3600)}
    server = HTTPServer(Application([("/mcp", BareHandler, {"tokens": tokens})]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"Port: {sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
