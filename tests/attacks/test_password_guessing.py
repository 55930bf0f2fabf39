"""Passwords guessed, from one address and from many."""

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import Site


@pytest.mark.gen_test
async def test_guessing_passwords_is_slowed_down_with_the_time_to_wait(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.10, RFC 6585 §4 (429, Retry-After)."""
    for _ in range(5):
        assert (await browser.sign_in(password="wrong")).code == 403
    response = await browser.sign_in()
    assert (response.code, response.headers["Retry-After"]) == (429, "1")
    assert response.body.decode().count("Try again in") == 1
    site.clock.advance(1)
    assert (await browser.sign_in(password="wrong")).code == 403
    assert (await browser.sign_in()).headers["Retry-After"] == "2"
    site.clock.advance(2)
    assert (await browser.sign_in()).code == 303


@pytest.mark.gen_test
async def test_nobody_can_lock_a_person_out_of_their_own_address(start_site: StartSite) -> None:
    """Our choice, after OWASP (account lockout as denial of service)."""
    site = await start_site(settings={"server": {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}})

    async def sign_in_from(address: str, password: str) -> int:
        browser = site.open_browser()
        form = find_forms(await browser.get("/login"))[0]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
        body = f"username=ada&password={password}&csrf_token={form.fields['csrf_token']}"
        return (await browser.request("POST", form.action, body=body, headers=headers)).code

    assert await sign_in_from("192.0.2.1", "password") == 303
    for number in range(40):
        await sign_in_from(f"198.51.100.{number}", "wrong")
    assert await sign_in_from("203.0.113.1", "password") == 429
    assert await sign_in_from("192.0.2.1", "password") == 303


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", ""),
        ("ada", ""),
        ("ada", "x" * 73),
        ("ada", "x" * 20000),
        ("ADA", "password"),
        ("ada ", "password"),
        ("😀" * 100, "😀" * 100),
        ("<script>alert(1)</script>", "x"),
        ("ada", "passwórd"),
    ],
)
async def test_no_name_and_password_but_the_right_ones_get_in(
    site: Site, browser: Browser, username: str, password: str
) -> None:
    """Our choice: compared as they stand, never cut (bcrypt takes 72 bytes)."""
    response = await browser.sign_in(username=username, password=password)
    assert response.code == 403
    assert b"<script" not in response.body
    assert (await browser.get("/account")).code == 302
