"""The documentation: nothing that a person may rely on is missing from it, and nothing in it is stale."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import toml

import omnitornado
from omnitornado.app import ROUTES, AuthorizationServer
from omnitornado.cli import _COMMANDS, _build_parser
from omnitornado.config import SECTIONS
from omnitornado.mcp.options import PromptOptions, ResourceOptions, ToolOptions
from omnitornado.mcp.server import MCPServer
from omnitornado.server import Ready, Server

TOP = Path(__file__).resolve().parent.parent
DOCS = TOP / "docs"
PAGES = sorted([*TOP.glob("*.md"), *DOCS.glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
TEXTS = {".py", ".md", ".toml", ".cfg", ".html", ".css", ".svg", ".in", ".ts", ".mjs", ".json", ".txt"}
LEFT_OUT = {"build", "dist", "node_modules", "__pycache__"}

# Each is written so that this file does not match it.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+|tm[p]/w)(?:/|\b)")
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")
ELSEWHERE = re.compile(
    r"CONTRAC[T]\.md|STYL[E]\.md|CLIENT[S]\.md|HOUS[E]\.md|\bshare[d]/|\bissu[e]s? (?:#|\d)|issue[s] show"
    r"|\bpyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(?:org|com)|Co-Authore[d]-By|language mode[l]"
    r"|(?:written|generated|made) by (?:an? )?(?:A[I]|agen[t]|assistan[t]|Claud[e]|ChatGP[T])\b",
    re.IGNORECASE,
)


def read(page: str) -> str:
    return (TOP / page).read_text(encoding="utf-8")


def load_scan() -> ModuleType:
    """docs/scan.py, which reads the sources."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("scan")
    finally:
        sys.path.remove(str(DOCS))


def list_texts() -> Iterator[Path]:
    """Every text of the project."""
    for path in sorted(TOP.rglob("*")):
        parts = path.relative_to(TOP).parts
        if any(part in LEFT_OUT or part.endswith(".egg-info") for part in parts):
            continue
        if any(part.startswith(".") and part != ".ci" for part in parts):
            continue
        if path.is_file() and (path.suffix in TEXTS or path.name in ("Makefile", "run", "LICENSE")):
            yield path


def test_the_generated_pages_are_up_to_date() -> None:
    """Our choice: `python docs/generate.py` has nothing to do. It also fails without words for an event, a
    reason or an endpoint."""
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=TOP, timeout=60)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_setting_is_documented(section: Any) -> None:
    """Our choice: each key stands in the reference, with its default and its help."""
    _, _, table = read("docs/configuration.md").partition(f"## `{section.header}`\n")
    table, _, _ = table.partition("\n## ")
    for name, key in section.keys.items():
        assert f"| `{name}` |" in table
        assert key.help.replace("|", "&#124;") in table


def list_commands() -> list[str]:
    """The commands and options that `--help` names."""
    options = [option for action in _build_parser()._actions for option in action.option_strings]
    commands = [line.split()[0] for line in _COMMANDS.splitlines() if line.startswith("  ")]
    return [name for name in options + commands if name != "-h"]


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_every_command_and_option_is_documented(page: str) -> None:
    """Our choice."""
    commands = list_commands()
    assert {"--check", "init", "hash-password"} <= set(commands)
    assert [name for name in commands if name not in read(page)] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.shown)
def test_every_endpoint_is_documented(route: Any) -> None:
    """Our choice: each line of ROUTES stands in the list, with its specification."""
    (line,) = [
        one for one in read("docs/endpoints.md").splitlines() if one.startswith(f"| `{route.shown}` |")
    ]
    assert route.specification in line


