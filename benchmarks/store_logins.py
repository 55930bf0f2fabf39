"""How long authorized tool calls wait at 500 a second, while nobody and while people sign in without pause.

    python -m benchmarks.store_logins [seconds for each phase]

bcrypt has cost 12, as a configuration would. Calls go out on a schedule, whatever the answers do, and a
call's time counts from when it was due. Phases take turns, quiet and busy, so that a machine that is busy for
a while is so for both. It needs two cores to itself for figures that mean anything: the server, the load and
the passwords share them.
"""

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.mcp_login import Browser, Form, find_token
from benchmarks.mcp_process import MeasuredProcess
from benchmarks.mcp_requests import build_call
from benchmarks.mcp_subjects import CONFIG, PASSWORD

RATE = 500
CONNECTIONS = 32
PHASES = 3
PEOPLE = 2
"""Who sign in again and again, each as soon as they are in."""


async def call_on(
    queue: "asyncio.Queue[float | None]", port: int, request: bytes, waits: list[float]
) -> None:
    """One keep-alive connection that takes the next call that is due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (due := await queue.get()) is not None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a wrong answer: {head!r}")
        waits.append(time.perf_counter() - due)
    writer.close()


async def call_at_rate(port: int, request: bytes, seconds: float) -> list[float]:
    queue: asyncio.Queue[float | None] = asyncio.Queue()
    waits: list[float] = []
    workers = [asyncio.create_task(call_on(queue, port, request, waits)) for _ in range(CONNECTIONS)]
    start = time.perf_counter()
    for number in range(int(RATE * seconds)):
        due = start + number / RATE
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        queue.put_nowait(due)
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    return waits


def sign_in_until(port: int, stop: threading.Event, counts: list[int]) -> None:
    while not stop.is_set():
        browser = Browser(port)
        form = Form(browser.send("GET", "/login")[2])
        status, _, _ = browser.post_form("/login", form.inputs | {"username": "ada", "password": PASSWORD})
        browser.close()
        if status not in (302, 303):
            raise SystemExit(f"a sign-in was answered with {status}")
        counts.append(1)


def measure_phase(port: int, request: bytes, seconds: float, people: int) -> tuple[list[float], int]:
    stop, counts = threading.Event(), [0]
    threads = [threading.Thread(target=sign_in_until, args=(port, stop, counts)) for _ in range(people)]
    for thread in threads:
        thread.start()
    waits = asyncio.run(call_at_rate(port, request, seconds))
    stop.set()
    for thread in threads:
        thread.join()
    return waits, sum(counts)


def find_percentile(waits: list[float], share: float) -> float:
    return sorted(waits)[int(len(waits) * share)] * 1000


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(CONFIG.format(folder=folder, password=PASSWORD, speed="off", streams=64))
        process = MeasuredProcess(
            ["-m", "omnitornado", str(config), "--port", "0"], ready="Issuer", core=None
        )
        try:
            port = urlsplit(process.said["MCP URL"]).port or 0
            request = build_call(port, find_token(port, username="ada", password=PASSWORD))
            ratios = []
            for _ in range(PHASES):
                quiet, _ = measure_phase(port, request, seconds, 0)
                busy, sign_ins = measure_phase(port, request, seconds, PEOPLE)
                before, after = find_percentile(quiet, 0.99), find_percentile(busy, 0.99)
                ratios.append(after / before)
                print(f"ratio of the p99: {ratios[-1]:.2f}")
                print(
                    f"quiet: p50 {find_percentile(quiet, 0.5):.1f} ms, p99 {before:.1f} ms; "
                    f"with {sign_ins / seconds:.1f} sign-ins a second: "
                    f"p50 {find_percentile(busy, 0.5):.1f} ms, p99 {after:.1f} ms",
                    flush=True,
                )
            print(f"median ratio of the p99: {statistics.median(ratios):.2f}")
        finally:
            process.end()


if __name__ == "__main__":
    main()
