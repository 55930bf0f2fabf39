"""Who may sign in, and what each person may grant."""

from collections.abc import Iterable, Mapping

import msgspec


class Person(msgspec.Struct, frozen=True):
    """Someone who may sign in."""

    username: str
    password_hash: bytes | None = None
    """bcrypt; None where the application checks passwords itself."""
    scopes: tuple[str, ...] | None = None
    """What this person may grant; None for every scope."""


class People:
    """The people of the configuration; or, where the application checks passwords itself, whoever it lets in.

    One who is gone from the configuration has no session, grant or token any more, whatever the store still
    holds.
    """

    def __init__(self, people: Iterable[Person] = (), *, is_open: bool = False) -> None:
        self._people: Mapping[str, Person] = {person.username: person for person in people}
        self._is_open = is_open

    @property
    def listed(self) -> tuple[Person, ...]:
        """The people of the configuration."""
        return tuple(self._people.values())

    def find(self, username: str) -> Person | None:
        """The person, or None when there is nobody of that name (any more)."""
        person = self._people.get(username)
        return Person(username) if person is None and self._is_open else person
