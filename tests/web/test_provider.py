"""`/login/oidc` and its callback: the pages and cookies around a sign-in through an OpenID provider."""

import asyncio
import logging
import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from oauth.openid import CLIENT_ID, CLIENT_SECRET, PROVIDER, FakeProvider
from tornado.httpclient import HTTPResponse

from omnitornado.app import AuthorizationServer
from omnitornado.net.fetched import FetchError
from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.people import People, ProviderPeople
from omnitornado.oauth.provider import OpenIDProvider
from omnitornado.oauth.provider_people import AdmissionRules
from omnitornado.oauth.provider_sign_in import ProviderLogin
from omnitornado.web.provider import MAX_PENDING

from .browser import Browser, Form, find_forms
from .conftest import QuietLog, StartSite
from .site import Site, read_json, read_query, until

PREFIX = "id.example.com:"
CALLBACK = "/login/oidc/callback"


def build_settings(**keys: Any) -> dict[str, Any]:
    table = {
        "issuer": PROVIDER,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "allowed_domains": ["example.com"],
    }
    return {"login": {"oidc": table | keys}}


async def start(start_site: StartSite, fake: FakeProvider, **keys: Any) -> Site:
    options = {name: keys.pop(name) for name in ("users", "public_url", "validate_user") if name in keys}
    site: Site = await start_site(settings=build_settings(**keys), fetch=fake, **options)
    fake.now = site.clock()
    return site


def find_button(page: HTTPResponse) -> Form:
    """The form that leads to the provider."""
    return next(form for form in find_forms(page) if urlsplit(form.action).path == "/login/oidc")


async def depart(browser: Browser, url: str = "/login") -> str:
    """Press the button; the address at the provider that the browser is sent to."""
    page = await browser.follow(await browser.get(url))
    answer = await browser.submit(find_button(page))
    assert answer.code == 303, answer.body
    return answer.headers["Location"]


async def come_back(browser: Browser, fake: FakeProvider, url: str, **changed: str | None) -> HTTPResponse:
    return await browser.get(f"{CALLBACK}?{fake.authorize(url, **changed)}")


async def sign_in(browser: Browser, fake: FakeProvider, url: str = "/login") -> HTTPResponse:
    return await come_back(browser, fake, await depart(browser, url))


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider()


