"""Event streams of the MCP endpoint, as they arrive."""

import json
import re
from typing import Any

from .site import Site
from .wire import Answer, Connection, build_request

BOTH = "application/json, text/event-stream"


def build_post(site: Site, token: str, message: object, **headers: str) -> bytes:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": BOTH}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return build_request("POST /mcp", site.port, body=json.dumps(message).encode(), headers=sent)


def build_get(site: Site, token: str, session: str, *, last_event_id: str | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", "Mcp-Session-Id": session}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    return build_request("GET /mcp", site.port, headers=headers)


def read_blocks(body: bytes) -> list[dict[str, str]]:
    """The events of a stream, field by field; comments are passed over."""
    blocks = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        assert len(fields) == len(lines), block
        if fields:
            blocks.append(fields)
    return blocks


def read_events(body: bytes) -> list[Any]:
    """The messages of an event stream."""
    blocks = [fields for fields in read_blocks(body) if fields.get("data")]
    assert all(fields["event"] == "message" for fields in blocks)
    return [json.loads(fields["data"]) for fields in blocks]


async def read_block(connection: Connection) -> dict[str, str]:
    """The next event of a stream that is still open. Chunks of the transfer coding are passed over."""
    while True:
        block = await connection.read_until(b"\n\n")
        lines = [line for line in block.decode().split("\n") if re.match("(id|event|retry|data):", line)]
        if lines:
            return dict(line.split(": ", 1) for line in lines)


async def begin(connection: Connection, request: bytes, mark: bytes | None = b": keep-alive\n\n") -> Answer:
    """Send, and read until the stream has shown `mark`, if there is one."""
    connection.send(request)
    head = Answer(await connection.read_until(b"\r\n\r\n"))
    assert head.status == 200, head.raw
    assert head.headers["content-type"] == "text/event-stream"
    assert head.headers["cache-control"] == "no-store"
    assert head.headers["x-accel-buffering"] == "no"
    if mark is not None:
        await connection.read_until(mark)
    return head
