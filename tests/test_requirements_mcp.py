"""The manifest of what MCP's pages demand (requirements-mcp.toml): each page of each revision is there."""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from omnitornado.mcp.versions import SUPPORTED_VERSIONS

MANIFEST: dict[str, Any] = tomllib.loads(
    (Path(__file__).resolve().parent / "requirements-mcp.toml").read_text(encoding="utf-8")
)
REVISIONS = sorted(SUPPORTED_VERSIONS)
SOURCE = re.compile(
    r"MCP (?P<first>\d{4}-\d\d-\d\d)(?: to (?P<last>\d{4}-\d\d-\d\d))? (?P<page>[a-z/-]+) \(.+\)"
)


def list_places(requirement: dict[str, Any]) -> list[tuple[str, str]]:
    """Where a sentence stands: revision and page, each once for each part of `source` that says so."""
    places = []
    for part in requirement["source"].split(";"):
        found = SOURCE.fullmatch(part.strip())
        assert found is not None, part
        first, last = found["first"], found["last"] or found["first"]
        assert first in REVISIONS
        assert last in REVISIONS
        assert first < last or found["last"] is None
        places += [(revision, found["page"]) for revision in REVISIONS if first <= revision <= last]
    return places


@pytest.mark.parametrize("requirement", MANIFEST["requirement"], ids=lambda requirement: requirement["id"])
def test_a_sentence_says_where_it_stands_and_how_strong_it_is(requirement: dict[str, Any]) -> None:
    """Our choice: revisions, page, sections, and the specification's own word."""
    assert requirement["id"].startswith("mcp-")
    assert requirement["level"] in ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
    for revision, page in list_places(requirement):
        assert page in MANIFEST["pages"][revision]


def test_every_revision_that_is_served_has_its_pages() -> None:
    """Our choice: a revision that is added brings its pages along."""
    assert sorted(MANIFEST["pages"]) == REVISIONS
    for pages in MANIFEST["pages"].values():
        assert {page.partition("/")[0] for page in pages} == {"basic", "server", "client"}


@pytest.mark.parametrize(
    ("revision", "page", "expected"),
    [
        pytest.param(revision, page, expected, id=f"{revision} {page}")
        for revision, pages in MANIFEST["pages"].items()
        for page, expected in pages.items()
    ],
)
def test_every_page_that_binds_a_server_is_represented(revision: str, page: str, expected: int | str) -> None:
    """Our choice: by as many entries as the table says; a page without any says why."""
    count = Counter(place for one in MANIFEST["requirement"] for place in list_places(one))[revision, page]
    if isinstance(expected, str):
        assert expected.endswith(".")
        assert count == 0
    else:
        assert count == expected > 0
