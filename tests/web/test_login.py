"""`/login`: the form, the cookie, the throttle, and where it leads."""

import logging
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
async def test_every_loopback_name_gets_a_cookie(site: Site) -> None:
    """Our choice: cookies don't know ports, so the name does."""
    for host, port in (("[::1]", 80), ("localhost", 80), (f"[::1]:{site.port}", site.port)):
        answer = await exchange(site.port, build_request("GET /login", site.port, headers={"Host": host}))
        assert answer.headers["set-cookie"].startswith(f"omnitornado_session_{port}=")


@pytest.mark.gen_test
@pytest.mark.parametrize("target", ["/", "/account", "/authorize?client_id=x&state=%0d%0a%C3%A9//evil"])
async def test_sign_in_leads_on_to_pages_of_this_server(site: Site, browser: Browser, target: str) -> None:
    """Our choice."""
    answer = await browser.sign_in(url="/login?next=" + quote(target, safe=""))
    assert (answer.code, answer.headers["Location"]) == (303, target)


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
