"""The contract of every store: authorization codes, grants, refresh and access tokens, consent."""

from collections.abc import Sequence

import msgspec
import pytest

from omnitornado.store.limits import TOUCH_GRANULARITY
from omnitornado.store.records import Consent, Grant
from omnitornado.store.transitions import CodeOutcome, IssueOutcome, RefreshOutcome, Rotation, Store

from .conftest import Run
from .samples import (
    START,
    Clock,
    build_access,
    build_binding,
    build_client,
    build_code,
    build_consent,
    build_grant,
    build_successor,
    digest,
)

CODE, TOKEN = digest("code"), digest("token")


async def _make_grant(store: Store, name: str = "grant-1", **changed: object) -> Grant:
    """A grant made the only way there is, with an access token named after it."""
    grant = build_grant(name, **changed)
    await store.issue_code(digest("code " + name), build_code(expires_at=grant.created_at + 60))
    outcome = await store.redeem_code(
        digest("code " + name), grant, digest("token " + name), build_access(grant), now=grant.created_at
    )
    assert outcome is CodeOutcome.REDEEMED
    return grant


async def _rotate(
    store: Store, grant: Grant, presented: str, successor: str, *, now: float, client_id: str = "client-1"
) -> Rotation:
    return await store.rotate_refresh(
        grant.grant_id,
        digest(presented),
        build_successor(successor),
        digest("access of " + successor),
        build_access(grant, expires_at=now + 3600),
        client_id=client_id,
        grace=30.0,
        now=now,
    )


def test_a_code_is_found_until_its_time_is_up(run: Run) -> None:
    """Required by RFC 6749 §4.1.2: codes are short-lived. The very end belongs to the expired."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await store.issue_code(CODE, build_code()) is IssueOutcome.ISSUED
        assert await store.find_code(CODE, now=START + 59.9) == build_code()
        assert await store.find_code(CODE, now=START + 60) is None
        assert await store.find_code(digest("another"), now=START) is None

    run(scenario)


def test_redeeming_a_code_makes_the_grant_and_its_first_token(run: Run) -> None:
    """Required by RFC 6749 §4.1.4."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant()
        await store.issue_code(CODE, build_code())
        outcome = await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START + 1)
        assert outcome is CodeOutcome.REDEEMED
        assert await store.find_grant(grant.grant_id, now=START) == grant
        assert await store.find_access(TOKEN, now=START) == (build_access(grant), grant)

    run(scenario)


def test_a_grant_is_made_with_its_first_token_where_no_code_stands_for_it(run: Run) -> None:
    """Required by RFC 6749 §4.4.3."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant(username="client:robot", refresh_hash=None)
        await store.issue_grant(grant, TOKEN, build_access(grant), now=START)
        assert await store.find_access(TOKEN, now=START) == (build_access(grant), grant)
        assert await store.find_grants("client:robot", now=START) == [grant]
        assert await store.revoke_grant(grant.grant_id)
        assert await store.find_access(TOKEN, now=START) is None
        assert await store.find_grants("client:robot", now=START) == []

    run(scenario)


def test_over_the_cap_the_grant_used_longest_ago_ends_with_its_token(run: Run) -> None:
    """Our choice: for clients that act for themselves as for people, each of whom has a cap of their own."""

    async def scenario(store: Store, clock: Clock) -> None:
        ada = await _make_grant(store)
        for number in range(4):
            grant = build_grant(f"g{number}", username="client:robot", last_used_at=START + number)
            await store.issue_grant(grant, digest(f"t{number}"), build_access(grant), now=START + 9)
        left = [await store.find_access(digest(f"t{number}"), now=START + 9) for number in range(4)]
        assert [found is not None for found in left] == [False, True, True, True]
        assert len(await store.find_grants("client:robot", now=START + 9)) == 3
        assert await store.find_grant(ada.grant_id, now=START + 9) is not None

    run(scenario)


def test_a_grant_marks_its_client_as_used(run: Run) -> None:
    """Our choice: as one that was made from a code."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.register_client(build_client(expires_at=START + 60))
        grant = build_grant()
        await store.issue_grant(grant, TOKEN, build_access(grant), now=START)
        client = await store.find_client("client-1", now=START + 1000)
        assert client is not None
        assert client.used_at == START

    run(scenario)


