"""Who has an account here: told apart by an answer, or by the time it takes."""

import re

import pytest
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
