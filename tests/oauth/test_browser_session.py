"""The signed-in browser, and the anti-forgery field of its forms."""

import itertools

import msgspec
import pytest

from omnitornado.oauth.browser_session import BrowserSessions, build_form_token, is_cookie, is_form_token
from omnitornado.oauth.people import People, ProviderPeople
from omnitornado.oauth.secrets import digest

from .world import ADA, BOB, World, build_token_bytes, run

COOKIE, OTHER = "A" * 42 + "E", "B" * 42 + "E"


def build_sessions(world: World, people: People | None = None) -> BrowserSessions:
    return BrowserSessions(world.store, people or People([ADA, BOB]), lifetime=3600.0)


async def sign_in(world: World, sessions: BrowserSessions, replaces: str | None = None) -> str:
    return await sessions.open(
        ADA, replaces=replaces, address="192.0.2.1", user_agent="x" * 5000, now=world.now
    )


def test_a_cookie_is_256_random_bits() -> None:
    """Required by RFC 6265 §8.4 in spirit: it can't be guessed."""

    async def scenario(world: World) -> None:
        sessions = BrowserSessions(world.store, People(), lifetime=1.0, token_bytes=build_token_bytes())
        first, second = sessions.build_cookie(), sessions.build_cookie()
        assert first != second
        assert is_cookie(first)
        assert len(first) == 43

    run(scenario)


@pytest.mark.parametrize(
    "value", ["", "x", "A" * 42, "A" * 44, "A" * 43 + "=", "é" * 43, "A" * 42 + "\n", "A" * 42 + "B"]
)
def test_no_other_value_is_a_cookie(value: str) -> None:
    """Our choice: one spelling, so that a cookie somebody else set by hand is not taken up."""
    assert is_cookie(COOKIE)
    assert not is_cookie(value)


def test_a_browser_stays_signed_in_until_its_time_is_up() -> None:
    """Our choice: counted from the sign-in, never renewed."""

    async def scenario(world: World) -> None:
        sessions = build_sessions(world)
        cookie = await sign_in(world, sessions)
        world.advance(3599.9)
        found = await sessions.find(cookie, now=world.now)
        assert found is not None
        session, person = found
        assert (session.username, session.address, person) == ("ada", "192.0.2.1", ADA)
        assert len(session.user_agent) == 200
        world.advance(0.1)
        assert await sessions.find(cookie, now=world.now) is None

    run(scenario)


def test_signing_in_replaces_the_cookie() -> None:
    """Required by OWASP's advice (session fixation): what was known before is worth nothing after."""

    async def scenario(world: World) -> None:
        sessions = build_sessions(world)
        before = sessions.build_cookie()
        first = await sign_in(world, sessions, replaces=before)
        second = await sign_in(world, sessions, replaces=first)
        assert len({before, first, second}) == 3
        assert await sessions.find(before, now=world.now) is None
        assert await sessions.find(first, now=world.now) is None
        assert await sessions.find(second, now=world.now) is not None

    run(scenario)


def test_nobody_is_signed_in_without_a_session() -> None:
    """Our choice."""

    async def scenario(world: World) -> None:
        sessions = build_sessions(world)
        for cookie in (None, "", sessions.build_cookie(), "é", "\ud800"):
            assert await sessions.find(cookie, now=world.now) is None

    run(scenario)


def test_signing_out_ends_the_session_on_the_server() -> None:
    """Our choice: a cookie that was copied is worth nothing either."""

    async def scenario(world: World) -> None:
        sessions = build_sessions(world)
        cookie, other = await sign_in(world, sessions), await sign_in(world, sessions)
        await sessions.close(cookie)
        await sessions.close(cookie)
        assert await sessions.find(cookie, now=world.now) is None
        assert await sessions.find(other, now=world.now) is not None

    run(scenario)


def test_a_changed_password_signs_out_and_the_same_one_does_not() -> None:
    """Our choice: whoever knew the old one may have signed in with it. Also where a password came or went."""

    async def scenario(world: World) -> None:
        old = msgspec.structs.replace(ADA, password_hash=b"$2b$04$old")
        new = msgspec.structs.replace(ADA, password_hash=b"$2b$04$new")
        without = msgspec.structs.replace(ADA, password_hash=None)
        for before, after in itertools.product((old, new, without), repeat=2):
            sessions = build_sessions(world, People([before]))
            cookie = await sessions.open(before, replaces=None, address="", user_agent="", now=world.now)
            found = await build_sessions(world, People([after, BOB])).find(cookie, now=world.now)
            assert (found is not None) is (before == after)

    run(scenario)


PROVIDERS = {
    "none": None,
    "nobody's": ProviderPeople(prefix="id.example.com:"),
    "old name": ProviderPeople(prefix="id.example.com:", usernames={"1": "ada"}),
    "new name": ProviderPeople(prefix="id.example.com:", usernames={"2": "ada"}),
    "both": ProviderPeople(prefix="id.example.com:", usernames={"2": "ada", "1": "ada"}),
    "somebody else's": ProviderPeople(prefix="id.example.com:", usernames={"1": "bob"}),
    "elsewhere": ProviderPeople(prefix="other.example.com:", usernames={"1": "ada"}),
}


