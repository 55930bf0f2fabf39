"""What a key may hold: each kind has a name in words and one function from a TOML value to a typed one.

A parse function raises ValueError with the reason; those of secrets (credentials.py) never quote the value.
"""

import json
import keyword
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

MAX_DURATION = 3650 * 86400
"""Seconds. Instants far in the future no longer fit a calendar, and nobody means them."""
MAX_SIZE = 2**30

_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")
_FOUND = ((bool, "a boolean"), (int, "an integer"), (float, "a float"), (str, "a string"), (list, "an array"))


class Kind(msgspec.Struct, frozen=True):
    """A kind of value: `label` completes "expected …"; `parse` gives the typed value or raises ValueError."""

    label: str
    parse: Callable[[object], Any]


def show(value: str) -> str:
    """A value that is no secret, quoted for an error message, cut to a line."""
    return json.dumps(value if len(value) <= 80 else value[:79] + "…", ensure_ascii=False)


def name_type(value: object) -> str:
    """The value's TOML type in words."""
    if isinstance(value, dict):
        return "a table"
    return next((words for kind, words in _FOUND if isinstance(value, kind)), "a date or time")


def expect_string(value: object, label: str = "a string") -> str:
    """The value if it is a string. Raises ValueError that says what was expected and found."""
    if not isinstance(value, str):
        raise ValueError(f"expected {label}, found {name_type(value)}")
    return value


def expect_integer(value: object, label: str) -> int:
    """The value if it is an integer, and no boolean. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected {label}, found {name_type(value)}")
    return value


def _parse_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {name_type(value)}")
    return value


BOOLEAN = Kind("true or false", _parse_boolean)


def integer(lowest: int, highest: int) -> Kind:
    """A whole number within bounds, both included."""
    label = f"a whole number from {lowest} to {highest}"

    def parse(value: object) -> int:
        number = expect_integer(value, label)
        if not lowest <= number <= highest:
            raise ValueError(f"expected {label}, found {number if abs(number) < 10**18 else 'a larger one'}")
        return number

    return Kind(label, parse)


def choice(*names: str) -> Kind:
    """One of a few words."""
    label = " or ".join(f'"{name}"' for name in names)

    def parse(value: object) -> str:
        name = expect_string(value, label)
        if name not in names:
            raise ValueError(f"expected {label}, found {show(name)}")
        return name

    return Kind(label, parse)


def text(label: str, *, shortest: int = 0, longest: int = 128) -> Kind:
    """Text of one line that is shown to people: no control characters, not padded with spaces."""

    def parse(value: object) -> str:
        words = expect_string(value)
        if not shortest <= len(words) <= longest:
            raise ValueError(f"expected {shortest} to {longest} characters, found {len(words)}")
        if not words.isprintable():
            raise ValueError("control and other unprintable characters are not allowed")
        if words != words.strip():
            raise ValueError("spaces at the start or the end are not allowed")
        return words

    return Kind(label, parse)


def duration(*, zero: bool = False) -> Kind:
    """Seconds as a float, from "90s" "15m" "1h" "30d" or whole seconds; 0 only where `zero` has a meaning."""
    label = 'a duration such as "90s", "15m", "1h", "30d", or whole seconds'

    def parse(value: object) -> float:
        if isinstance(value, str):
            match = _DURATION.fullmatch(value)
            if match is None:
                raise ValueError(f"expected {label}, found {show(value)}")
            seconds = int(match[1]) * _SECONDS[match[2]]
        else:
            seconds = expect_integer(value, label)
        if seconds < 0 or (seconds == 0 and not zero):
            raise ValueError("a duration must be over 0" if not zero else "a duration can't be negative")
        if seconds > MAX_DURATION:
            raise ValueError("a duration can't be over ten years (3650d)")
        return float(seconds)

    return Kind(label, parse)


def duration_or_off() -> Kind:
    """A duration; None for 0 and "off"."""
    limit = duration(zero=True)
    label = f'{limit.label}; 0 or "off" for no limit'

    def parse(value: object) -> float | None:
        return None if value == "off" else limit.parse(value) or None

    return Kind(label, parse)


def _parse_size(value: object) -> int:
    label = SIZE.label
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError(f"expected {label}, found {show(value)}")
        size = int(match[1]) * _BYTES[match[2]]
    else:
        size = expect_integer(value, label)
    if not 1024 <= size <= MAX_SIZE:
        raise ValueError("a size must be from 1KiB to 1GiB")
    return size


SIZE = Kind('a size such as "512KiB" or "4MiB", or whole bytes', _parse_size)


def _parse_path(value: object) -> Path | None:
    path = expect_string(value, "a path")
    if "\0" in path:
        raise ValueError("a path can't hold a NUL character")
    return Path(path) if path else None


PATH = Kind('a path; "" for none', _parse_path)


def array(kind: Kind, *, shortest: int = 0) -> Kind:
    """An array of one kind, as a tuple."""
    label = f"an array, each entry {kind.label}"

    def parse(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected {label}, found {name_type(value)}")
        if len(value) < shortest:
            raise ValueError("an empty array is not allowed here: leave the key out for the default")
        return tuple(_parse_entry(kind, number, entry) for number, entry in enumerate(value, 1))

    return Kind(label, parse)


def _parse_entry(kind: Kind, number: int, entry: object) -> Any:
    try:
        return kind.parse(entry)
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from None


def _parse_scope(value: object) -> str:
    scope = expect_string(value, "a scope")
    if not _SCOPE_TOKEN.fullmatch(scope):
        raise ValueError(
            "a scope is one word of printable ASCII without quotes and backslashes (RFC 6749 §3.3), "
            f"found {show(scope)}"
        )
    return scope


SCOPE = Kind("a scope", _parse_scope)


def _parse_resource_scope(value: object) -> str:
    """MCP 2026-07-28 basic/authorization: a resource never needs `offline_access`, nor says so."""
    scope = _parse_scope(value)
    if scope == "offline_access":
        raise ValueError(
            "offline_access is between client and authorization server: nothing here can need it"
        )
    return scope


RESOURCE_SCOPE = Kind("a scope", _parse_resource_scope)


def _parse_scopes(value: object) -> tuple[str, ...] | None:
    """RFC 7591 §2 writes a client's scopes as one string; an empty one is the same as none."""
    scopes = expect_string(value, SCOPES.label).split(" ")
    return tuple(dict.fromkeys(_parse_scope(scope) for scope in scopes if scope)) or None


SCOPES = Kind("scopes with spaces between them, in one string", _parse_scopes)


def _parse_app(value: object) -> str:
    app = expect_string(value, APP.label)
    module, colon, name = app.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if app and not (colon and all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)):
        raise ValueError(f"expected {APP.label}")
    return app


APP = Kind('"module:object", importable from the configuration\'s folder; "" for none', _parse_app)
