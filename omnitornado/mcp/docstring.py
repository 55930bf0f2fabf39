"""Parameter descriptions from a docstring in Google, NumPy or Sphinx style (`:param`).

Our choice: the section that describes parameters moves into the JSON Schema, where a model looks for it; the
rest of the docstring is the tool's description.
"""

import re

_GOOGLE = re.compile(r"(Args|Arguments|Params|Parameters):\s*")
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"(Other )?Parameters\s*")
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(:.*)?")
_SPHINX_ENTRY = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_SPHINX_TYPE = re.compile(r":type\s+\w+\s*:")
_UNDERLINE = re.compile(r"-{3,}\s*")


def parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a dedented docstring.

    Returns:
        The description without the parameter sections, and the parameters' descriptions by name.
    """
    lines = text.splitlines()
    kept: list[str] = []
    found: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        if _GOOGLE.fullmatch(line):
            at = _read_google(lines, at + 1, found)
        elif _NUMPY.fullmatch(line) and at + 1 < len(lines) and _UNDERLINE.fullmatch(lines[at + 1]):
            at = _read_numpy(lines, at + 2, found)
        elif line.startswith((":param", ":type")):
            at = _read_sphinx(lines, at, found)
        else:
            kept.append(line)
            at += 1
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return description, {name: " ".join(words.split()) for name, words in found.items() if words.strip()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _read_google(lines: list[str], at: int, found: dict[str, str]) -> int:
    name, level = "", 0
    while at < len(lines) and (not lines[at].strip() or _indent(lines[at])):
        entry = _GOOGLE_ENTRY.fullmatch(lines[at].strip())
        if lines[at].strip() and not level:
            level = _indent(lines[at])
        if entry is not None and _indent(lines[at]) == level:
            name = entry[1]
            found[name] = entry[3]
        elif name:
            found[name] += " " + lines[at]
        at += 1
    return at


def _read_numpy(lines: list[str], at: int, found: dict[str, str]) -> int:
    names: list[str] = []
    while at < len(lines):
        line = lines[at]
        if at + 1 < len(lines) and line.strip() and _UNDERLINE.fullmatch(lines[at + 1]):
            break  # the next section's heading
        entry = _NUMPY_ENTRY.fullmatch(line)
        if entry is not None and not _indent(line):
            names = [name.strip() for name in entry[1].split(",")]
            found.update(dict.fromkeys(names, ""))
        elif line.strip() and not _indent(line):
            break  # prose after the section
        else:
            for name in names:
                found[name] += " " + line
        at += 1
    return at


def _read_sphinx(lines: list[str], at: int, found: dict[str, str]) -> int:
    entry = _SPHINX_ENTRY.fullmatch(lines[at])
    words = entry[2] if entry is not None else ""
    at += 1
    while at < len(lines) and lines[at].strip() and _indent(lines[at]):
        words += " " + lines[at]
        at += 1
    if entry is not None:
        found[entry[1]] = words
    return at
