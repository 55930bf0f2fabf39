"""The bar on a terminal while much is read."""

import io

import pytest

from omnitornado.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved."""
    moment = [100.0]
    monkeypatch.setattr("omnitornado.progress.time.monotonic", lambda: moment[0])
    return moment


def test_what_is_over_soon_shows_no_bar(now: list[float]) -> None:
    """Our choice."""
    terminal = Terminal()
    bar = ProgressBar("Loading", terminal)
    now[0] += 0.2
    bar(9, 10)
    bar.close()
    assert terminal.getvalue() == ""


def test_what_takes_longer_shows_how_far_it_is_and_leaves_nothing_behind(now: list[float]) -> None:
    """Our choice."""
    terminal = Terminal()
    bar = ProgressBar("Loading", terminal)
    for done in (1, 5, 6, 12):
        now[0] += 0.35 if done != 6 else 0.01  # not drawn again at once
        bar(done, 10)
    bar.close()
    drawn = terminal.getvalue().split("\r")
    assert drawn[1:4] == [
        "Loading [###                           ]  10%",
        "Loading [###############               ]  50%",
        "Loading [##############################] 100%",
    ]
    assert drawn[4].strip() == ""
    assert len(drawn[4]) == len(drawn[3])
    assert drawn[5] == ""


def test_nothing_of_it_reaches_a_pipe_or_a_log(now: list[float]) -> None:
    """Our choice."""
    stream = io.StringIO()
    bar = ProgressBar("Loading", stream)
    now[0] += 10
    bar(1, 2)
    bar.close()
    assert stream.getvalue() == ""


def test_an_empty_thing_is_no_error(now: list[float]) -> None:
    """Our choice."""
    terminal = Terminal()
    bar = ProgressBar("Loading", terminal)
    now[0] += 10
    bar(0, 0)
    bar.close()
    assert terminal.getvalue() == ""