@pytest.mark.gen_test
async def test_the_button_leads_there_and_back_and_the_person_is_signed_in(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by OpenID Connect Core §3.1.2: an ordinary form, a redirect there, a redirect on."""
    site = await start(start_site, fake, label="Sign in with Example")
    browser = site.open_browser()
    page = await browser.get("/login")
    assert b"Sign in with Example" in page.body
    assert [sorted(form.fields) for form in find_forms(page)] == [
        ["csrf_token"],
        ["csrf_token", "password", "username"],
    ]
    url = await depart(browser)
    assert url.startswith(PROVIDER + "/authorize?")
    assert read_query(url)["redirect_uri"] == site.url + CALLBACK
    answer = await come_back(browser, fake, url)
    assert (answer.code, answer.headers["Location"]) == (303, "/account")
    assert b"ada@example.com" in (await browser.get("/account")).body


@pytest.mark.gen_test
async def test_the_request_that_the_person_came_with_goes_on_afterwards(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by RFC 6749 §4.1.1: byte for byte, and so does a device's code."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    url = site.build_authorize_url(state="a b%2F&=\u00fc")
    answer = await sign_in(browser, fake, url)
    assert answer.headers["Location"] == url
    page = await browser.follow(answer)
    assert b"approve" in page.body
    target = await browser.submit(find_forms(page)[0], action="approve")
    assert read_query(target.headers["Location"])["state"] == "a b%2F&=\u00fc"
    answer = await sign_in(site.open_browser(), fake, "/device?user_code=WDJB-MJHT")
    assert answer.headers["Location"] == "/device?user_code=WDJB-MJHT"


@pytest.mark.gen_test
async def test_the_session_is_a_new_one(start_site: StartSite, fake: FakeProvider) -> None:
    """Required by RFC 9700 §4.7, OWASP (session fixation): what the browser had before is worth nothing."""
    site = await start(start_site, fake)
    browser, planted = site.open_browser(), site.open_browser()
    await browser.get("/login")
    name = f"omnitornado_session_{site.port}"
    before = browser.cookies[name]
    await sign_in(browser, fake)
    assert browser.cookies[name] != before
    planted.cookies = {name: before}
    assert (await planted.get("/account")).code == 302
    await sign_in(browser, fake, "/login")
    assert len(browser.cookies) == 1, "the cookie of the way there is gone"


@pytest.mark.gen_test
async def test_the_cookie_of_the_way_there_is_the_browsers_alone(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by RFC 6265bis §4.1.3.2 (__Host-), §4.1.2.7 (Lax): out of reach, and gone after ten
    minutes.
    """
    site = await start(start_site, fake, public_url="https://mcp.example")
    browser = site.open_browser()
    page = await browser.get("/login")
    answer = await browser.submit(find_button(page))
    state = read_query(answer.headers["Location"])["state"]
    assert read_query(answer.headers["Location"])["redirect_uri"] == "https://mcp.example" + CALLBACK
    (line,) = answer.headers.get_list("Set-Cookie")
    name, _, rest = line.partition("=")
    assert name == f"__Host-omnitornado_provider_{state[:8]}"
    attributes = {part.lower() for part in rest.split("; ")[1:] if not part.startswith("expires")}
    assert attributes == {"httponly", "max-age=600", "path=/", "samesite=lax", "secure"}
    assert "client_id" not in line
    assert CLIENT_SECRET not in line


@pytest.mark.gen_test
async def test_another_browser_is_not_signed_in_by_the_answer(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by RFC 9700 §4.7.1, RFC 6749 §10.12 (login CSRF): an attacker's answer in a victim's
    browser.
    """
    site = await start(start_site, fake)
    attacker, victim = site.open_browser(), site.open_browser()
    attackers = await depart(attacker)
    await depart(victim)
    page = await come_back(victim, fake, attackers)
    assert (page.code, page.headers.get("Location")) == (403, None)
    assert b"began in another browser" in page.body
    assert (await victim.get("/account")).code == 302
    assert ("POST", "/token") not in fake.asked


@pytest.mark.gen_test
async def test_no_other_page_can_send_a_person_there(start_site: StartSite, fake: FakeProvider) -> None:
    """Our choice (CSRF): the button is a form of this server's, for the page that it leads on to."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    form = find_button(await browser.get("/login"))
    for action, token in (
        (form.action, ""),
        (form.action, "A" * 43),
        ("/login/oidc?next=/device", form.fields["csrf_token"]),
    ):
        assert (await browser.post(action, {"csrf_token": token})).code == 403
    assert (await site.open_browser().post(form.action, form.fields)).code == 403
    get = await browser.get("/login/oidc?next=" + quote("/device?user_code=A"))
    assert get.headers["Location"] == "/login?next=%2Fdevice%3Fuser_code%3DA"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/logout", "\\evil", "/mcp"])
@pytest.mark.gen_test
async def test_the_way_back_leads_to_this_servers_pages_alone(
    start_site: StartSite, fake: FakeProvider, target: str
) -> None:
    """Required by RFC 9700 §4.11.1 (no open redirector)."""
    site = await start(start_site, fake)
    answer = await sign_in(site.open_browser(), fake, "/login?next=" + quote(target, safe=""))
    assert answer.headers["Location"] == "/account"


@pytest.mark.gen_test
async def test_an_answer_that_comes_again_is_refused_and_changes_nothing(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by RFC 9700 §4.7.1: also where somebody kept the cookie."""
    site = await start(start_site, fake)
    fake.takes_codes_again = True
    browser = site.open_browser()
    url = await depart(browser)
    kept = dict(browser.cookies)
    query = fake.authorize(url)
    assert (await browser.get(f"{CALLBACK}?{query}")).code == 303
    assert (await browser.get(f"{CALLBACK}?{query}")).code == 403
    assert (await browser.get("/account")).code == 200
    thief = site.open_browser()
    thief.cookies = kept
    assert (await thief.get(f"{CALLBACK}?{query}")).code == 403
    assert (await thief.get("/account")).code == 302


@pytest.mark.gen_test
async def test_several_tabs_may_be_on_their_way(start_site: StartSite, fake: FakeProvider) -> None:
    """Our choice: each comes back to its own page, in any order, and there is an end to how many are kept."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    one, two = await depart(browser, "/device"), await depart(browser, "/account")
    assert (await come_back(browser, fake, two)).headers["Location"] == "/account"
    assert (await come_back(browser, fake, one)).headers["Location"] == "/device"
    for _ in range(12):
        await depart(browser)
        assert len(browser.cookies) <= 1 + MAX_PENDING


@pytest.mark.gen_test
async def test_where_the_provider_is_down_the_page_says_so_and_passwords_work(
    start_site: StartSite, fake: FakeProvider, quiet_log: QuietLog
) -> None:
    """Our choice: with a reference that stands in the log, and the way back to the app kept."""
    quiet_log.expect("login.provider_failed")
    fake.replies["/.well-known/openid-configuration"] = FetchError("it is away", reason="fetch_failed")
    site = await start(start_site, fake)
    browser = site.open_browser()
    url = site.build_authorize_url()
    page = await browser.follow(await browser.get(url))
    answer = await browser.submit(find_button(page))
    assert (answer.code, answer.headers["Retry-After"]) == (503, "5")
    assert b"id.example.com can&#x27;t be asked" in answer.body.replace(b"&#39;", b"&#x27;")
    reference = re.search(rb'<code class="copy">([A-Za-z0-9_-]+)</code>', answer.body)
    assert reference is not None
    form = next(form for form in find_forms(answer) if "password" in form.fields)
    done = await browser.submit(form, username="ada", password="password")
    assert (done.code, done.headers["Location"]) == (303, url)


@pytest.mark.gen_test
async def test_a_slow_provider_keeps_nobody_else_waiting(start_site: StartSite, fake: FakeProvider) -> None:
    """Our choice: passwords, other pages, and those of the provider's people who come after."""
    site = await start(start_site, fake)
    slow, other = site.open_browser(), site.open_browser()
    url = await depart(slow)
    fake.held["/token"] = asyncio.Event()
    waiting = asyncio.ensure_future(come_back(slow, fake, url))
    await until(lambda: ("POST", "/token") in fake.asked)
    form = next(form for form in find_forms(await other.get("/login")) if "password" in form.fields)
    assert (await other.submit(form, username="ada", password="password")).code == 303
    assert not waiting.done()
    fake.held.pop("/token").set()
    assert (await sign_in(site.open_browser(), fake)).code == 303
    assert (await waiting).code == 303


@pytest.mark.gen_test
async def test_an_answer_that_comes_twice_at_once_is_good_once(
    start_site: StartSite, fake: FakeProvider
) -> None:
    """Required by RFC 9700 §4.7.1: a race does not make two of it, whatever the provider does."""
    site = await start(start_site, fake)
    fake.takes_codes_again = True
    browser = site.open_browser()
    query = fake.authorize(await depart(browser))
    kept = dict(browser.cookies)
    racers = [site.open_browser() for _ in range(8)]
    for racer in racers:
        racer.cookies = dict(kept)
    answers = await asyncio.gather(*(racer.get(f"{CALLBACK}?{query}") for racer in racers))
    assert sorted(answer.code for answer in answers) == [303] + [403] * 7


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"code": None, "error": "access_denied"}, 403, b"did not sign you in"),
        ({"code": None, "error": "server_error"}, 503, b"be asked at the moment"),
        ({"code": None, "error": "<b>", "error_description": "<script>"}, 503, b"be asked at the moment"),
        ({"iss": "https://evil.example"}, 502, b"be accepted"),
        ({"code": "made up"}, 502, b"be accepted"),
        ({"code": None}, 502, b"be accepted"),
    ],
)
@pytest.mark.gen_test
async def test_what_the_provider_says_no_to_leads_to_the_sign_in_page(
    start_site: StartSite, fake: FakeProvider, changed: dict[str, str | None], status: int, words: bytes
) -> None:
    """Required by OpenID Connect Core §3.1.2.6: from there the person can go on, by the same or another
    way.
    """
    site = await start(start_site, fake)
    browser = site.open_browser()
    url = site.build_authorize_url()
    page = await come_back(browser, fake, await depart(browser, url), **changed)
    assert page.code == status
    assert words in page.body
    assert b"<script>" not in page.body
    assert b"Reference:" in page.body
    assert b"to continue to" in page.body
    again = await browser.submit(find_button(page))
    answer = await come_back(browser, fake, again.headers["Location"])
    assert answer.headers["Location"] == url


