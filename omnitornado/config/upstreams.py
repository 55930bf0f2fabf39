"""`[[mcp.upstreams]]`: MCP servers of somebody else's behind the same login, each at its own path."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from omnitornado.config.addresses import MCP_PATH
from omnitornado.config.errors import MismatchError
from omnitornado.config.keys import Key, Settings
from omnitornado.config.kinds import (
    BOOLEAN,
    PATH,
    RESOURCE_SCOPE,
    SIZE,
    Kind,
    array,
    choice,
    duration,
    duration_or_off,
    expect_string,
    integer,
    name_type,
    show,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _parse_name(value: object) -> str:
    name = expect_string(value, NAME.label)
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected {NAME.label}, found {show(name)}")
    return name


NAME = Kind("a name of letters, digits and . _ -", _parse_name)


def _parse_optional(kind: Kind) -> Kind:
    return Kind(f'{kind.label}; "" for the default', lambda value: "" if value == "" else kind.parse(value))


def _parse_argument(value: object) -> str:
    argument = expect_string(value, "a string")
    if "\0" in argument:
        raise ValueError("a NUL character is not allowed")
    return argument


ARGUMENT = Kind("a string", _parse_argument)


def _parse_variable(value: object) -> str:
    name = expect_string(value, "the name of an environment variable")
    if not _VARIABLE.fullmatch(name):
        raise ValueError("the name of an environment variable has letters, digits and _")
    return name


VARIABLE = Kind("the name of an environment variable", _parse_variable)


def _parse_environment(value: object) -> dict[str, str]:
    """No value is quoted in an error: here stand the upstream's own secrets."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {ENVIRONMENT.label}, found {name_type(value)}")
    for name, text in value.items():
        _parse_variable(name)
        if not isinstance(text, str):
            raise ValueError(f"{name}: expected a string, found {name_type(text)}")
        if "\0" in text:
            raise ValueError(f"{name}: a NUL character is not allowed")
    return dict(value)


ENVIRONMENT = Kind('a table of strings, as { KEY = "value" }', _parse_environment)


NOT_YET = "servers behind the login that speak HTTP are not supported in this version: use command"


class UpstreamSettings(Settings, frozen=True):
    """One of `[[mcp.upstreams]]`."""

    name: Annotated[str, Key(kind=NAME, example="files", help="What it is called, by people and in the log.")]
    path: Annotated[
        str,
        Key(
            kind=_parse_optional(MCP_PATH),
            default="",
            help='Where it stands under the server\'s address. "": its name and /mcp, as /files/mcp.',
        ),
    ]
    command: Annotated[
        tuple[str, ...],
        Key(
            kind=array(ARGUMENT, shortest=1),
            example=["npx", "-y", "@modelcontextprotocol/server-filesystem", "/srv/files"],
            help="The program and its arguments, for a server that talks over standard input and output. No "
            "shell looks at it.",
        ),
    ]
    env: Annotated[
        dict[str, str],
        Key(
            kind=ENVIRONMENT,
            default={},
            secret=True,
            help="Environment variables of its own. It gets HOME, PATH and the like of the server's "
            "environment, and nothing else.",
        ),
    ]
    pass_env: Annotated[
        tuple[str, ...],
        Key(
            kind=array(VARIABLE),
            default=[],
            help="Names of variables that it gets from the server's environment as well: for secrets that "
            "should not stand in this file.",
        ),
    ]
    cwd: Annotated[
        Path | None,
        Key(kind=PATH, default="", help='The folder it runs in. "": this file\'s folder.'),
    ]
    scope: Annotated[
        str,
        Key(
            kind=_parse_optional(RESOURCE_SCOPE),
            default="",
            help='The scope that a token needs to use it. "": its name.',
        ),
    ]
    per: Annotated[
        Literal["person", "session", "shared"],
        Key(
            kind=choice("person", "session", "shared"),
            default="person",
            help='Whose a process is: one for each "person", one for each "session" (in revisions without '
            'sessions: for each person\'s client), or one that is "shared" by everyone.',
        ),
    ]
    idle_time: Annotated[
        float,
        Key(kind=duration(), default="10m", help="How long a process that nobody uses is kept."),
    ]
    max_children: Annotated[
        int,
        Key(
            kind=integer(1, 10_000),
            default=100,
            help="How many processes of it there may be. Beyond it the one unused for longest makes room; "
            "where all are in use, the answer is an error. One person has at most a quarter of them.",
        ),
    ]
    start_timeout: Annotated[
        float,
        Key(
            kind=duration(),
            default="60s",
            help="How long it may take to start, downloads of its package included.",
        ),
    ]
    timeout: Annotated[
        float | None,
        Key(
            kind=duration_or_off(),
            default="5m",
            help="How long a request may take, the time that people are asked something left out; 0 or "
            '"off" for no limit.',
        ),
    ]
    max_message: Annotated[int, Key(kind=SIZE, default="8MiB", help="The largest message that it may send.")]
    roots: Annotated[
        bool,
        Key(
            kind=BOOLEAN,
            default=False,
            help="Whether it may ask for a client's roots. The folders are on the client's machine, and some "
            "servers take them as permission: server-filesystem would serve whatever a client names.",
        ),
    ]


def build_upstream(values: dict[str, Any]) -> UpstreamSettings:
    """An upstream with its defaults."""
    values["path"] = values["path"] or f"/{values['name']}/mcp"
    values["scope"] = values["scope"] or values["name"]
    for key, kind in (("path", MCP_PATH), ("scope", RESOURCE_SCOPE)):
        try:
            kind.parse(values[key])
        except ValueError as error:
            raise MismatchError(key, f"needed, for the name does not do: {error}") from None
    return UpstreamSettings(**values)
