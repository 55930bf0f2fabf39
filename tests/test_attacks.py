"""The list of attacks (attacks/attacks.toml) and the tests that make them, held against each other."""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_requirements import TESTS, list_tests

ROOM = TESTS / "attacks"
ATTACKS: list[dict[str, Any]] = tomllib.loads((ROOM / "attacks.toml").read_text(encoding="utf-8"))["attack"]
SOURCE = re.compile(r"RFC \d+ §[\d.]*\d|MCP security best practices \([A-Z][A-Za-z -]+\)|our own")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["id"])
def test_an_attack_is_made_by_tests(attack: dict[str, Any]) -> None:
    """Our choice: every line of the list leads to tests that exist, and says who describes the attack."""
    assert set(attack) == {"id", "class", "what", "source", "answer", "tests"}
    assert attack["what"].endswith(".")
    assert attack["answer"].endswith(".")
    assert all(SOURCE.fullmatch(source) for source in attack["source"])
    assert attack["source"]
    assert attack["tests"]
    missing = []
    for test in attack["tests"]:
        name, _, function = test.partition("::")
        path = TESTS / name
        if not path.is_file() or function not in list_tests(path):
            missing.append(test)
    assert missing == []


def test_each_attack_stands_there_once() -> None:
    """Our choice: an id names one attack, and the attacks of one class stand together."""
    assert [name for name, count in Counter(one["id"] for one in ATTACKS).items() if count > 1] == []
    classes = [one["class"] for one in ATTACKS]
    assert classes == sorted(classes, key=classes.index)
    for attack in ATTACKS:
        assert len(attack["tests"]) == len(set(attack["tests"])), attack["id"]


def test_each_test_of_the_room_makes_an_attack() -> None:
    """Our choice: the other way round. A test that belongs to no attack belongs into another room."""
    named = {test for attack in ATTACKS for test in attack["tests"]}
    there = {
        f"attacks/{path.name}::{function}"
        for path in sorted(Path(ROOM).glob("test_*.py"))
        for function in list_tests(path)
    }
    assert sorted(there - named) == []
