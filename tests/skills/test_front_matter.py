"""The YAML at the head of a SKILL.md."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.skills.errors import SkillError
from omnitornado.skills.front_matter import MAX_BYTES, parse_front_matter


def parse(text: str) -> Any:
    return parse_front_matter(f"---\n{text}\n---\nbody").fields


def refuse(text: str) -> str:
    with pytest.raises(SkillError) as raised:
        parse_front_matter(text)
    return str(raised.value)


def test_every_field_is_read_as_it_is_written() -> None:
    """Required by the skills extension (Frontmatter): verbatim, as JSON, fields nobody knows included."""
    text = """name: pdf
description: >-
  Reads
  files.
license: "MIT"
metadata:
  version: '1.0'
  tags: [a, "b", 3]
  nested: {deep: true}
notes: |
  one
  two
allowed-tools: Bash(git:*) Read
future: ~
"""
    assert parse(text) == {
        "name": "pdf",
        "description": "Reads files.",
        "license": "MIT",
        "metadata": {"version": "1.0", "tags": ["a", "b", 3], "nested": {"deep": True}},
        "notes": "one\ntwo\n",
        "allowed-tools": "Bash(git:*) Read",
        "future": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "---\nname: a\n---",
        "---\nname: a\n---\n",
        "---\r\nname: a\r\n---\r\nbody",
        "\ufeff---\nname: a\n---\n",
        "---\nname: a\n---  \nbody",
        "---\nname: a\n---\nbody\n---\nname: b\n---\n",
        "---\n# a comment\nname: a # another\n---\n",
    ],
)
def test_front_matter_stands_between_two_lines_of_hyphens(text: str) -> None:
    """Required by the Agent Skills specification, SKILL.md format."""
    assert parse_front_matter(text).fields == {"name": "a"}


@pytest.mark.parametrize(
    "text",
    ["", "name: a", "# Title\n---\nname: a\n---\n", "---\nname: a\n", "----\nname: a\n---\n", "---\n---\n"],
)
def test_without_front_matter_a_file_is_refused(text: str) -> None:
    """Required by the skills extension (Skill Format): SKILL.md must begin with YAML front matter."""
    assert refuse(text) == "must begin with front matter: YAML between two lines of ---"


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-7", -7),
        ("1.5", 1.5),
        ("1.0", 1.0),
        (".5", 0.5),
        ("yes please", "yes please"),
        ("1.2.3", "1.2.3"),
        ("v1", "v1"),
        ("http://a.example", "http://a.example"),
    ],
)
def test_a_plain_word_is_what_every_reader_takes_it_for(plain: str, value: Any) -> None:
    """Required by YAML 1.2 §10.3.2 (core schema)."""
    found = parse_front_matter(f"---\nkey: {plain}\n---\n")
    assert found.fields == {"key": value}
    assert type(found.fields["key"]) is type(value)
    assert found.ambiguous == ()


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("on", "on"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("2026-07-28", "2026-07-28"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o10", 8),
        ("0b11", "0b11"),
        ("1e3", 1000.0),
    ],
)
def test_a_word_that_readers_disagree_about_is_read_as_1_2_and_named(plain: str, value: Any) -> None:
    """Required by the skills extension (Frontmatter Verification): a host that reads YAML 1.1 will not find
    what the entry says. Naming it is our choice."""
    found = parse_front_matter(f"---\nname: a\nkey: {plain}\n---\n")
    assert found.fields["key"] == value
    assert found.ambiguous == (f"line 3: {plain}",)
    assert parse_front_matter(f'---\nname: a\nkey: "{plain}"\n---\n').ambiguous == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: a\nname: b", "line 3: 'name' stands there twice"),
        ("a: {b: 1, b: 2}", "line 2: 'b' stands there twice"),
        ("a: &x 1\nb: *x", "line 2: anchors and aliases (& and *) are not allowed"),
        ("a: *x", "line 2: anchors and aliases (& and *) are not allowed"),
        ("a: !!python/object/apply:os.system [id]", "line 2: tags (!) are not allowed"),
        ("a: !!str 1", "line 2: tags (!) are not allowed"),
        ("a: ! b", "line 2: tags (!) are not allowed"),
        ("<<: {a: 1}", "line 2: a key must be text"),
        ("1: a", "line 2: a key must be text"),
        ("? [a]\n: b", "line 2: a key must be text"),
        ("a: .inf", "line 2: .inf has no JSON form: put it in quotes"),
        ("a: .NaN", "line 2: .NaN has no JSON form: put it in quotes"),
        ("a: 1e999", "line 2: 1e999 is too large: put it in quotes"),
        ("a: 9007199254740993", "line 2: 9007199254740993 is too large: put it in quotes"),
        ("a: " + "9" * 4500, "line 2: " + "9" * 80 + " is too large: put it in quotes"),
        ("- a\n- b", "has front matter that is no mapping of names to values"),
        ("just words", "has front matter that is no mapping of names to values"),
        ("# nothing", "has empty front matter"),
        ("a: b\n--- c", "line 3: one YAML document, not several"),
        ("a: " + "[" * 17 + "]" * 17, "line 2: more than 16 levels"),
        ("a: " + "[" * 5000 + "]" * 5000, "line 2: more than 16 levels"),
        ("a: b: c", "line 2: no YAML: mapping values are not allowed here"),
        ('a: "\\ud800"', "line 2: half a surrogate pair is no character"),
        ("a: 'open", "line 2: no YAML: found unexpected end of stream"),
        ("a:\n\t- b", "line 3: no YAML: found character '\\t' that cannot start any token"),
    ],
)
def test_what_has_no_one_meaning_is_refused_with_its_line(text: str, reason: str) -> None:
    """Our choice: what a host may read in another way, or can't hold as JSON, is never passed on."""
    assert refuse(f"---\n{text}\n---\n") == reason


def test_characters_that_yaml_does_not_have_are_refused() -> None:
    """Required by YAML 1.2 §5.1."""
    assert refuse("---\nname: a\x07\n---\n").startswith("no YAML: ")


def test_front_matter_is_bounded() -> None:
    """Our choice: 16 KiB."""
    assert refuse(f"---\nname: {'a' * MAX_BYTES}\n---\n") == "has more than 16 KiB of front matter"
    assert len(parse(f"name: {'a' * (MAX_BYTES - 6)}")["name"]) == MAX_BYTES - 6


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), PLAIN, min_size=1, max_size=4))
def test_json_is_read_as_json(document: dict[str, Any]) -> None:
    """Required by YAML 1.2 §1.3: what is JSON means the same as YAML."""
    text = json.dumps(document)
    if '"<<"' in text:
        return
    assert parse(text) == document


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Our choice: nothing that a file may hold makes anything but a reason, or what JSON can hold."""
    with contextlib.suppress(SkillError):
        fields = parse(text)
        assert json.loads(msgspec.json.encode(fields)) == fields
