"""What an idle stream costs in memory: thousands of `subscriptions/listen` on which nothing happens.

    python -m benchmarks.mcp_idle_streams [--streams N] [--only NAME …] [--json]

Opens the streams one by one over raw sockets from another process, waits until each has said its first event,
and reads the resident memory before and after. A first batch is opened and closed beforehand, so that
what a server keeps for its first streams alone is not counted.
"""

import argparse
import json
import resource
import socket
import sys
import time

from benchmarks.mcp_load import PATIENCE, connect
from benchmarks.mcp_process import pin
from benchmarks.mcp_requests import build_subscription
from benchmarks.mcp_subjects import BARE, SUBJECTS, Running

SERVER_CORE, LOAD_CORE = 0, 1
FIRST_BATCH = 50
SETTLE = 2.0
"""Seconds."""
SOME = ("omnitornado", "official SDK, uvicorn", "fastmcp, uvicorn")


def open_stream(port: int, request: bytes) -> socket.socket:
    """A stream that has said its first words. Raises: RuntimeError for another answer than a stream."""
    stream = connect(port)
    stream.settimeout(PATIENCE)
    stream.sendall(request)
    data = b""
    while b"data:" not in data:
        part = stream.recv(65536)
        if not part:
            raise RuntimeError(data.decode("latin-1"))
        data += part
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(data.decode("latin-1"))
    return stream


def measure(running: Running, streams: int) -> dict[str, object]:
    request = build_subscription(running.port, running.token)
    for stream in [open_stream(running.port, request) for _ in range(FIRST_BATCH)]:
        stream.close()
    time.sleep(SETTLE)
    before = running.process.find_resident_bytes()
    opened: list[socket.socket] = []
    try:
        for _ in range(streams):
            opened.append(open_stream(running.port, request))
        time.sleep(SETTLE)
        after = running.process.find_resident_bytes()
        spent = running.process.find_cpu_seconds()
        time.sleep(SETTLE)
        idle = (running.process.find_cpu_seconds() - spent) / SETTLE
    finally:
        for stream in opened:
            stream.close()
    return {
        "streams": streams,
        "kib_per_stream": round((after - before) / streams / 1024, 1),
        "idle_cpu_percent": round(idle * 100, 1),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp_idle_streams")
    parser.add_argument("--streams", type=int, default=3000)
    parser.add_argument("--only", nargs="*", default=SOME, help="part of a server's name")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    needed = arguments.streams + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
    pin(LOAD_CORE)
    report: list[dict[str, object]] = []
    for name, start in SUBJECTS.items():
        if name == BARE or not any(part in name for part in arguments.only):
            continue
        running = start(SERVER_CORE, arguments.streams)
        try:
            report.append({"server": name} | measure(running, arguments.streams))
        except (RuntimeError, TimeoutError, OSError) as error:
            report.append({"server": name, "error": str(error)[:200]})
        finally:
            running.end()
    if arguments.json:
        json.dump(report, sys.stdout, indent=2)
        print()
        return
    for line in report:
        print("  ".join(f"{key}: {value}" for key, value in line.items()))


if __name__ == "__main__":
    main()
