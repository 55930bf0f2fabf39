"""`[audit]`: the record of who did what."""

from pathlib import Path
from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, PATH, SIZE, integer


class AuditSettings(Settings, frozen=True):
    """`[audit]`"""

    path: Annotated[
        Path | None,
        Key(
            kind=PATH,
            default="",
            help="Where the audit log is written: sign-ins, registrations, consents, tokens, revocations, "
            "tool calls and every refusal, one JSON object a line. Empty: none.",
        ),
    ]
    tool_calls: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=True,
            help="Whether each tool call is in it, with the tool's name and never its arguments.",
        ),
    ]
    max_size: Annotated[
        int,
        Key(
            kind=SIZE,
            default="50MiB",
            help="Beyond this size the file is kept as `path.1` and a new one begun. One moved away, as "
            "logrotate does, is begun anew as well.",
        ),
    ]
    keep: Annotated[
        int,
        Key(kind=integer(0, 1000), default=5, help="How many older files the server keeps by itself."),
    ]
