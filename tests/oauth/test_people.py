"""Who may sign in."""

from omnitornado.oauth.people import People, Person

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
