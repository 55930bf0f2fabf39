"""The official conformance suite against examples/everything.py on the real server, behind the login.

The suite can't send a token, so a loopback proxy adds the one that a person has approved.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .raw import RawClient
from .test_typescript_client import find_node
from .token_proxy import TokenProxy

SUITE = Path(__file__).parent.parent / "conformance" / "node_modules" / ".bin" / "conformance"
PATIENCE = 120.0
"""Seconds; a run takes about five."""


@pytest.fixture
def token(serve: Serve, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The server's origin and an access token for it."""
    server = serve(mcp={"name": "everything", "app": "examples.everything:mcp"})
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        yield server.issuer, raw.access_token


async def run_suite(origin: str, token: str, *options: str, folder: Path) -> tuple[int, str]:
    """The suite's exit code, and what it printed."""
    assert SUITE.exists(), "the conformance suite is not installed: run make test"
    async with TokenProxy(origin, token) as proxy:
        process = await asyncio.create_subprocess_exec(
            find_node(),
            str(SUITE),
            "server",
            "--url",
            f"{proxy.url}/mcp",
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scenario_that_a_revision_requires_passes(
    token: tuple[str, str], tmp_path: Path, revision: str
) -> None:
    """Required by the conformance suite's requirement sets.

    Known gap: the tasks extension, which they do not score.
    """
    code, output = asyncio.run(run_suite(*token, "--requirements", revision, folder=tmp_path))
    assert code == 0, output[-4000:]
    failing = re.findall(r"✗ ([a-z0-9-]+) \(", output)
    assert [name for name in failing if not name.startswith("tasks-")] == [], output[-4000:]


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18"])
def test_every_scenario_of_an_older_revision_passes(
    token: tuple[str, str], tmp_path: Path, revision: str
) -> None:
    """Required by the conformance suite, for revisions without a requirement set."""
    options = ("--suite", "all", "--spec-version", revision)
    code, output = asyncio.run(run_suite(*token, *options, folder=tmp_path))
    assert code == 0, output[-4000:]
    assert re.search(r"Total: [1-9]\d* passed, 0 failed", output), output[-4000:]