def test_what_is_found_without_waiting_is_what_is_found(run: Run) -> None:
    """Our choice: the same answer or none. None as well where it is time to note that the grant was used."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant()
        access = build_access(grant)
        await store.issue_code(CODE, build_code())
        assert store.find_access_now(TOKEN, now=START) is None
        await store.redeem_code(CODE, grant, TOKEN, access, now=START)
        for now in (START, START + TOUCH_GRANULARITY - 1):
            assert store.find_access_now(TOKEN, now=now) in (None, (access, grant))
        assert store.find_access_now(TOKEN, now=START + TOUCH_GRANULARITY) is None
        await store.touch_grant(grant.grant_id, now=access.expires_at - 1)
        assert store.find_access_now(TOKEN, now=access.expires_at) is None
        await store.revoke_grant(grant.grant_id)
        assert store.find_access_now(TOKEN, now=START) is None

    run(scenario)


@pytest.mark.parametrize("late", [60.0, 1000.0])
def test_an_expired_code_is_missing(run: Run, late: float) -> None:
    """Required by RFC 6749 §4.1.2."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant()
        await store.issue_code(CODE, build_code())
        outcome = await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START + late)
        assert outcome is CodeOutcome.MISSING
        assert await store.find_grant(grant.grant_id, now=START) is None
        assert await store.find_access(TOKEN, now=START) is None

    run(scenario)


def test_an_unknown_code_is_missing(run: Run) -> None:
    """Required by RFC 6749 §5.2, invalid_grant."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant()
        outcome = await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START)
        assert outcome is CodeOutcome.MISSING

    run(scenario)


def test_a_code_used_twice_ends_the_grant_made_from_it(run: Run) -> None:
    """Required by RFC 6749 §4.1.2: tokens issued from a replayed code are revoked."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant, other = build_grant(), build_grant("other")
        await store.issue_code(CODE, build_code())
        await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START)
        again = await store.redeem_code(CODE, other, digest("t2"), build_access(other), now=START + 1)
        assert again is CodeOutcome.ALREADY_USED
        assert await store.find_access(TOKEN, now=START + 1) is None
        assert await store.find_grant(grant.grant_id, now=START + 1) is None
        assert await store.find_grant(other.grant_id, now=START + 1) is None
        third = await store.redeem_code(CODE, other, digest("t2"), build_access(other), now=START + 2)
        assert third is CodeOutcome.ALREADY_USED

    run(scenario)


def test_a_redeemed_code_is_known_for_ten_minutes_so_that_a_replay_shows(run: Run) -> None:
    """Required by RFC 6749 §4.1.2; the ten minutes are the most it allows a code."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = build_grant()
        await store.issue_code(CODE, build_code())
        await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START + 30)
        known = await store.find_code(CODE, now=START + 629)
        assert known is not None
        assert known.grant_id == grant.grant_id
        replay = await store.redeem_code(CODE, grant, TOKEN, build_access(grant), now=START + 629)
        assert replay is CodeOutcome.ALREADY_USED
        assert await store.find_code(CODE, now=START + 630) is None

    run(scenario)


def test_the_first_approval_binds_a_client_to_its_redirect(run: Run) -> None:
    """Our choice: preset clients without redirect URIs are bound by the first approval."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert await store.find_redirect_binding("client-1") is None
        issued = await store.issue_code(CODE, build_code(), bind_redirect=build_binding())
        assert issued is IssueOutcome.ISSUED
        assert await store.find_redirect_binding("client-1") == build_binding()
        later = build_binding(bound_at=START + 5)
        issued = await store.issue_code(digest("second"), build_code(), bind_redirect=later)
        assert issued is IssueOutcome.ISSUED
        assert await store.find_redirect_binding("client-1") == build_binding()

    run(scenario)


