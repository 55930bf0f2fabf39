"""A folder of skills: how it is loaded, watched, and started by a configuration."""

import asyncio
import builtins
import logging
from pathlib import Path
from typing import Any

import pytest

from omnitornado.config import ConfigError, build_config, load_config
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.streams import Change
from omnitornado.skills.errors import SkillError
from omnitornado.skills.folder import SkillFolder
from omnitornado.skills.start import SkillWatch, open_skills

from .sample import write, write_skill


def test_a_broken_skill_keeps_the_folder_from_loading_and_is_named(tmp_path: Path) -> None:
    """Our choice: file, line and reason."""
    write_skill(tmp_path, "a", "name: a\nname: b")
    with pytest.raises(SkillError, match=r"^a/SKILL\.md: line 3: 'name' stands there twice$"):
        SkillFolder(tmp_path).load()
    write_skill(tmp_path, "b", "name: c\ndescription: d")
    with pytest.raises(SkillError, match=r"stands there twice \(and 1 more\)$"):
        SkillFolder(tmp_path).load()


def test_a_folder_without_skills_does_not_load(tmp_path: Path) -> None:
    """Our choice: it is most likely the wrong one."""
    write(tmp_path, "README.md")
    with pytest.raises(SkillError, match=r"^holds no skill: a skill is a folder with a file SKILL\.md$"):
        SkillFolder(tmp_path).load()
    with pytest.raises(SkillError, match=r"^can't be read: No such file or directory$"):
        SkillFolder(tmp_path / "gone").load()


def test_the_watch_notices_changes_and_outlives_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: whatever goes wrong in a look, the next one is taken."""
    write_skill(tmp_path, "a")
    folder = SkillFolder(tmp_path)
    folder.load()
    looks = iter([RuntimeError("no such thing")])
    original = folder._look

    def look() -> None:
        error = next(looks, None)
        if error is not None:
            raise error
        original()

    async def scenario() -> None:
        loop, told, changed = asyncio.get_running_loop(), list[Change](), asyncio.Event()

        def tell(change: Change) -> None:
            told.append(change)
            loop.call_soon_threadsafe(changed.set)

        folder.tell_changes(tell)
        monkeypatch.setattr(folder, "_look", look)
        watch = SkillWatch(folder, 0.001)
        watch.start()
        write_skill(tmp_path, "b")
        await asyncio.wait_for(changed.wait(), 10)
        assert told == [Change("resources")]
        watch.stop()
        watch.stop()

    with caplog.at_level(logging.INFO, "omnitornado"):
        asyncio.run(scenario())
    assert list(folder.catalog.skills) == ["skill://a/SKILL.md", "skill://b/SKILL.md"]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "skills.loaded skills=1 files=1"
    assert "the folder of skills could not be looked at" in lines
    assert "skills.changed skills=2 files=2" in lines


def test_the_watch_rests_longer_than_it_looks(tmp_path: Path) -> None:
    """Our choice: a look at a huge folder takes a twentieth of the time at the most."""
    write_skill(tmp_path, "a")
    folder = SkillFolder(tmp_path)
    folder.load()
    rests: list[float] = []
    times = iter([0.0, 1.0, 1.0, 1.001])

    async def sleep(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(folder.watch(2.0, sleep=sleep, timer=lambda: next(times)))
    assert rests == [2.0, 20.0, 2.0]


def test_what_is_remarked_on_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: at the start, and again when it is another."""
    write_skill(tmp_path, "a")
    write(tmp_path, "b/notes.md")
    folder = SkillFolder(tmp_path)
    folder.load()
    with caplog.at_level(logging.INFO, "omnitornado"):
        folder.log_start()
        folder.refresh()
        write(tmp_path, "c/notes.md")
        folder.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "skills.loaded skills=1 files=1",
        'skills.remark path=b detail="holds no SKILL.md, and is not served"',
        'skills.remark path=c detail="holds no SKILL.md, and is not served"',
    ]


# By configuration


def build(folder: Path, **mcp: Any) -> Any:
    return build_config({"store": {"path": ""}, "mcp": mcp}, folder=folder)


def test_without_the_key_there_are_no_skills(tmp_path: Path) -> None:
    """Our choice."""
    server = MCPServer("test")
    watch = open_skills(build(tmp_path), server)
    watch.start()
    watch.stop()
    assert server.skills is None


def test_the_folder_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """Our choice: like every path there."""
    write_skill(tmp_path, "skills/a")
    server = MCPServer("test")
    open_skills(build(tmp_path, skills="skills"), server)
    assert server.skills is not None
    assert list(server.skills.catalog.skills) == ["skill://a/SKILL.md"]


@pytest.mark.parametrize(
    ("keys", "scopes"),
    [({}, {"read"}), ({"skills_scopes": ["skills", "more"]}, {"skills", "more"})],
)
def test_skills_stand_behind_the_scopes_of_reading_unless_the_configuration_names_others(
    tmp_path: Path, keys: dict[str, Any], scopes: set[str]
) -> None:
    """Our choice: as with other resources."""
    write_skill(tmp_path, "a")
    server = MCPServer("test", scope_by_annotation={"read": "read", "write": "write"})
    open_skills(build(tmp_path, skills=".", **keys), server)
    found = server.find_resource("skill://a/SKILL.md")
    assert found is not None
    assert found[0].scopes == scopes


def test_a_start_that_fails_names_file_line_key_and_skill(tmp_path: Path) -> None:
    """Our choice: the same form as every other error of the configuration."""
    write_skill(tmp_path, "skills/a", "name: b\ndescription: d")
    (tmp_path / "my.toml").write_text("[store]\npath = ''\n[mcp]\nskills = 'skills'\n")
    with pytest.raises(ConfigError) as refused:
        open_skills(load_config(tmp_path / "my.toml"), MCPServer("test"))
    reason = "a/SKILL.md: name is b, and the folder a: they must be the same"
    assert str(refused.value) == (f"{tmp_path / 'my.toml'}:4: [mcp] skills: {tmp_path / 'skills'}: {reason}")


def test_an_app_that_answers_by_itself_has_no_skills_beside_it(tmp_path: Path) -> None:
    """Our choice: an object of another package is served as it is, so nothing could be put beside it."""
    write_skill(tmp_path, "a")
    with pytest.raises(
        ConfigError, match=r"\[mcp\] skills: needs an app that is an omnitornado\.MCPServer, or"
    ):
        open_skills(build(tmp_path, skills=".", app="tools:other"), object())


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: YAML is read by a package that only servers with skills need."""
    write_skill(tmp_path, "a")
    original = builtins.__import__

    def find(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ModuleNotFoundError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", find)
    with pytest.raises(ConfigError, match=r"needs PyYAML: install omnitornado\[skills\]"):
        open_skills(build(tmp_path, skills="."), MCPServer("test"))
