"""`[tokens]`: how long what the server issues lives."""

from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import duration, duration_or_off


class TokenSettings(Settings, frozen=True):
    """`[tokens]`, in seconds."""

    access_token_lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="1h",
            help="How long an access token is good for. Clients that never refresh sign in again after it.",
        ),
    ]
    refresh_token_lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="30d",
            help="How long a client may stay away and still refresh; each refresh starts it anew.",
        ),
    ]
    refresh_token_absolute_lifetime: Annotated[
        float | None,
        Key(
            kind=duration_or_off(),
            default="365d",
            help="How long after a person's approval a client can refresh at all; then it asks them again. "
            '0 or "off" for no limit.',
        ),
    ]
    authorization_code_lifetime: Annotated[
        float,
        Key(
            kind=duration(),
            default="60s",
            help="How long a client has to redeem a code; RFC 6749 §4.1.2 advises ten minutes at most.",
        ),
    ]
    refresh_grace: Annotated[
        float,
        Key(
            kind=duration(zero=True),
            default="30s",
            help="For how long a replaced refresh token still gets the same successor, for clients that "
            "retry or refresh twice at once. Used later than that, it ends the grant.",
        ),
    ]
