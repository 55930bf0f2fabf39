"""The real server process: `python -m omnitornado CONFIG --port N` in a folder of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import toml

from .ledger import Ledger

TOP = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0
"""Seconds until a test gives up on something that happens at once on an idle machine."""
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+ .+")
PASSWORD = "correct horse battery staple"
PASSWORD_HASH = "$2b$04$vFq32udsoiEVyyRSuejn5.dNmMAoozTUtQ85hkgNJaSnNmywYN2kO"
"""At bcrypt's lowest cost: a journey is not about its slowness."""


class Output:
    """A stream of the process, read line by line on a thread of its own."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self.ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._pump, args=(stream,), daemon=True)
        self._thread.start()

    def _pump(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait_until(self, is_there: Callable[[list[str]], bool]) -> None:
        """Return once the lines so far satisfy `is_there`."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or is_there(self.lines), PATIENCE)
            assert is_there(self.lines), f"not seen in {self.lines}"

    def close(self) -> None:
        self._thread.join(PATIENCE)
        assert self.ended

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def build_environment() -> dict[str, str]:
    """The process finds the package in the checkout, installed or not."""
    return {**os.environ, "PYTHONPATH": str(TOP), "PYTHONUNBUFFERED": "1"}


def build_command(config: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "omnitornado", str(config), *options]


class ServerProcess:
    """One server and its folder. `stop` holds it to a clean end; `restart` keeps port and state."""

    def __init__(self, folder: Path, settings: dict[str, Any], ledger: Ledger) -> None:
        self.folder = folder
        self.settings = settings
        self.ledger = ledger
        self.config = folder / "config.toml"
        self.port = 0
        self.banner: list[tuple[str, str]] = []
        self.expected: list[str] = []
        """Patterns of log lines above INFO that the test provokes."""
        self._process: subprocess.Popen[str] | None = None

    # Starting

    def start(self) -> "ServerProcess":
        """Start it and wait for its banner."""
        assert self._process is None
        if self.settings:
            self.config.write_text(toml.dumps(self.settings))
        self._process = subprocess.Popen(
            build_command(self.config, "--port", str(self.port)),
            cwd=self.folder,
            env=build_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout, self.stderr = Output(self._process.stdout), Output(self._process.stderr)
        try:
            self.stdout.wait_until(self._is_whole)
        except AssertionError:
            self.kill()
            raise AssertionError(f"no banner: {self.stdout.text!r} {self.stderr.text!r}") from None
        self._read_banner()
        return self

    def _is_whole(self, lines: list[str]) -> bool:
        secrets = [
            client for client in toml.load(self.config).get("clients", []) if "client_secret" in client
        ]
        return len([line for line in lines if line.startswith(("MCP URL:", "Issuer:"))]) == 2 and len(
            [line for line in lines if line.startswith("Client Secret:")]
        ) == len(secrets)

    def _read_banner(self) -> None:
        self.banner = [(key, value) for key, _, value in (line.partition(": ") for line in self.stdout.lines)]
        self.ledger.note(*(value for key, value in self.banner if key == "Client Secret"))
        if self.port == 0:
            self.port = int(self.issuer.rpartition(":")[2])

    @property
    def mcp_url(self) -> str:
        return dict(self.banner)["MCP URL"]

    @property
    def issuer(self) -> str:
        return dict(self.banner)["Issuer"]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    # Watching

    def wait_for_log(self, event: str, *, count: int = 1) -> None:
        """Return once the log has so many lines with this text: they come on a way of their own."""
        self.stderr.wait_until(lambda lines: sum(event in line for line in lines) >= count)

    def count_log(self, event: str) -> int:
        """How many lines of the log have this text."""
        return sum(event in line for line in self.stderr.lines)

    # Ending

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended and its output is read."""
        assert self._process is not None
        code = self._process.wait(PATIENCE)
        self.stdout.close()
        self.stderr.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process = None
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and check how it ended."""
        if self._process is not None:
            self.send_signal(number)
            self.check_end(self.wait())

    def check_end(self, code: int) -> None:
        """A clean end: exit code 0, nothing unexpected in the log, no secret in the log or on the disk."""
        assert code == 0, self.stderr.text
        self.check_log()
        self.check_disk()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    def restart(self) -> None:
        """Stop it, and start it again on the same port and state."""
        self.stop()
        self.start()

    # What it left

    def check_log(self) -> None:
        """Every line is a log line, none is above INFO but for those expected, and none has a secret."""
        for line in self.stderr.lines:
            match = LINE.fullmatch(line)
            assert match is not None, f"not a log line: {line!r} in\n{self.stderr.text}"
            is_expected = any(re.search(pattern, line) for pattern in self.expected)
            assert match["level"] in ("DEBUG", "INFO") or is_expected, self.stderr.text
        assert self.ledger.find_leaks(self.stderr.text) == []

    def check_disk(self) -> None:
        """No secret stands plain in the store's files, and they are their owner's alone."""
        for path in self.folder.rglob("*.state*"):
            assert self.ledger.find_leaks(path.read_bytes().decode("latin-1")) == [], path
            assert path.stat().st_mode & 0o077 == 0, path
