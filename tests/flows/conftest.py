"""Fixtures of the journeys: a server process of the test's own, and a person who can sign in."""

import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .certificate import write_certificate
from .ledger import Ledger
from .person import Person
from .process import PASSWORD_HASH, ServerProcess
from .raw import RawClient

TOOLS = Path(__file__).with_name("served_tools.py")
OBJECTS = Path(__file__).with_name("objects")

Serve = Callable[..., ServerProcess]

PRESET_SECRET = "preset secret: 100% + more"  # what Basic must be able to carry, RFC 6749 appendix A.2
UNBOUND_SECRET = "unbound-secret-0123456789"


def build_settings(**tables: Any) -> dict[str, Any]:
    """A configuration with one person and two preset clients. A table is merged into it, an array of tables
    takes the place of the one there.
    """
    settings: dict[str, Any] = {
        "store": {"path": "journey.state"},
        "users": [{"username": "ada", "password_hash": PASSWORD_HASH}],
        "clients": [
            {
                "client_id": "preset",
                "client_secret": PRESET_SECRET,
                "client_name": "Preset client",
                "redirect_uris": ["http://127.0.0.1/callback"],
            },
            {"client_id": "unbound", "client_secret": UNBOUND_SECRET, "client_name": "Unbound client"},
        ],
        "mcp": {"name": "journey", "app": "tools:mcp"},
    }
    for name, table in tables.items():
        settings[name] = settings.get(name, {}) | table if isinstance(table, dict) else table
    return settings


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def serve(tmp_path: Path, ledger: Ledger) -> Iterator[Serve]:
    """Starts a server in the test's folder. At the end each must stop cleanly, unless the test ended it."""
    started: list[ServerProcess] = []

    def start(*, port: int = 0, **tables: Any) -> ServerProcess:
        shutil.copy(TOOLS, tmp_path / "tools.py")
        server = ServerProcess(tmp_path, build_settings(**tables), ledger)
        server.port = port
        started.append(server)
        return server.start()

    try:
        yield start
        for server in started:
            server.stop()
    finally:
        for server in started:
            server.kill()


@pytest.fixture
def serve_object(serve: Serve, tmp_path: Path) -> Serve:
    """Serves an object of objects/: `serve_object("official")`."""

    def start(kind: str, **tables: Any) -> ServerProcess:
        if not (tmp_path / OBJECTS.name).exists():
            shutil.copytree(OBJECTS, tmp_path / OBJECTS.name)
        return serve(mcp={"name": kind, "app": f"objects.{kind}:mcp"}, **tables)

    return start


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Trusts the certificate that stands in the test's folder from then on."""
    write_certificate(tmp_path)
    return ssl.create_default_context(cafile=tmp_path / "certificate.pem")


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve()


@pytest.fixture
def person(server: ServerProcess, ledger: Ledger) -> Iterator[Person]:
    with Person(server.issuer, ledger) as person:
        yield person


@pytest.fixture
def raw(server: ServerProcess, ledger: Ledger) -> Iterator[RawClient]:
    with RawClient(server.issuer, ledger) as raw:
        yield raw
