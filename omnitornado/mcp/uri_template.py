"""Implements: RFC 6570 §1.2 (levels 1 and 2), read backwards: from a URI to the values of a template's
variables.

`{name}` stands for one piece without `/`, `?` and `#`; `{+name}` for anything, slashes included; `{#name}`
for a fragment. Values are percent-decoded. Our choice: none is empty, and where several readings fit, earlier
variables get the shorter values. Matching takes time in proportion to the URI's length, whatever the
template.
"""

import itertools
import re
from urllib.parse import unquote_to_bytes

import msgspec

MAX_URI_LENGTH = 2048
"""Characters; a longer URI matches no template."""

_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_VARIABLE = re.compile(r"([+#]?)([A-Za-z_][A-Za-z0-9_]*)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
"""RFC 3986 §3.1."""
_ENDS = {"": re.compile(r"[/?#]"), "+": re.compile(r"#"), "#": re.compile(r"#")}
"""Operator to the characters that its value can't hold."""


class Variable(msgspec.Struct, frozen=True):
    """An expression of a template."""

    name: str
    operator: str


class UriTemplate(msgspec.Struct, frozen=True):
    """A template as literals and variables by turns."""

    text: str
    parts: tuple[str | Variable, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in order."""
        return tuple(part.name for part in self.parts if isinstance(part, Variable))

    def match(self, uri: str) -> dict[str, str] | None:
        """The variables' values in a URI, decoded; None for a URI that is none of this template's."""
        if len(uri) > MAX_URI_LENGTH:
            return None
        if isinstance(self.parts[0], str) and not uri.startswith(self.parts[0]):
            return None
        levels = self._find_levels(uri)
        if 0 not in levels[0]:
            return None
        values, at = {}, 0
        for part, ends in zip(self.parts, levels[1:], strict=True):
            if isinstance(part, str):
                at += len(part)
                continue
            end = min(end for end in ends if end > at)
            values[part.name] = uri[at:end]
            at = end
        return self._decode(values)

    def _find_levels(self, uri: str) -> list[set[int]]:
        """For each part, the positions from which it and what follows lead to the URI's end; the end last."""
        levels = [{len(uri)}]
        for part in reversed(self.parts):
            following = levels[-1]
            if isinstance(part, str):
                starts = {end - len(part) for end in following if uri.endswith(part, 0, end)}
            else:
                starts = _find_starts(uri, _ENDS[part.operator], following)
            levels.append(starts)
        return levels[::-1]

    def _decode(self, values: dict[str, str]) -> dict[str, str] | None:
        decoded, before = {}, ""
        for part in self.parts:
            if isinstance(part, str):
                before = part
                continue
            try:
                value = unquote_to_bytes(values[part.name]).decode("utf-8")
            except UnicodeDecodeError:
                return None
            if _is_unsafe(value, before):
                return None
            decoded[part.name] = value
        return decoded


def _find_starts(uri: str, end: re.Pattern[str], following: set[int]) -> set[int]:
    starts: set[int] = set()
    nearest = blocked = len(uri) + 1
    for at in range(len(uri) - 1, -1, -1):
        if at + 1 in following:
            nearest = at + 1
        if end.match(uri, at):
            blocked = at
        if nearest <= min(blocked, len(uri)):
            starts.add(at)
    return starts


def _is_unsafe(value: str, before: str) -> bool:
    """Whether a value would lead out of a folder it is joined to (server/resources, Security Considerations).

    Such a URI names nothing: what the author does with the value can't be known here. After `scheme://` alone
    the value is a path from the root, as `file://{+path}` means it.
    """
    if "\0" in value or ".." in re.split(r"[/\\]", value):
        return True
    return value.startswith(("/", "\\")) and before.endswith("/") and not before.endswith("://")


def is_template(text: str) -> bool:
    """Whether a resource is declared by a template."""
    return "{" in text or "}" in text


def check_uri(uri: str) -> str:
    """A resource's URI.

    Raises:
        ValueError: no scheme, or white space.
    """
    if _SCHEME.fullmatch(uri) is None:
        raise ValueError(f"{uri!r} is no URI: it needs a scheme, as in data://name, and no white space")
    return uri


def parse_template(text: str) -> UriTemplate:
    """Read a template.

    Raises:
        ValueError: beyond levels 1 and 2, or ambiguous.
    """
    parts: list[str | Variable] = []
    at = 0
    for found in _EXPRESSION.finditer(text):
        variable = _parse_expression(found[1], text)
        literal = text[at : found.start()] + ("#" if variable.operator == "#" else "")
        parts += [literal, variable] if literal else [variable]
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    if any(isinstance(part, str) and is_template(part) for part in parts):
        raise ValueError(f"{text!r} has an unmatched brace")
    _check_parts(parts, text)
    return UriTemplate(text, tuple(parts))


def _parse_expression(inside: str, text: str) -> Variable:
    found = _VARIABLE.fullmatch(inside)
    if found is None:
        raise ValueError(
            f"{{{inside}}} in {text!r}: only {{name}}, {{+name}} and {{#name}} (RFC 6570 level 2)"
        )
    return Variable(found[2], found[1])


def _check_parts(parts: list[str | Variable], text: str) -> None:
    check_uri("".join(part if isinstance(part, str) else "x" for part in parts))
    if not isinstance(parts[0], str) or ":" not in parts[0]:
        raise ValueError(f"{text!r} must begin with its scheme")
    names = [part.name for part in parts if isinstance(part, Variable)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{{{name}}} stands twice in {text!r}")
    for first, second in itertools.pairwise(parts):
        if isinstance(first, Variable) and isinstance(second, Variable):
            raise ValueError(f"{{{first.name}}}{{{second.name}}} in {text!r} need something between them")