@pytest.mark.gen_test
async def test_somebody_who_is_not_let_in_is_told_so(start_site: StartSite, fake: FakeProvider) -> None:
    """Our choice: and nothing of why, which stands in the log."""
    site = await start(start_site, fake)
    fake.claims["email_verified"] = False
    page = await sign_in(site.open_browser(), fake)
    assert page.code == 403
    assert b"is not let in here" in page.body
    assert b"verified" not in page.body


@pytest.mark.gen_test
async def test_an_answer_with_a_parameter_twice_is_refused(start_site: StartSite, fake: FakeProvider) -> None:
    """Required by RFC 6749 §3.1."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    query = fake.authorize(await depart(browser))
    for name in ("code", "state", "iss"):
        assert (await browser.get(f"{CALLBACK}?{query}&{name}=x")).code == 400
    assert (await browser.get(f"{CALLBACK}?{query}")).code == 303


@pytest.mark.gen_test
async def test_one_address_can_not_rush_there_and_back(start_site: StartSite, fake: FakeProvider) -> None:
    """Our choice: what is made of it is neither a flood of the provider nor of the store."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    form = find_button(await browser.get("/login"))
    codes = [(await browser.submit(form)).code for _ in range(62)]
    assert codes[:60] == [303] * 60
    page = await browser.submit(form)
    assert (codes[61], page.code) == (429, 429)
    assert int(page.headers["Retry-After"]) >= 1
    assert (await browser.get(CALLBACK + "?state=x&code=y")).code == 429
    password = next(form for form in find_forms(page) if "password" in form.fields)
    assert (await browser.submit(password, username="ada", password="password")).code == 303
    site.clock.now += 60
    assert (await browser.submit(find_button(await browser.get("/login")))).code == 303