def test_another_redirect_than_the_bound_one_gets_no_code_and_no_consent(run: Run) -> None:
    """Our choice: refused whole, with nothing changed."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.issue_code(CODE, build_code(), bind_redirect=build_binding())
        other = build_binding(redirect_uri="https://thief.example/callback")
        code = digest("stolen")
        refused = await store.issue_code(code, build_code(), bind_redirect=other, remember=[build_consent()])
        assert refused is IssueOutcome.BOUND_ELSEWHERE
        assert await store.find_code(code, now=START) is None
        assert await store.find_redirect_binding("client-1") == build_binding()
        assert not await _covers(store)

    run(scenario)


def test_rotation_replaces_the_refresh_token_in_one_step(run: Run) -> None:
    """Required by RFC 9700 §4.14.2."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        rotation = await _rotate(store, grant, "grant-1 refresh 0", "r1", now=START + 50)
        assert rotation.outcome is RefreshOutcome.ROTATED
        after = rotation.grant
        assert after is not None
        assert after.refresh_hash == digest("r1")
        assert after.previous_hash == digest("grant-1 refresh 0")
        assert after.rotated_at == after.last_used_at == START + 50
        assert after.sealed_refresh == b"sealed refresh of r1"
        assert after.sealed_access == b"sealed access of r1"
        assert after.expires_at == START + 90_000
        assert (after.scope, after.resources, after.created_at) == (("mcp",), ("/mcp",), START)
        assert await store.find_grant(grant.grant_id, now=START + 50) == after
        assert await store.find_access(digest("access of r1"), now=START + 50) is not None
        assert await store.find_access(digest("token grant-1"), now=START + 50) is not None

    run(scenario)


@pytest.mark.parametrize("after", [0.0, 30.0])
def test_a_retry_within_the_grace_gets_the_same_successor(run: Run, after: float) -> None:
    """Our choice: clients refresh in parallel, or replay after a crash."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        first = await _rotate(store, grant, "grant-1 refresh 0", "r1", now=START)
        retry = await _rotate(store, grant, "grant-1 refresh 0", "unused", now=START + after)
        assert retry.outcome is RefreshOutcome.RETRIED
        assert retry.grant == first.grant
        assert await store.find_access(digest("access of unused"), now=START + after) is None
        assert (await _rotate(store, grant, "r1", "r2", now=START + 31)).outcome is RefreshOutcome.ROTATED

    run(scenario)


def test_an_old_refresh_token_after_the_grace_ends_the_grant(run: Run) -> None:
    """Required by RFC 9700 §4.14.2."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        await _rotate(store, grant, "grant-1 refresh 0", "r1", now=START)
        reuse = await _rotate(store, grant, "grant-1 refresh 0", "r2", now=START + 30.1)
        assert reuse.outcome is RefreshOutcome.REUSED
        assert reuse.grant is not None
        assert reuse.grant.public_id == "grant-1"
        assert await store.find_grant(grant.grant_id, now=START) is None
        assert await store.find_access(digest("access of r1"), now=START + 31) is None
        gone = await _rotate(store, grant, "r1", "r2", now=START + 31)
        assert gone == Rotation(RefreshOutcome.MISSING, None)

    run(scenario)


def test_a_token_older_than_the_previous_one_ends_the_grant_even_within_the_grace(run: Run) -> None:
    """Required by RFC 9700 §4.14.2."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        await _rotate(store, grant, "grant-1 refresh 0", "r1", now=START)
        await _rotate(store, grant, "r1", "r2", now=START + 1)
        reuse = await _rotate(store, grant, "grant-1 refresh 0", "r3", now=START + 2)
        assert reuse.outcome is RefreshOutcome.REUSED
        assert await store.find_grant(grant.grant_id, now=START + 2) is None

    run(scenario)


def test_another_clients_refresh_token_is_missing_and_changes_nothing(run: Run) -> None:
    """Required by RFC 6749 §6: a refresh token is bound to its client."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        for presented in ("grant-1 refresh 0", "made up"):
            rotation = await _rotate(store, grant, presented, "r1", now=START, client_id="thief")
            assert rotation == Rotation(RefreshOutcome.MISSING, None)
        assert await store.find_grant(grant.grant_id, now=START) == grant

    run(scenario)


def test_an_expired_or_unknown_grant_is_missing_and_changes_nothing(run: Run) -> None:
    """Required by RFC 6749 §5.2, invalid_grant."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        late = await _rotate(store, grant, "grant-1 refresh 0", "r1", now=grant.expires_at)
        assert late == Rotation(RefreshOutcome.MISSING, None)
        assert await store.find_grant(grant.grant_id, now=START) == grant
        unknown = await _rotate(store, build_grant("no such"), "no such refresh 0", "r1", now=START)
        assert unknown == Rotation(RefreshOutcome.MISSING, None)

    run(scenario)


def test_a_grant_without_refresh_token_can_not_be_refreshed_and_lives_on(run: Run) -> None:
    """Our choice: no token of it can have been reused, so a made-up one is no reason to end it."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store, refresh_hash=None)
        rotation = await _rotate(store, grant, "made up", "r1", now=START)
        assert rotation == Rotation(RefreshOutcome.MISSING, None)
        assert await store.find_grant(grant.grant_id, now=START) == grant

    run(scenario)


