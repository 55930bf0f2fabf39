"""The directions of imports, read off the syntax trees (ARCHITECTURE.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "omnitornado"
FILES = sorted(PACKAGE.rglob("*.py"))

LEAVES = frozenset({"audit", "base64url", "config", "net", "log", "passwords", "progress"})
ALLOWED: dict[str, frozenset[str]] = {
    "audit": frozenset({"log"}),
    "base64url": frozenset(),
    "config": frozenset({"base64url", "net", "passwords"}),
    "doctor": LEAVES,
    "net": frozenset(),
    "log": frozenset(),
    "passwords": frozenset(),
    "progress": frozenset(),
    "speed": frozenset(),
    "sdk": LEAVES,
    "store": LEAVES,
    "oauth": LEAVES | {"store"},
    "mcp": LEAVES | {"store"},
    "skills": LEAVES | {"mcp"},
    "upstream": LEAVES | {"mcp"},
    "web": LEAVES | {"oauth", "mcp", "sdk", "store"},
    "app": LEAVES | {"web", "oauth", "mcp", "store"},
    "serving": LEAVES | {"app", "web", "oauth", "mcp", "sdk", "store", "upstream"},
    "server": LEAVES | {"serving", "app", "web", "oauth", "mcp", "sdk", "store", "speed", "skills"},
    "store_cli": LEAVES | {"store"},
    "cli": LEAVES
    | {"doctor", "store_cli", "server", "serving", "skills", "app", "web", "oauth", "mcp", "store", ""},
    "__main__": frozenset({"cli"}),
    "": frozenset({"app", "config", "mcp", "oauth", "server"}),
}
"""Each room with those it may import beside itself; "" is the package's own `__init__`."""

WITHOUT_TORNADO = ("oauth", "mcp", "sdk", "skills", "store", "upstream", *sorted(LEAVES))
FETCHES = PACKAGE / "net" / "guarded_fetch.py"
"""The one file of these rooms that knows Tornado: those who wire a server hand its fetch to the others."""


def find_room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def find_imports(path: Path, source: str | None = None) -> Iterator[str]:
    """Every module that a file imports, wherever in it: at the top, in a function, for the types alone."""
    package = ("omnitornado", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8") if source is None else source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            if module == "omnitornado":
                yield from (f"omnitornado.{alias.name}" for alias in node.names if is_room(alias.name))


def is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def find_imported_rooms(path: Path) -> set[str]:
    modules = (module.split(".") for module in find_imports(path))
    return {parts[1] if len(parts) > 1 else "" for parts in modules if parts[0] == "omnitornado"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    """Our choice (ARCHITECTURE.md): cli → server → serving → app → web → {oauth, mcp} → store; and leaves."""
    room = find_room(path)
    assert find_imported_rooms(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("room", WITHOUT_TORNADO)
def test_protocol_code_knows_no_web_framework(room: str) -> None:
    """Our choice (ARCHITECTURE.md): decided without HTTP, and tested without it."""
    files = [path for path in FILES if find_room(path) == room]
    assert files
    for path in files:
        found = set(find_imports(path))
        assert path == FETCHES or not [module for module in found if module.split(".")[0] == "tornado"], path
        assert "omnitornado.net.guarded_fetch" not in found, path


def test_mcp_never_sees_oauth() -> None:
    """Our choice (ARCHITECTURE.md): the handler authenticates and hands over a principal."""
    for path in FILES:
        if find_room(path) == "mcp":
            assert "oauth" not in find_imported_rooms(path)
        if find_room(path) == "oauth":
            assert "mcp" not in find_imported_rooms(path)


def test_every_room_is_ruled() -> None:
    """Our choice: a new room gets its line above."""
    assert {find_room(path) for path in FILES} == set(ALLOWED)


def test_relative_imports_and_imports_in_functions_count() -> None:
    """Our choice: the test of the test."""
    source = "from ..web import base\nfrom . import codes\ndef f():\n    import tornado.web\n"
    source += "from omnitornado import mcp, __version__\n"
    found = set(find_imports(PACKAGE / "store" / "sample.py", source))
    assert found == {"omnitornado.web", "omnitornado.store", "tornado.web", "omnitornado", "omnitornado.mcp"}
