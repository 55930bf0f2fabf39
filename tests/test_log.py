"""Log lines: one event each, and no value breaks out of its place."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from omnitornado.log import MAX_VALUE, configure_logging, format_event, log_event


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """What `configure_logging` changes is put back."""
    root, general = logging.getLogger(), logging.getLogger("tornado.general")
    before = root.handlers[:], root.level, general.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    general.setLevel(before[2])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-1_2.3/4:5@6+7", "plain-1_2.3/4:5@6+7"),
        (("mcp", "admin"), '"mcp admin"'),
        (["mcp"], "mcp"),
        (7, "7"),
        (0, "0"),
        (True, "True"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("line\nINFO forged reason=ok", '"line\\nINFO forged reason=ok"'),
        ("\x1b[31m\u2028\u202e", '"\\u001b[31m\\u2028\\u202e"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_a_value_stays_in_its_place(value: object, written: str) -> None:
    """Our choice, after CWE-117 (log injection)."""
    line = format_event("event", name=value, after=1)
    assert line == f"event name={written} after=1"
    assert line.isascii()
    assert line.isprintable()


def test_a_field_without_a_value_is_left_out_and_a_long_one_is_cut() -> None:
    """Our choice."""
    assert format_event("event", name=None) == "event"
    line = format_event("event", name="x " * 10_000)
    assert len(json.loads(line.partition("=")[2])) == MAX_VALUE


def test_an_event_goes_out_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: percent signs are text."""
    caplog.set_level(logging.INFO)
    log_event("quiet", level=logging.DEBUG)
    log_event("event", name="100%s")
    assert caplog.messages == ['event name="100%s"']


def test_the_command_sends_the_log_to_standard_error() -> None:
    """Our choice (Commands): time, level, name, message."""
    stream = io.StringIO()
    configure_logging(stream)
    log_event("event", name="value")
    assert stream.getvalue().endswith(" INFO omnitornado event name=value\n")
    assert stream.getvalue().count("\n") == 1


def test_a_malformed_request_is_not_quoted_in_the_log() -> None:
    """Our choice: it may have carried a secret."""
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger("tornado.general").info("Malformed HTTP message: %s", "Authorization: Bearer secret")
    assert stream.getvalue() == ""
