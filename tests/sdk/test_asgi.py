"""A request as an ASGI application sees it, and its answer, without sockets."""

import asyncio
from typing import Any

import pytest

from omnitornado.sdk.asgi import Exchange, Head, Request, build_scope, read_head


class Recorder:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def begin(self, head: Head) -> None:
        self.told.append(("begin", head.status))

    async def write_piece(self, piece: bytes) -> None:
        self.told.append(piece)

    async def write_whole(self, head: Head, body: bytes) -> None:
        self.told.append(("whole", head.status, body))


def start(content_type: bytes = b"application/json", status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [(b"Content-Type", content_type)]}


def body(piece: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def send(*messages: dict[str, Any]) -> list[Any]:
    """What a sink is told of an application's messages."""
    recorder = Recorder()

    async def scenario() -> None:
        exchange = Exchange(b"", recorder)
        for message in messages:
            await exchange.send(message)

    asyncio.run(scenario())
    return recorder.told


def test_the_scope_has_what_the_specification_names_and_no_credentials() -> None:
    """Required by ASGI 3.0 HTTP 2.3 (connection scope): bytes, lower-cased names, no query in the path."""
    headers = [("Host", "a"), ("X-Name", "\xe9"), ("AUTHORIZATION", "Bearer x"), ("cookie", "c")]
    request = Request("POST", "/mcp", "a=%20b", headers, "https", ("h", 443), "10.0.0.1")
    scope = build_scope(request, user="u", auth="a")
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["headers"] == [(b"host", b"a"), (b"x-name", b"\xe9")]
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/mcp", b"/mcp")
    assert (scope["query_string"], scope["root_path"], scope["scheme"]) == (b"a=%20b", "", "https")
    assert (scope["server"], scope["client"]) == (("h", 443), ("10.0.0.1", 0))
    assert (scope["user"], scope["auth"], scope["http_version"]) == ("u", "a", "1.1")
    assert "user" not in build_scope(request)


def test_the_body_comes_once_and_then_nothing_until_the_client_leaves() -> None:
    """Required by ASGI 3.0 HTTP 2.3 (receive events)."""

    async def scenario() -> None:
        exchange = Exchange(b"body", Recorder())
        assert await exchange.receive() == {"type": "http.request", "body": b"body", "more_body": False}
        waiting = [asyncio.create_task(exchange.receive()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        exchange.leave()
        assert await asyncio.gather(*waiting) == [{"type": "http.disconnect"}] * 2

    asyncio.run(scenario())


def test_a_whole_answer_ends_the_exchange() -> None:
    """Required by ASGI 3.0 HTTP 2.3 (disconnect): also once the response has been sent."""

    async def scenario() -> None:
        exchange = Exchange(b"", Recorder())
        await exchange.receive()
        await exchange.send(start())
        assert exchange.has_begun
        await exchange.send(body(b"{}"))
        assert exchange.is_complete
        assert await exchange.receive() == {"type": "http.disconnect"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([start(), body(b"{}")], [("whole", 200, b"{}")]),
        ([start(status=204), body()], [("whole", 204, b"")]),
        ([start(), body(b"a", more=True), body(b"b")], [("begin", 200), b"a", b"b"]),
        ([start(), body(b"a", more=True), body()], [("begin", 200), b"a"]),
        ([start(b"text/event-stream")], [("begin", 200)]),
        ([start(b"Text/Event-Stream; charset=utf-8"), body(b"a", more=True)], [("begin", 200), b"a"]),
        ([start()], []),
    ],
)
def test_an_answer_goes_out_whole_or_in_pieces(messages: list[dict[str, Any]], told: list[Any]) -> None:
    """Required by ASGI 3.0 HTTP 2.3 (send events); that an event stream's head goes at once is our choice."""
    assert send(*messages) == told


@pytest.mark.parametrize(
    "messages",
    [
        [body(b"early")],
        [start(), start()],
        [start(), body(), body()],
        [start(), {"type": "http.response.trailers", "headers": []}],
        [{"type": "websocket.accept"}],
    ],
)
def test_a_message_out_of_turn_is_an_error_of_the_applications(messages: list[dict[str, Any]]) -> None:
    """Our choice: never a second answer."""
    with pytest.raises(RuntimeError, match="out of turn"):
        send(*messages)


def test_an_application_that_writes_to_nobody_leaves_others_their_turn() -> None:
    """Our choice: one that never waits would stop the process."""

    async def scenario() -> None:
        exchange = Exchange(b"", Recorder())
        await exchange.send(start(b"text/event-stream"))
        exchange.leave()

        async def write() -> None:
            while True:
                await exchange.send(body(b"x", more=True))

        writing = asyncio.create_task(write())
        for _ in range(3):
            await asyncio.sleep(0)
        writing.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_headers_that_are_this_servers_to_say_are_left_out() -> None:
    """Our choice: no cookie, no challenge and no CORS of an application's."""
    names = ["Set-Cookie", "WWW-Authenticate", "Access-Control-Allow-Origin", "Connection", "Content-Length"]
    names += ["Transfer-Encoding", "Cache-Control", "Date", "Server", "Vary"]
    pairs = [(name.encode(), b"x") for name in names]
    pairs += [(b"Mcp-Session-Id", b"s"), (b"Allow", b"POST"), (b"Content-Type", b"a/b")]
    head = read_head({"status": 201, "headers": pairs})
    assert head == Head(201, [("mcp-session-id", "s"), ("allow", "POST")], "a/b")
    assert read_head({"status": 200}) == Head(200, [], "")
