"""Our choice: `doctor URL`, from the address to the exit code."""

import asyncio
import logging

from omnitornado.doctor.addresses import split
from omnitornado.doctor.asking import Asker
from omnitornado.doctor.examine import Report
from omnitornado.doctor.report import write_json, write_lines
from omnitornado.doctor.walker import visit


def run(url: str, *, as_json: bool = False, register: bool = True) -> int:
    """Print the report of a server; gives 1 where any client would fail, else 0.

    Raises: ValueError for an address that can't be used, OSError where nobody answers there.
    """
    split(url)
    # Its complaints about a malformed answer quote the answer; the report says it in its own words.
    logging.getLogger("tornado").addHandler(logging.NullHandler())
    reports = asyncio.run(_visit(url, register=register))
    print(write_json(url, reports) if as_json else "\n".join(write_lines(url, reports)))
    return 1 if any(report.fails for report in reports) else 0


async def _visit(url: str, *, register: bool) -> tuple[Report, ...]:
    asker = Asker()
    try:
        return await visit(url, asker, register=register)
    finally:
        asker.close()
