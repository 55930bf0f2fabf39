"""The pages in a real Chromium, up to the client's callback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .chromium import Chromium
from .conftest import PRESET_SECRET, UNBOUND_SECRET
from .ledger import Ledger
from .loopback import Callback
from .process import PASSWORD, ServerProcess
from .raw import STATE, RawClient

APPROVE = "button[value=approve]"
DENY = "button[value=deny]"
PASSWORD_FIELD = "input[name=password]"

Build = Callable[..., RawClient]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Started once, in a profile of its own."""
    browser = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield browser
    browser.close()


@pytest.fixture
def chromium(browser: Chromium) -> Chromium:
    browser.forget()
    return browser


@pytest.fixture
def callback() -> Iterator[Callback]:
    with Callback() as callback:
        yield callback


@pytest.fixture
def build(server: ServerProcess, callback: Callback, ledger: Ledger) -> Iterator[Build]:
    """Makes a client: registered now, or a preset one by its id."""
    ledger.note(PASSWORD)
    built: list[RawClient] = []

    def make(client_id: str = "", *, name: str = "Raw client", url: str = "") -> RawClient:
        client = RawClient(server.issuer, ledger, client_id=client_id, callback=url or callback.url)
        client.name = name
        built.append(client)
        if not client_id:
            assert client.register().status_code == 201
        return client

    yield make
    for client in built:
        client.http.close()


def sign_in(chromium: Chromium, client: RawClient) -> None:
    """Up to the consent page."""
    chromium.open(client.build_authorization_url())
    chromium.sign_in("ada", PASSWORD)
    chromium.wait_until(lambda: chromium.has(APPROVE))


def check_arrival(arrived: dict[str, str], client: RawClient, **form: str) -> None:
    """The code, the state as it was sent, the issuer, and nothing else; and the code is good."""
    assert arrived.keys() == {"code", "state", "iss"}
    assert arrived["state"] == STATE
    assert arrived["iss"] == client.issuer
    assert client.redeem(arrived["code"], **form).status_code == 200
    assert client.call_tool("add", {"a": 2, "b": 3}).json()["result"]["structuredContent"] == 5


def test_sign_in_and_approval_lead_to_the_clients_callback(
    chromium: Chromium, build: Build, callback: Callback
) -> None:
    """Required by RFC 6749 §4.1.2 and RFC 9207 §2. Chromium holds form-action against redirects, too."""
    client = build(name="Notes app")
    chromium.open(client.build_authorization_url())
    assert chromium.driver.title.startswith("Sign in")
    assert "Notes app" in chromium.text
    chromium.sign_in("ada", PASSWORD)
    chromium.wait_until(lambda: chromium.has(APPROVE))
    chromium.find(".scopes summary").click()
    for words in ("Notes app", "ada", "127.0.0.1", "journey", "Add two whole numbers.", "mcp"):
        assert words in chromium.text
    assert "Any program on this computer could have asked for this." in chromium.text
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client)
    chromium.wait_until(lambda: "You are connected" in chromium.text)
    assert chromium.read_console() == []


def test_denial_leads_to_the_clients_callback_as_an_error(
    chromium: Chromium, build: Build, callback: Callback, server: ServerProcess
) -> None:
    """Required by RFC 6749 §4.1.2.1 and RFC 9207 §2."""
    sign_in(chromium, build())
    chromium.press(DENY)
    arrived = callback.wait()
    assert (arrived["error"], arrived["state"], arrived["iss"]) == ("access_denied", STATE, server.issuer)
    assert arrived.keys() == {"error", "error_description", "state", "iss"}
    assert chromium.read_console() == []


def test_a_wrong_password_is_told_and_the_name_stays(
    chromium: Chromium, build: Build, callback: Callback
) -> None:
    """Our choice: the same words for an unknown name, and the way goes on from there."""
    client = build()
    chromium.open(client.build_authorization_url())
    for username in ("nobody", "ada"):
        chromium.sign_in(username, "wrong password")
        chromium.wait_until(lambda: chromium.has("[role=alert]"))
        assert chromium.find("[role=alert]").text == "Wrong username or password."
        assert chromium.find("input[name=username]").get_attribute("value") == username
        assert chromium.find(PASSWORD_FIELD).get_attribute("value") == ""
    chromium.sign_in("ada", PASSWORD)
    chromium.wait_until(lambda: chromium.has(APPROVE))
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client)
    # Chromium itself notes the status of a page; there is nothing else to note.
    assert all("403 (Forbidden)" in line for line in chromium.read_console())


def test_a_web_client_keeps_hold_of_the_pop_up_it_opened(
    chromium: Chromium, build: Build, callback: Callback
) -> None:
    """Our choice: its callback page speaks to `window.opener`."""
    client = build()
    chromium.open(callback.application_url)
    with chromium.open_pop_up(client.build_authorization_url()):
        chromium.sign_in("ada", PASSWORD)
        chromium.wait_until(lambda: chromium.has(APPROVE))
        chromium.press(APPROVE)
        check_arrival(callback.wait(), client)
        chromium.wait_until(lambda: "You are connected" in chromium.text)
        assert chromium.run("return window.opener.location.pathname") == "/application"


def test_the_second_client_asks_for_consent_alone(
    chromium: Chromium, build: Build, callback: Callback
) -> None:
    """Our choice: a browser stays signed in; a client that registered itself is asked for each time."""
    first, second = build(name="First"), build(name="Second")
    sign_in(chromium, first)
    chromium.press(APPROVE)
    check_arrival(callback.wait(), first)
    for client in (second, first):
        chromium.open(client.build_authorization_url())
        assert not chromium.has(PASSWORD_FIELD)
        assert client.name in chromium.text
        chromium.press(APPROVE)
        check_arrival(callback.wait(), client)


