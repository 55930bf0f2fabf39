"""People who are kept elsewhere: the two examples, against a real directory and a real database."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from ldap3.core.exceptions import LDAPException

from examples import ldap_login, sql_login
from omnitornado import Person

from .conftest import Serve
from .directory import ADMIN, ADMIN_PASSWORD, SUFFIX, open_directory
from .ledger import Ledger
from .person import Person as Visitor
from .process import PASSWORD


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_directory(tmp_path_factory.mktemp("ldap")) as url:
        yield url


@pytest.fixture
def ldap(directory: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("LDAP_URL", directory)
    monkeypatch.setenv("LDAP_BASE", f"ou=people,{SUFFIX}")
    monkeypatch.setenv("LDAP_BIND_DN", ADMIN)
    monkeypatch.setenv("LDAP_BIND_PASSWORD", ADMIN_PASSWORD)
    return monkeypatch


@pytest.mark.parametrize(
    ("username", "password", "known_as"),
    [
        ("ada", "ada's password", "ada"),
        ("ADA", "ada's password", "ada"),
        ("Bob(*)", "bob's password", "Bob(*)"),
        ("ada", "wrong", None),
        ("ada", "", None),
        ("", "ada's password", None),
        ("*", "ada's password", None),
        ("ada)(uid=*", "ada's password", None),
        ("a*", "ada's password", None),
        ("nobody", "ada's password", None),
    ],
)
def test_the_directory_says_who_it_is(
    ldap: pytest.MonkeyPatch, username: str, password: str, known_as: str | None
) -> None:
    """Our choice. RFC 4515 §3: what a name holds can't change the question."""
    answer = ldap_login.check(username, password)
    assert answer == (Person(known_as) if known_as is not None else False)


def test_a_group_may_be_needed(ldap: pytest.MonkeyPatch) -> None:
    """Our choice."""
    ldap.setenv("LDAP_GROUP", f"cn=mcp,ou=groups,{SUFFIX}")
    assert ldap_login.check("ada", "ada's password") == Person("ada")
    assert ldap_login.check("Bob(*)", "bob's password") is False


def test_a_directory_that_lets_nobody_search_is_an_error(ldap: pytest.MonkeyPatch) -> None:
    """Our choice: it must not look like a wrong password."""
    ldap.setenv("LDAP_BIND_PASSWORD", "wrong")
    with pytest.raises(LDAPException):
        ldap_login.check("ada", "ada's password")


def test_a_directory_that_is_away_is_an_error(ldap: pytest.MonkeyPatch) -> None:
    """Our choice."""
    ldap.setenv("LDAP_URL", "ldap://127.0.0.1:1")
    with pytest.raises(LDAPException):
        ldap_login.check("ada", "ada's password")


def test_a_table_says_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice. A name is never part of the statement."""
    path = tmp_path / "users.db"
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE users (username TEXT PRIMARY KEY, password_hash TEXT NOT NULL, "
        "enabled INTEGER NOT NULL DEFAULT 1)"
    )
    word = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    database.executemany("INSERT INTO users VALUES (?, ?, ?)", [("ada", word, 1), ("gone", word, 0)])
    database.commit()
    database.close()
    monkeypatch.setenv("USERS_DATABASE", str(path))
    assert sql_login.check("ada", "right") is True
    for username, password in (
        ("ada", "wrong"),
        ("ada", "x" * 100),
        ("gone", "right"),
        ("nobody", "right"),
        ("' OR 1=1 --", "right"),
    ):
        assert sql_login.check(username, password) is False, username


def test_a_directory_lets_people_in_through_the_page(
    ldap: pytest.MonkeyPatch, serve: Serve, ledger: Ledger
) -> None:
    """Our choice: `[login] validate_user` of the file, with a person of the file beside it."""
    server = serve(login={"validate_user": "examples.ldap_login:check"})
    for username, password, text in (
        ("ada", PASSWORD, "Signed in as"),  # in the file, with a password of its own
        ("Bob(*)", "bob's password", "Signed in as"),
        ("Bob(*)", PASSWORD, "Wrong username or password"),
    ):
        with Visitor(server.issuer, ledger, username=username, password=password) as visitor:
            page = visitor.sign_in(visitor.open(f"{server.issuer}/login?next=/account"))
            assert text in page.text
