"""Writes the pages that the sources know best: `python docs/generate.py`. With `--check` it only compares.

What a page needs and no source says stands in words.toml. An event, a reason or an endpoint without words,
and words for something that is gone, are errors.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]

import scan  # noqa: E402

from omnitornado.app import ROUTES, Route, build_mcp_route  # noqa: E402
from omnitornado.config import build_reference  # noqa: E402
from omnitornado.web.base import BaseHandler  # noqa: E402
from omnitornado.web.connect import Step, build_guides  # noqa: E402

NOTE = "<!-- Written by docs/generate.py; change the sources or docs/words.toml instead. -->\n"
BEGIN = "<!-- begin generated: {name} -->\n"
END = "<!-- end generated: {name} -->\n"
LOCAL_URL = "http://127.0.0.1:8080/mcp"
PUBLIC_URL = "https://mcp.example.com/mcp"


class StaleError(Exception):
    """Words and sources do not fit together."""


def read_words() -> dict[str, Any]:
    return tomllib.loads((DOCS / "words.toml").read_text(encoding="utf-8"))


def check_words(table: str, words: dict[str, Any], names: Iterable[str]) -> None:
    """Raises: StaleError unless there are words for each name, and for nothing else."""
    known, described = set(names), set(words[table])
    if known != described:
        missing, gone = sorted(known - described), sorted(described - known)
        raise StaleError(f"words.toml [{table}]: without words {missing}, without a source {gone}")


def write_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


# Pages


def build_configuration() -> str:
    return NOTE + build_reference()


def build_endpoints() -> str:
    words = read_words()
    routes = [*ROUTES, build_mcp_route("/mcp")]
    check_words("endpoints", words, (route.shown for route in routes))
    rows = [
        (
            f"`{route.shown}`",
            ", ".join(find_methods(route)),
            words["endpoints"][route.shown],
            "any" if getattr(route.handler, "is_cors_open", False) else "allowed",
            route.specification,
        )
        for route in routes
    ]
    table = write_table(("path", "methods", "what", "browser origins", "specification"), rows)
    return f"{NOTE}# Endpoints\n\n{words['pages']['endpoints']}\n{table}\n{words['pages']['errors']}"


def find_methods(route: Route) -> list[str]:
    if not issubclass(route.handler, BaseHandler):
        return ["GET", "HEAD"]
    methods = route.handler.find_methods(route.handler.__new__(route.handler))
    return [method for method in methods if method != "OPTIONS"]


def build_specs() -> str:
    """Each specification with its sections, the module that holds them, and the tests of that module."""
    claims = scan.find_implementations()
    for route in [*ROUTES, build_mcp_route("/mcp")]:
        module = route.handler.__module__.removeprefix("omnitornado.").replace(".", "/") + ".py"
        if route.specification != "our choice" and module != "web/mcp.py":
            claims += scan.parse_specifications(route.specification, module)
    claims = list(dict.fromkeys(claims))
    parts = [f"{NOTE}# Specifications\n\n{read_words()['pages']['specs']}"]
    for name in sorted({claim.specification for claim in claims}, key=_sort_specification):
        parts.append(f"\n## {name}\n\n")
        rows = [
            (
                claim.sections or "all",
                f"[{claim.module}](../omnitornado/{claim.module})",
                ", ".join(f"[{test}](../tests/{test})" for test in find_tests(claim.module)),
            )
            for claim in claims
            if claim.specification == name
        ]
        parts.append(write_table(("sections", "module", "tests"), rows))
    return "".join(parts)


def _sort_specification(name: str) -> tuple[int, str]:
    families = ("OAuth 2.1", "OAuth Client", "RFC", "OpenID", "MCP", "Agent Skills", "JSON-RPC")
    return next(i for i, family in enumerate(families) if name.startswith(family)), name.rjust(16)


def find_tests(module: str) -> list[str]:
    """Tests with the module's noun in their name; else those that import it."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    room, _, noun = module.removesuffix(".py").rpartition("/")
    named = [t for t in tests if t.parent.name == room and noun in t.stem.removeprefix("test_")]
    dotted = "omnitornado." + module.removesuffix(".py").replace("/", ".")
    found = named or [
        t for t in tests if t.parent.name == room and f"from {dotted} import" in t.read_text(encoding="utf-8")
    ]
    return [test.relative_to(ROOT / "tests").as_posix() for test in found]


