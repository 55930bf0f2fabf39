"""The official conformance suite against examples/everything.py on the real server, behind the login.

The suite can't send a token, so a loopback proxy adds the one that a person has approved.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .raw import RawClient
from .suite import find_blemishes, list_checks, run_server_scenarios
from .token_proxy import TokenProxy

NOT_SCORED = {
    "2025-11-25": {"server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"},
    "2026-07-28": {
        "json-schema-2020-12",
        "http-header-validation",
        "http-custom-header-server-validation",
        "tasks-capability-negotiation",
        "tasks-dispatch-and-envelope",
        "tasks-lifecycle",
        "tasks-mrtr-composition",
        "tasks-mrtr-input",
        "tasks-request-headers",
        "tasks-request-state-removal",
        "tasks-required-task-error",
        "tasks-wire-fields",
    },
}
"""What a requirement set runs beside what it counts, extensions among it."""

SKIPPED = {"tasks-status-notifications tasks-status-notifications: SKIPPED"}
"""What the suite skips by itself, whatever the server: it does not listen where these notifications come."""


@pytest.fixture
def token(serve: Serve, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The server's origin and an access token for it."""
    server = serve(mcp={"name": "everything", "app": "examples.everything:mcp"})
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        yield server.issuer, raw.access_token


async def run_suite(origin: str, token: str, *options: str, folder: Path) -> tuple[int, str]:
    """The suite's exit code, and what it printed. The results are in `folder`."""
    async with TokenProxy(origin, token) as proxy:
        return await run_server_scenarios(f"{proxy.url}/mcp", *options, folder=folder)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scenario_that_a_revision_requires_passes(
    token: tuple[str, str], tmp_path: Path, revision: str
) -> None:
    """Required by the conformance suite's requirement sets, and what they run without counting it."""
    results = tmp_path / "results"
    results.mkdir()
    code, output = asyncio.run(run_suite(*token, "--requirements", revision, folder=results))
    assert code == 0, output[-4000:]
    assert set(find_blemishes(results)) <= SKIPPED
    assert NOT_SCORED[revision] <= {scenario for scenario, _, _ in list_checks(results)}


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
def test_every_scenario_of_a_revision_passes(token: tuple[str, str], tmp_path: Path, revision: str) -> None:
    """Required by the conformance suite as it stands, for revisions without a requirement set as well."""
    results = tmp_path / "results"
    results.mkdir()
    options = ("--suite", "all", "--spec-version", revision)
    code, output = asyncio.run(run_suite(*token, *options, folder=results))
    assert code == 0, output[-4000:]
    assert find_blemishes(results) == []
    assert list_checks(results)
