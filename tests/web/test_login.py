"""`/login`: the form, the cookie, the throttle, and where it leads."""

import logging
import re
from http.cookies import SimpleCookie
from urllib.parse import quote

import pytest

from .browser import Browser, find_forms
from .conftest import StartSite
from .site import Site
from .wire import build_request, exchange


def read_cookie(line: str) -> tuple[str, dict[str, str]]:
    cookie: SimpleCookie = SimpleCookie(line)
    ((name, morsel),) = cookie.items()
    return name, {key: str(value) for key, value in morsel.items() if value} | {"value": morsel.value}


@pytest.mark.gen_test
async def test_the_form_works_as_an_ordinary_form(site: Site, browser: Browser) -> None:
    """Our choice (HTTP): inputs named username and password."""
    form = find_forms(await browser.get("/login"))[0]
    assert set(form.fields) == {"csrf_token", "username", "password"}
    answer = await browser.submit(form, username="ada", password="password")
    assert (answer.code, answer.headers["Location"]) == (303, "/account")
    assert (await browser.get("/account")).code == 200


@pytest.mark.gen_test
async def test_the_cookie_is_out_of_reach_and_changes_at_sign_in(site: Site, browser: Browser) -> None:
    """Required by RFC 6265 §4.1.2.6, RFC 9700 §4.7, OWASP (session fixation)."""
    page = await browser.get("/login")
    name, before = read_cookie(page.headers["Set-Cookie"])
    assert name == f"omnitornado_session_{site.port}"
    answer = await browser.submit(find_forms(page)[0], username="ada", password="password")
    _, after = read_cookie(answer.headers["Set-Cookie"])
    assert after["value"] != before["value"]
    for cookie in (before, after):
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == ("True", "Lax", "/")
        assert "domain" not in cookie
        assert "secure" not in cookie
    assert after["max-age"] == str(12 * 3600)
    old = site.open_browser()
    old.cookies = {name: before["value"]}
    assert (await old.get("/account")).code == 302


@pytest.mark.gen_test
async def test_under_https_the_cookie_is_secure_and_bound_to_the_host(start_site: StartSite) -> None:
    """Required by RFC 6265bis §4.1.3.2 (__Host-)."""
    site = await start_site(public_url="https://mcp.example")
    browser = site.open_browser()
    for response in (await browser.get("/login"), await browser.sign_in()):
        name, cookie = read_cookie(response.headers["Set-Cookie"])
        assert name == "__Host-omnitornado_session"
        assert (cookie["secure"], cookie["path"], cookie["httponly"]) == ("True", "/", "True")
        assert "domain" not in cookie


@pytest.mark.gen_test
async def test_signing_in_again_ends_the_session_before(site: Site, browser: Browser) -> None:
    """Our choice, after OWASP: what somebody copied is worth nothing afterwards."""
    await browser.sign_in()
    copy = site.open_browser()
    copy.cookies = dict(browser.cookies)
    assert (await copy.get("/account")).code == 200
    await browser.sign_in(username="bob")
    assert (await copy.get("/account")).code == 302
    assert b"bob" in (await browser.get("/account")).body


@pytest.mark.gen_test
async def test_a_session_can_not_be_planted(site: Site) -> None:
    """Our choice, after OWASP (session fixation): a value the server did not give for a sign-in is nobody."""
    planted = "A" * 43
    victim, attacker = site.open_browser(), site.open_browser()
    name = f"omnitornado_session_{site.port}"
    victim.cookies = {name: planted}
    attacker.cookies = {name: planted}
    answer = await victim.sign_in()
    assert answer.code == 303
    assert victim.cookies[name] != planted
    assert (await attacker.get("/account")).code == 302


@pytest.mark.gen_test
@pytest.mark.parametrize("value", ["", "x", "é", '"', "A" * 5000, "=;=", "%00", "A" * 42 + "!"])
async def test_a_cookie_that_is_none_of_ours_is_replaced(site: Site, value: str) -> None:
    """Our choice."""
    headers = {"Cookie": f"omnitornado_session_{site.port}={value}"}
    answer = await exchange(site.port, build_request("GET /login", site.port, headers=headers))
    assert answer.status == 200
    assert answer.headers["set-cookie"].startswith(f"omnitornado_session_{site.port}=")


@pytest.mark.gen_test
async def test_every_loopback_name_gets_a_cookie(site: Site) -> None:
    """Our choice: cookies don't know ports, so the name does."""
    for host, port in (("[::1]", 80), ("localhost", 80), (f"[::1]:{site.port}", site.port)):
        answer = await exchange(site.port, build_request("GET /login", site.port, headers={"Host": host}))
        assert answer.headers["set-cookie"].startswith(f"omnitornado_session_{port}=")


