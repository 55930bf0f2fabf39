"""`[pushed_requests]`: clients that tell the server their authorization request themselves."""

from typing import Annotated

from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, duration, integer


class PushedRequestSettings(Settings, frozen=True):
    """`[pushed_requests]`"""

    enabled: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=True,
            help="Whether clients may send their authorization request to /par first, and the browser with "
            "no more than its name (RFC 9126).",
        ),
    ]
    required: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether every client must; today's MCP clients don't. For one client it is "
            "require_pushed_authorization_requests in `[[clients]]`.",
        ),
    ]
    lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="10m",
            help="How long a person has, from the push, to sign in and approve.",
        ),
    ]
    rate_per_minute: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=60,
            help="How many requests may be pushed from one address in a minute. Preset clients that prove "
            "themselves are not held to it.",
        ),
    ]


def check_pushed_requests(settings: PushedRequestSettings) -> None:
    """What is required can be done. Raises: MismatchError."""
    if settings.required and not settings.enabled:
        raise MismatchError("required", "needs enabled = true: nobody could sign in")
