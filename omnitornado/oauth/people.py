"""Implements: RFC 9700 §4.15 (no client can be taken for a person): who may sign in, and what each may grant.

A client that acts for itself (`client_credentials`) stands where a person would, under a name that no person
can have. So everything that is kept for each person, and every limit, is kept for it as well.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

MACHINE: Final = "client:"
"""What the name of a client that acts for itself begins with."""
PROVIDED: Final = "idp:"
"""What the name of somebody begins with who is known by an identity provider's word alone."""
RESERVED: Final = (MACHINE, PROVIDED)
"""No name of the configuration begins so, nor one to sign in with."""


class Person(msgspec.Struct, frozen=True):
    """Someone who may sign in; or a client that acts for itself, which can't."""

    username: str
    password_hash: bytes | None = None
    """bcrypt; None where the application checks passwords itself."""
    scopes: tuple[str, ...] | None = None
    """What this person may grant; None for every scope."""
    name: str = ""
    """What pages call them; "" for the username."""

    @property
    def shown_name(self) -> str:
        return self.name or self.username


class ProviderPeople(msgspec.Struct, frozen=True, kw_only=True):
    """The people who sign in through an OpenID provider: under names that nobody else can have, unless the
    operator says that one of them is somebody of the configuration.
    """

    prefix: str
    """What stands before a name of the provider's; never ""."""
    usernames: Mapping[str, str] = {}
    """The people of the configuration by their name at the provider."""
    blocked: frozenset[str] = frozenset()
    """Names with their prefix."""
    scopes: tuple[str, ...] | None = None
    """What they may grant; None for every scope."""


def fold_username(username: str) -> str:
    """What spellings of one name have in common: space around it, case, and Unicode's compatible forms."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


def fold_email(email: str) -> str:
    """What spellings of one e-mail address have in common: case alone. An address stays as it is where that
    would make an ASCII letter of another one: the Kelvin sign's small form is k, and whoever has an address
    with it at the provider would be somebody else.
    """
    is_disguised = any(letter.lower().isascii() and not letter.isascii() for letter in email)
    return email if is_disguised else email.lower()


def name_machine(client_id: str) -> str:
    """The name of a client that acts for itself."""
    return MACHINE + client_id


def is_machine(username: str) -> bool:
    """Whether this is no person, but a client that acts for itself."""
    return username.startswith(MACHINE)


def name_provided(provider: str, name: str) -> str:
    """The name of somebody whom an identity provider knows as `name`. `provider` has no colon in it."""
    return f"{PROVIDED}{provider}:{name}"


def is_reserved(username: str) -> bool:
    """Whether a name is one that no person can have, in any spelling."""
    return fold_username(username).startswith(RESERVED)


class People:
    """The people of the configuration; where the application checks passwords itself, whoever it lets in; and
    where there is a provider, whoever is its. Beside them the clients that act for themselves.

    A name with a colon that is not in the configuration is somebody's whom a provider vouches for, or
    nobody's. One who is gone from the configuration has no session, grant or token any more, whatever the
    store still holds.
    """

    def __init__(
        self,
        people: Iterable[Person] = (),
        *,
        is_open: bool = False,
        machines: Iterable[Person] = (),
        provider: ProviderPeople | None = None,
        provided: Mapping[str, tuple[str, ...] | None] | None = None,
    ) -> None:
        """Args: machines: clients that act for themselves, by `name_machine`. provider: those who sign in
        there. provided: identity providers that bring people of their own, by name, each with what these may
        grant (None: every scope). Raises: ValueError for a person whose name is reserved, and for a provider
        whose people's names would be.
        """
        self._provided = dict(provided or {})
        self._listed = {person.username: person for person in people}
        taken = next(filter(is_reserved, self._listed), None)
        if taken is not None:
            raise ValueError(f"the name {taken!r} is reserved")
        if provider is not None and (not provider.prefix or is_reserved(provider.prefix)):
            raise ValueError(f"the prefix {provider.prefix!r} is reserved")
        self._people: Mapping[str, Person] = self._listed | {one.username: one for one in machines}
        self._is_open = is_open
        self._provider = provider
        self._provider_names = _invert(provider)
        self._spellings = {fold_username(name): name for name in self._listed}
        self._emails = {fold_email(name): name for name in self._listed}

    def find_by_spelling(self, username: str) -> Person | None:
        """The person whom somebody who signs in means. Where the application checks passwords, it may take
        "Ada" for "ada": the one in the configuration is meant then, with the scopes that stand there.
        """
        if is_reserved(username):
            return None
        if username not in self._listed and self._is_open:
            username = self._spellings.get(fold_username(username), username)
        if self._provider is not None and fold_username(username).startswith(
            self._provider.prefix.casefold()
        ):
            # Whatever a directory says: nobody gets one of the provider's names, or one like it, that way.
            return None
        return self.find(username)

    def find_provider_name(self, name: str) -> str:
        """The username of somebody whom the provider calls `name`."""
        assert self._provider is not None  # noqa: S101 - for the type checker: only a provider has names
        return self._provider.usernames.get(name, self._provider.prefix + name)

    def find_provider_names(self, username: str) -> tuple[str, ...]:
        """What the provider calls somebody of the configuration, with its prefix, as far as the configuration
        says so: nothing for those who are known by the provider's own name for them.
        """
        return self._provider_names.get(username, ())

    def is_listed(self, username: str) -> bool:
        """Whether the configuration names this person."""
        return username in self._listed

    @property
    def listed(self) -> tuple[Person, ...]:
        """The people of the configuration."""
        return tuple(self._listed.values())

    @property
    def have_passwords(self) -> bool:
        """Whether any of them has a password in the configuration."""
        return any(person.password_hash is not None for person in self._listed.values())

    def find(self, username: str) -> Person | None:
        """The person, or None when there is nobody of that name (any more)."""
        person = self._people.get(username)
        if self._is_at_provider(username):
            assert self._provider is not None  # noqa: S101 - for the type checker
            if username in self._provider.blocked:
                return None
            return person or Person(username, scopes=self._provider.scopes)
        if person is not None:
            return person
        if username.startswith(RESERVED):
            return self._find_provided(username)
        # Every provider's names have a colon, and it may be gone, with what it let in still in the store: the
        # application speaks for no such name (nor could it in HTTP's own sign-in: RFC 7617 §2).
        return Person(username) if self._is_open and ":" not in username else None

    def _is_at_provider(self, username: str) -> bool:
        return self._provider is not None and username.startswith(self._provider.prefix)

    def find_listed(self, name: str, *, is_email: bool = False) -> Person | None:
        """The person of the configuration with this name; an e-mail address may be in another case."""
        if is_email:
            name = self._emails.get(fold_email(name), name)
        return self._listed.get(name)

    def _find_provided(self, username: str) -> Person | None:
        """Somebody of an identity provider's that may still bring its own people."""
        kind, _, rest = username.partition(":")
        provider, _, name = rest.partition(":")
        if kind + ":" != PROVIDED or not name or provider not in self._provided:
            return None
        return Person(username, scopes=self._provided[provider])


def _invert(provider: ProviderPeople | None) -> dict[str, tuple[str, ...]]:
    """The provider's names of each of its people who have a name of the configuration, in an order of their
    own.
    """
    found: dict[str, tuple[str, ...]] = {}
    if provider is not None:
        for name, username in sorted(provider.usernames.items()):
            found[username] = (*found.get(username, ()), provider.prefix + name)
    return found
