"""A certified OpenID provider that nobody here wrote (npm: oidc-provider), and a person with an account
there.

`npm ci --prefix tests/flows/provider` installs it; `make test` does.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from .ledger import Ledger
from .node import find_node
from .person import Form, Page, Person
from .process import PATIENCE

FOLDER = Path(__file__).with_name("provider")
CLIENT_SECRET = "secret at the provider: 100% + more"


@contextmanager
def open_provider(redirect_uri: str, **options: Any) -> Iterator[str]:
    """The issuer of a provider that runs until the end. It takes any name, and any password for it."""
    assert (FOLDER / "node_modules").is_dir(), "run: npm ci --prefix tests/flows/provider"
    process = subprocess.Popen(
        [find_node(), str(FOLDER / "provider.mjs"), redirect_uri, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), "the provider did not start"
        yield issuer
    finally:
        process.communicate("", timeout=PATIENCE)


def build_table(issuer: str, **keys: Any) -> dict[str, Any]:
    """`[login.oidc]` for it."""
    table = {
        "issuer": issuer,
        "client_id": "omnitornado",
        "client_secret": CLIENT_SECRET,
        "label": "Sign in with the provider",
        "allowed_domains": ["example.com"],
    }
    return table | keys


class ProviderPerson(Person):
    """Somebody who signs in at the provider. `account`: the name typed in there."""

    def __init__(self, origin: str, issuer: str, ledger: Ledger, *, account: str = "ada") -> None:
        super().__init__(origin, ledger)
        self.account = account
        self.visits = 0
        """To the provider's own pages."""
        self._issuer = issuer

    def __enter__(self) -> "ProviderPerson":
        return self

    def approve(self, url: str) -> str:
        page = self.arrive(url)
        assert page.has_button("approve"), f"{page.status} {page.text}"
        self.approvals += 1
        page = self.press(page, "approve")
        assert self._is_elsewhere(page.url), f"{page.status} {page.text}"
        return page.url

    def arrive(self, url: str) -> Page:
        """Follow a link, and sign in through the provider if that is asked for."""
        return self.go_through(self.open(url))

    def go_through(self, page: Page) -> Page:
        """From our sign-in page, if this is it, through the provider's pages, and back."""
        if find_form(page, "/login/oidc") is None:
            return page
        self.sign_ins += 1
        return self.stay(self.press_provider(page))

    def press_provider(self, page: Page) -> Page:
        """Press the button of our sign-in page."""
        form = find_form(page, "/login/oidc")
        assert form is not None, page.text
        return self.submit(page, form)

    def stay(self, page: Page) -> Page:
        """Do what the provider's pages ask for, as long as they do."""
        while page.url.startswith(self._issuer):
            assert page.status == 200, page.text
            self.visits += 1
            fields = page.forms[0].inputs
            typed = {"login": self.account, "password": "any"} if "login" in fields else {}
            page = self.submit(page, page.forms[0], **typed)
        return page

    def use_password(self, page: Page) -> Page:
        """The other form of our sign-in page."""
        form = find_form(page, "/login")
        assert form is not None, page.text
        return self.submit(page, form, username=self.username, password=self.password)

    def submit(self, page: Page, form: Form, **inputs: str) -> Page:
        data = form.inputs | inputs
        return self._send(self._http.build_request("POST", urljoin(page.url, form.action), data=data))

    def _is_elsewhere(self, url: str) -> bool:
        return super()._is_elsewhere(url) and urlsplit(url).netloc != urlsplit(self._issuer).netloc


def find_form(page: Page, action: str) -> Form | None:
    """The form that goes there."""
    return next((form for form in page.forms if urlsplit(form.action).path == action), None)
