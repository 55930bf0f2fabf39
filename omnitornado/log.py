"""Log lines: one event each, `key=value`, so that a person can read and a program can parse them.

No value can break out of its place: anything beyond plain characters is written as a JSON string. What is
logged is chosen by the caller; codes, tokens, secrets and passwords never are.
"""

import json
import logging
import re
import sys
import time
from typing import Any, Final, TextIO

logger = logging.getLogger("omnitornado")

LEVELS: Final = {
    # It quotes a malformed request, and with it whatever secret the request carried.
    "tornado.general": logging.WARNING,
    # They name sessions by their ids.
    "mcp.server.streamable_http": logging.ERROR,
    "mcp.server.streamable_http_manager": logging.ERROR,
}
"""Loggers that say less than the others."""
OWN_HANDLERS: Final = ("fastmcp",)
"""Loggers of libraries that write by themselves, in a form of their own; under the command they don't."""

PLAIN: Final = re.compile(r"[A-Za-z0-9_\-./:@+]{1,200}")
is_plain: Final = PLAIN.fullmatch
MAX_VALUE: Final = 400


def format_event(event: str, **fields: Any) -> str:
    """`event` and its fields as one line; fields that are None are left out."""
    parts = [event]
    parts += [f"{name}={_format_value(value)}" for name, value in fields.items() if value is not None]
    return " ".join(parts)


def log_event(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event, as `token.issued reason=code_redeemed client=… user=…`."""
    if logger.isEnabledFor(level):
        # As `logger.log`, which looks besides for where it was called from: that would be here.
        logger.handle(
            logger.makeRecord(logger.name, level, __file__, 0, format_event(event, **fields), (), None)
        )


def _format_value(value: Any) -> str:
    if isinstance(value, str):
        text = value
    else:
        text = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    if is_plain(text):
        return text
    # JSON lets DEL stand, which is a control character like the others.
    return json.dumps(text[:MAX_VALUE]).replace("\x7f", "\\u007f")


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes a line as its formatter would, at a third of the cost: what stays the same for a second is put
    together once.
    """

    _second = -1
    _stamp = ""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        second = int(record.created)
        if second != self._second:
            self._stamp = time.strftime(logging.Formatter.default_time_format, time.localtime(second))
            self._second = second
        when = f"{self._stamp},{int(record.msecs):03d}"
        return f"{when} {record.levelname} {record.name} {record.getMessage()}"


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send the log to standard error (or `stream`). Only the command does this; a library leaves logging
    alone.
    """
    handler = LineHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, lowest in LEVELS.items():
        logging.getLogger(name).setLevel(lowest)
    for name in OWN_HANDLERS:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
