"""`[mcp]`: the endpoint, what stands behind it, and how much of it one person may take."""

from pathlib import Path
from typing import Annotated

from omnitornado.config.addresses import MCP_PATH
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import (
    APP,
    PATH,
    RESOURCE_SCOPE,
    SIZE,
    array,
    duration,
    duration_or_off,
    integer,
    text,
)


class McpSettings(Settings, frozen=True):
    """`[mcp]`"""

    path: Annotated[
        str,
        Key(kind=MCP_PATH, default="/mcp", help="Where the MCP endpoint stands under the server's address."),
    ]
    name: Annotated[
        str,
        Key(
            kind=text("a name", shortest=1),
            default="omnitornado",
            help="The server's name, as clients show it.",
        ),
    ]
    app: Annotated[
        str,
        Key(
            kind=APP,
            default="",
            help='The Python object that holds the tools, as "module:object"; importable from this file\'s '
            "folder. Ours, or a server object of the official SDK or of fastmcp. Empty: no tools.",
        ),
    ]
    skills: Annotated[
        Path | None,
        Key(
            kind=PATH,
            default="",
            help="A folder of Agent Skills to serve, each a folder with a file SKILL.md; needs the package's "
            'extra `skills`. Relative to this file\'s folder. "": none.',
        ),
    ]
    skills_scopes: Annotated[
        tuple[str, ...],
        Key(
            kind=array(RESOURCE_SCOPE),
            default=[],
            help="Scopes that a token needs to read a skill's files, beyond the endpoint's own.",
        ),
    ]
    skills_interval: Annotated[
        float,
        Key(
            kind=duration(),
            default="2s",
            help="How often the folder of skills is looked at for changes.",
        ),
    ]
    scope: Annotated[
        str, Key(kind=RESOURCE_SCOPE, default="mcp", help="The scope that a token needs to use the endpoint.")
    ]
    max_body: Annotated[
        int, Key(kind=SIZE, default="4MiB", help="The largest request body that the endpoint takes.")
    ]
    tool_timeout: Annotated[
        float | None,
        Key(
            kind=duration_or_off(),
            default="60s",
            help='How long a tool may run before its call fails; 0 or "off" for no limit.',
        ),
    ]
    tool_threads: Annotated[
        int,
        Key(
            kind=integer(1, 1024),
            default=8,
            help="How many plain (not async) tool functions run at the same time; further calls wait.",
        ),
    ]
    keep_alive: Annotated[
        float,
        Key(
            kind=duration(),
            default="15s",
            help="How often a silent stream gets a comment, so that proxies don't cut it.",
        ),
    ]
    write_timeout: Annotated[
        float,
        Key(
            kind=duration(),
            default="30s",
            help="How long a client has to read the next 64 KiB of an answer before its connection is cut.",
        ),
    ]
    answer_timeout: Annotated[
        float,
        Key(
            kind=duration(),
            default="10m",
            help="How long a client, and the person at it, may take to answer a question of a tool's. "
            "The tool's own time stands still meanwhile.",
        ),
    ]
    calls_per_person: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=64,
            help="How many requests of one person are worked on at a time; beyond it the answer is 429.",
        ),
    ]
    streams_per_person: Annotated[
        int,
        Key(
            kind=integer(1, 1_000_000),
            default=64,
            help="How many streams without an end one person may have open; beyond it the answer is 429.",
        ),
    ]
    max_nesting: Annotated[
        int,
        Key(
            kind=integer(8, 500),
            default=100,
            help="How many levels of objects and lists a message may have.",
        ),
    ]
    page_size: Annotated[
        int,
        Key(
            kind=integer(1, 10_000),
            default=1000,
            help="How many tools, resources or prompts stand on a page of a list; clients ask for the next.",
        ),
    ]
    stream_buffer: Annotated[
        int,
        Key(
            kind=SIZE,
            default="1MiB",
            help="How much of its streams a session keeps for a client that reads slowly, or has lost its "
            "connection and comes back. Beyond it the oldest notifications are dropped.",
        ),
    ]
    stream_retention: Annotated[
        float,
        Key(
            kind=duration(),
            default="5m",
            help="How long a session's stream is kept for a client that has lost its connection to it.",
        ),
    ]
