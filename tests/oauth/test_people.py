"""Who may sign in."""

import pytest

from omnitornado.oauth.people import People, Person, ProviderPeople, is_machine, name_machine, name_provided

from .world import ADA


def test_a_closed_list_knows_its_people_alone() -> None:
    """Our choice: names are compared exactly."""
    people = People([ADA])
    assert people.find("ada") == ADA
    assert people.listed == (ADA,)
    for name in ("Ada", "ada ", "", "bob"):
        assert people.find(name) is None


def test_an_open_list_knows_anyone_the_application_lets_in() -> None:
    """Our choice: the configuration may still say what somebody may grant."""
    people = People([Person("ada", scopes=("mcp",))], is_open=True)
    assert people.find("ada") == Person("ada", scopes=("mcp",))
    assert people.find("eve") == Person("eve")
    assert people.listed == (Person("ada", scopes=("mcp",)),)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_client_that_acts_for_itself_is_nobody_who_signs_in(is_open: bool) -> None:
    """Required by RFC 9700 §4.15: no name of a client is one that a person can have, whoever checks passwords
    and however it is spelled.
    """
    robot = Person(name_machine("robot"), scopes=("mcp",))
    people = People([ADA], is_open=is_open, machines=[robot])
    assert is_machine(robot.username)
    assert not is_machine("ada")
    assert people.find("client:robot") == robot
    assert people.find("client:gone") is None
    assert people.listed == (ADA,)
    for spelled in ("client:robot", "client:gone", "Client:Robot", " client:x", "ｃｌｉｅｎｔ：x"):
        assert people.find_by_spelling(spelled) is None


def test_nobody_is_listed_under_a_clients_name() -> None:
    """Required by RFC 9700 §4.15."""
    for name in ("client:robot", "CLIENT:x", "idp:acme:ada"):
        with pytest.raises(ValueError, match="reserved"):
            People([Person(name)])


@pytest.mark.parametrize("is_open", [False, True])
def test_somebody_known_by_a_providers_word_alone_signs_in_nowhere(is_open: bool) -> None:
    """Our choice: such a name lasts as long as the provider may bring its own people."""
    people = People([ADA], is_open=is_open, provided={"acme": ("mcp",), "other": None})
    eve = name_provided("acme", "eve:x")
    assert people.find(eve) == Person("idp:acme:eve:x", scopes=("mcp",))
    assert people.find("idp:other:eve") == Person("idp:other:eve")
    for name in ("idp:gone:eve", "idp:acme:", "idp:acme", "idp:", "idp::eve", "client:acme:eve"):
        assert people.find(name) is None
    assert people.find_by_spelling(eve) is None
    assert people.listed == (ADA,)


@pytest.mark.parametrize("prefix", ["id.example.com/realms/a:", "localhost:8080:", "google:"])
def test_a_providers_people_are_nobody_once_it_is_gone_whoever_checks_passwords(prefix: str) -> None:
    """Our choice: what the provider let in, blocked ones among them, is void with it; and a directory neither
    revives it nor lets anyone in under such a name. Whom the configuration still names is somebody.
    """
    before = ProviderPeople(prefix=prefix, blocked=frozenset({prefix + "9"}))
    assert People(is_open=True, provider=before).find(prefix + "1") == Person(prefix + "1")
    listed = Person(prefix + "2", scopes=("mcp",))
    for provider in (None, ProviderPeople(prefix="other.example.com:")):
        people = People([ADA, listed], is_open=True, provider=provider)
        for name in (prefix + "1", prefix + "9", prefix):
            assert people.find(name) is None
            assert people.find_by_spelling(name) is None
            assert people.find_by_spelling(f" {name.upper()}") is None
        assert people.find(listed.username) == listed
        assert people.find("eve@example.com") == Person("eve@example.com")


def test_a_listed_person_is_found_by_the_name_alone() -> None:
    """Our choice: nobody who is merely let in by the application; e-mail addresses in any case."""
    people = People([Person("Ada@Example.com")], is_open=True)
    assert people.find_listed("Ada@Example.com") == Person("Ada@Example.com")
    assert people.find_listed("ada@example.com") is None
    assert people.find_listed("ada@EXAMPLE.com", is_email=True) == Person("Ada@Example.com")
    assert people.find_listed("eve", is_email=True) is None


@pytest.mark.parametrize(
    "email", ["\uff2dark@example.com", "mar\u212a@example.com", "mark@example\uff0ecom", " mark@example.com"]
)
def test_an_address_that_only_looks_like_a_persons_is_somebody_elses(email: str) -> None:
    """Our choice: a provider may keep both. Full-width letters and the Kelvin sign have other code points."""
    people = People([Person("Mark@example.com")])
    assert people.find_listed(email, is_email=True) is None