def test_consent_for_a_preset_confidential_client_is_remembered(
    chromium: Chromium, build: Build, callback: Callback
) -> None:
    """Our choice: nobody else can pose as it (RFC 8252 §8.6)."""
    client = build("preset")
    sign_in(chromium, client)
    assert "Preset client" in chromium.text
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client, client_secret=PRESET_SECRET)
    chromium.open(client.build_authorization_url())
    check_arrival(callback.wait(), client, client_secret=PRESET_SECRET)
    chromium.open(client.build_authorization_url(prompt="consent"))
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client, client_secret=PRESET_SECRET)


def test_it_works_without_javascript(tmp_path: Path, build: Build, callback: Callback) -> None:
    """Our choice: both forms are ordinary HTML forms."""
    chromium = Chromium(tmp_path / "profile", has_script=False)
    try:
        client = build()
        sign_in(chromium, client)
        chromium.press(APPROVE)
        check_arrival(callback.wait(), client)
        chromium.wait_until(lambda: chromium.driver.title == "No script")
    finally:
        chromium.close()


def test_it_works_with_the_keyboard_alone(chromium: Chromium, build: Build, callback: Callback) -> None:
    """Required by WCAG 2.2 §2.1.1, §2.4.3 and §2.4.7."""
    client = build()
    chromium.open(client.build_authorization_url())
    type_keys(chromium, "ada", Keys.TAB, PASSWORD, Keys.ENTER)
    chromium.wait_until(lambda: chromium.has(APPROVE))
    seen = []
    while (focused := chromium.driver.switch_to.active_element).get_attribute("value") != "approve":
        type_keys(chromium, Keys.TAB)
        seen.append(focused.id)
        assert len(set(seen)) == len(seen), "the focus goes round without Approve"
    assert focused.value_of_css_property("outline-style") != "none"
    type_keys(chromium, Keys.ENTER)
    check_arrival(callback.wait(), client)


def type_keys(chromium: Chromium, *keys: str) -> None:
    """To whatever has the focus."""
    ActionChains(chromium.driver).send_keys(*keys).perform()


def test_a_preset_client_without_addresses_is_bound_by_the_first_approval(
    chromium: Chromium, build: Build, callback: Callback, server: ServerProcess
) -> None:
    """Our choice: the address is shown in full with a warning, kept on disk, and every other one refused."""
    client = build("unbound")
    sign_in(chromium, client)
    assert chromium.find("#warning .full-address").text == callback.url
    assert "only this address will be accepted" in chromium.find("#warning").text
    chromium.press(DENY)
    assert callback.wait()["error"] == "access_denied"
    chromium.open(client.build_authorization_url())
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client, client_secret=UNBOUND_SECRET)

    server.restart()
    with Callback() as elsewhere:
        other = build("unbound", url=f"{elsewhere.url}/other")
        chromium.open(other.build_authorization_url())
        assert chromium.url.startswith(server.issuer)
        assert not chromium.has(APPROVE)
        assert not chromium.has(PASSWORD_FIELD)
        assert elsewhere.is_quiet()
    assert callback.is_quiet()
    chromium.open(client.build_authorization_url())
    check_arrival(callback.wait(), client, client_secret=UNBOUND_SECRET)


def test_the_person_disconnects_the_app_and_signs_out(
    chromium: Chromium, build: Build, callback: Callback, server: ServerProcess
) -> None:
    """Our choice: what was allowed can be taken back, and it works at once."""
    client = build(name="Notes app")
    sign_in(chromium, client)
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client)
    chromium.open(f"{server.issuer}/account")
    assert "Notes app" in chromium.text
    chromium.press("button.danger")
    chromium.wait_until(lambda: "No app is connected yet." in chromium.text)
    assert client.call("tools/list").status_code == 401
    assert client.refresh().json()["error"] == "invalid_grant"
    chromium.press("form[action='/logout'] button")
    chromium.wait_until(lambda: "You are signed out" in chromium.text)
    chromium.open(client.build_authorization_url())
    assert chromium.has(PASSWORD_FIELD)
    assert chromium.read_console() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_pages_fit_their_window(
    chromium: Chromium,
    build: Build,
    server: ServerProcess,
    tmp_path: Path,
    width: int,
    height: int,
    scheme: str,
) -> None:
    """Required by WCAG 2.2 §1.4.10: no scrolling in two directions. The pictures lie in the test's folder."""
    chromium.resize(width, height, scheme=scheme)
    client = build("unbound")

    def look(name: str) -> None:
        chromium.save_picture(tmp_path / f"{name}-{width}x{height}-{scheme}.png")
        assert not chromium.is_wider_than_its_window(), name

    chromium.open(client.build_authorization_url())
    look("login")
    sign_in(chromium, client)
    look("consent")
    for name, path in (("home", "/"), ("account", "/account"), ("error", "/nowhere")):
        chromium.open(server.issuer + path)
        look(name)


def test_the_server_is_the_same_by_its_other_loopback_name(
    chromium: Chromium, build: Build, callback: Callback, server: ServerProcess
) -> None:
    """Our choice ([server] public_url): who comes by `localhost` is answered as `localhost`."""
    client = build()
    client.issuer = server.issuer.replace("127.0.0.1", "localhost")
    sign_in(chromium, client)
    chromium.press(APPROVE)
    check_arrival(callback.wait(), client)
