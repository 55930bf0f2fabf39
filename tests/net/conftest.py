"""No test of the network may log a warning that it did not expect."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def warnings() -> Iterator[list[str]]:
    """What was logged at warning or above; a test that expects some takes it out, and anything left fails."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logging.getLogger().addHandler(collector)
    yield found
    logging.getLogger().removeHandler(collector)
    assert found == []