def test_a_changed_name_at_the_provider_signs_out_and_the_same_one_does_not() -> None:
    """Our choice: whoever has the old one there may have signed in with it. Also where a name came or went,
    alone or beside a password.
    """
    hers_is_none = {"none", "nobody's", "somebody else's"}

    async def scenario(world: World) -> None:
        for ada in (ADA, msgspec.structs.replace(ADA, password_hash=None)):
            for before, after in itertools.product(PROVIDERS, repeat=2):
                sessions = build_sessions(world, People([ada, BOB], provider=PROVIDERS[before]))
                cookie = await sessions.open(ada, replaces=None, address="", user_agent="", now=world.now)
                later = build_sessions(world, People([ada, BOB], provider=PROVIDERS[after]))
                is_same = before == after or {before, after} <= hers_is_none
                assert (await later.find(cookie, now=world.now) is not None) is is_same, (before, after)

    run(scenario)


def test_the_order_of_names_at_the_provider_signs_nobody_out() -> None:
    """Our choice: only what they say counts."""
    for names in ({"1": "ada", "2": "ada", "3": "bob"}, {"3": "bob", "2": "ada", "1": "ada"}):
        people = People([ADA, BOB], provider=ProviderPeople(prefix="id.example.com:", usernames=names))
        assert people.find_provider_names("ada") == ("id.example.com:1", "id.example.com:2")
        assert people.find_provider_names("bob") == ("id.example.com:3",)
        assert people.find_provider_names("id.example.com:4") == ()


def test_another_persons_name_at_the_provider_signs_nobody_else_out() -> None:
    """Our choice."""

    async def scenario(world: World) -> None:
        sessions = build_sessions(world, People([ADA, BOB], provider=PROVIDERS["old name"]))
        theirs = await sessions.open(BOB, replaces=None, address="", user_agent="", now=world.now)
        hers = await sessions.open(ADA, replaces=None, address="", user_agent="", now=world.now)
        later = build_sessions(world, People([ADA, BOB], provider=PROVIDERS["new name"]))
        assert await later.find(theirs, now=world.now) is not None
        assert await later.find(hers, now=world.now) is None

    run(scenario)


def test_a_person_gone_from_the_configuration_is_signed_out() -> None:
    """Our choice."""

    async def scenario(world: World) -> None:
        cookie = await sign_in(world, build_sessions(world))
        assert await build_sessions(world, People([BOB])).find(cookie, now=world.now) is None

    run(scenario)


def test_the_store_knows_the_digest_alone() -> None:
    """Our choice: who reads the files can't sign in."""

    async def scenario(world: World) -> None:
        cookie = await sign_in(world, build_sessions(world))
        assert await world.store.find_session(digest(cookie), now=world.now) is not None
        assert await world.store.find_session(cookie.encode(), now=world.now) is None

    run(scenario)


def test_a_form_is_bound_to_its_browser_its_purpose_and_what_it_showed() -> None:
    """Required by RFC 6749 §10.12 (cross-site request forgery at the authorization endpoint)."""
    token = build_form_token(COOKIE, "consent", "client_id=a&scope=mcp")
    assert is_form_token(token, COOKIE, "consent", "client_id=a&scope=mcp")
    assert not is_form_token(token, OTHER, "consent", "client_id=a&scope=mcp")
    assert not is_form_token(token, COOKIE, "login", "client_id=a&scope=mcp")
    assert not is_form_token(token, COOKIE, "consent", "client_id=a&scope=mcp+files")
    assert not is_form_token(token, COOKIE, "consent")
    assert not is_form_token(build_form_token(COOKIE, "consent"), COOKIE, "consent", "x")


@pytest.mark.parametrize("token", [None, "", "x", "é", "\ud800", COOKIE])
def test_no_other_token_is_good(token: str | None) -> None:
    """Required by RFC 6749 §10.12."""
    assert not is_form_token(token, COOKIE, "login")


@pytest.mark.parametrize("cookie", [None, "", "x", "é" * 43, "\ud800"])
def test_without_a_cookie_of_ours_no_form_is_good(cookie: str | None) -> None:
    """Our choice: an empty or made-up key would let anyone make the token."""
    token = build_form_token(cookie, "login") if cookie and cookie.isascii() else "x"
    assert not is_form_token(token, cookie, "login")


def test_a_form_token_survives_a_restart_and_tells_nothing() -> None:
    """Our choice: it is made of the cookie alone."""
    assert build_form_token(COOKIE, "login") == build_form_token(COOKIE, "login")
    assert COOKIE not in build_form_token(COOKIE, "login")
    assert is_form_token(build_form_token(COOKIE, "login", "é\ud800"), COOKIE, "login", "é\ud800")


def test_pages_call_a_person_by_the_name_of_the_configuration_or_of_the_sign_in() -> None:
    """Our choice: a provider's name for somebody is kept with the session, and the operator's comes first."""

    async def scenario(world: World) -> None:
        named = msgspec.structs.replace(ADA, name="Ada Lovelace")
        for listed, signed_in, shown in (
            (ADA, ADA, "ada"),
            (ADA, msgspec.structs.replace(ADA, name="ada@example.com"), "ada@example.com"),
            (named, named, "Ada Lovelace"),
            (named, msgspec.structs.replace(ADA, name="ada@example.com"), "Ada Lovelace"),
        ):
            sessions = build_sessions(world, People([listed]))
            cookie = await sessions.open(
                signed_in, replaces=None, address="192.0.2.1", user_agent="", now=world.now
            )
            found = await sessions.find(cookie, now=world.now)
            assert found is not None
            assert found[1].shown_name == shown

    run(scenario)
