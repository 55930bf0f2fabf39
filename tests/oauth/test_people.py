"""Who may sign in."""

import pytest

from omnitornado.oauth.people import People, Person, is_machine, name_machine

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
    for name in ("client:robot", "CLIENT:x"):
        with pytest.raises(ValueError, match="reserved"):
            People([Person(name)])
