"""The manifests of requirements (requirements.toml, and requirements-mcp.toml for MCP's pages) and the tests,
held against each other.
"""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
REQUIREMENTS: list[dict[str, Any]] = [
    requirement
    for path in sorted(TESTS.glob("requirements*.toml"))
    for requirement in tomllib.loads(path.read_text(encoding="utf-8"))["requirement"]
]
SOURCE = re.compile(
    r"(RFC \d+ (§|appendix )|OAuth 2\.1 §|OAuth Client ID Metadata Document §"
    r"|OpenID Connect [A-Z][A-Za-z ]+ §|MCP \d{4}-\d\d-\d\d\b|Agent Skills \(|our own\b)"
)


@cache
def list_tests(path: Path) -> frozenset[str]:
    """The names of a file's tests, without importing it."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement["id"])
def test_a_requirement_is_held_by_tests_or_says_why_not(requirement: dict[str, Any]) -> None:
    """Our choice: every line of the manifest leads to tests that exist, or names its gap."""
    assert set(requirement) <= {"id", "level", "source", "what", "tests", "gap"}
    assert requirement["what"].endswith(".")
    assert SOURCE.match(requirement["source"])
    assert requirement.get("tests") or requirement.get("gap")
    missing = []
    for test in requirement.get("tests", []):
        name, _, function = test.partition("::")
        path = TESTS / name
        if not path.is_file() or function not in list_tests(path):
            missing.append(test)
    assert missing == []


def test_each_requirement_stands_there_once() -> None:
    """Our choice: an id names one requirement, and a requirement names a test once."""
    assert [name for name, count in Counter(one["id"] for one in REQUIREMENTS).items() if count > 1] == []
    for requirement in REQUIREMENTS:
        tests = requirement.get("tests", [])
        assert sorted(tests) == sorted(set(tests))


def test_each_test_file_of_a_protocol_room_holds_a_requirement() -> None:
    """Our choice: the other way round. A file nobody names here holds nothing that is required, or its
    requirement is missing from the manifest."""
    named = {test.partition("::")[0] for one in REQUIREMENTS for test in one.get("tests", [])}
    files = {
        path.relative_to(TESTS).as_posix()
        for room in ("oauth", "mcp", "skills", "web")
        for path in (TESTS / room).glob("test_*.py")
        if "Required by" in path.read_text(encoding="utf-8")
    }
    assert sorted(files - named - OTHER_STANDARDS) == []


OTHER_STANDARDS = frozenset(
    {
        "web/test_stylesheet.py",  # WCAG
    }
)
"""Files whose "Required by" speaks of standards that the manifest doesn't cover."""
