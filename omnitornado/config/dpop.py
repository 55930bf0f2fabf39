"""`[dpop]`: tokens that are bound to a key of the client's."""

from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN


class DpopSettings(Settings, frozen=True):
    """`[dpop]`"""

    required: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether every client must prove a key and every token is bound to one. Few MCP clients "
            "can: left false, those that do get bound tokens, and all others bearer tokens.",
        ),
    ]
    token_nonces: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether a proof at the token endpoint, or with a pushed request, needs a nonce of this "
            "server's, so that none can be made ahead of its time. The client asks once more whenever it has "
            "no current one.",
        ),
    ]
    resource_nonces: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="The same for proofs at the protected endpoints.",
        ),
    ]
