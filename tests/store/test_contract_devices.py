"""The contract of every store: devices' requests (RFC 8628)."""

import asyncio
from typing import Any

from omnitornado.store.records import DeviceCode
from omnitornado.store.transitions import CodeOutcome, DeviceOutcome, OpenOutcome, Store

from .conftest import Run
from .samples import START, Clock, build_access, build_client, build_device, build_grant, digest

KEY = digest("user code")[:16]
HASH = digest("device")


async def _open(store: Store, **changed: Any) -> DeviceCode:
    device = build_device(**changed)
    assert await store.open_device(KEY, device, now=START) is OpenOutcome.OPENED
    return device


async def _decide(store: Store, *scope: str, username: str = "ada", now: float = START) -> bool:
    """Approve these scopes, or refuse where there are none."""
    decided = await store.decide_device(KEY, HASH, username=username, scope=scope or None, now=now)
    return decided is not None


async def _poll(store: Store, *, now: float = START, client_id: str = "client-1") -> DeviceOutcome:
    outcome, device = await store.poll_device(KEY, HASH, client_id=client_id, now=now)
    assert (device is None) is (outcome is DeviceOutcome.MISSING)
    return outcome


async def _redeem(
    store: Store,
    name: str = "g",
    *,
    now: float = START,
    username: str = "ada",
    client_id: str = "client-1",
    device_hash: bytes = HASH,
) -> CodeOutcome:
    grant = build_grant(name, username=username, client_id=client_id, redirect_uri="")
    return await store.redeem_device(
        KEY, device_hash, grant, digest("t" + name), build_access(grant), now=now
    )


def test_a_request_is_found_by_its_user_code(run: Run) -> None:
    """Required by RFC 8628 §3.3."""

    async def scenario(store: Store, clock: Clock) -> None:
        device = await _open(store)
        assert await store.find_device(KEY, now=START) == device
        assert await store.find_device(KEY, now=START + 1199) == device
        assert await store.find_device(KEY, now=START + 1200) is None
        assert await store.find_device(digest("other")[:16], now=START) is None

    run(scenario)


def test_no_two_requests_have_the_same_user_code(run: Run) -> None:
    """Our choice: the one before is left as it is, as long as it is remembered."""

    async def scenario(store: Store, clock: Clock) -> None:
        device = await _open(store)
        other = build_device("other")
        assert await store.open_device(KEY, other, now=START + 700) is OpenOutcome.TAKEN
        assert await store.find_device(KEY, now=START) == device
        assert await store.open_device(KEY, other, now=START + 1200) is OpenOutcome.OPENED

    run(scenario)


def test_over_the_cap_the_next_one_is_refused(run: Run) -> None:
    """Our choice: those under way are not pushed out."""

    async def scenario(store: Store, clock: Clock) -> None:
        for name in ("a", "b", "c"):
            key = digest(name)[:16]
            assert await store.open_device(key, build_device(name), now=START) is OpenOutcome.OPENED
        assert await store.open_device(KEY, build_device(), now=START) is OpenOutcome.FULL
        assert await store.find_device(digest("a")[:16], now=START) is not None

    run(scenario)


def test_a_request_is_decided_once_and_in_its_time(run: Run) -> None:
    """Required by RFC 8628 §3.3; whoever decides first has decided."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        assert not await _decide(store, "mcp", now=START + 600)
        assert await store.decide_device(KEY, digest("x"), username="ada", scope=["mcp"], now=START) is None
        assert await _decide(store, "mcp")
        assert not await _decide(store, "mcp", "files", username="eve")
        assert not await _decide(store)
        device = await store.find_device(KEY, now=START)
        assert device is not None
        assert (device.username, device.is_approved, device.scope) == ("ada", True, ("mcp",))

    run(scenario)


def test_two_decisions_at_once_are_one(run: Run) -> None:
    """Our choice: no request belongs to two people."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        found = await asyncio.gather(
            _decide(store, "mcp"), _decide(store, "mcp", username="eve"), _decide(store)
        )
        assert list(found) == [True, False, False]
        device = await store.find_device(KEY, now=START)
        assert device is not None
        assert device.username == "ada"

    run(scenario)


