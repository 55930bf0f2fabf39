"""`[store]`: where clients, grants, tokens and sessions are kept: in files, or in a Redis for several."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import PATH, SIZE, Kind, choice, duration, expect_string, text

_OPTIONS = {
    "redis": frozenset[str](),
    "rediss": frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}),
    "unix": frozenset({"db"}),
}
"""By scheme: what may stand after the question mark."""
_DATABASE = re.compile(r"[0-9]{1,4}")


def _parse_url(value: object) -> str:
    url = expect_string(value)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"expected {URL.label}") from None
    options = _OPTIONS.get(parts.scheme)
    if options is None or parts.fragment or not url.isprintable():
        raise ValueError(f"expected {URL.label}")
    given = parse_qs(parts.query, keep_blank_values=True)
    if not options.issuperset(given):
        raise ValueError(f"after ? {parts.scheme}:// takes {', '.join(sorted(options)) or 'nothing'}")
    if parts.scheme == "unix":
        is_whole, database = parts.path.startswith("/"), given.get("db", ["0"])[0]
    else:
        is_whole, database = bool(parts.hostname), unquote(parts.path).removeprefix("/") or "0"
    if not is_whole or _DATABASE.fullmatch(database) is None:
        raise ValueError(f"expected {URL.label}")
    return url


URL = Kind(
    "redis://user:password@host:port/database, rediss:// for TLS, or unix:///path/to/socket?db=0", _parse_url
)
"""No error quotes the value: it may hold a password."""


class StoreSettings(Settings, frozen=True):
    """`[store]`"""

    path: Annotated[
        Path | None,
        Key(
            kind=PATH,
            default="omnitornado.state",
            help="Where the state lives: snapshot and journal stand beside each other under this name. "
            'Relative to this file\'s folder. "" keeps everything in memory, and a restart forgets it.',
        ),
    ]
    url: Annotated[
        str,
        Key(
            kind=URL,
            default="",
            secret=True,
            help="A Redis (7 or later) or Valkey that several servers share, in place of `path`: "
            "redis://user:password@host:6379/0, rediss:// for TLS, unix:///path/to/socket. Needs the extra "
            "`redis`. What a crash loses is then up to Redis.",
        ),
    ]
    prefix: Annotated[
        str,
        Key(
            kind=text("1 to 64 characters on one line", shortest=1, longest=64),
            default="{omnitornado}:",
            help="With `url`: what every key begins with, the same for all servers that share the state and "
            "another for those that don't.",
        ),
    ]
    timeout: Annotated[
        float,
        Key(
            kind=duration(),
            default="5s",
            help="With `url`: how long Redis may take to answer. Then the request is refused with 503.",
        ),
    ]
    start_timeout: Annotated[
        float,
        Key(
            kind=duration(zero=True),
            default="10s",
            help="With `url`: how long a start waits for a Redis that is not there yet, or still loads.",
        ),
    ]
    cache: Annotated[
        float,
        Key(
            kind=duration(zero=True),
            default="2s",
            help="With `url`: how long an access token that was found is taken without asking again. What is "
            "revoked is published and forgotten at once; a message that is late is late by this at most. 0: "
            "ask for every call.",
        ),
    ]
    snapshot_interval: Annotated[
        float,
        Key(
            kind=duration(),
            default="60s",
            help="How often a snapshot replaces the journal. It bounds how long a start takes, "
            "not what a crash loses.",
        ),
    ]
    max_journal: Annotated[
        int,
        Key(
            kind=SIZE,
            default="64MiB",
            help="A snapshot is written before its time once the journal is larger than this, and than the "
            "last snapshot: many changes at once don't fill the disk, nor make the next start long.",
        ),
    ]
    durability: Annotated[
        Literal["always", "interval"],
        Key(
            kind=choice("always", "interval"),
            default="always",
            help='"always": on disk before the reply, a crash loses nothing that was promised. '
            '"interval": a crash loses up to the last second.',
        ),
    ]


def hide_secrets(url: str) -> str:
    """A `url` without its user, password and options: for the log and for people."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def settle_store(store: StoreSettings, given: Any) -> StoreSettings:
    """The settings of one engine. `given`: the table as it was written. Raises: MismatchError where it names
    both.
    """
    if not store.url:
        return store
    if isinstance(given, Mapping) and given.get("path"):
        raise MismatchError("path", "the state is kept in path or at url: leave one of them out")
    return msgspec.structs.replace(store, path=None)