@pytest.mark.gen_test
async def test_without_a_provider_there_is_nothing_there(site: Site, browser: Browser) -> None:
    """Our choice."""
    assert (await browser.get("/login/oidc")).code == 404
    assert (await browser.post("/login/oidc", {"csrf_token": "x"})).code == 404
    assert (await browser.get(CALLBACK + "?code=x&state=y")).code == 404
    assert b"/login/oidc" not in (await browser.get("/login")).body


@pytest.mark.parametrize("keys", [{"password_form": False}, {"users": {}}])
@pytest.mark.gen_test
async def test_the_password_form_is_left_out_where_nobody_may_use_it(
    start_site: StartSite, fake: FakeProvider, keys: dict[str, Any]
) -> None:
    """Our choice: and a password that is sent all the same is not looked at."""
    site = await start(start_site, fake, **keys)
    browser = site.open_browser()
    (form,) = find_forms(await browser.get("/login"))
    assert urlsplit(form.action).path == "/login/oidc"
    answer = await browser.post("/login", form.fields | {"username": "ada", "password": "password"})
    assert answer.code == 403
    assert (await browser.get("/account")).code == 302


@pytest.mark.parametrize("username", [PREFIX + "248", f" {PREFIX}248 ", PREFIX.upper() + "248"])
@pytest.mark.gen_test
async def test_no_password_signs_anyone_in_under_a_name_of_the_providers(
    start_site: StartSite, fake: FakeProvider, username: str
) -> None:
    """Our choice: a directory that takes `id.example.com:248` has not proven who that is at the provider."""
    site = await start(start_site, fake, users={}, validate_user=lambda username, password: True)
    browser = site.open_browser()
    form = next(form for form in find_forms(await browser.get("/login")) if "password" in form.fields)
    assert (await browser.submit(form, username=username, password="any")).code == 403
    assert (await browser.submit(form, username="bob", password="any")).code == 303


