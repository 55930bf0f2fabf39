"""`[client_documents]`: which clients may be known by a document of their own."""

from typing import Annotated, Literal

from omnitornado.config.addresses import HOST_PATTERN
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import array, choice, duration


class ClientDocumentSettings(Settings, frozen=True):
    """`[client_documents]`"""

    mode: Annotated[
        Literal["fetch", "known", "off"],
        Key(
            kind=choice("fetch", "known", "off"),
            default="fetch",
            help='"fetch": a client whose id is an https address is known by the document there. "known": '
            "nobody is asked, and only the copies that came with this server count (ChatGPT, Codex, Claude, "
            'Claude Code, Cursor, VS Code). "off": no such client is let in.',
        ),
    ]
    allowed_hosts: Annotated[
        tuple[str, ...],
        Key(
            kind=array(HOST_PATTERN),
            default=[],
            help="The hosts whose clients are let in, as claude.ai, or *.example.com for every host under "
            "it. Empty: any host.",
        ),
    ]
    denied_hosts: Annotated[
        tuple[str, ...],
        Key(
            kind=array(HOST_PATTERN),
            default=[],
            help="Hosts whose clients are not let in; this counts more than allowed_hosts.",
        ),
    ]
    longest_cache: Annotated[
        float,
        Key(
            kind=duration(),
            default="24h",
            help="How long a document is used at most before it is asked for again, whatever its HTTP "
            "headers say; five minutes at least. While its address fails, the last good copy serves for 30 "
            "days.",
        ),
    ]
