"""`[[resource_servers]]`: other servers that ask here what a token is good for."""

from typing import Annotated

from omnitornado.config.addresses import RESOURCE
from omnitornado.config.credentials import CLIENT_ID, CLIENT_SECRET
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import SCOPES, array, text


class ResourceServerSettings(Settings, frozen=True):
    """One of `[[resource_servers]]`."""

    server_id: Annotated[
        str, Key(kind=CLIENT_ID, help="The id it proves itself with at /introspect.", example="files")
    ]
    server_secret: Annotated[
        str,
        Key(
            kind=CLIENT_SECRET,
            secret=True,
            example="at-least-8-characters",
            help="Its secret, sent by Basic or in the form.",
        ),
    ]
    resources: Annotated[
        tuple[str, ...],
        Key(
            kind=array(RESOURCE, shortest=1),
            example=["https://files.example.com/mcp"],
            help="What it guards: addresses elsewhere, for which clients can then ask for tokens, or paths "
            "of this server. It learns of tokens for these and of no others.",
        ),
    ]
    scope: Annotated[
        tuple[str, ...] | None,
        Key(
            kind=SCOPES,
            default=None,
            example="files",
            help="The scopes that a token for its addresses elsewhere needs, with spaces between them: what "
            "a client gets that names none.",
        ),
    ]
    name: Annotated[
        str,
        Key(
            kind=text("a name"), default="", help="The name that the consent page shows; empty shows the id."
        ),
    ]
