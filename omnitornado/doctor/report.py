"""Our choice: the reports as lines for people, or as JSON for programs."""

from collections.abc import Iterator, Sequence

import msgspec

from omnitornado.doctor.answers import quote
from omnitornado.doctor.examine import Report


def write_lines(url: str, reports: Sequence[Report]) -> Iterator[str]:
    """A heading for the server and for each client, then a line for each finding, then its fix."""
    yield f"URL: {quote(url)}"
    for report in reports:
        yield ""
        yield f"{report.name}: {describe_report(report)}"
        width = max((len(finding.code) for finding in report.findings), default=0)
        for finding in report.findings:
            yield f"  {finding.level:<7}  {finding.code:<{width}}  {finding.reason}"
            if finding.fix:
                yield f"  {'':<7}  {'':<{width}}  → {finding.fix}"
    yield ""
    failing = [report.name for report in reports if report.fails]
    yield f"Would fail: {', '.join(failing) or 'none'}"


def describe_report(report: Report) -> str:
    if report.fails:
        return "would fail"
    return "passes, with warnings" if any(one.level == "warning" for one in report.findings) else "passes"


def write_json(url: str, reports: Sequence[Report]) -> str:
    """One object: `url`, `fails`, `server` (findings), and `clients` with name, fails and findings."""
    server, *clients = reports
    written = {
        "url": url,
        "fails": any(report.fails for report in reports),
        "server": server.findings,
        "clients": [{"name": one.name, "fails": one.fails, "findings": one.findings} for one in clients],
    }
    return msgspec.json.format(msgspec.json.encode(written)).decode()
