"""`[limits]`: how much the store keeps of one person, and of one grant."""

from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import integer

_COUNT = integer(1, 10_000)
"""Making room means to look through as many: more would keep the server busy."""


class LimitSettings(Settings, frozen=True):
    """`[limits]`"""

    grants_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=1000,
            help="Connections of one person. Over it the one used longest ago ends, with its tokens.",
        ),
    ]
    access_tokens_per_grant: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=100,
            help="Living access tokens of one connection; each refresh makes one. Over it the oldest ends.",
        ),
    ]
    codes_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=1000,
            help="Authorization codes of one person, used ones included for ten minutes. Over it the oldest "
            "go, used ones first.",
        ),
    ]
    clients_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=1000,
            help="Registered clients that one person was the first to allow in and nobody allows in now. "
            "Over it the oldest go; one that is connected never does.",
        ),
    ]
    browser_sessions_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=100,
            help="Browsers one person is signed in at. Over it the oldest is signed out.",
        ),
    ]
    mcp_sessions_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=1000,
            help="MCP sessions of one person. Over it the one used longest ago ends; clients open another.",
        ),
    ]
    consents_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=1000,
            help="Remembered approvals of one person. Over it the oldest is asked for again.",
        ),
    ]
    known_addresses_per_person: Annotated[
        int,
        Key(
            kind=_COUNT,
            default=100,
            help="Addresses one person has signed in from. One that is forgotten only shares the delays of "
            "strangers there.",
        ),
    ]