def test_a_living_grant_gets_more_access_tokens_and_a_dead_one_none(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        narrowed = build_access(grant, scope=("read",), resources=("/other",))
        assert await store.issue_access(TOKEN, narrowed, now=START)
        assert await store.find_access(TOKEN, now=START) == (narrowed, grant)
        assert not await store.issue_access(digest("t2"), build_access(grant), now=grant.expires_at)
        await store.revoke_grant(grant.grant_id)
        assert not await store.issue_access(digest("t2"), build_access(grant), now=START)
        assert await store.find_access(digest("t2"), now=START) is None

    run(scenario)


def test_an_access_token_needs_its_own_time_and_its_grants(run: Run) -> None:
    """Required by RFC 6750 §3.1: expired or revoked is invalid_token."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store, expires_at=START + 100)
        short = build_access(grant, expires_at=START + 10)
        await store.issue_access(TOKEN, short, now=START)
        assert await store.find_access(TOKEN, now=START + 9.9) == (short, grant)
        assert await store.find_access(TOKEN, now=START + 10) is None
        assert await store.find_access(digest("token grant-1"), now=START + 99.9) is not None
        assert await store.find_access(digest("token grant-1"), now=START + 100) is None
        assert await store.find_access(digest("unknown"), now=START) is None

    run(scenario)


def test_one_access_token_is_revoked_alone(run: Run) -> None:
    """Required by RFC 7009 §2.1."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        assert await store.revoke_access(digest("token grant-1"))
        assert not await store.revoke_access(digest("token grant-1"))
        assert await store.find_access(digest("token grant-1"), now=START) is None
        assert await store.find_grant(grant.grant_id, now=START) == grant

    run(scenario)


def test_revoking_a_grant_voids_its_tokens(run: Run) -> None:
    """Required by RFC 7009 §2.1."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        assert await store.revoke_grant(grant.grant_id)
        assert not await store.revoke_grant(grant.grant_id)
        assert await store.find_access(digest("token grant-1"), now=START) is None
        assert await store.find_grants("ada", now=START) == []

    run(scenario)


def test_what_has_expired_counts_as_unknown_when_revoked(run: Run) -> None:
    """Our choice: the answer must not depend on whether it was swept already."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        clock.now = grant.expires_at
        assert not await store.revoke_access(digest("token grant-1"))
        assert not await store.revoke_grant(grant.grant_id)

    run(scenario)


def test_the_use_of_a_grant_is_noted_by_the_minute(run: Run) -> None:
    """Our choice: people see when an app was last used, roughly."""

    async def scenario(store: Store, clock: Clock) -> None:
        grant = await _make_grant(store)
        await store.touch_grant(grant.grant_id, now=START + 59)
        assert await store.find_grant(grant.grant_id, now=START) == grant
        await store.touch_grant(grant.grant_id, now=START + 60)
        touched = await store.find_grant(grant.grant_id, now=START)
        assert touched is not None
        assert touched.last_used_at == START + 60
        await store.touch_grant(digest("unknown")[:16], now=START)

    run(scenario)


def test_a_persons_living_grants_are_listed_oldest_first(run: Run) -> None:
    """Our choice: the account page."""

    async def scenario(store: Store, clock: Clock) -> None:
        second = await _make_grant(store, "second", created_at=START + 2)
        first = await _make_grant(store, "first", created_at=START + 1)
        await _make_grant(store, "short", expires_at=START + 5)
        await _make_grant(store, "hers", username="eve")
        assert await store.find_grants("ada", now=START + 5) == [first, second]
        assert await store.find_grants("nobody", now=START) == []

    run(scenario)


def test_a_person_with_too_many_grants_loses_the_one_used_longest_ago(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        made = [await _make_grant(store, f"g{number}", last_used_at=START + number) for number in range(3)]
        await store.touch_grant(made[0].grant_id, now=START + 100)
        await _make_grant(store, "hers", username="eve")
        await _make_grant(store, "g3", last_used_at=START + 101)
        assert {grant.public_id for grant in await store.find_grants("ada", now=START)} == {"g0", "g2", "g3"}
        assert await store.find_access(digest("token g1"), now=START) is None

    run(scenario)


async def _covers(store: Store, *scope: str, resources: Sequence[str] = ("/mcp",), **changed: str) -> bool:
    key = {"username": "ada", "client_id": "client-1", "redirect_uri": "https://client.example/callback"}
    return await store.has_consent(**key | changed, resources=resources, scope=scope)


def test_a_remembered_consent_covers_what_was_approved_and_no_more(run: Run) -> None:
    """Our choice: per person, client, redirect and scopes."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.issue_code(CODE, build_code(), remember=[build_consent(scope=("a", "b"))])
        assert await _covers(store, "a", "b")
        assert await _covers(store, "b")
        assert await _covers(store)
        assert not await _covers(store, "a", "c")
        assert not await _covers(store, "a", username="eve")
        assert not await _covers(store, "a", client_id="client-2")
        assert not await _covers(store, "a", redirect_uri="https://client.example/other")
        assert not await _covers(store, "a", resources=["/files/mcp"])
        assert not await _covers(store, "a", resources=["/mcp", "/files/mcp"])
        assert not await _covers(store, "a", resources=[""])

    run(scenario)


def test_what_was_approved_for_one_resource_says_nothing_about_another(run: Run) -> None:
    """Our choice (RFC 8707): each resource with its own scopes, also where one approval was for both."""

    async def scenario(store: Store, clock: Clock) -> None:
        both = [build_consent(scope=("a",), resource=resource) for resource in ("/mcp", "/files/mcp")]
        await store.issue_code(digest("1"), build_code(), remember=both)
        more = build_consent(scope=("b",), resource="/files/mcp")
        await store.issue_code(digest("2"), build_code(), remember=[more])
        assert await _covers(store, "a", resources=["/mcp", "/files/mcp"])
        assert await _covers(store, "a", "b", resources=["/files/mcp"])
        assert not await _covers(store, "b", resources=["/mcp"])
        assert not await _covers(store, "a", "b", resources=["/mcp", "/files/mcp"])
        await store.disconnect_client(username="ada", client_id="client-1", grant_id=bytes(16))
        assert not await _covers(store, "a", resources=["/files/mcp"])

    run(scenario)


def test_a_consent_from_before_it_named_its_resource_covers_none(run: Run) -> None:
    """Our choice: the person is asked once more."""

    async def scenario(store: Store, clock: Clock) -> None:
        old = ["ada", "client-1", "https://client.example/callback", ["mcp"], START]
        consent = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Consent)
        assert consent.resource == ""
        await store.issue_code(digest("1"), build_code(), remember=[consent])
        assert not await _covers(store, "mcp")

    run(scenario)


def test_consents_to_one_client_add_up(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.issue_code(CODE, build_code(), remember=[build_consent(scope=("a",))])
        again = build_consent(scope=("b", "a"), granted_at=START + 9)
        await store.issue_code(digest("c2"), build_code(), remember=[again])
        assert await _covers(store, "a", "b")

    run(scenario)


def test_disconnecting_forgets_every_redirect_of_that_client_for_that_person(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        other = "https://client.example/other"
        await store.issue_code(digest("1"), build_code(), remember=[build_consent()])
        await store.issue_code(digest("2"), build_code(), remember=[build_consent(redirect_uri=other)])
        await store.issue_code(digest("3"), build_code(), remember=[build_consent(client_id="client-2")])
        await store.issue_code(digest("4"), build_code(), remember=[build_consent(username="eve")])
        for _ in range(2):
            assert not await store.disconnect_client(username="ada", client_id="client-1", grant_id=bytes(16))
        assert not await _covers(store, "mcp")
        assert not await _covers(store, "mcp", redirect_uri=other)
        assert await _covers(store, "mcp", client_id="client-2")
        assert await _covers(store, "mcp", username="eve")

    run(scenario)


def test_a_person_with_too_many_consents_loses_the_oldest(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(4):
            consent = build_consent(client_id=f"c{number}", granted_at=START + number)
            await store.issue_code(digest(str(number)), build_code(), remember=[consent])
        assert not await _covers(store, "mcp", client_id="c0")
        assert await _covers(store, "mcp", client_id="c1")

    run(scenario)
