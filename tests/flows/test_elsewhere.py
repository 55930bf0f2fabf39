"""Apps on other computers than the browser, in a real Chromium: device codes, and a loopback that is out of
reach.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .chromium import Chromium
from .conftest import Serve
from .ledger import Ledger
from .loopback import Callback
from .process import PASSWORD, PATIENCE, ServerProcess
from .raw import RawClient, find_query

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TV = {
    "client_id": "tv",
    "client_name": "Living room TV",
    "token_endpoint_auth_method": "none",
    "grant_types": [DEVICE_CODE, "refresh_token"],
}
APPROVE = "button[value=approve]"
BY_HAND = "button[value=approve_by_hand]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Without scripts: no page needs any."""
    browser = Chromium(tmp_path_factory.mktemp("chromium") / "profile", has_script=False)
    yield browser
    browser.close()


@pytest.fixture
def chromium(browser: Chromium) -> Chromium:
    browser.forget()
    return browser


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve(clients=[TV])


@pytest.fixture
def device(server: ServerProcess, ledger: Ledger) -> Iterator["Device"]:
    ledger.note(PASSWORD)
    with httpx.Client(timeout=PATIENCE) as http:
        yield Device(http, server.issuer, ledger)


class Device:
    """A machine without a browser."""

    def __init__(self, http: httpx.Client, issuer: str, ledger: Ledger) -> None:
        self._http = http
        self._issuer = issuer
        self._ledger = ledger
        response = http.post(f"{issuer}/device_authorization", data={"client_id": "tv"})
        self.codes: dict[str, Any] = response.json()
        ledger.note(self.codes["device_code"])

    def poll(self) -> dict[str, Any]:
        form = {"grant_type": DEVICE_CODE, "device_code": self.codes["device_code"], "client_id": "tv"}
        document: dict[str, Any] = self._http.post(f"{self._issuer}/token", data=form).json()
        self._ledger.note_members(document)
        return document


def type_keys(chromium: Chromium, *keys: str) -> None:
    """To whatever has the focus."""
    ActionChains(chromium.driver).send_keys(*keys).perform()


def test_a_device_is_let_in_with_the_keyboard_alone(chromium: Chromium, device: Device) -> None:
    """Required by RFC 8628 §3.3 and WCAG 2.2 §2.1.1: sign in, type the code, read, approve."""
    chromium.open(device.codes["verification_uri"])
    chromium.sign_in("ada", PASSWORD)
    chromium.wait_until(lambda: chromium.has("#user_code"))
    type_keys(chromium, device.codes["user_code"].replace("-", "").lower(), Keys.ENTER)
    chromium.wait_until(lambda: chromium.has(APPROVE))
    chromium.find(".scopes summary").click()
    for words in (device.codes["user_code"], "Living room TV", "just now", "ada", "Add two whole numbers."):
        assert words in chromium.text
    for _ in range(30):
        type_keys(chromium, Keys.TAB)
        if chromium.driver.switch_to.active_element.get_attribute("value") == "approve":
            break
    type_keys(chromium, Keys.ENTER)
    chromium.wait_until(lambda: "Your device is connected" in chromium.text)
    assert device.poll()["token_type"] == "Bearer"
    assert chromium.read_console() == []


def test_a_link_from_the_device_needs_one_look_and_two_buttons(chromium: Chromium, device: Device) -> None:
    """Required by RFC 8628 §3.3.1: what the link brings is shown, and nothing is approved by it."""
    chromium.open(device.codes["verification_uri_complete"])
    chromium.sign_in("ada", PASSWORD)
    chromium.wait_until(lambda: chromium.has("#user_code"))
    assert chromium.find("#user_code").get_attribute("value") == device.codes["user_code"]
    assert device.poll()["error"] == "authorization_pending"
    chromium.press("button[type=submit]")
    chromium.press("button[value=deny]")
    assert "Nothing was given to the device." in chromium.text
    assert device.poll()["error"] == "access_denied"


def test_a_loopback_out_of_reach_is_explained_to_who_goes_back(
    chromium: Chromium, server: ServerProcess, ledger: Ledger
) -> None:
    """Our choice: the redirect is sent at once; where it failed, one step back shows the address to carry."""
    ledger.note(PASSWORD)
    with RawClient(server.issuer, ledger) as client:
        assert client.register().status_code == 201
        chromium.open(client.build_authorization_url())
        chromium.sign_in("ada", PASSWORD)
        chromium.wait_until(lambda: chromium.has(APPROVE))
        assert not chromium.find(BY_HAND).is_displayed()
        chromium.find(APPROVE).click()
        chromium.wait_until(lambda: chromium.url.startswith(client.callback))
        chromium.driver.back()
        chromium.wait_until(lambda: chromium.has(BY_HAND))
        assert "Did the app not open?" in chromium.text
        assert chromium.find(BY_HAND).is_displayed()
        chromium.press(BY_HAND)
        address = chromium.find("pre").text
        assert address.startswith(client.callback + "?code=")
        assert client.redeem(find_query(address)["code"]).status_code == 200


def test_an_app_that_listens_is_reached_at_once(
    chromium: Chromium, server: ServerProcess, ledger: Ledger
) -> None:
    """Required by RFC 6749 §4.1.2: no page in between."""
    ledger.note(PASSWORD)
    with Callback() as callback, RawClient(server.issuer, ledger, callback=callback.url) as client:
        assert client.register().status_code == 201
        chromium.open(client.build_authorization_url())
        chromium.sign_in("ada", PASSWORD)
        chromium.wait_until(lambda: chromium.has(APPROVE))
        chromium.press(APPROVE)
        assert client.redeem(callback.wait()["code"]).status_code == 200
        assert "You are connected" in chromium.text
        assert chromium.read_console() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_pages_fit_their_window(
    device: Device,
    server: ServerProcess,
    ledger: Ledger,
    tmp_path: Path,
    width: int,
    height: int,
    scheme: str,
) -> None:
    """Required by WCAG 2.2 §1.4.10: no scrolling in two directions. The pictures lie in the test's folder."""
    with_script = Chromium(tmp_path / "profile")
    try:
        with_script.resize(width, height, scheme=scheme)

        def look(name: str) -> None:
            with_script.save_picture(tmp_path / f"{name}-{width}x{height}-{scheme}.png")
            assert not with_script.is_wider_than_its_window(), name

        with_script.open(device.codes["verification_uri_complete"])
        with_script.sign_in("ada", PASSWORD)
        look("device")
        with_script.press("button[type=submit]")
        look("device consent")
        with_script.press(APPROVE)
        look("notice")
        with RawClient(server.issuer, ledger) as client:
            client.register()
            with_script.open(client.build_authorization_url())
            with_script.find("details.elsewhere summary").click()
            look("consent")
            with_script.press(BY_HAND)
            look("handover")
    finally:
        with_script.close()
