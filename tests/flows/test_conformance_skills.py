"""The official conformance suite's scenarios for the skills extension, against examples/skills on the real
server, behind the login.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import TOP
from .raw import RawClient
from .suite import find_blemishes, list_checks
from .test_conformance import run_suite

SCENARIOS = ("sep-2640-skills-directory", "sep-2640-skills-enumeration", "sep-2640-skills-manifest")
REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
ONLY_STATELESS = {
    "sep-2640-skills-enumeration sep-2640-skills-list-cache-attributes: SKIPPED",
    "sep-2640-skills-enumeration sep-2640-skills-get-cache-attributes: SKIPPED",
}
"""Cache hints came with 2026-07-28."""


@pytest.fixture
def token(serve: Serve, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The server's origin and an access token for it."""
    skills = str(TOP / "examples" / "skills")
    server = serve(mcp={"name": "everything", "app": "examples.everything:mcp", "skills": skills})
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        yield server.issuer, raw.access_token


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_skills_scenario_passes_in_every_revision(
    token: tuple[str, str], tmp_path: Path, revision: str
) -> None:
    """Required by the conformance suite's scenarios for the extension, which belong to no revision."""
    results = tmp_path / "results"
    results.mkdir()
    for scenario in SCENARIOS:
        options = ("--scenario", scenario, "--spec-version", revision, "--force")
        code, output = asyncio.run(run_suite(*token, *options, folder=results))
        assert code == 0, output
    expected = set() if revision == REVISIONS[-1] else ONLY_STATELESS
    assert set(find_blemishes(results)) == expected
    assert {scenario for scenario, _, _ in list_checks(results)} == set(SCENARIOS)
