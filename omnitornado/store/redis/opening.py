"""The start: wait a while for Redis, refuse what can't be right, and warn of what an operator may not want.

Who starts both at once (compose, systemd) need not order them: a Redis that is not there yet, or still loads,
is waited for. A wrong password or a wrong kind of server will not become right, and refuses at once.
"""

import asyncio
import logging
import time
from typing import Any

from omnitornado.log import log_event
from omnitornado.store.errors import StoreRefused
from omnitornado.store.redis.link import PAUSE, Link
from omnitornado.store.redis.reasons import AWAY
from omnitornado.store.transitions import StoreUnavailable

WAIT_FOR = frozenset({*AWAY, "read_only", "memory_full", "disk_error", "too_few_replicas"})
OLDEST = 7
EXPLAINED = {
    "login_refused": "it refuses the user or the password",
    "forbidden": "its user lacks a permission: {detail}",
    "cluster": "it is a Redis Cluster, which is not supported: use one primary, with replicas",
}


async def open_link(link: Link, *, patience: float) -> None:
    """Wait until Redis answers. Raises: StoreRefused, at once or after `patience` seconds."""
    give_up_at = time.monotonic() + patience
    is_told = False
    while True:
        try:
            await link.call("PING")
            return
        except StoreUnavailable:
            outage = link.outage
            assert outage is not None  # noqa: S101 - for the type checker: it has just failed
            if outage.reason not in WAIT_FOR or time.monotonic() >= give_up_at:
                raise build_refusal(link) from None
            if not is_told:
                is_told = True
                log_event("store.waiting", level=logging.WARNING, reason=outage.reason, detail=outage.detail)
        await asyncio.sleep(PAUSE)


def build_refusal(link: Link) -> StoreRefused:
    """Why Redis can't be used, in a line without secrets."""
    outage = link.outage
    if outage is None:
        return StoreRefused(link.target.address, "it can't be used")
    explained = EXPLAINED.get(outage.reason, "{detail}").format(detail=outage.detail)
    return StoreRefused(link.target.address, f"{explained} ({outage.reason})")


async def check_server(link: Link) -> None:
    """Look at what Redis says of itself. Raises: StoreRefused."""
    try:
        info: dict[str, Any] = await link.call("INFO")
    except StoreUnavailable:
        if link.outage is not None and link.outage.reason == "forbidden":
            link.note_recovery()  # it may be used, not asked
            log_event("store.unchecked", level=logging.WARNING, reason="info_forbidden")
            return
        raise build_refusal(link) from None
    version = str(info.get("redis_version", ""))
    if version and int(version.partition(".")[0]) < OLDEST:
        raise StoreRefused(
            link.target.address, f"it is version {version}: Redis {OLDEST} or Valkey is needed"
        )
    if info.get("cluster_enabled"):
        raise StoreRefused(link.target.address, EXPLAINED["cluster"])
    _warn(info)
    persistence = "append_only" if info.get("aof_enabled") else "snapshots"
    log_event("store.connected", version=version, role=info.get("role"), persistence=persistence)


def _warn(info: dict[str, Any]) -> None:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        # It would forget grants and used values to make room, which is to say sign people out or worse.
        log_event("store.may_evict", level=logging.WARNING, policy=policy, wanted="noeviction")
    if not info.get("aof_enabled"):
        log_event("store.may_forget", level=logging.WARNING, appendonly="no", wanted="yes")
