"""The official conformance suite (an npm package), run as its users run it, and what it found."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .node import find_node

SUITE = Path(__file__).parent.parent / "conformance" / "node_modules" / ".bin" / "conformance"
PATIENCE = 120.0
"""Seconds; a run takes about five."""
RESULTS = re.compile(r"(?:authorization-)?server-(.+)-\d{4}-\d\d-\d\dT[^/]+")
"""The folder of a scenario's results: what was run, the scenario, and the time."""


@asynccontextmanager
async def start_suite(
    command: str, *options: str, folder: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """The suite's process and what it prints. Its results go to `folder`; at the end it is gone."""
    assert SUITE.exists(), "the conformance suite is not installed: run make test"
    process = await asyncio.create_subprocess_exec(
        find_node(),
        str(SUITE),
        command,
        *options,
        "--output-dir",
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_server_scenarios(url: str, *options: str, folder: Path) -> tuple[int, str]:
    """The exit code of a run against the MCP endpoint at `url`, and what it printed."""
    async with start_suite("server", "--url", url, *options, folder=folder) as (process, output):
        printed = await asyncio.wait_for(output.read(), PATIENCE)
        return await process.wait(), printed.decode()


def list_checks(folder: Path) -> list[tuple[str, str, str]]:
    """Each check that a run wrote down: its scenario, its id, and its verdict."""
    found = []
    for path in sorted(folder.glob("*/checks.json")):
        name = RESULTS.fullmatch(path.parent.name)
        assert name is not None, path
        checks = json.loads(path.read_text(encoding="utf-8"))
        found += [(name[1], check["id"], check["status"]) for check in checks]
    return found


def find_blemishes(folder: Path) -> list[str]:
    """The checks of a run that did not simply succeed: failures, warnings, and what was skipped."""
    return [f"{s} {check}: {v}" for s, check, v in list_checks(folder) if v not in ("SUCCESS", "INFO")]
