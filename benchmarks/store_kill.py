"""SIGKILL, two hundred times, while clients register, sign in, redeem, refresh and revoke.

    python -m benchmarks.store_kill [rounds]

Each round is one of `tests/flows/test_kill.py`: four people work until the server is killed at a moment that
the seed chooses, the server starts again on the same files, and everything it had acknowledged must hold. The
files go from round to round, so that a store outlives many kills.
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


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    started, clients, cut = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TOOLS, folder / "tools.py")
        server = ServerProcess(folder, build_settings(**SETTINGS), Ledger()).start()
        try:
            for seed in range(rounds):
                clients += len(run_round(server, server.ledger, seed))
                cut += server.count_log("cutting off")
                print(
                    f"round {seed + 1}: {clients} clients so far, {cut} unfinished writes cut off", flush=True
                )
        finally:
            server.kill()
    print(
        f"{rounds} kills, {clients} clients, nothing acknowledged lost, {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
