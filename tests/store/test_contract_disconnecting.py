"""The contract of every store: a person takes back what they have allowed a client."""

import asyncio
from pathlib import Path

import pytest

from omnitornado.store.records import Grant
from omnitornado.store.transitions import CodeOutcome, DeviceOutcome, Store, StoreUnavailable

from .conftest import Run
from .disk import dump, opened
from .samples import (
    START,
    Clock,
    FaultyFiles,
    build_access,
    build_code,
    build_consent,
    build_device,
    build_grant,
    digest,
)

OTHER, HERS = {"client_id": "client-2"}, {"username": "eve"}


async def _redeem(store: Store, code: str, grant: Grant) -> CodeOutcome:
    return await store.redeem_code(
        digest(code), grant, digest("token " + code), build_access(grant), now=START
    )


async def _connect(store: Store, name: str, **changed: str) -> Grant:
    grant = build_grant(name, **changed)
    await store.issue_code(digest(name), build_code(**changed), remember=[build_consent(**changed)])
    assert await _redeem(store, name, grant) is CodeOutcome.REDEEMED
    return grant


async def _disconnect(store: Store, grant: Grant, **changed: str) -> bool:
    whose = {"username": grant.username, "client_id": grant.client_id} | changed
    return await store.disconnect_client(grant_id=grant.grant_id, **whose)


async def _has_consent(store: Store, **changed: str) -> bool:
    consent = build_consent(**changed)
    return await store.has_consent(
        username=consent.username,
        client_id=consent.client_id,
        redirect_uri=consent.redirect_uri,
        resources=[consent.resource],
        scope=consent.scope,
    )


async def _approve_device(store: Store, name: str, username: str | None = "ada", **changed: str) -> None:
    key = digest(name)[:16]
    await store.open_device(key, build_device(name, **changed), now=START)
    if username is not None:
        assert await store.decide_device(key, digest(name), username=username, scope=["mcp"], now=START)


async def _poll(store: Store, name: str, client_id: str = "client-1") -> DeviceOutcome:
    key = digest(name)[:16]
    return (await store.poll_device(key, digest(name), client_id=client_id, now=START))[0]


def test_disconnecting_ends_the_grant_its_tokens_and_the_consent(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "grant")
        assert await _disconnect(store, grant)
        assert await store.find_grants("ada", now=START) == []
        assert await store.find_access(digest("token grant"), now=START) is None
        assert not await _has_consent(store)
        assert not await _disconnect(store, grant)

    run(scenario)


def test_a_code_approved_before_is_worth_nothing_after(run: Run) -> None:
    """Our choice: or the client would be in again, from what the person meant to take back."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "grant")
        await store.issue_code(digest("waiting"), build_code())
        assert await _disconnect(store, grant)
        assert await _redeem(store, "waiting", build_grant("new")) is CodeOutcome.MISSING
        assert await store.find_grants("ada", now=START) == []

    run(scenario)


def test_a_device_approved_before_gets_nothing_after(run: Run) -> None:
    """Our choice: as with a code. A request that was refused stays refused."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "grant")
        await _approve_device(store, "approved")
        await _approve_device(store, "refused", None)
        key = digest("refused")[:16]
        assert await store.decide_device(key, digest("refused"), username="ada", scope=None, now=START)
        assert await _disconnect(store, grant)
        assert await _poll(store, "approved") is DeviceOutcome.MISSING
        assert await _poll(store, "refused") is DeviceOutcome.DENIED

    run(scenario)


def test_what_others_allowed_and_what_other_clients_have_stays(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "grant")
        kept = [await _connect(store, "other", **OTHER), await _connect(store, "hers", **HERS)]
        for name, whose in (("other code", OTHER), ("her code", HERS)):
            await store.issue_code(digest(name), build_code(**whose))
        await _approve_device(store, "her device", "eve")
        await _approve_device(store, "other device", **OTHER)
        await _approve_device(store, "nobody's device", None)
        assert await _disconnect(store, grant)
        for one in kept:
            assert await store.find_grant(one.grant_id, now=START) == one
        assert await _has_consent(store, **OTHER)
        assert await _has_consent(store, **HERS)
        assert await store.find_code(digest("other code"), now=START) is not None
        assert await store.find_code(digest("her code"), now=START) is not None
        assert await _poll(store, "her device") is DeviceOutcome.APPROVED
        assert await _poll(store, "other device", "client-2") is DeviceOutcome.APPROVED
        assert await _poll(store, "nobody's device") is DeviceOutcome.PENDING

    run(scenario)


def test_nobody_ends_a_grant_that_is_not_theirs_or_not_that_clients(run: Run) -> None:
    """Our choice: whose it is decides, not who knows its id."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _connect(store, "grant")
        assert not await _disconnect(store, grant, **HERS)
        assert not await _disconnect(store, grant, **OTHER)
        assert await store.find_grant(grant.grant_id, now=START) == grant
        assert await _has_consent(store)
        clock.now = grant.expires_at
        assert not await _disconnect(store, grant)

    run(scenario)


def test_a_redeemed_code_is_still_known_for_a_replay(run: Run) -> None:
    """Required by RFC 6749 §4.1.2: what a replayed code gave ends, also where another grant went before."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant, second = await _connect(store, "grant"), await _connect(store, "second")
        assert await _disconnect(store, grant)
        assert await store.find_grant(second.grant_id, now=START) == second
        assert await _redeem(store, "second", build_grant("new")) is CodeOutcome.ALREADY_USED
        assert await store.find_grants("ada", now=START) == []

    run(scenario)


def test_where_the_disk_fails_all_of_it_is_taken_back(tmp_path: Path, warnings: list[str]) -> None:
    """Our choice: a grant that is gone with a consent that stays would let the client in again, unasked."""
    files = FaultyFiles()

    async def scenario() -> None:
        async with opened(tmp_path / "state", files=files, retry_interval=0.01) as store:
            grant = await _connect(store, "grant")
            await store.issue_code(digest("waiting"), build_code())
            await _approve_device(store, "approved")
            before = dump(store)
            files.failing = {"fsync"}
            with pytest.raises(StoreUnavailable):
                await _disconnect(store, grant)
            assert dump(store) == before
            files.failing.clear()

    asyncio.run(scenario())
    warnings.clear()
