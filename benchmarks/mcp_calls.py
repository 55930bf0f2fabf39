"""What an authorized `tools/call` costs, against the same work in a bare Tornado handler and other servers.

    python -m benchmarks.mcp_calls [--requests N] [--rounds N] [--connections N] [--only NAME …] [--json]

Every server runs at once, all on one core, and idles but for its turn; the load comes from the other core.
Rounds go through all servers in turn, so that a machine that is busy for a while is so for each of them. The
figure is CPU time of the server process per request, the median over the rounds; the ratio is the bare
handler's figure divided by it, round by round.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, field

from benchmarks.mcp_load import run_load
from benchmarks.mcp_process import pin
from benchmarks.mcp_requests import build_call
from benchmarks.mcp_subjects import BARE, SUBJECTS, Running

SERVER_CORE, LOAD_CORE = 0, 1
WARM_UP = 300


@dataclass
class Series:
    """One server's rounds: CPU microseconds and wall microseconds per request."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def measure_round(running: Running, series: Series, *, requests: int, connections: int) -> None:
    request = build_call(running.port, running.token)
    before = running.process.find_cpu_seconds()
    seconds, _ = run_load(running.port, request, count=requests, connections=connections)
    series.cpu.append((running.process.find_cpu_seconds() - before) / requests * 1e6)
    series.wall.append(seconds / requests * 1e6)


def warm_up(running: Running, connections: int) -> None:
    request = build_call(running.port, running.token)
    _, body = run_load(running.port, request, count=WARM_UP, connections=connections)
    result = json.loads(body)["result"]
    if result.get("isError") or result["content"][0]["text"] != "5":
        raise SystemExit(f"a wrong answer: {result}")


def build_report(measured: dict[str, Series]) -> list[dict[str, object]]:
    bare = measured[BARE].cpu
    report: list[dict[str, object]] = []
    for name, series in measured.items():
        ratios = [one / other for one, other in zip(bare, series.cpu, strict=True)]
        report.append(
            {
                "server": name,
                "cpu_microseconds": round(statistics.median(series.cpu), 1),
                "ratio": round(statistics.median(ratios), 3),
                "ratio_lowest": round(min(ratios), 3),
                "ratio_highest": round(max(ratios), 3),
                "wall_microseconds": round(statistics.median(series.wall), 1),
            }
        )
    return report


def print_table(report: list[dict[str, object]]) -> None:
    print(f"{'server':34} {'CPU us/call':>12} {'of bare':>8} {'(range)':>15} {'wall us/call':>13}")
    for line in report:
        spread = f"{line['ratio_lowest']:.2f}-{line['ratio_highest']:.2f}"
        print(
            f"{line['server']:34} {line['cpu_microseconds']:>12} {line['ratio']:>8.2f} {spread:>15}"
            f" {line['wall_microseconds']:>13}"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp_calls")
    parser.add_argument("--requests", type=int, default=2000, help="for each server and round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", nargs="*", help="part of a server's name; the bare handler is always there")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    names = [
        name
        for name in SUBJECTS
        if name == BARE or not arguments.only or any(part in name for part in arguments.only)
    ]
    pin(LOAD_CORE)
    running: dict[str, Running] = {}
    measured = {name: Series() for name in names}
    try:
        for name in names:
            running[name] = SUBJECTS[name](SERVER_CORE)
            warm_up(running[name], arguments.connections)
        for _ in range(arguments.rounds):
            for name in names:
                measure_round(
                    running[name],
                    measured[name],
                    requests=arguments.requests,
                    connections=arguments.connections,
                )
    finally:
        for one in running.values():
            one.end()
    report = build_report(measured)
    if arguments.json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        print_table(report)


if __name__ == "__main__":
    main()
