"""Passwords guessed, from one address and from many."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from web.browser import Browser, find_forms
from web.conftest import StartSite
from web.site import Site

PROXIED: dict[str, Any] = {"server": {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}}


async def sign_in_from(site: Site, address: str, password: str, username: str = "ada") -> int:
    """The status of an attempt, by way of a proxy where an address is given."""
    browser = site.open_browser()
    form = find_forms(await browser.get("/login"))[0]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if address:
        headers["X-Forwarded-For"] = address
    fields = {"username": username, "password": password, "csrf_token": form.fields["csrf_token"]}
    return (await browser.request("POST", form.action, body=urlencode(fields), headers=headers)).code


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
    site = await start_site(settings=PROXIED)
    assert await sign_in_from(site, "192.0.2.1", "password") == 303
    for number in range(40):
        await sign_in_from(site, f"198.51.100.{number}", "wrong")
    assert await sign_in_from(site, "203.0.113.1", "password") == 429
    assert await sign_in_from(site, "192.0.2.1", "password") == 303


@pytest.mark.gen_test
async def test_many_addresses_are_no_more_than_a_few_guesses_each(start_site: StartSite) -> None:
    """Required by RFC 6749 §10.10: counted for the person, from wherever. An IPv6 subscriber's addresses are
    one.
    """
    site = await start_site(settings=PROXIED)
    codes = [await sign_in_from(site, f"198.51.100.{number}", "wrong") for number in range(60)]
    assert codes == [403] * 20 + [429] * 40
    site = await start_site(settings=PROXIED)
    codes = [await sign_in_from(site, f"2001:db8::{number:x}", "wrong") for number in range(30)]
    assert codes == [403] * 5 + [429] * 25


@pytest.mark.gen_test
async def test_one_address_tries_no_password_at_everybody(start_site: StartSite) -> None:
    """Required by RFC 6749 §10.10 (password spraying): counted for the address, whatever names come."""
    site = await start_site(settings=PROXIED)
    codes = [await sign_in_from(site, "198.51.100.1", "wrong", f"person{number}") for number in range(40)]
    assert codes == [403] * 20 + [429] * 20
    assert await sign_in_from(site, "203.0.113.1", "wrong", "person50") == 403


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP"]
)
async def test_no_header_makes_an_address_another_one(site: Site, browser: Browser, name: str) -> None:
    """Our choice ([server] trusted_proxies): anyone can write such a header, and would be new each time."""
    codes = []
    for number in range(8):
        value = f"for=198.51.100.{number}" if name == "Forwarded" else f"198.51.100.{number}"
        form = find_forms(await browser.get("/login"))[0]
        headers = {"Content-Type": "application/x-www-form-urlencoded", name: value}
        body = f"username=ada&password=wrong&csrf_token={form.fields['csrf_token']}"
        codes.append((await browser.request("POST", form.action, body=body, headers=headers)).code)
    assert codes == [403] * 5 + [429] * 3


@pytest.mark.gen_test
async def test_a_burst_in_parallel_is_so_many_guesses_and_no_more(site: Site) -> None:
    """Required by RFC 6749 §10.10: an attempt counts when it begins."""
    answers = await asyncio.gather(*(sign_in_from(site, "", "wrong") for _ in range(20)))
    assert sorted(answers) == [403] * 5 + [429] * 15


@pytest.mark.gen_test
@pytest.mark.parametrize("name", ["ADA", " ada", "ada\u200b", "ａｄａ", "ada\t"])
async def test_no_spelling_of_a_name_is_a_way_around_its_count(site: Site, name: str) -> None:
    """Our choice: spellings that a directory could take for one name count as one."""
    codes = [await sign_in_from(site, "", "wrong") for _ in range(5)]
    codes += [await sign_in_from(site, "", "wrong", name), await sign_in_from(site, "", "password", name)]
    assert codes[:5] == [403] * 5
    assert 303 not in codes
    if name != "ada\u200b":
        assert codes[5:] == [429, 429]


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
