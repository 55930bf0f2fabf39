"""The configuration of `--stdio COMMAND`: one upstream, one person, one client, for one run."""

import secrets
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from omnitornado.base64url import encode
from omnitornado.config.build import build_config
from omnitornado.config.errors import ConfigError
from omnitornado.config.sections import Config, Overrides
from omnitornado.passwords import DEFAULT_ROUNDS, hash_password

OPTION = "--stdio"
USERNAME = "admin"
NAME = "mcp"


class Single(msgspec.Struct, frozen=True):
    """A configuration, and the person to sign in as. The password is nowhere else."""

    config: Config
    username: str
    password: str


def build_single(
    command: str,
    overrides: Overrides,
    *,
    folder: Path,
    token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    bcrypt_rounds: int = DEFAULT_ROUNDS,
) -> Single:
    """Settings for a command line. Raises: ConfigError."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"can't be split into words: {error}", key=OPTION) from None
    if not arguments:
        raise ConfigError("names no command", key=OPTION)
    password = encode(token_bytes(12))
    server: dict[str, Any] = msgspec.structs.asdict(overrides)
    tables: dict[str, Any] = {
        "server": {name: value for name, value in server.items() if value is not None},
        "store": {"path": ""},
        "users": [
            {
                "username": USERNAME,
                "password_hash": hash_password(password, rounds=bcrypt_rounds).decode(),
            }
        ],
        "clients": [
            {"client_id": f"client-{token_bytes(8).hex()}", "client_secret": encode(token_bytes(32))}
        ],
        "mcp": {"upstreams": [{"name": NAME, "path": "/mcp", "command": arguments}]},
    }
    config = build_config(tables, folder=folder, source=OPTION)
    return Single(config, USERNAME, password)