@pytest.mark.parametrize("name", omnitornado.__all__)
def test_every_public_name_is_documented_and_importable(name: str) -> None:
    """Our choice."""
    assert re.search(rf"\b{name}\b", read("docs/library.md"))
    assert getattr(omnitornado, name) is not None


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("docs/library.md", [*inspect.signature(Server).parameters]),
        ("docs/library.md", [*inspect.signature(AuthorizationServer).parameters]),
        ("docs/library.md", [*inspect.signature(MCPServer).parameters]),
        ("docs/library.md", [*Ready.__struct_fields__]),
        ("docs/tools.md", [*ToolOptions.__annotations__]),
        ("docs/resources.md", [*ResourceOptions.__annotations__]),
        ("docs/resources.md", [*PromptOptions.__annotations__]),
    ],
    ids=["Server", "AuthorizationServer", "MCPServer", "Ready", "tool", "resource", "prompt"],
)
def test_every_argument_of_a_public_name_is_documented(page: str, names: list[str]) -> None:
    """Our choice."""
    text = read(page)
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_every_reason_and_event_of_the_log_is_documented() -> None:
    """Our choice: an operator finds each code with what to do about it."""
    scan = load_scan()
    text = read("docs/logs.md")
    reasons, events = scan.find_reasons(), scan.find_events()
    assert {"pkce_mismatch", "wrong_name_or_password", "token_unknown", "missing_*"} <= set(reasons)
    assert {"token.issued", "login.refused", "server.started", "*.refused"} <= set(events)
    assert [code for code in [*reasons, *events] if f"| `{code}`" not in text] == []


def test_the_documentation_names_the_schema_dialects() -> None:
    """Required by MCP 2026-07-28 basic/index (JSON Schema Usage): each that is supported."""
    text = read("docs/tools.md")
    assert [name for name in ("2020-12", "2019-09", "draft-07", "-06", "-04") if name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(TOP).as_posix())
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    """Our choice: a relative link leads to a file, and its fragment to a heading there."""
    dead = []
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target = match[1] or match[2]
        name, _, fragment = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / name) if name else page
        if not path.exists() or (fragment and fragment not in list_anchors(path)):
            dead.append(target)
    assert dead == []


def list_anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATH, UNFINISHED, ELSEWHERE], ids=["machine path", "unfinished", "elsewhere"]
)
def test_no_text_of_the_project_speaks_of_what_is_not_the_project(pattern: re.Pattern[str]) -> None:
    """Our choice: no path of one machine, no note of unfinished work, nothing about how it came to be."""
    found = [
        f"{path.relative_to(TOP)}:{number}: {match[0]}"
        for path in list_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := pattern.search(line)) is not None
    ]
    assert found == []


def list_blocks(language: str) -> list[Any]:
    """The fenced blocks of docs/, by page and number."""
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in sorted(DOCS.glob("*.md"))
        for number, block in enumerate(
            re.findall(
                rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
            ),
            1,
        )
    ]


@pytest.mark.parametrize("program", list_blocks("python"))
def test_a_program_of_the_documentation_runs(program: str) -> None:
    """Our choice: what it declares can be declared."""
    namespace: dict[str, Any] = {"__name__": "documented"}
    module = ModuleType("documented")
    sys.modules["documented"] = module  # where dataclasses look for it
    try:
        exec(compile(program, "documented.py", "exec"), module.__dict__ | namespace)
    finally:
        del sys.modules["documented"]


@pytest.mark.parametrize("text", list_blocks("toml"))
def test_a_configuration_of_the_documentation_has_only_keys_that_exist(text: str) -> None:
    """Our choice."""
    known = {section.name: section for section in SECTIONS}

    def check(name: str, table: dict[str, Any]) -> None:
        inner = known[name].find_tables(SECTIONS)
        assert set(table) <= set(known[name].keys) | set(inner)
        for key in inner.keys() & table.keys():
            check_all(f"{name}.{key}", table[key])

    def check_all(name: str, values: Any) -> None:
        for one in values if isinstance(values, list) else [values]:
            check(name, one)

    for name, values in toml.loads(text).items():
        check_all(name, values)
