"""The official conformance suite's scenarios for authorization servers, with a person who signs in.

The suite prints an address for somebody to open in a browser, and waits at a callback of its own.
"""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from .conftest import Serve
from .ledger import Ledger
from .loopback import find_free_port
from .person import Person
from .process import PATIENCE
from .suite import find_blemishes, list_checks, start_suite

SCENARIOS = {"authorization-server-metadata-endpoint", "authorization-code-grant"}
REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")


async def run_suite(person: Person, issuer: str, *options: str, folder: Path) -> tuple[int, str]:
    """The suite's exit code and what it printed; `person` does what it asks for."""
    lines: list[str] = []
    async with start_suite("authorization", "--url", issuer, *options, folder=folder) as (process, output):
        async with asyncio.timeout(PATIENCE):
            while line := (await output.readline()).decode():
                lines.append(line)
                if re.match(rf"{re.escape(issuer)}/authorize\?", line):
                    callback = await asyncio.to_thread(person.approve, line.strip())
                    async with httpx.AsyncClient(verify=False) as browser:
                        await browser.get(callback)
        return await process.wait(), "".join(lines)


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_authorization_scenario_of_a_revision_passes(
    serve: Serve, ledger: Ledger, tmp_path: Path, revision: str
) -> None:
    """Required by the conformance suite's authorization scenarios: the metadata, and a code that a person who
    signed in has approved, redeemed with PKCE."""
    client = {"client_id": "suite", "client_name": "Suite", "redirect_uris": ["http://127.0.0.1/callback"]}
    server, results = serve(clients=[client]), tmp_path / "results"
    results.mkdir()
    options = ("--client-id", "suite", "--port", str(find_free_port()), "--spec-version", revision)
    with Person(server.issuer, ledger) as person:
        code, output = asyncio.run(run_suite(person, server.issuer, *options, folder=results))
        assert (person.sign_ins, person.approvals) == (1, 1), output
    assert code == 0, output
    assert find_blemishes(results) == []
    assert {scenario for scenario, _, _ in list_checks(results)} == SCENARIOS
