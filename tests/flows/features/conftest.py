"""One server and one application for each client and era; the tests share them and their first connection."""

from collections.abc import Iterator
from typing import NamedTuple

import mcp.client.streamable_http
import pytest

from ..conftest import build_settings
from ..ledger import Ledger
from ..person import Person
from ..process import TOP, ServerProcess
from .connection import Application, Connection
from .python import Python
from .typescript import TypeScript

PAGE_SIZE = 10
CLIENTS = {
    "python-handshake": ("python", "legacy"),
    "python-stateless": ("python", "auto"),
    "typescript1-handshake": ("sdk", "legacy"),
    "typescript2-handshake": ("client", "legacy"),
    "typescript2-stateless": ("client", "auto"),
}


class Stage(NamedTuple):
    """Who takes part."""

    package: str
    """"python", "sdk" (TypeScript 1.x) or "client" (TypeScript 2.x)."""
    server: ServerProcess
    person: Person
    application: Application
    connection: Connection


@pytest.fixture(scope="session", params=CLIENTS.values(), ids=list(CLIENTS))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    package, mode = request.param
    ledger = Ledger()
    served = {
        "name": "everything",
        "app": "examples.everything:mcp",
        "page_size": PAGE_SIZE,
        "skills": str(TOP / "examples" / "skills"),
    }
    server = ServerProcess(tmp_path_factory.mktemp("features"), build_settings(mcp=served), ledger)
    application: Application | None = None
    # A busy machine may need longer for a restart than the two attempts that this SDK makes to come back.
    patch = pytest.MonkeyPatch()
    patch.setattr(mcp.client.streamable_http, "MAX_RECONNECTION_ATTEMPTS", 100)
    try:
        with Person(server.start().issuer, ledger) as person:
            if package == "python":
                application = Python(mode, server, person, ledger)
            else:
                application = TypeScript(package, mode, server, person, ledger)
            yield Stage(package, server, person, application, application.connect())
            application.close()
        server.stop()
    finally:
        patch.undo()
        if application is not None:
            application.kill()
        server.kill()


@pytest.fixture
def client(stage: Stage) -> Connection:
    """The first connection, with nothing noted yet."""
    stage.connection.forget()
    return stage.connection


@pytest.fixture
def other(stage: Stage) -> Iterator[Connection]:
    """A second connection of the same application, which has kept nothing of what the first has read."""
    connection = stage.application.connect()
    connection.forget()
    yield connection
    connection.close()
