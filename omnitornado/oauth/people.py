"""Who may sign in, and what each person may grant."""

import unicodedata
from collections.abc import Iterable, Mapping

import msgspec


class Person(msgspec.Struct, frozen=True):
    """Someone who may sign in."""

    username: str
    password_hash: bytes | None = None
    """bcrypt; None where the application checks passwords itself."""
    scopes: tuple[str, ...] | None = None
    """What this person may grant; None for every scope."""


def fold_username(username: str) -> str:
    """What spellings of one name have in common: space around it, case, and Unicode's compatible forms."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


class People:
    """The people of the configuration; or, where the application checks passwords itself, whoever it lets in.

    One who is gone from the configuration has no session, grant or token any more, whatever the store still
    holds.
    """

    def __init__(self, people: Iterable[Person] = (), *, is_open: bool = False) -> None:
        self._people: Mapping[str, Person] = {person.username: person for person in people}
        self._is_open = is_open
        self._spellings = {fold_username(name): name for name in self._people}

    def find_by_spelling(self, username: str) -> Person | None:
        """The person whom somebody who signs in means. Where the application checks passwords, it may take
        "Ada" for "ada": the one in the configuration is meant then, with the scopes that stand there.
        """
        if username not in self._people and self._is_open:
            username = self._spellings.get(fold_username(username), username)
        return self.find(username)

    @property
    def listed(self) -> tuple[Person, ...]:
        """The people of the configuration."""
        return tuple(self._people.values())

    def find(self, username: str) -> Person | None:
        """The person, or None when there is nobody of that name (any more)."""
        person = self._people.get(username)
        return Person(username) if person is None and self._is_open else person
