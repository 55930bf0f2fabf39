"""Event streams of the MCP endpoint, as they arrive."""

import json
from typing import Any

from .site import Site
from .wire import Answer, Connection, build_request

BOTH = "application/json, text/event-stream"


def build_post(site: Site, token: str, message: object, **headers: str) -> bytes:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": BOTH}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return build_request("POST /mcp", site.port, body=json.dumps(message).encode(), headers=sent)


def build_get(site: Site, token: str, session: str) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", "Mcp-Session-Id": session}
    return build_request("GET /mcp", site.port, headers=headers)


def read_events(body: bytes) -> list[Any]:
    """The messages of an event stream; comments are passed over."""
    events = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            assert lines[0] == "event: message"
            assert lines[1].startswith("data: ")
            assert len(lines) == 2
            events.append(json.loads(lines[1][6:]))
    return events


async def begin(connection: Connection, request: bytes, mark: bytes = b": keep-alive\n\n") -> Answer:
    """Send, and read until the stream has shown `mark`."""
    connection.send(request)
    head = Answer(await connection.read_until(b"\r\n\r\n"))
    assert head.status == 200, head.raw
    assert head.headers["content-type"] == "text/event-stream"
    assert head.headers["cache-control"] == "no-store"
    assert head.headers["x-accel-buffering"] == "no"
    await connection.read_until(mark)
    return head