def build_connecting() -> str:
    return f"{NOTE}# Connecting clients\n\n{read_words()['pages']['connecting']}\n" + write_guides(PUBLIC_URL)


def write_guides(url: str) -> str:
    parts = []
    for guide in build_guides(url):
        parts.append(f"### {guide.name}\n\n")
        parts += [write_step(number, step) for number, step in enumerate(guide.steps, 1)]
        parts.append("\n")
    return "".join(parts).removesuffix("\n")


def write_step(number: int, step: Step) -> str:
    if step.code is None:
        return f"{number}. {step.text}\n"
    body = "".join(f"   {line}\n" for line in step.code.splitlines())
    return f"{number}. {step.text}\n\n   ```\n{body}   ```\n"


def build_logs() -> str:
    words = read_words()
    events, reasons = scan.find_events(), scan.find_reasons()
    check_words("events", words, events)
    check_words("reasons", words, reasons)
    handlers = ", ".join(f"`{name}`" for name in scan.find_handler_names())
    event_rows = [
        (
            f"`{name}`" + (" (debug)" if event.is_debug else ""),
            words["events"][name],
            ", ".join(f"`{field}`" for field in event.fields),
        )
        for name, event in events.items()
    ]
    reason_rows = [(f"`{code}`", words["reasons"][code]) for code in reasons]
    return (
        f"{NOTE}# Logs\n\n{words['pages']['logs']}\n## Events\n\n"
        + write_table(("event", "when", "fields"), event_rows)
        + f"\n`*` is one of {handlers}.\n\n## Reason codes\n\n{words['pages']['reasons']}\n"
        + write_table(("reason", "what it means"), reason_rows)
    )


def build_attacks() -> str:
    """The attacks of the tests' own room, by class, with what each runs into."""
    attacks = tomllib.loads((ROOT / "tests" / "attacks" / "attacks.toml").read_text(encoding="utf-8"))[
        "attack"
    ]
    parts = [f"{NOTE}# Attacks\n\n{read_words()['pages']['attacks']}"]
    for name in dict.fromkeys(attack["class"] for attack in attacks):
        rows = [
            (
                attack["what"],
                attack["answer"],
                "; ".join(attack["source"]),
                ", ".join(_link_tests(attack["tests"])),
            )
            for attack in attacks
            if attack["class"] == name
        ]
        parts.append(
            f"\n## {name}\n\n" + write_table(("attack", "what it runs into", "described in", "tests"), rows)
        )
    return "".join(parts)


def _link_tests(tests: Iterable[str]) -> Iterable[str]:
    """A link to each file."""
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return (f"[{name.removesuffix('.py')}](../tests/{name})" for name in files)


PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration.md": build_configuration,
    "docs/endpoints.md": build_endpoints,
    "docs/specs.md": build_specs,
    "docs/connecting.md": build_connecting,
    "docs/logs.md": build_logs,
    "docs/attacks.md": build_attacks,
}
PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "guides"): lambda: write_guides(LOCAL_URL),
}
"""Parts of pages written by hand: between two marks."""


def build_files() -> dict[Path, str]:
    """Each file with generated text, whole."""
    files = {ROOT / name: build() for name, build in PAGES.items()}
    for (name, part), build in PARTS.items():
        path = ROOT / name
        text = files.get(path) or path.read_text(encoding="utf-8")
        files[path] = replace_part(text, part, build())
    return files


def replace_part(text: str, name: str, part: str) -> str:
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise StaleError(f"the marks of {name} are missing")
    return f"{before}{begin}\n{part}\n{end}{after}"


def main(arguments: list[str]) -> int:
    try:
        files = build_files()
    except StaleError as error:
        print(error, file=sys.stderr)
        return 1
    stale = [p for p, text in files.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is stale: run python docs/generate.py", file=sys.stderr)
        else:
            path.write_text(files[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
