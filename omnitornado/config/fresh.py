"""A fresh configuration file with secrets of its own, for `init`."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from omnitornado.base64url import encode
from omnitornado.config.sections import SECTIONS
from omnitornado.config.writing import write_section
from omnitornado.passwords import DEFAULT_ROUNDS, hash_password

USERNAME = "admin"

_HEADER = """\
# The configuration of omnitornado. Start it with:  python -m omnitornado {name}
# Every key is here with its default; relative paths start at this file's folder.
# It holds a client's secret: keep it readable by its owner alone."""


class Fresh(msgspec.Struct, frozen=True):
    """What was written: the file's path, and the person to sign in as. The password is nowhere else."""

    path: Path
    username: str
    password: str


def write_fresh(
    path: Path,
    *,
    token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    bcrypt_rounds: int = DEFAULT_ROUNDS,
) -> Fresh:
    """Write a commented configuration, mode 0600, with a preset client and a person with random secrets.

    Raises FileExistsError when the path is taken, even by a broken link; OSError when it can't be written.
    """
    password = _issue_secret(token_bytes, 12)
    values = {
        "users": {
            "username": USERNAME,
            "password_hash": hash_password(password, rounds=bcrypt_rounds).decode(),
        },
        "clients": {
            "client_id": f"client-{token_bytes(8).hex()}",
            "client_secret": _issue_secret(token_bytes, 32),
            "client_name": "My client",
        },
    }
    parts = [_HEADER.format(name=path.name)]
    parts += ["\n".join(write_section(section, values.get(section.name, {}))) for section in SECTIONS]
    text = "\n\n".join(parts) + "\n"
    # O_EXCL: the file is made here and now or not at all, so nothing is ever overwritten.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Fresh(path, USERNAME, password)


def _issue_secret(token_bytes: Callable[[int], bytes], size: int) -> str:
    return encode(token_bytes(size))
