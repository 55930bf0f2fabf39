"""What the objects of the tests hold a call at, and what they tell of their process."""

import asyncio
import logging
import signal

log = logging.getLogger("gate")


async def hold() -> str:
    """Wait for SIGUSR1; the log says how it ended."""
    opened = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, opened.set)
    log.info("call held")
    try:
        await opened.wait()
    except asyncio.CancelledError:
        log.info("call cancelled")
        raise
    log.info("call finished")
    return "held"


def count_tasks() -> int:
    return len(asyncio.all_tasks())
