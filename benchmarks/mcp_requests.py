"""The bytes that a client of MCP 2026-07-28 sends: a call, and a subscription that stays open."""

import json
from typing import Any

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def build_call(port: int, token: str) -> bytes:
    """`tools/call` of `add`, with every header that the revision asks for."""
    params = {"name": "add", "arguments": {"a": 2, "b": 3}, "_meta": META}
    return build_post(port, token, "tools/call", params, {"Mcp-Name": "add"})


def build_subscription(port: int, token: str) -> bytes:
    """`subscriptions/listen`: a stream without an end."""
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    return build_post(port, token, "subscriptions/listen", params, {})


def build_post(port: int, token: str, method: str, params: dict[str, Any], more: dict[str, str]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode("ascii")
    headers = {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "benchmark/1.0",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        **more,
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode("ascii") + body
