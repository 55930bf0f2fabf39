"""What lies in a folder of skills, and what can't be reached by it."""

import os
from pathlib import Path, PurePosixPath

import pytest

from omnitornado.skills.tree import MAX_DEPTH, Tree, read_file, walk

from .sample import write


def find_paths(tree: Tree) -> list[str]:
    return [str(path) for path in sorted(tree.files)]


def find_problems(tree: Tree) -> dict[str, str]:
    return {str(path): reason for path, reason in tree.problems.items()}


def test_files_and_folders_are_found_and_hidden_ones_are_not(tmp_path: Path) -> None:
    """Our choice: a name that begins with a dot is nobody's business."""
    for path in ("a/SKILL.md", "a/b/c.txt", "a/.env", ".git/config", "a/.cache/x", "a/b/.hidden/y"):
        write(tmp_path, path)
    (tmp_path / "a" / "empty").mkdir()
    tree = walk(tmp_path)
    assert find_paths(tree) == ["a/SKILL.md", "a/b/c.txt"]
    assert {str(path) for path in tree.folders} == {".", "a", "a/b", "a/empty"}
    assert tree.problems == {}


def test_a_link_within_the_folder_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    """Our choice: files that skills share, and mounts that are made of links to a hidden folder."""
    write(tmp_path, "both/tone.md", "tone")
    write(tmp_path, "..data/SKILL.md", "mounted")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tone.md").symlink_to("../both/tone.md")
    (tmp_path / "a" / "SKILL.md").symlink_to(tmp_path / "..data" / "SKILL.md")
    (tmp_path / "b").symlink_to("both")
    tree = walk(tmp_path)
    assert find_paths(tree) == ["a/SKILL.md", "a/tone.md", "b/tone.md", "both/tone.md"]
    assert tree.problems == {}
    for path, content in (("a/SKILL.md", b"mounted"), ("a/tone.md", b"tone"), ("b/tone.md", b"tone")):
        found = tree.files[PurePosixPath(path)]
        assert read_file(tmp_path, found.place, 100)[0] == content


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    """Our choice: a deployment that swaps one link."""
    write(tmp_path, "releases/1/a/SKILL.md", "one")
    (tmp_path / "current").symlink_to("releases/1")
    tree = walk(tmp_path / "current")
    assert find_paths(tree) == ["a/SKILL.md"]
    assert read_file(tmp_path / "current", "a/SKILL.md", 100)[0] == b"one"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.txt", "../outside", "../skills-2/a"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, target: str) -> None:
    """Our choice: nothing beyond the folder is ever served."""
    write(tmp_path, "outside.txt")
    write(tmp_path, "outside/SKILL.md")
    write(tmp_path, "skills-2/a/SKILL.md")
    write(tmp_path, "skills/a/SKILL.md")
    root = tmp_path / "skills"
    (root / "a" / "link").symlink_to(target if target.startswith("/") else f"../{target}")
    tree = walk(root)
    assert find_paths(tree) == ["a/SKILL.md"]
    (reason,) = find_problems(tree).values()
    assert reason.startswith("is a link that leads out of the folder, to /")
    assert list(find_problems(tree)) == ["a/link"]


def test_what_can_not_be_served_is_named(tmp_path: Path) -> None:
    """Our choice: the reason stands at the path, for the operator."""
    folder = tmp_path / "a"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "nowhere").symlink_to("gone")
    (folder / "self").symlink_to("self")
    (folder / "up").symlink_to("..")
    os.makedirs(os.fsencode(folder) + b"/caf\xe9")
    assert find_problems(walk(tmp_path)) == {
        "a/pipe": "is neither a file nor a folder",
        "a/nowhere": "is a link that leads nowhere",
        "a/self": "is a link that leads nowhere",
        "a/up": "is a link to a folder that holds it",
        "a/'caf\\udce9'": "has a name that is not UTF-8",
    }


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Our choice: the reason stands at the path, for the operator."""
    assert find_problems(walk(tmp_path / "gone")) == {".": "can't be read: No such file or directory"}
    assert find_problems(walk(write(tmp_path, "file"))) == {".": "can't be read: Not a directory"}


def test_the_tree_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: a tree that is none of skills doesn't hold the server up."""
    write(tmp_path, "/".join(["d"] * (MAX_DEPTH + 3)) + "/x")
    tree = walk(tmp_path)
    assert find_problems(tree) == {"/".join(["d"] * (MAX_DEPTH + 1)): "lies more than 32 folders deep"}
    monkeypatch.setattr("omnitornado.skills.tree.MAX_ENTRIES", 5)
    for number in range(6):
        write(tmp_path, f"file{number}")
    assert find_problems(walk(tmp_path))["."] == "holds more than 5 files and folders"


# What happens between the look and the reading


def test_a_link_that_takes_a_files_place_is_not_followed(tmp_path: Path) -> None:
    """Our choice: whoever may write into the folder can't have other files read."""
    secret = write(tmp_path, "secret.txt", "secret")
    place = write(tmp_path, "skills/a/SKILL.md")
    found = walk(tmp_path / "skills").files[PurePosixPath("a/SKILL.md")]
    place.unlink()
    place.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        read_file(tmp_path / "skills", found.place, 100)


def test_a_link_that_takes_a_folders_place_is_not_followed(tmp_path: Path) -> None:
    """Our choice: nor by a folder on the way."""
    write(tmp_path, "outside/SKILL.md", "secret")
    write(tmp_path, "skills/a/SKILL.md")
    found = walk(tmp_path / "skills").files[PurePosixPath("a/SKILL.md")]
    (tmp_path / "skills" / "a").rename(tmp_path / "skills" / "b")
    (tmp_path / "skills" / "a").symlink_to("../outside")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        read_file(tmp_path / "skills", found.place, 100)


def test_a_pipe_that_takes_a_files_place_holds_nobody_up(tmp_path: Path) -> None:
    """Our choice: opening a pipe waits for its other end."""
    place = write(tmp_path, "a/SKILL.md")
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(OSError, match="not a file"):
        read_file(tmp_path, "a/SKILL.md", 100)


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    """Our choice: a file that grows meanwhile costs no memory."""
    write(tmp_path, "a", "x" * 1000)
    assert read_file(tmp_path, "a", 10)[0] == b"x" * 10


@pytest.mark.parametrize("place", ["..", "../outside.txt", "a/../../outside.txt", "/etc/passwd", ".", ""])
def test_a_place_never_leads_out_of_the_folder(tmp_path: Path, place: str) -> None:
    """Our choice: no caller makes one, and none could."""
    write(tmp_path, "outside.txt")
    write(tmp_path, "skills/a/x")
    with pytest.raises(OSError, match="not a place in the folder"):
        read_file(tmp_path / "skills", place, 100)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Our choice: whatever goes wrong on the way."""
    write(tmp_path, "a/b/c", "x")
    before = len(os.listdir("/proc/self/fd"))
    for place in ("a/b/c", "a/b", "a/x/c", "a/b/c/d", "gone", "", "..", "a/../../x"):
        try:
            read_file(tmp_path, place, 10)
        except OSError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before
