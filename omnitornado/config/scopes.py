"""`[[scopes]]`: what a scope means to a person, and which others it implies."""

from typing import Annotated

from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import BOOLEAN, RESOURCE_SCOPE, SCOPE, array, text


class ScopeSettings(Settings, frozen=True):
    """One of `[[scopes]]`."""

    scope: Annotated[
        str,
        Key(
            kind=RESOURCE_SCOPE,
            example="files:write",
            help="The scope, as clients ask for it. What endpoints and tools need is there without a table.",
        ),
    ]
    description: Annotated[
        str,
        Key(
            kind=text("what it allows, in words"),
            default="",
            example="Change files",
            help="What it allows, as the consent page says it; empty: the words of what needs it.",
        ),
    ]
    implies: Annotated[
        tuple[str, ...],
        Key(
            kind=array(SCOPE),
            default=[],
            example=["files:read"],
            help="Other scopes that come with it: who grants this one grants them too.",
        ),
    ]
    default: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether a client that names no scope gets it, beside what the endpoint it asks for needs.",
        ),
    ]