@pytest.mark.gen_test
async def test_the_form_needs_its_token_and_its_browser(site: Site, browser: Browser) -> None:
    """Required by RFC 6749 §10.12, OWASP (login CSRF)."""
    form = find_forms(await browser.get("/login"))[0]
    other = find_forms(await site.open_browser().get("/login"))[0]
    elsewhere = find_forms(await browser.get("/login?next=/"))[0]
    for token in ("", "x", other.fields["csrf_token"], elsewhere.fields["csrf_token"]):
        answer = await browser.submit(form, username="ada", password="password", csrf_token=token)
        assert (answer.code, answer.headers.get("Set-Cookie")) == (403, None), token
    stranger = site.open_browser()
    assert (await stranger.submit(form, username="ada", password="password")).code == 403


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/authorize",
        "/authorize/../x?",
        "/account/../../evil",
        "/account\r\nSet-Cookie: a=b",
        "/authorize?a\r\nSet-Cookie: a=b",
        "/authorize?a\x7f",
        "/authorize?é",
        "/authorize? b",
        "/authorize\t?",
        "/logout",
        "",
        "\\",
        "/login?next=/login",
        "/consent?x",
    ],
)
async def test_sign_in_leads_nowhere_else(site: Site, browser: Browser, target: str) -> None:
    """Required by RFC 9700 §4.11.2 (no open redirector), RFC 9112 §11.1 (response splitting)."""
    answer = await browser.sign_in(url="/login?next=" + quote(target, safe=""))
    assert (answer.code, answer.headers["Location"]) == (303, "/account")


@pytest.mark.gen_test
@pytest.mark.parametrize("target", ["/", "/account", "/authorize?client_id=x&state=%0d%0a%C3%A9//evil"])
async def test_sign_in_leads_on_to_pages_of_this_server(site: Site, browser: Browser, target: str) -> None:
    """Our choice."""
    answer = await browser.sign_in(url="/login?next=" + quote(target, safe=""))
    assert (answer.code, answer.headers["Location"]) == (303, target)


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


@pytest.mark.gen_test
async def test_guessing_is_slowed_down_with_the_time_to_wait(site: Site, browser: Browser) -> None:
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
async def test_the_log_has_a_reason_and_no_secret(
    site: Site, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: one line for each step. What was typed as a name may be the password."""
    caplog.set_level(logging.INFO)
    await browser.sign_in(password="hunter2-wrong")
    await browser.sign_in(username="hunter2-in-the-wrong-field", password="x")
    await browser.sign_in()
    lines = [line for line in caplog.messages if line.startswith("login.")]
    assert [line.split()[0] for line in lines] == ["login.refused", "login.refused", "login.succeeded"]
    assert "reason=wrong_name_or_password user=ada" in lines[0]
    assert "user=" not in lines[1]
    assert "hunter2" not in caplog.text
    assert all(value not in caplog.text for value in browser.cookies.values())


@pytest.mark.gen_test
async def test_a_session_ends_when_its_time_is_over(site: Site, browser: Browser) -> None:
    """Our choice ([login] session_lifetime)."""
    await browser.sign_in()
    site.clock.advance(12 * 3600 - 1)
    assert (await browser.get("/account")).code == 200
    site.clock.advance(1)
    assert (await browser.get("/account")).code == 302


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b"username=ada"),
        ("application/x-www-form-urlencoded", b"username=%ff"),
        ("application/x-www-form-urlencoded", b"username=%00"),
        ("application/x-www-form-urlencoded", b"a=1&" * 100),
    ],
)
async def test_a_form_that_is_no_form_is_a_page_with_400(site: Site, content_type: str, body: bytes) -> None:
    """Our choice: an error of a page is a page."""
    response = await site.fetch("/login", method="POST", headers={"Content-Type": content_type}, body=body)
    assert response.code == 400
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.gen_test
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_application_may_check_passwords_itself(start_site: StartSite, is_async: bool) -> None:
    """Our choice (Python): a plain or an async function."""

    def check(username: str, password: str) -> bool:
        return (username, password) == ("eve", "own way")

    async def check_async(username: str, password: str) -> bool:
        return check(username, password)

    site = await start_site(users=None, validate_user=check_async if is_async else check)
    browser = site.open_browser()
    assert (await browser.sign_in(username="eve", password="wrong")).code == 403
    assert (await browser.sign_in(username="eve", password="own way")).code == 303
    assert b"eve" in (await browser.get("/account")).body
