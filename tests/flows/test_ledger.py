"""The journeys' own watchman: a leak that it overlooks would be overlooked in every journey."""

import pytest

from .ledger import Ledger
from .process import ServerProcess


@pytest.mark.parametrize(
    "text",
    [
        "user=correct horse",
        "q=correct%20horse",
        "q=correct+horse",
        "token=omt_at_0123456789",
        "x omt_rt_abcdefgh",
    ],
)
def test_a_secret_is_found_plain_and_encoded(text: str) -> None:
    """Our choice: no secrets in logs."""
    ledger = Ledger()
    ledger.note_members({"password": "correct horse", "scope": "something else"})
    assert len(ledger.find_leaks(text)) == 1


@pytest.mark.parametrize("text", ["", "client=omt_ci_0123456789", "scope=something else"])
def test_what_is_no_secret_is_let_pass(text: str) -> None:
    """Our choice: ids may stand in logs."""
    ledger = Ledger()
    ledger.note_members({"password": "correct horse", "scope": "something else"})
    assert ledger.find_leaks(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "2026-01-01 00:00:00,000 WARNING tornado.general something",
        "2026-01-01 00:00:00,000 ERROR omnitornado token.failed",
        "2026-01-01 00:00:00,000 INFO omnitornado token.issued token=omt_at_0123456789",
    ],
)
def test_a_line_that_should_not_be_there_fails_the_check(server: ServerProcess, line: str) -> None:
    """Our choice: an unexpected line of the log is a failure."""
    server.stop()
    server.check_log()
    server.stderr.lines.append(line)
    with pytest.raises(AssertionError):
        server.check_log()