def test_a_poll_says_where_it_stands(run: Run) -> None:
    """Required by RFC 8628 §3.5."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        assert await _poll(store) is DeviceOutcome.PENDING
        assert await _poll(store, client_id="client-2") is DeviceOutcome.MISSING
        outcome, device = await store.poll_device(KEY, digest("x"), client_id="client-1", now=START)
        assert (outcome, device) == (DeviceOutcome.MISSING, None)
        assert await _poll(store, now=START + 600) is DeviceOutcome.EXPIRED
        assert await _poll(store, now=START + 1200) is DeviceOutcome.MISSING
        await _decide(store, "mcp")
        assert await _poll(store) is DeviceOutcome.APPROVED
        assert await _poll(store, now=START + 600) is DeviceOutcome.EXPIRED
        await _redeem(store)
        assert await _poll(store, now=START + 700) is DeviceOutcome.REDEEMED

    run(scenario)


def test_a_refusal_is_told(run: Run) -> None:
    """Required by RFC 8628 §3.5 (access_denied)."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        assert await _decide(store)
        assert await _poll(store) is DeviceOutcome.DENIED
        assert await _redeem(store) is CodeOutcome.MISSING

    run(scenario)


def test_who_polls_too_often_must_wait_longer_each_time(run: Run) -> None:
    """Required by RFC 8628 §3.5 (slow_down): five seconds more for this and every later poll."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        paces = [(0, "PENDING", 5), (5, "PENDING", 5), (9.2, "PENDING", 5), (10, "SLOW_DOWN", 10)]
        paces += [(18, "SLOW_DOWN", 15), (33, "PENDING", 15), (47, "PENDING", 15)]
        for seconds, expected, interval in paces:
            outcome, device = await store.poll_device(KEY, HASH, client_id="client-1", now=START + seconds)
            assert outcome is DeviceOutcome[expected], seconds
            assert device is not None
            assert device.interval == interval, seconds
        for number in range(100):
            await _poll(store, now=START + 50 + number / 1000)
        device = await store.find_device(KEY, now=START)
        assert device is not None
        assert device.interval == 60

    run(scenario)


def test_a_poll_changes_no_decision(run: Run) -> None:
    """Our choice: the pace alone is noted, and a decision made meanwhile stands."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        await asyncio.gather(_poll(store), _decide(store, "mcp"), _poll(store))
        assert await _poll(store) is DeviceOutcome.APPROVED

    run(scenario)


def test_an_approved_request_is_redeemed_once(run: Run) -> None:
    """Required by RFC 8628 §3.5; our choice: the second use revokes what the first gave."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client(expires_at=START + 10))
        await _open(store)
        assert await _redeem(store) is CodeOutcome.MISSING
        await _decide(store, "mcp")
        wrongs: list[dict[str, Any]] = [
            {"username": "eve"},
            {"client_id": "client-2"},
            {"device_hash": digest("x")},
        ]
        for wrong in wrongs:
            assert await _redeem(store, **wrong) is CodeOutcome.MISSING
        assert await _redeem(store, now=START + 600) is CodeOutcome.MISSING
        assert await _redeem(store) is CodeOutcome.REDEEMED
        assert await store.find_access(digest("tg"), now=START) is not None
        client = await store.find_client("client-1", now=START + 20)
        assert client is not None
        assert client.used_at == START
        assert await _redeem(store, "again", now=START + 700) is CodeOutcome.ALREADY_USED
        assert await store.find_access(digest("tg"), now=START) is None
        assert await store.find_access(digest("tagain"), now=START) is None
        assert await _redeem(store, "late", now=START + 1300) is CodeOutcome.MISSING

    run(scenario)


def test_two_redemptions_at_once_leave_nothing(run: Run) -> None:
    """Our choice, as for authorization codes (RFC 6749 §4.1.2)."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _open(store)
        await _decide(store, "mcp")
        found = await asyncio.gather(_redeem(store, "a"), _redeem(store, "b"))
        assert list(found) == [CodeOutcome.REDEEMED, CodeOutcome.ALREADY_USED]
        assert await store.find_grants("ada", now=START) == []

    run(scenario)


def test_a_deleted_client_takes_its_requests_with_it(run: Run) -> None:
    """Required by RFC 7592 §2.3."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client(registration_hash=digest("ra")))
        await _open(store)
        await store.delete_client("client-1", digest("ra"), now=START)
        assert await store.find_device(KEY, now=START) is None

    run(scenario)
