"""Which folders are skills, and what is wrong with the others."""

from pathlib import Path

import pytest

from omnitornado.skills.contents import Contents
from omnitornado.skills.rules import MAX_BYTES, MAX_FILES
from omnitornado.skills.survey import Survey, survey
from omnitornado.skills.tree import walk

from .sample import write, write_skill


def look(root: Path) -> Survey:
    return survey(walk(root), Contents(root, lambda: 0.0))


def find_problems(root: Path) -> dict[str, str]:
    return {str(path): reason for path, reason in look(root).problems.items()}


def find_skills(root: Path) -> dict[str, list[str]]:
    """Each skill with its files, by their paths within it."""
    found = look(root)
    return {
        str(skill.path): [str(path.relative_to(skill.path)) for path in skill.files] for skill in found.skills
    }


def test_a_folder_with_a_skill_md_is_a_skill_with_all_that_lies_below(tmp_path: Path) -> None:
    """Required by the skills extension (Skill Format, Resource Mapping)."""
    write_skill(tmp_path, "git-workflow")
    write_skill(tmp_path, "acme/billing/refunds")
    write(tmp_path, "acme/billing/refunds/examples/email.md")
    write(tmp_path, "README.md")
    assert find_skills(tmp_path) == {
        "git-workflow": ["SKILL.md"],
        "acme/billing/refunds": ["SKILL.md", "examples/email.md"],
    }
    assert look(tmp_path).problems == {}
    assert look(tmp_path).remarks == {}


def test_a_skill_within_a_skill_belongs_to_both(tmp_path: Path) -> None:
    """Required by the skills extension (Nested Skills, Resources): the outer one's list is complete."""
    write_skill(tmp_path, "outer")
    write_skill(tmp_path, "outer/parts/inner")
    write(tmp_path, "outer/parts/inner/x.md")
    assert find_skills(tmp_path) == {
        "outer": ["SKILL.md", "parts/inner/SKILL.md", "parts/inner/x.md"],
        "outer/parts/inner": ["SKILL.md", "x.md"],
    }


