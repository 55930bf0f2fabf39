"""The contract of every store: browser sessions, MCP sessions, known addresses."""

from omnitornado.store.transitions import Store

from .conftest import Run
from .samples import START, Clock, build_address, build_mcp_session, build_session, digest

FIRST, SECOND = digest("first"), digest("second")


def test_a_session_is_found_until_its_time_is_up_or_it_is_closed(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        session = build_session(address="192.0.2.1", user_agent="a browser")
        await store.open_session(FIRST, session)
        assert await store.find_session(FIRST, now=START + 3599) == session
        assert await store.find_session(FIRST, now=START + 3600) is None
        assert await store.find_session(SECOND, now=START) is None
        await store.close_session(FIRST)
        await store.close_session(FIRST)
        assert await store.find_session(FIRST, now=START) is None

    run(scenario)


def test_signing_in_replaces_the_session_there_was(run: Run) -> None:
    """Our choice: the session id changes at sign-in, so that a planted one is worth nothing."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_session(FIRST, build_session())
        await store.open_session(SECOND, build_session(username="eve"), replaces=FIRST)
        assert await store.find_session(FIRST, now=START) is None
        assert await store.find_session(SECOND, now=START) == build_session(username="eve")
        await store.open_session(SECOND, build_session(), replaces=SECOND)
        assert await store.find_session(SECOND, now=START) == build_session()
        await store.open_session(FIRST, build_session(), replaces=digest("unknown"))
        assert await store.find_session(FIRST, now=START) == build_session()

    run(scenario)


def test_a_person_with_too_many_sessions_loses_the_oldest(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_session(digest("hers"), build_session(username="eve", signed_in_at=START - 9))
        for number in range(3):
            await store.open_session(digest(str(number)), build_session(signed_in_at=START + number))
        rotated = build_session(signed_in_at=START + 3)
        await store.open_session(digest("3"), rotated, replaces=digest("2"))
        assert await store.find_session(digest("0"), now=START) is not None
        await store.open_session(digest("4"), build_session(signed_in_at=START + 4))
        assert await store.find_session(digest("0"), now=START) is None
        assert await store.find_session(digest("1"), now=START) is not None
        assert await store.find_session(digest("hers"), now=START) is not None

    run(scenario)


def test_sessions_past_their_time_make_room_before_any_that_lives(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_session(digest("old"), build_session(signed_in_at=START - 9))
        await store.open_session(digest("a"), build_session(expires_at=START + 1))
        await store.open_session(digest("b"), build_session(expires_at=START + 1))
        clock.now += 2
        for name in ("c", "d"):
            await store.open_session(digest(name), build_session(signed_in_at=clock.now))
        assert await store.find_session(digest("old"), now=clock.now) is not None

    run(scenario)


def test_an_mcp_session_that_is_used_lives_on(run: Run) -> None:
    """Our choice: past half its time, by the same lifetime; one that is left alone ends."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_mcp_session(FIRST, build_mcp_session())
        assert await store.find_mcp_session(FIRST, now=START + 1799) == build_mcp_session()
        renewed = await store.find_mcp_session(FIRST, now=START + 1800)
        assert renewed is not None
        assert renewed.expires_at == START + 1800 + 3600
        assert renewed.created_at == START
        again = await store.find_mcp_session(FIRST, now=START + 5000)
        assert again is not None
        assert again.expires_at == START + 5000 + 3600
        assert await store.find_mcp_session(FIRST, now=START + 5000 + 3600) is None

    run(scenario)


def test_what_a_client_wants_to_hear_in_its_mcp_session_is_kept(run: Run) -> None:
    """Our choice: a session that survives a restart goes on as it was."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_mcp_session(FIRST, build_mcp_session(expires_at=START + 3600))
        for uri, is_wanted in (("a://1", True), ("a://2", True), ("a://1", True), ("a://3", False)):
            assert await store.subscribe_mcp_session(FIRST, uri, is_wanted=is_wanted, now=START)
        assert await store.set_mcp_log_level(FIRST, "error", now=START)
        found = await store.find_mcp_session(FIRST, now=START)
        expected = build_mcp_session(
            expires_at=START + 3600, subscriptions=("a://1", "a://2"), log_level="error"
        )
        assert found == expected
        assert await store.subscribe_mcp_session(FIRST, "a://1", is_wanted=False, now=START)
        assert await store.subscribe_mcp_session(FIRST, "a://\ud800", is_wanted=True, now=START)
        found = await store.find_mcp_session(FIRST, now=START)
        assert found is not None
        assert found.subscriptions == ("a://2", "a://?")

    run(scenario)


def test_a_session_that_is_over_keeps_nothing(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_mcp_session(FIRST, build_mcp_session(expires_at=START + 5))
        for key in (FIRST, SECOND):
            assert not await store.subscribe_mcp_session(key, "a://1", is_wanted=True, now=START + 5)
            assert not await store.set_mcp_log_level(key, "error", now=START + 5)

    run(scenario)


def test_an_mcp_session_is_closed_once(run: Run) -> None:
    """Required by MCP 2025-11-25, Streamable HTTP, session management: DELETE ends it, then it is unknown."""

    async def scenario(store: Store, clock: Clock) -> None:
        await store.open_mcp_session(FIRST, build_mcp_session())
        await store.open_mcp_session(SECOND, build_mcp_session(expires_at=START + 5))
        assert await store.close_mcp_session(FIRST)
        assert not await store.close_mcp_session(FIRST)
        assert await store.find_mcp_session(FIRST, now=START) is None
        clock.now += 5
        assert not await store.close_mcp_session(SECOND)

    run(scenario)


def test_a_person_with_too_many_mcp_sessions_loses_the_one_renewed_longest_ago(run: Run) -> None:
    """Our choice: clients seldom end theirs."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(3):
            await store.open_mcp_session(digest(str(number)), build_mcp_session(created_at=START + number))
        assert await store.find_mcp_session(digest("0"), now=START + 2000) is not None
        clock.now += 2000
        await store.open_mcp_session(digest("3"), build_mcp_session(created_at=clock.now))
        assert await store.find_mcp_session(digest("1"), now=clock.now) is None
        assert await store.find_mcp_session(digest("0"), now=clock.now) is not None

    run(scenario)


def test_what_an_mcp_client_says_of_itself_never_stops_a_write(run: Run) -> None:
    """Our choice: numbers and nesting that no file can hold are kept as near as can be."""

    async def scenario(store: Store, clock: Clock) -> None:
        deep: dict[str, object] = {}
        for _ in range(300):
            deep = {"deeper": deep}
        session = build_mcp_session(client_info={"name": "x", "n": 2**99}, capabilities=deep)
        await store.open_mcp_session(FIRST, session)
        found = await store.find_mcp_session(FIRST, now=START)
        assert found is not None
        assert found.client_info == {"name": "x", "n": float(2**99)}

    run(scenario)


def test_an_address_is_known_until_its_time_is_up(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        assert not await store.is_known_address(FIRST, now=START)
        await store.know_address(FIRST, build_address(expires_at=START + 10))
        assert await store.is_known_address(FIRST, now=START + 9)
        assert not await store.is_known_address(FIRST, now=START + 10)
        await store.know_address(FIRST, build_address(expires_at=START + 20))
        assert await store.is_known_address(FIRST, now=START + 19)

    run(scenario)


def test_a_person_with_too_many_addresses_loses_the_one_that_lapses_first(run: Run) -> None:
    """Our choice."""

    async def scenario(store: Store, clock: Clock) -> None:
        for number in range(4):
            await store.know_address(digest(str(number)), build_address(expires_at=START + 100 + number))
        assert not await store.is_known_address(digest("0"), now=START)
        assert await store.is_known_address(digest("1"), now=START)

    run(scenario)
