"""Which connection and which loop a server runs on."""

import asyncio
import sys

import pytest
import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omnitornado.speed.choice import find_loop_factory, is_chosen, open_server
from omnitornado.speed.server import SpeedServer

from .site import Client


def test_it_is_taken_where_it_is_installed_unless_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice ([server] speed)."""
    assert is_chosen("auto")
    assert find_loop_factory("auto") is uvloop.new_event_loop
    assert not is_chosen("off")
    assert find_loop_factory("off") is None
    monkeypatch.setattr("omnitornado.speed.importlib.util.find_spec", lambda name: None)
    assert not is_chosen("auto")


def test_without_it_its_packages_are_not_imported() -> None:
    """Our choice: the extra is optional."""
    script = (
        "import sys; sys.modules['uvloop'] = sys.modules['httptools'] = None\n"
        "import omnitornado.server\n"
        "assert 'omnitornado.speed.protocol' not in sys.modules"
    )

    async def scenario() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await process.wait() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(("choice", "kind"), [("auto", SpeedServer), ("off", HTTPServer)])
def test_the_chosen_connection_answers(choice: str, kind: type) -> None:
    """Our choice ([server] speed): the application and its handlers are the same on both."""

    class Echo(RequestHandler):
        def post(self) -> None:
            self.write(self.request.body)

    async def scenario() -> None:
        sockets = bind_sockets(0, "127.0.0.1")
        server = await open_server(
            Application([("/mcp", Echo)], log_function=lambda handler: None),
            sockets,
            speed=choice,
            ssl_options=None,
            max_body=1_000_000,
            body_timeout=30.0,
            idle_timeout=30.0,
        )
        assert isinstance(server, kind)
        client = Client(*await asyncio.open_connection("127.0.0.1", sockets[0].getsockname()[1]))
        for body in (b"a", b"b" * 70_000):
            client.send(b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head, answer = await client.read_answer()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer == body
        client.close()
        server.stop()
        await server.close_all_connections()

    asyncio.run(scenario())
