"""Reads the sources for what the documentation lists: log events, reason codes, `Implements:` lines.

Nothing is imported here: the syntax trees say it all.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "omnitornado"
CODE = re.compile(r"[a-z][a-z0-9_]*")
"""A reason code; sentences (of configuration errors, and of JSON-RPC errors) are not among them."""
EVENT = re.compile(r"(\*|[a-z_]+)\.[a-z_]+")

Trees = Sequence[ast.Module]

_REFERENCE = re.compile(
    r"(?P<name>RFC \d+|OAuth 2\.1|OAuth Client ID Metadata Document|OpenID Connect \w+|JSON-RPC 2\.0"
    r"|Agent Skills|MCP extension [a-z.]+/[a-z-]+|MCP)"
    r"|(?P<revision>\d{4}-\d\d-\d\d)"
    r"|(?P<section>§[\d.]*\d|appendix [A-Z])"
    r"|(?P<page>[a-z]+(?:/[a-z-]+)+|schema\.ts)"
)


@dataclass
class Event:
    """A log event: the fields that it may carry, and whether it can be seen at the default level."""

    fields: dict[str, None] = field(default_factory=dict)
    is_debug: bool = False


@dataclass(frozen=True)
class Implementation:
    """A module's claim: the sections of a specification that it stands for."""

    specification: str
    sections: str
    module: str


def list_modules() -> list[Path]:
    """Every source file of the package, in a stable order."""
    return sorted(PACKAGE.rglob("*.py"))


def name_module(path: Path) -> str:
    """`oauth/pkce.py`"""
    return path.relative_to(PACKAGE).as_posix()


def parse_module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# Reasons


def find_reasons() -> dict[str, list[str]]:
    """Each reason code with the modules that give it."""
    parsed = {name_module(path): parse_module(path) for path in list_modules()}
    # There a reason is a sentence for the operator.
    parsed = {name: tree for name, tree in parsed.items() if not name.startswith("config/")}
    trees = list(parsed.values())
    positions = _find_positions(trees)
    found: dict[str, list[str]] = {}
    for name, tree in parsed.items():
        for reason in _list_reasons(tree, positions, trees):
            if CODE.fullmatch(reason.replace("*", "")) and name not in found.setdefault(reason, []):
                found[reason].append(name)
    return dict(sorted(found.items()))


def _find_positions(trees: Trees) -> dict[str, int]:
    """Functions that take a reason by position, and at which one."""
    positions = {"HTTPError": 1}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in node.args.args]
                if "reason" in names:
                    positions[node.name] = names.index("reason")
    return positions


def _list_reasons(tree: ast.Module, positions: dict[str, int], trees: Trees) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _read_call(node, positions)
        elif isinstance(node, ast.Assign):
            yield from _read_assignment(node, trees)


def _read_call(call: ast.Call, positions: dict[str, int]) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "reason":
            yield from _read_strings(keyword.value)
    position = positions.get(_name_call(call))
    if position is not None and position < len(call.args):
        yield from _read_strings(call.args[position])


def _read_assignment(node: ast.Assign, trees: Trees) -> Iterator[str]:
    """`description, reason = "…", "code"`, and `reason = await f(…)` by what `f` returns."""
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for name, part in zip(target.elts, value.elts, strict=True):
            if isinstance(name, ast.Name) and name.id == "reason":
                yield from _read_strings(part)
    elif isinstance(target, ast.Name) and target.id == "reason":
        call = value.value if isinstance(value, ast.Await) else value
        if isinstance(call, ast.Call):
            yield from _read_returns(_name_call(call), trees)


def _read_returns(function: str, trees: Trees) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
                for statement in ast.walk(node):
                    if isinstance(statement, ast.Return) and statement.value is not None:
                        yield from _read_strings(statement.value)


def _read_strings(node: ast.expr) -> Iterator[str]:
    """The texts an expression may be; what is put in when it runs shows as `*`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _read_strings(node.body)
        yield from _read_strings(node.orelse)


def _name_call(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


# Events


def find_events() -> dict[str, Event]:
    """Each event of `log_event` and of a handler's `log`; `*.refused` stands for every handler's."""
    found: dict[str, Event] = {}
    for path in list_modules():
        for call in (node for node in ast.walk(parse_module(path)) if isinstance(node, ast.Call)):
            if _name_call(call) in ("log_event", "log") and call.args:
                for name in _read_strings(call.args[0]):
                    if EVENT.fullmatch(name):
                        _note_event(found.setdefault(name, Event()), call)
    return dict(sorted(found.items()))


def find_handler_names() -> list[str]:
    """What the handlers call themselves in events: `event = "token"` in a class."""
    found: set[str] = set()
    for path in list_modules():
        for node in ast.walk(parse_module(path)):
            if isinstance(node, ast.ClassDef):
                for statement in node.body:
                    if isinstance(statement, ast.Assign) and _name_target(statement) == "event":
                        found.update(_read_strings(statement.value))
    return sorted(found)


def _name_target(statement: ast.Assign) -> str:
    return getattr(statement.targets[0], "id", "")


def _note_event(event: Event, call: ast.Call) -> None:
    names = [keyword.arg for keyword in call.keywords if keyword.arg not in (None, "level")]
    event.fields |= dict.fromkeys(name for name in names if name)
    if _name_call(call) == "log":
        event.fields |= {"address": None, "request": None}
    levels = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "level"]
    event.is_debug = levels in (["10"], ["logging.DEBUG"])


# Implements


def find_implementations() -> list[Implementation]:
    """What each module's docstring says that it implements."""
    found: list[Implementation] = []
    for path in list_modules():
        docstring = ast.get_docstring(parse_module(path)) or ""
        _, _, rest = docstring.partition("Implements: ")
        if rest:
            found += parse_specifications(rest.split("\n\n")[0], name_module(path))
    return found


def parse_specifications(text: str, module: str) -> list[Implementation]:
    """`RFC 6749 §3.1 and §3.2, RFC 7636 §4: …` to a record for each specification."""
    words = _cut_subject(" ".join(text.split()))
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    previous, end = "", 0
    for match in _REFERENCE.finditer(words):
        kind = match.lastgroup or ""
        if kind == "name":
            current = [match[0]]
        elif kind == "revision":
            current = [*current, f"MCP {match[0]}"] if previous == "revision" else [f"MCP {match[0]}"]
        else:
            for name in current:
                parts = sections.setdefault(name, [])
                if words[end : match.start()] == " to ":
                    parts[-1] += f" to {match[0]}"
                else:
                    parts.append(match[0] + _find_part(words, match.end()))
        if kind == "name" and match[0] != "MCP":
            # An extension is one page, and so is the format of skills: the part stands behind the name.
            part = re.match(r" \(([^)]*)\)", words[match.end() :])
            is_page = match[0].startswith(("MCP extension", "Agent Skills"))
            sections.setdefault(match[0], []).extend([part[1]] if part and is_page else [])
        previous, end = kind, match.end()
    return [Implementation(name, ", ".join(parts), module) for name, parts in sections.items()]


def _cut_subject(text: str) -> str:
    """What stands before the colon, or the semicolon, that ends the list."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and (character == ";" or text[at : at + 2] == ": "):
            return text[:at]
    return text


def _find_part(text: str, at: int) -> str:
    """The parenthesis behind a page's name: the part of the page. Behind a section it only explains."""
    match = re.match(r" \([^)]*\)", text[at:])
    return match[0] if match and "§" not in match[0] and text[at - 1].isalpha() else ""
