"""A real Chromium with a profile of its own."""

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from .process import PATIENCE

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}


class Chromium:
    """A browser window, and what a person does with it."""

    def __init__(self, profile: Path, *, has_script: bool = True) -> None:
        options = ChromeOptions()
        options.binary_location = find_program("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,800"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if not has_script:
            options.add_experimental_option("prefs", NO_SCRIPT)
        self.driver = Chrome(options=options, service=Service(find_program("chromedriver")))

    def close(self) -> None:
        self.driver.quit()

    def forget(self) -> None:
        """Be as good as new: no page, no cookie, no cache, no console, the window's own size."""
        self.open("about:blank")
        for command in ("Network.clearBrowserCookies", "Network.clearBrowserCache"):
            self._command(command, {})
        self._command("Emulation.clearDeviceMetricsOverride", {})
        self._command("Emulation.setEmulatedMedia", {"features": []})
        self.read_console()

    # Looking

    @property
    def url(self) -> str:
        return self.driver.current_url

    @property
    def text(self) -> str:
        """What a person can read."""
        return self.find("body").text

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def has(self, selector: str) -> bool:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector)) > 0

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Return once it is so. An element that leaves with its page while it is looked at is not yet it."""

        def look(_: Chrome) -> bool:
            try:
                return is_there()
            except WebDriverException as error:
                if not is_departure(error):
                    raise
                return False

        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(look)

    def read_console(self) -> list[str]:
        """Errors and warnings of the pages so far, those of the network included."""
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [f"{entry['level']} {entry['message']}" for entry in log]

    # Doing

    def open(self, url: str) -> None:
        self.driver.get(url)

    @contextmanager
    def open_pop_up(self, url: str) -> Iterator[None]:
        """Have the page open another window, and be in it until the end."""
        first = self.driver.current_window_handle
        self.run("window.open(arguments[0])", url)
        self.driver.switch_to.window(next(w for w in self.driver.window_handles if w != first))
        self.wait_until(lambda: self.url != "about:blank" and self.has("body"))
        yield
        self.driver.close()
        self.driver.switch_to.window(first)

    def run(self, script: str, *arguments: object) -> Any:
        """The result of a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def press(self, selector: str) -> None:
        """Press a button that leads to another page, and wait for that page."""
        left = self.find("html")
        self.find(selector).click()
        self.wait_until(lambda: is_gone(left))

    def sign_in(self, username: str, password: str) -> None:
        """Fill in the sign-in form and press its button."""
        for name, value in (("username", username), ("password", password)):
            field = self.find(f"input[name={name}]")
            field.clear()
            field.send_keys(value)
        self.press("button[type=submit]")

    # Size and pictures

    def resize(self, width: int, height: int, *, scale: float = 1, scheme: str = "light") -> None:
        """Give the page this size in CSS pixels, smaller than a window can be, and a colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", {"features": features})

    def is_wider_than_its_window(self) -> bool:
        script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.run(script))

    def save_picture(self, path: Path, *, clip: dict[str, float] | None = None) -> None:
        """A PNG of the window, or of `clip` (x, y, width, height, scale; CSS pixels)."""
        arguments: dict[str, Any] = {"format": "png"}
        if clip is not None:
            arguments["clip"] = clip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._command("Page.captureScreenshot", arguments)["data"]))

    def _command(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)


def is_gone(element: WebElement) -> bool:
    """Whether the page that it was part of has been left."""
    try:
        element.is_enabled()
    except WebDriverException as error:
        if not is_departure(error):
            raise
        return True
    return False


def is_departure(error: WebDriverException) -> bool:
    """Whether an element's page was left; the text is the driver's where that happens between two looks."""
    is_stale = isinstance(error, StaleElementReferenceException)
    return is_stale or "does not belong to the document" in str(error)


def find_program(name: str) -> str:
    """Fails where Chromium or its driver is missing: the journeys are not complete without them."""
    found = shutil.which(name)
    assert found is not None, f"{name} is needed: see the Makefile"
    return found
