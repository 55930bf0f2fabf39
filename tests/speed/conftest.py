"""The two connections, and a log that must stay quiet."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(params=["tornado", "speed"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where both must behave the same."""
    return str(request.param)


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Fails a test that logs a warning or worse; one that provokes it clears the log."""
    yield caplog
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