@pytest.mark.parametrize(
    "provider", [None, ProviderPeople(prefix=PREFIX, blocked=frozenset({PREFIX + "248"}))]
)
@pytest.mark.gen_test
async def test_who_is_blocked_or_whose_provider_is_gone_has_nothing_left(
    start_site: StartSite, fake: FakeProvider, provider: ProviderPeople | None
) -> None:
    """Our choice: session, access token and refresh token are void with the next start's configuration."""
    site = await start(start_site, fake)
    browser = site.open_browser()
    page = await browser.follow(await sign_in(browser, fake, site.build_authorize_url()))
    answer = await browser.submit(find_forms(page)[0], action="approve")
    tokens = read_json(await site.redeem(read_query(answer.headers["Location"])["code"]))

    async def look() -> tuple[int, int, int]:
        call = await site.call_stateless(tokens["access_token"], "tools/list")
        fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        return call.code, (await browser.get("/account")).code, (await site.post_token(fields)).code

    assert await look() == (200, 200, 200)
    site.services.people._provider = provider
    assert await look() == (401, 302, 400)


@pytest.mark.gen_test
async def test_a_sign_in_leaves_a_line_that_says_who_and_by_which_provider(
    start_site: StartSite, fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: and no secret of either side."""
    caplog.set_level(logging.INFO)
    site = await start(start_site, fake)
    browser = site.open_browser()
    url = await depart(browser)
    await come_back(browser, fake, url)
    fake.claims |= {"sub": "249", "email": "eve@evil.example"}
    await sign_in(site.open_browser(), fake)
    lines = [record.getMessage() for record in caplog.records if "login." in record.getMessage()][1:]
    assert lines[0].startswith("login.sent provider=id.example.com address=127.0.0.1 ")
    assert lines[1].startswith("login.succeeded user=id.example.com:248 provider=id.example.com ")
    assert lines[3].startswith(
        "login.refused reason=oidc_not_allowed user=id.example.com:249 provider=id.example.com detail="
    )
    for secret in (CLIENT_SECRET, "at-1234", "code-0", *read_query(url).values()):
        if secret not in ("code", "S256", CLIENT_ID):
            assert secret not in caplog.text


@pytest.mark.gen_test
async def test_an_application_of_ones_own_may_have_a_provider_too(fake: FakeProvider) -> None:
    """Our choice: the authorization server alone; by default the provider is asked as any other host is."""
    login = ProviderLogin(
        provider=OpenIDProvider(issuer=PROVIDER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
        admission=AdmissionRules(everyone=True),
        people=ProviderPeople(prefix=PREFIX, scopes=("write",)),
    )
    auth = AuthorizationServer(
        issuer="http://127.0.0.1:8888",
        provider=login,
        store=None,
        fetch=fake,
        implied_scopes={"write": ["read"]},
        clock=lambda: fake.now,
    )
    await auth.start()
    assert {"/login/oidc$", "/login/oidc/callback$"} <= {spec.regex.pattern for spec in auth.routes}
    assert not auth.services.has_password_form
    sign_in = auth.services.provider
    assert sign_in is not None
    redirect_uri = "http://127.0.0.1:8888" + CALLBACK
    departure = await sign_in.begin("/", redirect_uri=redirect_uri, is_switching=False, now=fake.now)
    query = fake.authorize(departure.url)
    pending = await sign_in.find_pending(departure.state, departure.sealed, now=fake.now)
    person = await sign_in.finish(
        parse_parameters(query), pending, redirect_uri=redirect_uri, address="192.0.2.1", now=fake.now
    )
    assert (person.username, person.scopes) == (PREFIX + "248", ("write", "read"))
    await auth.close()


@pytest.mark.parametrize("prefix", ["", "client:", "Client:x:"])
def test_a_prefix_that_others_have_is_refused(prefix: str) -> None:
    """Our choice: without one everybody's name could be the provider's."""
    with pytest.raises(ValueError, match="prefix"):
        People(provider=ProviderPeople(prefix=prefix))
