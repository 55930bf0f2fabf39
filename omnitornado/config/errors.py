"""What a refused configuration says, and where."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

KeyPath = tuple[str | int, ...]
"""("tokens", "refresh_grace"), or ("users", 1, "password") for the second `[[users]]`."""


class ConfigError(Exception):
    """A configuration that can't be used. Its text is one line, as
    `config.toml:12: [tokens] refresh_grace: reason`.

    `source` is the file's name, `line` counts from 1 (None: not known), `key` names the table and the key,
    `reason` says what to change. No part ever holds a secret's value.
    """

    def __init__(self, reason: str, *, source: str = "", line: int | None = None, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.source = source
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.reason) if part)
        # File names and keys may hold anything; an error stays one line whatever they hold.
        return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


class MismatchError(ValueError):
    """Values that are fine alone and wrong together; `key` is where to point."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


class Origin(msgspec.Struct, frozen=True):
    """Where the settings came from: a file with the lines of its keys, and the command line's options."""

    source: str
    folder: Path
    """Absolute; relative paths start there."""
    lines: Mapping[KeyPath, int] = {}
    options: Mapping[KeyPath, str] = {}
    """Keys that an option of the command line replaced, and that option's name."""

    def build_error(self, path: KeyPath, reason: str, *, key: str | None = None) -> ConfigError:
        """The error for a key, or for a whole table, with the nearest line that is known.

        `key` is how the error names it where that is not the way `write_path` does.
        """
        if path in self.options:
            return ConfigError(reason, key=self.options[path])
        return ConfigError(
            reason, source=self.source, line=self._find_line(path), key=key or write_path(path)
        )

    def _find_line(self, path: KeyPath) -> int | None:
        """The key's line; of a key that is absent or in an inline table, its table's."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def write_path(path: KeyPath) -> str:
    """`[tokens] refresh_grace`, `[[users]] number 2, password`; a top-level name stands alone in brackets."""
    position = next((place for place, part in enumerate(path) if isinstance(part, int)), None)
    if position is not None and position > 1:  # an array of tables within a table
        path = (".".join(map(str, path[:position])), *path[position:])
    match path:
        case (str(table),):
            return f"[{table}]"
        case (str(table), int(index)):
            return f"[[{table}]] number {index + 1}"
        case (str(table), int(index), str(key)):
            return f"[[{table}]] number {index + 1}, {key}"
        case (str(table), str(inner), str(key)):
            return f"[{table}.{inner}] {key}"
        case (str(table), *keys):
            return f"[{table}] {'.'.join(str(key) for key in keys)}"
    return ""
