"""Implements: Agent Skills (Frontmatter), MCP extension io.modelcontextprotocol/skills (Frontmatter): the
YAML at the head of a SKILL.md, as JSON. YAML 1.2 §10.3, the core schema.

A host reads the file again and compares it with what the server said, field by field, with a YAML reader of
its own. So nothing is taken that has no one meaning: no tags, anchors, aliases and duplicate keys, and no
value without a JSON form. Readers of YAML 1.1 and 1.2 disagree about some words (`on`, `2026-07-28`, `010`):
they are read as 1.2 has it, and named, so that somebody can put them in quotes.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from omnitornado.skills.errors import SkillError

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 16 * 1024
"""Of the front matter: PyYAML takes up to a second for so much."""
MAX_NESTING = 16
MAX_INTEGER = 2**53 - 1
"""Beyond it JSON readers disagree (RFC 8259 §6)."""

_FRONT_MATTER = re.compile(r"\ufeff?---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_KINDS = {str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}
_TAG = "tag:yaml.org,2002:"


class FrontMatter(msgspec.Struct, frozen=True):
    """What stands at the head of a SKILL.md."""

    fields: dict[str, Any]
    ambiguous: tuple[str, ...]
    """Where other readers may find something else, for a person: "line 4: 010"."""


def parse_front_matter(text: str) -> FrontMatter:
    """Read the front matter of a SKILL.md.

    Raises:
        SkillError: there is none, or it is no mapping of plain values.
    """
    import yaml  # Only a server with skills needs it, and has it: the extra `skills`.

    found = _FRONT_MATTER.match(text)
    if found is None:
        raise SkillError("must begin with front matter: YAML between two lines of ---")
    if len(found[1].encode("utf-8", "replace")) > MAX_BYTES:
        raise SkillError(f"has more than {MAX_BYTES // 1024} KiB of front matter")
    try:
        return _Builder(yaml.SafeLoader(found[1])).build()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 2}: "
        raise SkillError(f"{line}no YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SkillError(f"no YAML: {' '.join(str(error).split())[:200]}") from None


class _Builder:
    """From the parser's events to plain values; PyYAML's own constructor speaks YAML 1.1."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._ambiguous: list[str] = []

    def build(self) -> FrontMatter:
        import yaml

        self._take(yaml.StreamStartEvent)
        if self._loader.check_event(yaml.StreamEndEvent):
            raise SkillError("has empty front matter")
        self._take(yaml.DocumentStartEvent)
        fields = self._build_value(0)
        self._take(yaml.DocumentEndEvent)
        if not self._loader.check_event(yaml.StreamEndEvent):
            raise self._refuse(self._loader.get_event(), "one YAML document, not several")
        if not isinstance(fields, dict):
            raise SkillError("has front matter that is no mapping of names to values")
        return FrontMatter(fields, tuple(self._ambiguous))

    def _take(self, kind: type["yaml.Event"]) -> None:
        event = self._loader.get_event()
        if not isinstance(event, kind):
            raise self._refuse(event, "no YAML")

    def _build_value(self, depth: int) -> Any:
        import yaml

        event = self._loader.get_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._refuse(event, "anchors and aliases (& and *) are not allowed")
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, "tags (!) are not allowed")
        if depth > MAX_NESTING:
            raise self._refuse(event, f"more than {MAX_NESTING} levels")
        if isinstance(event, yaml.ScalarEvent):
            return self._build_scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self._build_items(yaml.SequenceEndEvent, lambda: self._build_value(depth + 1)))
        return self._build_mapping(depth)

    def _build_items(self, end: type["yaml.Event"], build: Callable[[], Any]) -> Iterator[Any]:
        while not self._loader.check_event(end):
            yield build()
        self._loader.get_event()

    def _build_mapping(self, depth: int) -> dict[str, Any]:
        import yaml

        mapping: dict[str, Any] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            start = self._loader.peek_event()
            key = self._build_value(depth + 1)
            if not isinstance(key, str) or key == "<<":
                raise self._refuse(start, "a key must be text")
            if key in mapping:
                raise self._refuse(start, f"{key!r} stands there twice")
            mapping[key] = self._build_value(depth + 1)
        self._loader.get_event()
        return mapping

    def _build_scalar(self, event: "yaml.ScalarEvent") -> Any:
        import yaml

        if event.style:  # in quotes or a block
            return self._join(event)
        try:
            value = _read_plain(event.value)
        except ValueError as error:
            raise self._refuse(event, f"{event.value[:80]} {error}: put it in quotes") from None
        tag = self._loader.resolve(yaml.ScalarNode, event.value, (True, False))
        is_octal = isinstance(value, int) and re.match(r"[-+]?0\d", event.value) is not None
        if is_octal or tag != _TAG + _KINDS[type(value)]:
            self._ambiguous.append(f"{_find_line(event)}{event.value[:80]}")
        return value

    def _join(self, event: "yaml.ScalarEvent") -> str:
        """Text in quotes, where JSON's habit of writing a character as two surrogates counts as well."""
        text: str = event.value
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._refuse(event, "half a surrogate pair is no character") from None

    def _refuse(self, event: Any, words: str) -> SkillError:
        return SkillError(f"{_find_line(event)}{words}")


def _find_line(event: Any) -> str:
    """Where an event stands in the file: the front matter begins on its second line."""
    mark = getattr(event, "start_mark", None)
    return "" if mark is None else f"line {mark.line + 2}: "


def _read_plain(text: str) -> Any:
    """A scalar without quotes, in the core schema.

    Raises:
        ValueError: it has no form that every reader of JSON agrees about.
    """
    if _NULL.fullmatch(text):
        return None
    boolean = _BOOLEAN.fullmatch(text)
    if boolean is not None:
        return boolean[1] is not None
    if _NO_NUMBER.fullmatch(text):
        raise ValueError("has no JSON form")
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return _read_integer(text, base)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("is too large")
        return number
    return text


def _read_integer(text: str, base: int) -> int:
    if len(text) > 20 or abs(number := int(text, base)) > MAX_INTEGER:
        raise ValueError("is too large")
    return number
