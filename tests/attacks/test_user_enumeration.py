"""Who has an account here: told apart by an answer, or by the time it takes."""

import re

import bcrypt
import pytest
from web.conftest import PASSWORD_HASH, StartSite
from web.site import Site


@pytest.mark.gen_test
async def test_an_unknown_name_is_answered_as_a_wrong_password(site: Site) -> None:
    """Required by OWASP (no account enumeration)."""
    answers = []
    for username in ("ada", "nobody"):
        browser = site.open_browser()
        response = await browser.sign_in(username=username, password="wrong")
        text = response.body.decode().replace(username, "NAME")
        answers.append((response.code, re.sub(r'(name="csrf_token" value=)"[^"]*"', r"\1", text)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert "Wrong username or password." in answers[0][1]


NAMES = ["ada", "bob", "nobody", "", "x" * 5000, "ad", "ada2", "😀"]
PASSWORDS = ["wrong", "", "x" * 72, "x" * 73, "x" * 9000, "passwor", "é" * 40]


@pytest.mark.gen_test(timeout=20)
async def test_an_attempt_costs_the_same_work_whoever_it_is_for(
    start_site: StartSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Required by OWASP (no account enumeration by time). Not timed, but counted: the rounds of bcrypt, for
    people whose hashes have different costs, and for passwords that can't be right.
    """
    costly = bcrypt.hashpw(b"password", bcrypt.gensalt(7)).decode()
    site = await start_site(users={"ada": PASSWORD_HASH, "bob": costly})
    rounds: list[int] = []
    check = bcrypt.checkpw

    def count(password: bytes, hashed: bytes) -> bool:
        rounds.append(2 ** int(hashed.split(b"$")[2]))
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    spent = set()
    for username in NAMES:
        for password in PASSWORDS:
            site.clock.advance(3600 * 2)
            rounds.clear()
            response = await site.open_browser().sign_in(username=username, password=password)
            assert response.code == 403
            spent.add(sum(rounds))
    assert spent == {2**7}


@pytest.mark.gen_test
async def test_a_throttled_name_is_answered_alike_whether_it_exists(site: Site) -> None:
    """Required by OWASP: the sixth answer must not tell what the first did not."""
    answers = []
    for username in ("ada", "nobody"):
        browser = site.open_browser()
        for _ in range(6):
            response = await browser.sign_in(username=username, password="wrong")
        answers.append((response.code, response.headers["Retry-After"], len(response.body) - len(username)))
        site.clock.advance(3600 * 2)
    assert answers[0] == answers[1]
    assert answers[0][0] == 429
