"""Who of the provider's people is let in, and under which name."""

from typing import Any

import pytest

from omnitornado.oauth.people import People, Person, ProviderPeople
from omnitornado.oauth.provider_people import AdmissionRules, find_shown_name

from .provider_steps import refused

VERIFIED = {"sub": "1", "email": "Ada@Example.com", "email_verified": True}


@pytest.mark.parametrize(
    ("rules", "claims", "is_let_in"),
    [
        ({}, VERIFIED, False),
        ({"everyone": True}, {"sub": "1"}, True),
        ({"emails": {"ada@example.com"}}, VERIFIED, True),
        ({"emails": {"ada@example.com"}}, VERIFIED | {"email_verified": "true"}, True),
        ({"emails": {"ada@example.com"}}, VERIFIED | {"email_verified": False}, False),
        ({"emails": {"ada@example.com"}}, VERIFIED | {"email_verified": "false"}, False),
        ({"emails": {"ada@example.com"}}, VERIFIED | {"email_verified": 1}, False),
        ({"emails": {"ada@example.com"}}, {"email": "ada@example.com"}, False),
        ({"emails": {"ada@example.com"}}, VERIFIED | {"email": ["ada@example.com"]}, False),
        ({"emails": {"mark@example.com"}}, VERIFIED | {"email": "mar\u212a@example.com"}, False),
        ({"domains": {"kelvin.example"}}, VERIFIED | {"email": "ada@\u212aelvin.example"}, False),
        ({"emails": {"\u00e4da@example.com"}}, VERIFIED | {"email": "\u00c4DA@example.com"}, True),
        ({"domains": {"example.com"}}, VERIFIED, True),
        ({"domains": {"example.com"}}, VERIFIED | {"email": "ada@mail.example.com"}, False),
        ({"domains": {"example.com"}}, VERIFIED | {"email": "ada@notexample.com"}, False),
        ({"domains": {"example.com"}}, VERIFIED | {"email": "ada@evil.example@example.com"}, False),
        ({"domains": {"example.com"}}, VERIFIED | {"email": "example.com"}, False),
        ({"domains": {"example.com"}}, VERIFIED | {"email_verified": None}, False),
        ({"claims": (("groups", "staff"),)}, {"groups": ["guests", "staff"]}, True),
        ({"claims": (("groups", "staff"),)}, {"groups": "staff"}, True),
        ({"claims": (("groups", "staff"),)}, {"groups": "staff guests"}, False),
        ({"claims": (("groups", "staff"),)}, {"groups": {"staff": 1}}, False),
        ({"claims": (("groups", "staff"),)}, {"groups": [["staff"]]}, False),
        ({"claims": (("groups", "1"),)}, {"groups": [1]}, False),
        ({"claims": (("realm.roles", "mcp"),)}, {"realm": {"roles": ["mcp"]}}, True),
        ({"claims": (("realm.roles", "mcp"),)}, {"realm.roles": ["mcp"]}, True),
        ({"claims": (("realm.roles", "mcp"),)}, {"realm": ["roles"]}, False),
        ({"claims": (("https://x.example/roles", "mcp"),)}, {"https://x.example/roles": ["mcp"]}, True),
        ({"claims": (("a", "1"),), "domains": {"example.com"}}, VERIFIED, True),
    ],
)
def test_one_rule_is_enough_and_it_holds_as_it_stands(
    rules: dict[str, Any], claims: dict[str, Any], is_let_in: bool
) -> None:
    """Required by OpenID Connect Core §5.1 and §5.7 (an e-mail address counts where it is verified)."""
    sets: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, set) else value for name, value in rules.items()
    }
    assert AdmissionRules(**sets).let_in(claims) is is_let_in


@pytest.mark.parametrize(
    ("claim", "claims", "name"),
    [
        ("sub", {"sub": "248"}, "248"),
        ("email", VERIFIED, "ada@example.com"),
        ("preferred_username", {"preferred_username": "Ada L."}, "Ada L."),
        ("ids.employee", {"ids": {"employee": "7"}}, "7"),
    ],
)
def test_the_name_is_what_the_claim_says(claim: str, claims: dict[str, Any], name: str) -> None:
    """Our choice: `[login.oidc] username_claim`."""
    assert AdmissionRules(username_claim=claim).find_name(claims) == name


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "oidc_claim_missing"),
        ({"email": "ada@example.com"}, "oidc_claim_missing"),
        (VERIFIED | {"email_verified": False}, "oidc_claim_missing"),
        (VERIFIED | {"email": "x" * 300 + "@example.com"}, "oidc_name_malformed"),
        (VERIFIED | {"email": "ada\u202e@example.com"}, "oidc_name_malformed"),
        (VERIFIED | {"email": "ada\n@example.com"}, "oidc_name_malformed"),
        (VERIFIED | {"email": " ada@example.com"}, "oidc_name_malformed"),
    ],
)
def test_what_is_no_name_signs_nobody_in(claims: dict[str, Any], reason: str) -> None:
    """Required by OpenID Connect Core §5.7: an address that is not verified names nobody."""
    with refused(reason):
        AdmissionRules(everyone=True, username_claim="email").find_name(claims)


@pytest.mark.parametrize("value", [1, ["ada"], {"a": 1}, "", True])
def test_a_name_is_text(value: object) -> None:
    """Our choice: or two values could be one name."""
    with refused("oidc_name_malformed"):
        AdmissionRules(username_claim="name").find_name({"name": value})


def test_pages_call_a_person_by_what_they_know_themselves_by() -> None:
    """Our choice: a verified address, a username or a name, as far as it can be shown."""
    assert find_shown_name(VERIFIED) == "ada@example.com"
    assert find_shown_name({"email": "ada@example.com", "name": "Ada"}) == "Ada"
    assert find_shown_name({"preferred_username": "\u202eada", "name": "Ada"}) == "Ada"
    assert find_shown_name({"name": "x" * 200}) == ""
    assert find_shown_name({"name": ["Ada"]}) == ""


PROVIDER = ProviderPeople(prefix="id.example.com:", blocked=frozenset({"id.example.com:9"}), scopes=("mcp",))


def test_the_providers_people_are_there_and_those_who_are_blocked_are_not() -> None:
    """Our choice: with that every token of theirs is void, for each request looks for its person."""
    people = People([Person("ada")], provider=PROVIDER)
    assert people.find("id.example.com:1") == Person("id.example.com:1", scopes=("mcp",))
    assert people.find("id.example.com:9") is None
    assert people.find("bob") is None
    assert People([Person("ada")]).find("id.example.com:1") is None


def test_no_password_makes_anyone_one_of_the_providers_people() -> None:
    """Our choice: not even a directory that has such a name, in any spelling of it."""
    people = People([Person("id.example.com:2")], is_open=True, provider=PROVIDER)
    for name in (
        *("id.example.com:1", "id.example.com:2", "id.example.com:9"),
        "ID.example.com:1 ",
        " ｉd.example.com:2",
    ):
        assert people.find_by_spelling(name) is None
    assert people.find_by_spelling("bob") == Person("bob")
    assert people.find("id.example.com:2") == Person("id.example.com:2")
