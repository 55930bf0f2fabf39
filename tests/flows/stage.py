"""One server, one person and one client of oauth.mjs for all the tests of a file: those that change nothing
for each other.
"""

import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from .conftest import TOOLS, build_settings
from .ledger import Ledger
from .oauth_client import OAuthClient
from .person import Person
from .process import ServerProcess


class Stage(NamedTuple):
    """Who takes part in all tests but those that need another server."""

    server: ServerProcess
    person: Person
    client: OAuthClient


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    ledger = Ledger()
    folder = tmp_path_factory.mktemp("oauth4webapi")
    shutil.copy(TOOLS, folder / "tools.py")
    server = ServerProcess(folder, build_settings(), ledger).start()
    client = OAuthClient(server, ledger)
    try:
        with Person(server.issuer, ledger) as person:
            yield Stage(server, person, client)
        client.close()
        server.stop()
    finally:
        client.kill()
        server.kill()


@pytest.fixture
def client(stage: Stage) -> OAuthClient:
    """One that knows nothing but the address."""
    stage.client.do("begin")
    return stage.client


@pytest.fixture
def person(stage: Stage) -> Person:
    return stage.person
