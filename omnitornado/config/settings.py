"""The single tables: one frozen record each, every key declared once, with kind, default and help."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from omnitornado.config.addresses import HOST, NETWORK, ORIGIN, PUBLIC_URL
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import (
    APP,
    PATH,
    array,
    choice,
    duration,
    integer,
)


class ServerSettings(Settings, frozen=True):
    """`[server]`"""

    host: Annotated[
        str,
        Key(
            kind=HOST,
            default="127.0.0.1",
            help='The address to listen on. "0.0.0.0" or "::" is every network, and needs public_url.',
        ),
    ]
    port: Annotated[
        int, Key(kind=integer(0, 65535), default=8080, help="The port to listen on; 0 takes a free one.")
    ]
    public_url: Annotated[
        str,
        Key(
            kind=PUBLIC_URL,
            default="",
            help="The address that clients reach the server by, as https://mcp.example.com; it is the OAuth "
            "issuer. Empty: this machine only, and localhost, 127.0.0.1 and [::1] count as the same server.",
        ),
    ]
    allowed_origins: Annotated[
        tuple[str, ...],
        Key(
            kind=array(ORIGIN),
            default=[],
            help="Browser origins that are allowed beside the server's own (CORS and Origin check).",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key(
            kind=array(NETWORK),
            default=[],
            help="Addresses or networks of reverse proxies whose X-Forwarded-For and -Proto are believed.",
        ),
    ]
    tls_certificate: Annotated[
        Path | None,
        Key(
            kind=PATH,
            default="",
            help="The certificate chain, a PEM file, to serve HTTPS without a proxy; needs tls_private_key.",
        ),
    ]
    tls_private_key: Annotated[
        Path | None,
        Key(kind=PATH, default="", help="The certificate's private key, a PEM file without a passphrase."),
    ]
    shutdown_grace: Annotated[
        float,
        Key(
            kind=duration(zero=True),
            default="10s",
            help="How long requests in flight may take to finish once the server is told to stop.",
        ),
    ]
    speed: Annotated[
        str,
        Key(
            kind=choice("auto", "off"),
            default="off",
            help="Whether uvloop and an HTTP connection on httptools are used: where they are installed (the "
            "package's extra `speed`), or never. New in this version, so it must be asked for.",
        ),
    ]


class LoginSettings(Settings, frozen=True):
    """`[login]`"""

    session_lifetime: Annotated[
        float, Key(kind=duration(), default="12h", help="How long a browser stays signed in.")
    ]
    bcrypt_threads: Annotated[
        int,
        Key(
            kind=integer(1, 64),
            default=2,
            help="How many passwords are checked at the same time; each check keeps a processor core busy.",
        ),
    ]
    validate_user: Annotated[
        str,
        Key(
            kind=APP,
            default="",
            help='A Python function, as "module:function", that says whether a name and a password belong '
            "together: `check(username, password)`, plain or async, gives True or False, or the `Person` it "
            "is. It is asked for everyone who has no password in `[[users]]`.",
        ),
    ]
