"""`store check`, `repair` and `export`: what they print, their exit codes, and that they change nothing."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from omnitornado.cli import main
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.records import Client

TOP = Path(__file__).parent.parent


def _build_client(client_id: str) -> Client:
    return Client(client_id, None, client_id, (), "none", (), 0.0, None, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with three clients, all in its journal."""
    path = tmp_path / "kept" / "state"

    async def scenario() -> None:
        store = EmbeddedStore.open(path)
        await store.start()
        for client_id in ("first", "second", "third"):
            await store.register_client(_build_client(client_id))
        journal = path.with_name("state.journal.1").read_bytes()
        await store.close()
        path.unlink()
        path.with_name("state.journal.2").unlink()
        path.with_name("state.journal.1").write_bytes(journal)

    asyncio.run(scenario())
    return path


def _damage(path: Path) -> int:
    """Hit the second record; gives where it starts."""
    journal = path.with_name("state.journal.1")
    data = bytearray(journal.read_bytes())
    first = data.index(b"\xf5OTF")
    second = data.index(b"\xf5OTF", first + 1)
    data[second + 25] ^= 1
    journal.write_bytes(data)
    return second


def _read_folder(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def test_check_says_how_much_there_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    before = _read_folder(path)
    assert main(["store", "check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Journal 1: 3 changes in 3 writes"
    assert "Kept (client): 3" in lines
    assert lines[-1] == "Sound: yes"
    assert _read_folder(path) == before


def test_check_tells_of_an_unfinished_write(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice: it is no damage."""
    journal = path.with_name("state.journal.1")
    journal.write_bytes(journal.read_bytes()[:-5])
    before = _read_folder(path)
    assert main(["store", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Unfinished write: " in out
    assert "Kept (client): 2" in out
    assert _read_folder(path) == before


def test_check_names_the_first_damage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice: file, record and byte; exit code 1."""
    offset = _damage(path)
    before = _read_folder(path)
    assert main(["store", "check", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "Sound: no",
        "Damage: its checksum does not match",
        f"File: {path.with_name('state.journal.1')}",
        "Record: 2",
        f"Byte: {offset}",
    ]
    assert _read_folder(path) == before


def test_repair_writes_what_is_left_to_a_new_place(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our choice: and keeps the damaged files."""
    offset = _damage(path)
    before = _read_folder(path)
    new = tmp_path / "new"
    assert main(["store", "repair", str(path), str(new)]) == 0
    out = capsys.readouterr().out
    assert f"Lost: {path.with_name('state.journal.1')}: record 2 (at byte {offset})" in out
    assert f"Written: {new}" in out
    assert _read_folder(path) == before
    assert main(["store", "check", str(new)]) == 0
    assert "Kept (client): 2" in capsys.readouterr().out
    assert new.stat().st_mode & 0o077 == 0


def test_repair_never_overwrites(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    _damage(path)
    assert main(["store", "repair", str(path)]) == 0
    before = _read_folder(path)
    capsys.readouterr()
    assert main(["store", "repair", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}.repaired: exists already, and repair never overwrites\n"
    assert _read_folder(path) == before


def test_there_is_nothing_to_repair_of_a_sound_store(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    before = _read_folder(path)
    assert main(["store", "repair", str(path)]) == 0
    assert capsys.readouterr().out == "Sound: yes; there is nothing to repair\n"
    assert _read_folder(path) == before


def test_export_prints_a_line_for_each_record(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Our choice."""
    before = _read_folder(path)
    assert main(["store", "export", str(path)]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert sorted(line["record"]["client_name"] for line in lines) == ["first", "second", "third"]
    assert _read_folder(path) == before


def test_export_of_a_damaged_store_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice: part of it would look like all of it."""
    _damage(path)
    assert main(["store", "export", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "record 2 (at byte " in captured.err


def test_an_export_that_nobody_reads_to_its_end_is_no_error(path: Path) -> None:
    """Our choice: `| head`."""
    command = f"'{sys.executable}' -m omnitornado store export '{path}' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=TOP, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("action", ["check", "repair", "export"])
def test_a_store_in_use_is_left_alone(path: Path, action: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice: what is read while it is written is no whole thing."""
    store = EmbeddedStore.open(path)
    try:
        assert main(["store", action, str(path)]) == 2
    finally:
        asyncio.run(store.close())
    assert capsys.readouterr().err == f"{path}.lock: a process is using this store; stop it first\n"


@pytest.mark.parametrize("action", ["check", "repair", "export"])
@pytest.mark.parametrize("name", ["nothing", "no folder/state"])
def test_where_there_is_no_store_nothing_is_made(
    tmp_path: Path, action: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our choice."""
    assert main(["store", action, str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(str(tmp_path))
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["mend", "x"], ["check"], ["export", "x", "y"]])
def test_arguments_that_make_no_sense_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Our choice."""
    assert main(["store", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_server_that_finds_damage_names_the_command(path: Path) -> None:
    """Our choice: the person who sees it needs to know what to do next."""
    _damage(path)
    config = path.parent / "config.toml"
    config.write_text("[store]\npath = 'state'\n[[users]]\nusername = 'a'\npassword = 'hunter2-hunter2'\n")
    command = [sys.executable, "-m", "omnitornado", str(config), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"(see: python -m omnitornado store check {path})")
