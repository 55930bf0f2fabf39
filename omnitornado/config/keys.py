"""How a key of the configuration is declared: its kind, default and help stand at the field that holds it."""

import enum
import typing
from collections.abc import Sequence
from typing import Any

import msgspec

from omnitornado.config.kinds import Kind


class Required(enum.Enum):
    """The default of a key that has none."""

    REQUIRED = "required"


REQUIRED = Required.REQUIRED


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key: written into a field's type as `Annotated[type, Key(...)]`."""

    kind: Kind
    help: str
    """One or two sentences for the operator: the fresh configuration and the documentation print them."""
    default: Any = REQUIRED
    """As TOML would write it; None where leaving the key out means None."""
    example: Any = None
    """What the fresh configuration shows, commented out, where the default is None or REQUIRED."""
    secret: bool = False
    """Whether the value is kept out of `repr`."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every table of settings. Its `repr` shows no secret, so that a log line can't."""

    def __repr__(self) -> str:
        secrets = {name for name, key in find_keys(type(self)).items() if key.secret}
        shown = (
            f"{name}=…" if name in secrets else f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file, or one array of tables."""

    name: str
    help: str
    settings: type[Settings]
    is_array: bool = False
    is_optional: bool = False
    """Whether leaving the table out means that there is none of it."""
    inputs: dict[str, Key] = {}
    """Keys of the file that no field keeps."""
    refused: dict[str, str] = {}
    """Keys that are known and not supported, with the reason."""

    @property
    def path(self) -> tuple[str, ...]:
        """The names that lead to it."""
        return tuple(self.name.split("."))

    @property
    def header(self) -> str:
        return f"[[{self.name}]]" if self.is_array else f"[{self.name}]"

    def find_tables(self, sections: "Sequence[Section]") -> "dict[str, Section]":
        """The tables within it, by the last part of their name."""
        names = ((section.name.rpartition("."), section) for section in sections)
        return {name: section for (outer, dot, name), section in names if dot and outer == self.name}

    @property
    def keys(self) -> dict[str, Key]:
        """Every key that may be written, in the order of the fields."""
        return find_keys(self.settings) | self.inputs


def find_keys(settings: type[Settings]) -> dict[str, Key]:
    """The declared keys of a table, in the order of its fields."""
    hints = typing.get_type_hints(settings, include_extras=True)
    found = {name: _find_key(hints[name]) for name in settings.__struct_fields__}
    return {name: key for name, key in found.items() if key is not None}


def _find_key(hint: Any) -> Key | None:
    return next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Key)), None)
