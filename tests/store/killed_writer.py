"""Writes to a store until it is killed, and prints each thing once it was answered. Run by `test_kill.py`."""

import asyncio
import sys
from pathlib import Path

from omnitornado.store.embedded import EmbeddedStore

from .samples import (
    START,
    Clock,
    build_access,
    build_client,
    build_code,
    build_grant,
    build_successor,
    digest,
)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def live(store: EmbeddedStore, name: str) -> None:
    """Register, get a grant, refresh a few times, revoke, and all over again."""
    for life in range(10**6):
        grant = build_grant(f"{name}-{life}", client_id=f"{name}-{life}", expires_at=START + 10**9)
        key = digest(grant.public_id)
        await store.register_client(build_client(grant.client_id))
        say("registered", grant.client_id)
        await store.issue_code(key, build_code(expires_at=START + 10**9))
        await store.redeem_code(key, grant, key, build_access(grant, expires_at=START + 10**9), now=START)
        say("granted", grant.public_id)
        presented = grant.public_id + " refresh 0"
        for number in range(3):
            refresh = f"{grant.public_id} refresh {number + 1}"
            await store.rotate_refresh(
                grant.grant_id,
                digest(presented),
                build_successor(refresh, expires_at=START + 10**9),
                digest("access of " + refresh),
                build_access(grant, expires_at=START + 10**9),
                client_id=grant.client_id,
                grace=30.0,
                now=START,
            )
            say("rotated", grant.public_id, number + 1)
            presented = refresh
        if life % 2:
            await store.revoke_grant(grant.grant_id)
            say("revoked", grant.public_id)


async def main() -> None:
    store = EmbeddedStore.open(Path(sys.argv[1]), snapshot_interval=0.02, clock=Clock())
    await store.start()
    await asyncio.gather(*(live(store, f"{sys.argv[2]}{number}") for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main())
