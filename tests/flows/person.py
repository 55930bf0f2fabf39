"""A person at a browser without JavaScript: reads the page, fills in the form, presses a button."""

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import Cookie
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import httpx

from .ledger import Ledger
from .process import PASSWORD, PATIENCE

MAX_REDIRECTS = 10


@dataclass
class Form:
    """A form of a page. `buttons` are its submit buttons, by name and value."""

    action: str
    method: str
    inputs: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What came: its address, its forms and its text. A page elsewhere is known by its address alone."""

    def __init__(self, url: str, status: int, source: str) -> None:
        super().__init__()
        self.url = url
        self.status = status
        self.forms: list[Form] = []
        self.text = ""
        self.feed(source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
        elif tag == "input" and self.forms:
            self.forms[-1].inputs[values.get("name", "")] = values.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((values.get("name", ""), values.get("value", "")))

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def has_input(self, name: str) -> bool:
        return any(name in form.inputs for form in self.forms)

    def has_button(self, value: str) -> bool:
        return any(value in (found for _, found in form.buttons) for form in self.forms)


class Person:
    """Somebody with an account, and a browser with its cookies."""

    def __init__(
        self,
        origin: str,
        ledger: Ledger,
        *,
        username: str = "ada",
        password: str = PASSWORD,
        verify: ssl.SSLContext | bool = False,
    ) -> None:
        """`verify`: for https; without it no time is spent on loading authorities."""
        self.username = username
        self.password = password
        self.sign_ins = 0
        self.approvals = 0
        self._ledger = ledger
        self._port = urlsplit(origin).port
        self._http = httpx.Client(timeout=PATIENCE, verify=verify)
        ledger.note(password)

    def __enter__(self) -> "Person":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def cookies(self) -> list[Cookie]:
        return list(self._http.cookies.jar)

    def open(self, url: str) -> Page:
        """Follow a link, and every redirect up to another server's address."""
        return self._send(self._http.build_request("GET", url))

    def press(self, page: Page, value: str = "", **inputs: str) -> Page:
        """Fill in inputs by name and press the button with this value."""
        form = next(form for form in page.forms if value in (found for _, found in form.buttons))
        name = next(name for name, found in form.buttons if found == value)
        assert inputs.keys() <= form.inputs.keys()
        assert form.method == "post"
        data = form.inputs | inputs | ({name: value} if name else {})
        return self._send(self._http.build_request("POST", urljoin(page.url, form.action), data=data))

    def sign_in(self, page: Page) -> Page:
        """Answer the sign-in page."""
        self.sign_ins += 1
        return self.press(page, username=self.username, password=self.password)

    def approve(self, url: str) -> str:
        """Do whatever an authorization URL asks for, and say yes; gives the client's callback address."""
        page = self._arrive(url)
        if page.has_button("approve"):
            self.approvals += 1
            page = self.press(page, "approve")
        assert self._is_elsewhere(page.url), f"{page.status} {page.text}"
        return page.url

    def let_in(self, codes: dict[str, str], action: str = "approve") -> str:
        """Type a device's code in and decide; gives the last page's text."""
        page = self._arrive(codes["verification_uri"])
        page = self.press(page, user_code=codes["user_code"])
        assert page.has_button(action), f"{page.status} {page.text}"
        return self.press(page, action).text

    def deny(self, url: str) -> str:
        """Say no to what an authorization URL asks for; gives the client's callback address."""
        page = self.press(self._arrive(url), "deny")
        assert self._is_elsewhere(page.url), f"{page.status} {page.text}"
        return page.url

    def _arrive(self, url: str) -> Page:
        """Follow a link, and sign in if that is asked for."""
        page = self.open(url)
        return self.sign_in(page) if page.has_input("password") else page

    def _send(self, request: httpx.Request) -> Page:
        for _ in range(MAX_REDIRECTS):
            response = self._http.send(request)
            self._ledger.note(*response.cookies.values())
            if response.next_request is None:
                return Page(str(response.url), response.status_code, response.text)
            # The address as it was sent: httpx would tidy it up.
            target = urljoin(str(response.url), response.headers["Location"])
            self._ledger.note_url(target)
            if self._is_elsewhere(target):
                return Page(target, response.status_code, "")
            request = response.next_request
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, the last to {request.url}")

    def _is_elsewhere(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in ("http", "https") or parts.port != self._port
