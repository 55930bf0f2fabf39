"""`[device]`: clients on machines without a browser."""

from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, duration, integer


class DeviceSettings(Settings, frozen=True):
    """`[device]`"""

    enabled: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=True,
            help="Whether a client on a machine without a browser may show a code that a person types in at "
            "/device (RFC 8628).",
        ),
    ]
    code_lifetime: Annotated[
        float,
        Key(kind=duration(), default="10m", help="How long a person has to type in the code and approve."),
    ]
    interval: Annotated[
        float,
        Key(kind=duration(), default="5s", help="How long a device must wait before it asks again."),
    ]
    rate_per_minute: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=30,
            help="How many codes may be asked for from one address in a minute.",
        ),
    ]
