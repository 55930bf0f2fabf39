"""A TOML file to plain data, and the line of every key in it.

The package toml reads the values but tells no positions, and misreads some quotes and commas (`"\\""`,
`["x", ","]`) without a word. A changed password must not pass silently, so the standard library's strict
parser has to agree with it, and explains syntax errors: its messages never quote a value.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import toml

from omnitornado.config.errors import ConfigError, KeyPath, Origin

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[A-Za-z0-9_-]+"
    r"|.",
    re.DOTALL,
)
_STRICT_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def read_source(path: Path, source: str) -> tuple[dict[str, Any], Origin]:
    """The file's data and where each key stands. Raises ConfigError when it can't be read or parsed."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or "can't be read"
        raise ConfigError(f"can't read the configuration: {reason}", source=source) from None
    except UnicodeDecodeError as error:
        # From None: the original error carries the file's bytes, secrets included.
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8 text", source=source, line=line) from None
    return parse_source(text.replace("\r\n", "\n"), source, path.absolute().parent)


def parse_source(text: str, source: str, folder: Path) -> tuple[dict[str, Any], Origin]:
    """Parse TOML text. Raises ConfigError with the line; the parsers' errors stay out of its context."""
    strict = _parse_strictly(text, source)
    try:
        data: dict[str, Any] = toml.loads(text)
    except toml.TomlDecodeError as error:
        raise ConfigError(_explain(error.msg), source=source, line=error.lineno) from None
    except Exception:
        # toml meets some texts with IndexError, AttributeError and the like.
        raise ConfigError("not readable as TOML", source=source) from None
    origin = Origin(source, folder, find_lines(text))
    difference = _find_difference(data, strict)
    if difference is not None:
        reason = "ambiguous to TOML readers: write it on one line, with 'single quotes' and no inline table"
        raise origin.build_error(difference, reason)
    return data, origin


def _parse_strictly(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    except RecursionError:
        message = "nested too deeply"
    place = _STRICT_PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip("\n").count("\n") + 1
    reason = message[: place.start()] if place else message
    raise ConfigError(f"TOML syntax: {reason}", source=source, line=line)


def _explain(message: str) -> str:
    """toml's reason for refusing what the strict parser took. Its other messages quote the file's values."""
    if message.startswith("Not a homogeneous array"):
        return "an array must hold values of one type"
    if message.startswith("Invalid escape sequence"):
        return "a backslash before u is ambiguous to TOML readers: write the text in 'single quotes'"
    return "not readable as TOML: write plain values, one key a line"


def _find_difference(ours: object, strict: object, path: KeyPath = ()) -> KeyPath | None:
    """The first key where two readings differ, or None."""
    if isinstance(ours, dict) and isinstance(strict, dict) and ours.keys() == strict.keys():
        pairs: Iterator[tuple[str | int, object, object]] = ((key, ours[key], strict[key]) for key in ours)
    elif isinstance(ours, list) and isinstance(strict, list) and len(ours) == len(strict):
        pairs = ((index, ours[index], strict[index]) for index in range(len(ours)))
    else:
        return None if type(strict) is type(ours) and ours == strict else path
    for name, one, other in pairs:
        found = _find_difference(one, other, (*path, name))
        if found is not None:
            return found
    return None


def find_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of each table and key of valid TOML text; `[[users]]` counts ("users", 0), …"""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, head in _find_statements(text):
        names = [_unquote(part) for part in head if part not in "[]."]
        if head[0] == "[":
            table = _enter_table(names, head[:2] == ["[", "["], counts)
            path = table
        else:
            path = (*table, *names)
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], line)
    return lines


def _unquote(part: str) -> str:
    """The key that a token spells."""
    if part[0] not in "\"'":
        return part
    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except ValueError:
        return part[1:-1]


def _enter_table(names: list[str], is_array: bool, counts: dict[KeyPath, int]) -> KeyPath:
    """The path of a `[table]` or `[[array]]` header, each array on the way counted."""
    path: KeyPath = ()
    for position, name in enumerate(names):
        path = (*path, name)
        if is_array and position == len(names) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _find_statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each statement's line and the tokens before its `=`; of a header, all of them."""
    line, first, depth = 1, 1, 0
    head: list[str] = []
    in_value = False
    for match in _TOKEN.finditer(text + "\n"):
        part = match[0]
        if part == "\n" and depth == 0:
            if head:
                yield first, head
            head, in_value = [], False
        elif in_value:
            depth += (part in "[{") - (part in "]}")
        elif part == "=":
            in_value = True
        elif not part.isspace() and not part.startswith("#"):
            first = first if head else line
            head.append(part)
        line += part.count("\n")
