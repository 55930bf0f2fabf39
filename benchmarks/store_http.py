"""What a durable refresh and a durable registration cost, against a bare Tornado handler that keeps nothing.

    python -m benchmarks.store_http [--requests N] [--rounds N] [--connections N]

All servers run at once on one core and the load comes from the other, in rounds that go through all of them.
The figure is CPU time of the server process per request, its journal's thread included; the ratio is the bare
handler's divided by it, round by round, and the table has the medians. The bare handler (`mcp_bare.py`) looks
a token up by its digest and answers.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from urllib.parse import urlencode

from benchmarks.mcp_load import run_load
from benchmarks.mcp_login import find_tokens
from benchmarks.mcp_process import pin
from benchmarks.mcp_requests import build_call
from benchmarks.mcp_subjects import BARE, PASSWORD, SUBJECTS, Running

SERVER_CORE, LOAD_CORE = 0, 1
NAMES = (BARE, "omnitornado", "omnitornado[speed]")
METADATA = json.dumps(
    {"redirect_uris": ["http://127.0.0.1:1/callback"], "token_endpoint_auth_method": "none"}
)


class Connection:
    """A keep-alive connection that posts and reads whole answers."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: str, kind: str) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write((head + body).encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status, length = answer[9:12], 0
        for line in answer.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        found = await self._reader.readexactly(length)
        if status not in (b"200", b"201"):
            raise SystemExit(f"a wrong answer: {answer!r} {found!r}")
        return found

    def close(self) -> None:
        self._writer.close()


class Client:
    """A client with a connection of its own and its newest refresh token."""

    def __init__(self, port: int) -> None:
        tokens = find_tokens(port, username="ada", password=PASSWORD)
        self.client_id, self._refresh_token = tokens["client_id"], tokens["refresh_token"]
        self.connection = Connection(port)

    async def refresh(self) -> None:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": self._refresh_token,
        }
        body = await self.connection.post("/token", urlencode(form), "application/x-www-form-urlencoded")
        self._refresh_token = json.loads(body)["refresh_token"]

    async def register(self) -> None:
        await self.connection.post("/register", METADATA, "application/json")


Step = Callable[[Client], Awaitable[None]]
STEPS: dict[str, Step] = {"refresh": Client.refresh, "registration": Client.register}


async def take_steps(clients: list[Client], step: Step, count: int) -> None:
    """Each client takes its share, one after the other."""

    async def work(client: Client) -> None:
        await client.connection.open()
        for _ in range(count // len(clients)):
            await step(client)
        client.connection.close()

    await asyncio.gather(*map(work, clients))


def measure(running: Running, count: int, work: Callable[[], object]) -> float:
    """Microseconds of the server's CPU for each of `count` requests."""
    before = running.process.find_cpu_seconds()
    work()
    return (running.process.find_cpu_seconds() - before) / count * 1e6


def measure_all(requests: int, rounds: int, connections: int) -> dict[tuple[str, str], list[float]]:
    running = {name: SUBJECTS[name](SERVER_CORE) for name in NAMES}
    figures: dict[tuple[str, str], list[float]] = {}
    try:
        clients = {name: [Client(running[name].port) for _ in range(connections)] for name in NAMES[1:]}
        for number in range(rounds + 1):
            for name, what, count, work in build_works(running, clients, requests, connections):
                figure = measure(running[name], count, work)
                if number:  # the first round warms up
                    figures.setdefault((name, what), []).append(figure)
    finally:
        for one in running.values():
            one.end()
    return figures


def build_works(
    running: dict[str, Running], clients: dict[str, list[Client]], requests: int, connections: int
) -> Iterator[tuple[str, str, int, Callable[[], object]]]:
    """What one round does: the server's name, what it is asked for, how often, and the asking."""
    bare = running[BARE]
    call = build_call(bare.port, bare.token)
    load = partial(run_load, bare.port, call, count=requests, connections=connections)
    yield BARE, "lookup", requests, load
    for name, mine in clients.items():
        for what, step in STEPS.items():
            yield name, what, requests, partial(run_steps, mine, step, requests)


def run_steps(clients: list[Client], step: Step, count: int) -> None:
    asyncio.run(take_steps(clients, step, count))


def main() -> None:
    parser = argparse.ArgumentParser(description="Durable writes through HTTP against a bare lookup.")
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    pin(LOAD_CORE)
    figures = measure_all(options.requests, options.rounds, options.connections)
    bare = figures[BARE, "lookup"]
    for (name, what), series in figures.items():
        ratios = sorted(one / other for one, other in zip(bare, series, strict=True))
        print(
            f"{name}, {what}: {statistics.median(series):.0f} µs, ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
