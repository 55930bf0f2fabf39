"""The audit log's file: what stands in it, and what a failing disk does to it."""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omnitornado import audit
from omnitornado.audit import AuditLog


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def open_log(path: Path, **options: Any) -> AuditLog:
    return AuditLog(path, clock=lambda: 1_800_000_000.25, **options)


class Disk:
    """`os.write`, which fails from the call that the test names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = os.write
        self.is_full = False
        self.room: int | None = None
        self.failed = threading.Event()
        monkeypatch.setattr(os, "write", self.write)

    def write(self, file: int, data: bytes) -> int:
        if self.room:
            data, self.room = data[: self.room], 0
            return self._write(file, data)
        if self.is_full or self.room == 0:
            self.failed.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(file, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(audit, "RETRY_INTERVAL", 0.001)
    return Disk(monkeypatch)


def test_a_line_says_when_what_and_how_it_ended(path: Path) -> None:
    """Our choice. What is None is left out; what JSON has no name for is text."""
    log = open_log(path)
    log.record("login.refused", user="ada", reason="wrong_name_or_password", client=None, scope=("a", "b"))
    log.record("token.issued", grant=Path("x"), waited=1.5, bound=True)
    log.close()
    time = "2027-01-15T08:00:00.250+00:00"
    assert read(path) == [
        {
            "time": time,
            "event": "login.refused",
            "outcome": "refused",
            "user": "ada",
            "reason": "wrong_name_or_password",
            "scope": ["a", "b"],
        },
        {
            "time": time,
            "event": "token.issued",
            "outcome": "done",
            "grant": "x",
            "waited": 1.5,
            "bound": True,
        },
    ]


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("token.refused", "refused"),
        ("consent.denied", "refused"),
        ("token.unavailable", "failed"),
        ("mcp.failed", "failed"),
        ("register.succeeded", "done"),
    ],
)
def test_the_outcome_follows_from_the_event(path: Path, event: str, outcome: str) -> None:
    """Our choice."""
    log = open_log(path)
    log.record(event)
    log.close()
    assert [line["outcome"] for line in read(path)] == [outcome]


def test_no_value_breaks_out_of_its_line(path: Path) -> None:
    """Our choice: log injection. Long values are cut."""
    log = open_log(path)
    log.record("a.b", name='x"}\n{"event": "forged"', long="y" * 5000, half="\ud800")
    log.close()
    (line,) = read(path)
    assert line["name"] == 'x"}\n{"event": "forged"'
    assert len(line["long"]) == 1000


def test_the_file_is_its_owners_alone(path: Path) -> None:
    """Our choice."""
    open_log(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_of_many_threads_are_whole_and_none_is_missing(path: Path) -> None:
    """Our choice."""
    log = open_log(path)

    def write(number: int) -> None:
        for index in range(200):
            log.record("a.b", thread=number, index=index)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = read(path)
    assert len(lines) == 1600
    for number in range(8):
        assert [line["index"] for line in lines if line["thread"] == number] == list(range(200))


def test_an_older_file_is_added_to(path: Path) -> None:
    """Our choice."""
    for number in (1, 2):
        log = open_log(path)
        log.record("a.b", number=number)
        log.close()
    assert [line["number"] for line in read(path)] == [1, 2]


@pytest.mark.parametrize("take", [lambda path: path.rename(path.with_suffix(".old")), Path.unlink])
def test_a_file_that_was_moved_away_is_begun_anew(path: Path, take: Callable[[Path], object]) -> None:
    """Our choice: logrotate needs no signal."""
    file = audit.AuditFile(path, max_size=10_000, keep=1)
    file.write(b"1\n")
    take(path)
    file.write(b"2\n")
    file.close()
    assert path.read_bytes() == b"2\n"


def test_a_full_file_is_kept_under_a_number_and_the_oldest_forgotten(path: Path) -> None:
    """Our choice."""
    file = audit.AuditFile(path, max_size=4, keep=2)
    for number in range(5):
        file.write(b"%d..\n" % number)
    file.close()
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.1",
        "audit.jsonl.2",
    ]
    assert path.read_bytes() == b"4..\n"
    assert path.with_name("audit.jsonl.2").read_bytes() == b"2..\n"


def test_without_older_files_the_full_one_is_dropped(path: Path) -> None:
    """Our choice."""
    file = audit.AuditFile(path, max_size=4, keep=0)
    for number in range(3):
        file.write(b"%d..\n" % number)
    file.close()
    assert [one.name for one in path.parent.iterdir()] == ["audit.jsonl"]
    assert path.read_bytes() == b"2..\n"


def test_what_a_full_disk_refuses_is_written_when_it_can_be(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: nothing waits for it, and nothing that fits the queue is lost."""
    log = open_log(path)
    disk.is_full = True
    log.record("a.b", number=1)
    assert disk.failed.wait(10)
    log.record("a.b", number=2)
    disk.is_full = False
    log.close()
    assert [line["number"] for line in read(path)] == [1, 2]
    assert "audit.failing" in caplog.text
    assert "audit.recovered" in caplog.text


def test_half_a_line_ends_before_the_next_begins(path: Path, disk: Disk) -> None:
    """Our choice: one line is damaged, and it comes again whole."""
    log = open_log(path)
    disk.room = 10
    log.record("a.b", number=1)
    assert disk.failed.wait(10)
    disk.room = None
    log.close()
    torn, *whole = path.read_text().splitlines()
    assert len(torn) == 10
    assert [json.loads(line)["number"] for line in whole] == [1]


def test_what_does_not_fit_the_queue_is_counted(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: memory has a bound, and a gap can be seen."""
    monkeypatch.setattr(audit, "MAX_WAITING", 3)
    log = open_log(path)
    disk.is_full = True
    log.record("a.b", number=0)
    assert disk.failed.wait(10)
    for number in range(1, 10):
        log.record("a.b", number=number)
    disk.is_full = False
    log.close()
    lines = read(path)
    kept = [line["number"] for line in lines if line["event"] == "a.b"]
    dropped = sum(line["lines"] for line in lines if line["event"] == "audit.dropped")
    assert kept[0] == 0
    assert len(kept) + dropped == 10
    assert dropped >= 5


def test_a_disk_that_stays_full_does_not_hold_up_the_end(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice."""
    log = open_log(path)
    disk.is_full = True
    log.record("a.b")
    assert disk.failed.wait(10)
    log.close()
    assert path.read_bytes() == b""
    assert "audit.lost" in caplog.text


def test_a_place_that_takes_no_file_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Our choice."""
    with pytest.raises(OSError, match="No such file"):
        open_log(tmp_path / "none" / "audit.jsonl")
