"""A real Redis of Debian's, on a free port, for as long as a block lasts."""

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

PROGRAM = "/usr/bin/redis-server"
PATIENCE = 10.0


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class RedisServer:
    """`options` are those of redis.conf. It can be killed and started again, on the same port and files."""

    def __init__(self, **options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self._options = {"save": "", "appendonly": "yes", "appendfsync": "no"} | options
        self.port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket(self) -> Path:
        return Path(self._folder.name) / "redis.sock"

    def start(self) -> None:
        places = {"port": str(self.port), "bind": "127.0.0.1", "dir": self._folder.name}
        places |= {"unixsocket": str(self.socket), "logfile": "log"}
        flags = [text for name, value in (places | self._options).items() for text in ("--" + name, value)]
        self._process = subprocess.Popen([PROGRAM, *flags], cwd=self._folder.name)
        give_up_at = time.monotonic() + PATIENCE
        while not self.socket.exists() or not self._answers():
            if time.monotonic() > give_up_at or self._process.poll() is not None:
                log = Path(self._folder.name, "log")
                raise RuntimeError(log.read_text() if log.exists() else "redis-server did not start")
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            answer = self.ask("PING")
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False

    def ask(self, *command: str | bytes) -> bytes:
        """One command, as it is on the wire; its raw answer, as far as it comes at once."""
        parts = [part.encode() if isinstance(part, str) else part for part in command]
        sent = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            line.sendall(sent)
            return line.recv(1 << 20)

    def pause(self) -> None:
        """It keeps its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def flush(self) -> None:
        assert self.ask("FLUSHALL") == b"+OK\r\n"

    def read_files(self) -> bytes:
        """All that it has written to its disk."""
        return b"".join(path.read_bytes() for path in Path(self._folder.name).rglob("*") if path.is_file())

    def kill(self) -> None:
        """At once, as the power going."""
        self._end(kill=True)

    def stop(self) -> None:
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(PATIENCE)
        self.socket.unlink(missing_ok=True)

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kill=True)
        self._folder.cleanup()
