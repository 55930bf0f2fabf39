"""What a native client listens with for its callback (RFC 8252 §7.3): a tiny server on a free port."""

import queue
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any

from .process import PATIENCE
from .raw import find_query

PAGE = b"""<!doctype html><title>No script</title><link rel="icon" href="data:,">
<p>You are connected and may close this page.</p><script>document.title = "Script"</script>"""


class Callback:
    """Records the queries of the browsers that arrive at `url`. Other addresses are its own pages."""

    def __init__(self) -> None:
        self._arrived: queue.Queue[str] = queue.Queue()
        arrived = self._arrived

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/callback"):
                    arrived.put(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(PAGE)))
                self.end_headers()
                self.wfile.write(PAGE)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"
        self.application_url = self.url.replace("/callback", "/application")

    def __enter__(self) -> "Callback":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> dict[str, str]:
        """The query of the next arrival."""
        return find_query(self._arrived.get(timeout=PATIENCE))

    def is_quiet(self) -> bool:
        """Whether nobody has arrived beyond those that were waited for."""
        return self._arrived.empty()


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody had a moment ago, for a program that must be told one."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port
