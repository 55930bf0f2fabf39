"""What is measured: each subject starts one server process and says where it listens and with which token."""

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from benchmarks.mcp_login import find_token
from benchmarks.mcp_process import MeasuredProcess

PASSWORD = "correct horse battery staple"

CONFIG = """
[server]
speed = "{speed}"

[registration]
rate_per_minute = 1000000

[store]
path = "{folder}/benchmark.state"

[[users]]
username = "ada"
password = "{password}"

[mcp]
name = "benchmark"
app = "benchmarks.mcp_tools:mcp"
streams_per_person = {streams}
"""


@dataclass
class Running:
    """A server that answers."""

    process: MeasuredProcess
    port: int
    token: str
    folder: tempfile.TemporaryDirectory[str] | None = None

    def end(self) -> None:
        self.process.end()
        if self.folder is not None:
            self.folder.cleanup()


class Start(Protocol):
    """Starts a server on a core; `streams`, how many streams its one person must be allowed."""

    def __call__(self, core: int, streams: int = 64) -> Running: ...


def start_omnitornado(core: int, streams: int, speed: str) -> Running:
    """The real command on a store of its own: each durable; the token comes from a real login."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "config.toml"
    text = CONFIG.format(folder=folder.name, password=PASSWORD, speed=speed, streams=streams + 100)
    path.write_text(text, encoding="utf-8")
    arguments = ["-m", "omnitornado", str(path), "--port", "0"]
    process = MeasuredProcess(arguments, ready="Issuer", core=core)
    port = urlsplit(process.said["MCP URL"]).port or 0
    try:
        return Running(process, port, find_token(port, username="ada", password=PASSWORD), folder)
    except Exception:
        process.end()
        raise


def start_other(core: int, module: str, *arguments: str) -> Running:
    token = secrets.token_urlsafe(32)
    command = ["-m", module, *(token if argument == "TOKEN" else argument for argument in arguments)]
    process = MeasuredProcess(command, ready="Port", core=core)
    return Running(process, int(process.said["Port"]), token)


BARE = "bare Tornado handler"
SUBJECTS: dict[str, Start] = {
    BARE: lambda core, streams=64: start_other(core, "benchmarks.mcp_bare", "TOKEN"),
    "omnitornado": lambda core, streams=64: start_omnitornado(core, streams, "off"),
    "omnitornado[speed]": lambda core, streams=64: start_omnitornado(core, streams, "auto"),
    "official SDK, uvicorn": lambda core, streams=64: start_other(
        core, "benchmarks.mcp_asgi", "sdk", "TOKEN", "asyncio/h11"
    ),
    "official SDK, uvloop + httptools": lambda core, streams=64: start_other(
        core, "benchmarks.mcp_asgi", "sdk", "TOKEN", "uvloop/httptools"
    ),
    "fastmcp, uvicorn": lambda core, streams=64: start_other(
        core, "benchmarks.mcp_asgi", "fastmcp", "TOKEN", "asyncio/h11"
    ),
    "fastmcp, uvloop + httptools": lambda core, streams=64: start_other(
        core, "benchmarks.mcp_asgi", "fastmcp", "TOKEN", "uvloop/httptools"
    ),
}