@pytest.mark.parametrize(
    ("front_matter", "reason"),
    [
        ("name: a\ndescription: d\nfuture: [1]\nallowed-tools: [a, b]\nmetadata: {v: 1}", None),
        (f"name: a\ndescription: {'d' * 1024}\ncompatibility: {'c' * 500}", None),
        ("description: d", "name must be 1 to 64 of a-z 0-9, with single hyphens between them"),
        ("name: 1\ndescription: d", "name must be 1 to 64 of a-z 0-9, with single hyphens between them"),
        ("name: b\ndescription: d", "name is b, and the folder a: they must be the same"),
        ("name: a", "description is missing"),
        ("name: a\ndescription:", "description is missing"),
        ('name: a\ndescription: " "', "description is empty"),
        ("name: a\ndescription: 3", "description must be text: put it in quotes"),
        (
            f"name: a\ndescription: {'d' * 1025}",
            "description has 1025 characters, and may have 1024",
        ),
        (
            f"name: a\ndescription: d\ncompatibility: {'c' * 501}",
            "compatibility has 501 characters, and may have 500",
        ),
        ("name: a\ndescription: d\ncompatibility: ''", "compatibility is empty"),
        ("name: a\ndescription: d\nlicense: [MIT]", "license must be text: put it in quotes"),
        ("name: a\ndescription: d\nmetadata: text", "metadata must be a mapping"),
        ("name: [a", "line 2: no YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_front_matter_is_held_against_the_format(
    tmp_path: Path, front_matter: str, reason: str | None
) -> None:
    """Required by the Agent Skills specification, SKILL.md format (Frontmatter)."""
    write_skill(tmp_path, "a", front_matter)
    assert find_problems(tmp_path) == ({} if reason is None else {"a/SKILL.md": reason})
    assert len(look(tmp_path).skills) == (reason is None)


@pytest.mark.parametrize(
    "name", ["PDF", "-a", "a-", "a--b", "a_b", "a b", "a.b", "ä", "a" * 65, "a\n", "skill!"]
)
def test_a_name_keeps_to_its_characters(tmp_path: Path, name: str) -> None:
    """Required by the Agent Skills specification (`name` field)."""
    write_skill(tmp_path, name, f"name: {name!r}\ndescription: d")
    (reason,) = find_problems(tmp_path).values()
    assert reason == "name must be 1 to 64 of a-z 0-9, with single hyphens between them"


def test_a_skill_md_must_be_text(tmp_path: Path) -> None:
    """Required by the Agent Skills specification, SKILL.md format."""
    write(tmp_path, "a/SKILL.md", b"---\nname: a\ndescription: caf\xe9\n---\n")
    assert find_problems(tmp_path) == {"a/SKILL.md": "is not UTF-8 text"}


def test_a_skill_keeps_to_the_limits_that_every_host_takes(tmp_path: Path) -> None:
    """Required by the skills extension (Limits): 512 files and 16 MiB."""
    main = write_skill(tmp_path, "a")
    for number in range(MAX_FILES - 1):
        write(tmp_path, f"a/{number}", "")
    with (tmp_path / "a" / "0").open("wb") as sparse:
        sparse.truncate(MAX_BYTES - main.stat().st_size)
    assert find_problems(tmp_path) == {}
    write(tmp_path, "a/one-more", "")
    assert find_problems(tmp_path) == {"a": "holds 513 files, and may hold 512"}
    (tmp_path / "a" / "one-more").unlink()
    write(tmp_path, "a/1", "x")
    assert find_problems(tmp_path) == {"a": "holds 16777217 bytes, and may hold 16777216 (16 MiB)"}


def test_a_skill_with_a_file_that_can_not_be_served_is_broken(tmp_path: Path) -> None:
    """Required by the skills extension (Resources): the list of its files is complete, or it is no skill."""
    write_skill(tmp_path, "good")
    write_skill(tmp_path, "bad")
    write_skill(tmp_path, "bad/inner")
    write_skill(tmp_path, "bad/other")
    (tmp_path / "bad" / "inner" / "out").symlink_to("/etc/passwd")
    assert list(find_problems(tmp_path)) == ["bad/inner/out"]
    assert list(find_skills(tmp_path)) == ["bad/other", "good"]


def test_a_skill_md_within_a_skill_that_makes_none_is_a_file(tmp_path: Path) -> None:
    """Required by the skills extension (Nested Skills): nested content is supporting content."""
    write_skill(tmp_path, "writer")
    write(tmp_path, "writer/assets/SKILL.md", "---\nname: <your-name>\n---\n")
    found = look(tmp_path)
    assert found.problems == {}
    assert find_skills(tmp_path) == {"writer": ["SKILL.md", "assets/SKILL.md"]}
    (remark,) = found.remarks.values()
    assert remark.endswith("it is served as a file, and as no skill")


def test_mistakes_in_laying_the_folder_out_are_named(tmp_path: Path) -> None:
    """Our choice: what was meant to be a skill is not passed over in silence."""
    write_skill(tmp_path, "a")
    write(tmp_path, "b/skill.md")
    write(tmp_path, "c/notes/x.md")
    write(tmp_path, "c/notes/y.md")
    write_skill(tmp_path, "d/e")
    write(tmp_path, "d/f/x.md")
    found = look(tmp_path)
    assert {str(path): reason for path, reason in found.problems.items()} == {
        "b/skill.md": "must be named SKILL.md"
    }
    assert {str(path): reason for path, reason in found.remarks.items()} == {
        "c": "holds no SKILL.md, and is not served",
        "d/f": "holds no SKILL.md, and is not served",
    }


def test_a_folder_that_is_a_skill_itself_is_named(tmp_path: Path) -> None:
    """Our choice: the name of a skill is that of its folder, so the folder above is the one to name."""
    write_skill(tmp_path, "a")
    assert find_problems(tmp_path / "a") == {
        ".": "is a skill itself, for it holds a SKILL.md: name the folder above it"
    }
    assert find_skills(tmp_path / "a") == {}


def test_an_ambiguous_word_is_remarked_on(tmp_path: Path) -> None:
    """Our choice: hosts whose reader of YAML is another may refuse the skill."""
    write_skill(tmp_path, "a", "name: a\ndescription: d\nmetadata:\n  released: 2026-07-28\n  draft: no")
    (remark,) = look(tmp_path).remarks.values()
    assert remark == ("readers of YAML disagree about line 5: 2026-07-28, line 6: no: quotes would settle it")


# What is read, and when


def test_a_file_is_read_again_when_it_may_have_changed_and_not_otherwise(tmp_path: Path) -> None:
    """Our choice: a look at thousands of files costs no reading. A stamp that is too fresh proves nothing."""
    write_skill(tmp_path, "a")
    place = write(tmp_path, "a/x", "one")
    clock = [place.stat().st_mtime + 1.0]
    contents = Contents(tmp_path, lambda: clock[0])
    first = survey(walk(tmp_path), contents)
    again = survey(walk(tmp_path), contents)
    assert [again.files[path] is first.files[path] for path in first.files] == [False, False]
    clock[0] += 10
    settled = survey(walk(tmp_path), contents)
    assert survey(walk(tmp_path), contents).files == settled.files
    assert all(survey(walk(tmp_path), contents).files[path] is settled.files[path] for path in settled.files)
    place.write_text("longer")
    changed = survey(walk(tmp_path), contents)
    assert [str(p) for p in changed.files if changed.files[p] is not settled.files[p]] == ["a/x"]


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    """Our choice: a file that comes back is read."""
    write_skill(tmp_path, "a")
    place = write(tmp_path, "a/x", "one")
    contents = Contents(tmp_path, lambda: 1e12)
    assert len(survey(walk(tmp_path), contents).files) == 2
    place.unlink()
    assert len(survey(walk(tmp_path), contents).files) == 1
    assert len(contents._known) == 1
