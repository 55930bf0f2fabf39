"""`[registration]`: who may register clients, how many, and how long an unused registration is kept."""

from typing import Annotated

from omnitornado.config.credentials import INITIAL_ACCESS_TOKEN
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, array, duration_or_off, integer


class RegistrationSettings(Settings, frozen=True):
    """`[registration]`"""

    enabled: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=True,
            help="Whether clients may register themselves (RFC 7591): anyone who can reach the server "
            "then can. Most MCP clients rely on it.",
        ),
    ]
    initial_access_tokens: Annotated[
        tuple[bytes, ...],
        Key(
            kind=array(INITIAL_ACCESS_TOKEN),
            default=[],
            secret=True,
            help="With any here, a client must send one of these tokens to register, as a bearer token (RFC "
            '7591 §3). Each is "sha256:" and the token\'s SHA-256 in hexadecimal, or the token itself, which '
            "is not kept. MCP clients that register by themselves have none.",
        ),
    ]
    unused_lifetime: Annotated[
        float | None,
        Key(
            kind=duration_or_off(),
            default="30d",
            help="How long a registered client is kept that nobody ever allowed in. One that got access once "
            'stays; 0 or "off" for no limit.',
        ),
    ]
    max_unused: Annotated[
        int,
        Key(
            kind=integer(1, 100_000),
            default=1000,
            help="How many registered clients that nobody ever allowed in are kept; the oldest go first.",
        ),
    ]
    rate_per_minute: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=60,
            help="How many registrations, and updates of them, one address may make in a minute.",
        ),
    ]
