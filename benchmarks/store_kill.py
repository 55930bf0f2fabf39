"""SIGKILL, two hundred times, while clients register, sign in, redeem, refresh and revoke.

    python -m benchmarks.store_kill [rounds] [first seed]

Each round is one of `tests/flows/test_kill.py`: four people work until the server is killed at a moment that
the seed chooses, the server starts again on the same files, and everything it had acknowledged must hold. The
files go from round to round, so that a store outlives many kills. Everything is one person's: the limits are
set so high that none makes room by forgetting what a round still asks for.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.flows.conftest import TOOLS, build_settings
from tests.flows.ledger import Ledger
from tests.flows.process import ServerProcess
from tests.flows.test_kill import SETTINGS, run_round

LIMITS = {"clients_per_person": 10_000, "grants_per_person": 10_000, "codes_per_person": 10_000}


def main() -> None:
    rounds, first = (*map(int, sys.argv[1:]), *(200, 0)[len(sys.argv) - 1 :])
    settings = SETTINGS | {"limits": LIMITS}
    settings["registration"] = SETTINGS["registration"] | {"max_unused": 100_000}
    started, clients, cut = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TOOLS, folder / "tools.py")
        server = ServerProcess(folder, build_settings(**settings), Ledger()).start()
        try:
            for number in range(rounds):
                clients += len(run_round(server, server.ledger, first + number))
                cut += server.count_log("cutting off")
                print(
                    f"round {number + 1}: {clients} clients so far, {cut} unfinished writes cut off",
                    flush=True,
                )
        finally:
            server.kill()
    print(
        f"{rounds} kills, {clients} clients, nothing acknowledged lost, {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
