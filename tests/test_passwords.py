"""Passwords and bcrypt hashes."""

import bcrypt
import pytest

from omnitornado.passwords import MIN_ROUNDS, check_hash, check_password, hash_password

GOOD = bcrypt.hashpw(b"password", bcrypt.gensalt(MIN_ROUNDS))


@pytest.mark.parametrize("password", ["password", "p", "a" * 72, "ü" * 36, " spaces stay ", "#\"'\\"])
def test_a_hash_opens_with_its_password_and_with_no_other(password: str) -> None:
    """Our choice: bcrypt, the whole password."""
    hashed = hash_password(password, rounds=MIN_ROUNDS)
    assert bcrypt.checkpw(password.encode(), hashed)
    assert not bcrypt.checkpw(b"another", hashed)


def test_two_hashes_of_one_password_differ() -> None:
    """Our choice: a fresh salt each time."""
    assert hash_password("password", rounds=MIN_ROUNDS) != hash_password("password", rounds=MIN_ROUNDS)


def test_a_salt_made_of_a_name_gives_the_same_hash_again() -> None:
    """Our choice: a plain password that stays the same signs nobody out at the next start."""

    def build(password: str, name: str) -> bytes:
        return check_hash(hash_password(password, rounds=MIN_ROUNDS, salted_by=name))

    assert build("password", "ada") == build("password", "ada")
    assert len({build("password", "ada"), build("password", "bob"), build("other", "ada")}) == 3
    for name in ("", "é", "\ud800", "x" * 500, *map(str, range(40))):
        hashed = build("password", name)
        assert bcrypt.checkpw(b"password", hashed)
        assert not bcrypt.checkpw(b"passwore", hashed)


def test_the_default_cost_is_twelve() -> None:
    """Our choice."""
    assert hash_password("password").startswith(b"$2b$12$")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "empty"),
        ("secret" * 13, "78 bytes, and bcrypt reads 72"),
        ("ü" * 37, "74 bytes"),
        ("sec\0ret", "NUL"),
        ("sec\udcffret", "Unicode"),
    ],
)
def test_a_password_that_bcrypt_would_change_is_refused_and_not_repeated(password: str, reason: str) -> None:
    """Our choice: bcrypt reads 72 bytes and would ignore the rest."""
    with pytest.raises(ValueError, match=reason) as refused:
        check_password(password)
    assert "ret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_each_bcrypt_version_is_well_formed(version: str) -> None:
    """Our choice: the three that other programs write."""
    text = GOOD.decode().replace("$2b$", f"${version}$")
    assert check_hash(text) == text.encode()
    assert check_hash(text.encode()) == text.encode()


def test_a_hash_of_the_highest_cost_is_checked_at_once() -> None:
    """Our choice: the form alone is checked; trying this hash would take days."""
    assert check_hash(b"$2b$31$" + GOOD[7:])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        GOOD.decode()[:-1],
        GOOD.decode() + "a",
        GOOD.decode() + "\n",
        GOOD.decode().replace("$2b$", "$2x$"),
        "$2b$03$" + GOOD.decode()[7:],
        "$2b$32$" + GOOD.decode()[7:],
        "$2b$12$" + "ü" * 53,
        "$2b$12$" + GOOD.decode()[7:28] + "9" + GOOD.decode()[29:],
        "$5$rounds=1000$abc$def",
    ],
)
def test_a_malformed_hash_is_refused_and_not_repeated(text: str) -> None:
    """Our choice: found at start, not at the first sign-in."""
    with pytest.raises(ValueError, match="not a bcrypt hash") as refused:
        check_hash(text)
    assert GOOD.decode()[10:20] not in str(refused.value)
