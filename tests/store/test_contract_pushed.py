"""The contract of every store: pushed authorization requests (RFC 9126), and codes without anybody asked."""

import asyncio
from collections.abc import Sequence

from omnitornado.store.records import Consent, PushedRequest
from omnitornado.store.transitions import IssueOutcome, Store

from .conftest import Run
from .samples import START, Clock, build_binding, build_code, build_consent, build_grant, build_pushed, digest

KEY = digest("pushed")


async def _push(store: Store, name: str = "pushed", **changed: object) -> PushedRequest:
    request = build_pushed(**changed)
    await store.push_request(digest(name), request, now=request.pushed_at)
    return request


async def _answer(store: Store, code: str = "code", **changed: str) -> IssueOutcome:
    return await store.issue_code(digest(code), build_code(**changed), pushed=KEY)


def test_a_pushed_request_is_found_until_its_time_is_up(run: Run) -> None:
    """Required by RFC 9126 §2.2 and §4. The very end belongs to the expired."""

    async def scenario(store: Store, clock: Clock) -> None:
        request = await _push(store)
        for _ in range(2):
            assert await store.find_pushed(KEY, now=START + 599.9) == request
        assert await store.find_pushed(KEY, now=START + 600) is None
        assert await store.find_pushed(digest("another"), now=START) is None

    run(scenario)


def test_a_code_uses_the_request_up(run: Run) -> None:
    """Required by RFC 9126 §4 and §7.3: once; the second code is not issued."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _push(store)
        assert await _answer(store) is IssueOutcome.ISSUED
        assert await store.find_pushed(KEY, now=START) is None
        assert await _answer(store, "second") is IssueOutcome.REQUEST_GONE
        assert await store.find_code(digest("code"), now=START) == build_code()
        assert await store.find_code(digest("second"), now=START) is None

    run(scenario)


def test_of_two_codes_at_once_one_is_issued(run: Run) -> None:
    """Required by RFC 9126 §4: two approvals in two browsers."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _push(store)
        found = await asyncio.gather(_answer(store, "a"), _answer(store, "b", username="eve"))
        assert list(found) == [IssueOutcome.ISSUED, IssueOutcome.REQUEST_GONE]
        assert await store.find_code(digest("b"), now=START) is None

    run(scenario)


def test_a_request_that_is_another_clients_or_past_gets_no_code(run: Run) -> None:
    """Required by RFC 9126 §2.2 (bound to its client) and §4 (expired ones are refused)."""

    async def scenario(store: Store, clock: Clock) -> None:
        request = await _push(store)
        assert await _answer(store, client_id="client-2") is IssueOutcome.REQUEST_GONE
        assert await store.find_pushed(KEY, now=START) == request
        clock.now += 600
        assert await _answer(store) is IssueOutcome.REQUEST_GONE
        assert await store.find_code(digest("code"), now=START) is None

    run(scenario)


def test_a_refused_code_leaves_the_request_open(run: Run) -> None:
    """Our choice: refused whole, with nothing changed."""

    async def scenario(store: Store, clock: Clock) -> None:
        request = await _push(store)
        await store.issue_code(digest("first"), build_code(), bind_redirect=build_binding())
        other = build_binding(redirect_uri="https://thief.example/callback")
        refused = await store.issue_code(digest("x"), build_code(), bind_redirect=other, pushed=KEY)
        assert refused is IssueOutcome.BOUND_ELSEWHERE
        assert await store.find_pushed(KEY, now=START) == request

    run(scenario)


def test_over_the_cap_the_request_pushed_longest_ago_goes(run: Run) -> None:
    """Our choice: whoever pushes the most shuts nobody out who is quick; what is past its time goes first."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _push(store, "long", expires_at=START + 900)
        await _push(store, "short", pushed_at=START + 1, expires_at=START + 2)
        await _push(store, "c", pushed_at=START + 2)
        await _push(store, "d", pushed_at=START + 3)
        assert await store.find_pushed(digest("short"), now=START) is None
        assert await store.find_pushed(digest("long"), now=START) is not None
        await _push(store, "e", pushed_at=START + 4)
        assert await store.find_pushed(digest("long"), now=START) is None
        for name in ("c", "d", "e"):
            assert await store.find_pushed(digest(name), now=START) is not None

    run(scenario)


def test_strangers_push_out_no_request_of_the_operators_clients(run: Run) -> None:
    """Our choice: each party has a bound of its own."""

    async def scenario(store: Store, clock: Clock) -> None:
        await _push(store, "theirs", party="preset")
        for number in range(9):
            await _push(store, f"stranger's {number}", pushed_at=START + number)
        assert await store.find_pushed(digest("theirs"), now=START) is not None
        for number in range(3):
            await _push(store, f"theirs {number}", pushed_at=START + number, party="preset")
        assert await store.find_pushed(digest("theirs"), now=START) is None
        assert await store.find_pushed(digest("stranger's 8"), now=START) is not None
        assert await store.find_pushed(digest("stranger's 5"), now=START) is None
        # One that changes sides is counted on one.
        await _push(store, "stranger's 8", pushed_at=START + 10, party="preset")
        await _push(store, "x", pushed_at=START + 11)
        assert await store.find_pushed(digest("stranger's 6"), now=START) is not None

    run(scenario)


# Codes that nobody was asked for


async def _issue_unasked(store: Store, remember: Sequence[Consent]) -> IssueOutcome:
    return await store.issue_code(digest("unasked"), build_code(), remember=remember, is_unasked=True)


def test_a_code_without_asking_needs_what_the_person_approved(run: Run) -> None:
    """Our choice: all of the scope at each of the resources."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.issue_code(digest("1"), build_code(), remember=[build_consent(scope=("a", "b"))])
        elsewhere = build_consent(scope=("a",), resource="/files")
        for remember in ([build_consent(scope=("c",))], [build_consent(scope=("a",)), elsewhere], []):
            assert await _issue_unasked(store, remember) is IssueOutcome.CONSENT_GONE
            assert await store.find_code(digest("unasked"), now=START) is None
        assert await _issue_unasked(store, [build_consent(scope=("a",))]) is IssueOutcome.ISSUED
        assert await store.find_code(digest("unasked"), now=START) is not None

    run(scenario)


def test_who_disconnects_in_the_same_moment_leaves_no_code_and_no_consent(run: Run) -> None:
    """Our choice: whichever of the two is first, nothing is left that lets the client in."""

    async def scenario(store: Store, clock: Clock) -> None:
        consent = build_consent()
        for is_first in (True, False):
            await store.issue_code(digest("asked"), build_code(), remember=[consent])
            issue = _issue_unasked(store, [consent])
            disconnect = store.disconnect_client(
                username="ada", client_id="client-1", grant_id=build_grant().grant_id
            )
            await asyncio.gather(*((issue, disconnect) if is_first else (disconnect, issue)))
            assert await store.find_code(digest("unasked"), now=START) is None
            assert await _issue_unasked(store, [consent]) is IssueOutcome.CONSENT_GONE

    run(scenario)
