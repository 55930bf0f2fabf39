"""Many sessions, one after the other and at once, and what is left of them."""

import asyncio
import gc
import os
import resource

from .behind import Behind, run
from .children import find_processes, list_descriptors

SESSIONS = 1000
AT_A_TIME = 8
MARK = "thousand-sessions"
ANSWER = (
    '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},'
    '"serverInfo":{"name":"small","version":"1"}}}'
)
SMALL = ("/bin/sh", "-c", f"read line; echo '{ANSWER}'; cat >/dev/null", MARK)
"""The smallest server that there is: it shakes hands, and waits for its end."""


def test_a_thousand_sessions_leave_nothing_behind() -> None:
    """Our choice: no process, no pipe, no descriptor."""

    async def scenario(behind: Behind) -> None:
        before, most = list_descriptors(), 0

        async def use(sessions: int) -> None:
            nonlocal most
            for _ in range(sessions):
                session = await behind.open()
                most = max(most, len(behind.pool))
                assert (await behind.wire.delete(session.headers)).status == 204

        await asyncio.gather(*(use(SESSIONS // AT_A_TIME) for _ in range(AT_A_TIME)))
        await behind.pool.close()
        gc.collect()
        assert len(behind.pool) == 0
        assert most < 64
        assert list_descriptors() <= before
        assert find_processes(MARK) == []
        assert not behind.pool._failures
        assert not behind.responder._calls

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Four descriptors a process: far fewer than a thousand of them would take; what others hold open stays.
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest + 256, limit[1]), limit[1]))
    try:
        run(scenario, sharing="session", command=SMALL, max_children=100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
