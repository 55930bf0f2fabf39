"""The pages as documents: structure, escaping, and what the Content-Security-Policy expects of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace as Record
from typing import Any

import pytest
from tornado.template import Loader

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Loader(str(ROOT / "templates"))
VOID = {"meta", "link", "input", "img", "br", "wbr", "hr"}

HOSTILE = "\u202eelgooG\u2069\u2066<script>alert(1)</script>\"'\n\nGoogle ✅ Verified" + "W" * 5000
CALLBACK = "https://chat.example/callback/9f2c"


class Page(HTMLParser):
    """A rendered page as a flat list of elements, each with its attributes and the text inside it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[Record] = []
        self._open: list[Record] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Record(tag=tag, attrs=dict(attrs), text="", inside=[e.tag for e in self._open], children=[])
        for outer in self._open:
            outer.children.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def find_all(self, tag: str, **attrs: str) -> list[Record]:
        """Elements of a tag whose attributes have these values (class_ stands for one class)."""
        wanted_class = attrs.pop("class_", None)
        return [
            e
            for e in self.elements
            if e.tag == tag
            and all(e.attrs.get(key) == value for key, value in attrs.items())
            and (wanted_class is None or wanted_class in (e.attrs.get("class") or "").split())
        ]

    def find_only(self, tag: str, **attrs: str) -> Record:
        found = self.find_all(tag, **attrs)
        assert len(found) == 1, f"{len(found)} of {tag} {attrs}"
        return found[0]


def build_tools(count: int) -> list[Record]:
    return [Record(name=f"tool_{n}", title=None, description=f"Does {n}.\n\nMore.") for n in range(count)]


SCOPE = Record(name="mcp", description="Use the tools of this server", tools=build_tools(3), is_new=False)
MANY = Record(name="files", description="Read files", tools=build_tools(24), is_new=True)
STRANGE = Record(
    name=HOSTILE,
    description=HOSTILE,
    tools=[Record(name="n", title=HOSTILE, description=HOSTILE)],
    is_new=True,
)
APP = Record(
    public_id="a1",
    client_name="Chat",
    publisher="chat.example",
    redirect_host="chat.example",
    scopes=["mcp"],
    since="May",
    last_used="June",
)
STRANGE_APP = Record(
    public_id='"><b>',
    client_name=HOSTILE,
    publisher=None,
    redirect_host=HOSTILE,
    scopes=[HOSTILE],
    since="May",
    last_used="Never",
)
GUIDE = Record(
    id="chat",
    name="Chat",
    steps=[Record(text="Open it.", code=None), Record(text="Paste:", code='{\n  "url": "<here>"\n}')],
)

DEFAULTS: dict[str, dict[str, Any]] = {
    "login.html": {
        "action": "/login?next=1&x=2",
        "csrf_token": "token",
        "username": "",
        "error": None,
        "retry_after": None,
        "client_name": None,
        "has_password_form": True,
        "provider_label": None,
        "provider_action": "/login/oidc?next=1&x=2",
        "reference": None,
    },
    "consent.html": {
        "action": "/authorize",
        "csrf_token": "token",
        "person": "admin",
        "client_name": "Chat",
        "client_id": "client-1",
        "client_uri": None,
        "redirect_host": "chat.example",
        "redirect_uri": CALLBACK,
        "binds_redirect": False,
        "loopback_only": False,
        "did_not_arrive": False,
        "self_registered": False,
        "publisher": None,
        "is_verified": False,
        "imitated": None,
        "resources": ["https://mcp.example/mcp"],
        "scopes": [SCOPE],
        "switch_account_url": "/login?switch=1",
    },
    "error.html": {"status": 400, "title": "Bad", "message": "No.", "hint": None, "reference": "R-1"},
    "notice.html": {"title": "Signed out", "message": "Bye.", "link_url": None, "link_text": None},
    "home.html": {
        "mcp_url": "https://mcp.example/mcp",
        "issuer": "https://mcp.example",
        "guides": [GUIDE],
        "upstreams": [],
        "signed_in": False,
    },
    "account.html": {
        "person": "admin",
        "csrf_token": "token",
        "logout_action": "/logout",
        "disconnect_action": "/account",
        "apps": [APP, APP],
        "message": None,
        "device_url": "/device",
    },
    "handover.html": {
        "client_name": "Chat",
        "address": "http://127.0.0.1:1/callback?code=x&state=y",
        "command": 'curl "http://127.0.0.1:1/callback?code=x&state=y"',
        "minutes": 5,
    },
    "device.html": {
        "csrf_token": "token",
        "person": "admin",
        "user_code": "",
        "is_given": False,
        "error": None,
        "retry_after": None,
        "switch_account_url": "/login?next=%2Fdevice",
    },
    "device_consent.html": {
        "csrf_token": "token",
        "user_code": "WDJB-MJHT",
        "device": "00ff",
        "person": "admin",
        "client_name": "TV",
        "self_registered": False,
        "publisher": None,
        "is_verified": False,
        "imitated": None,
        "asked_from": "192.0.2.1",
        "minutes_ago": 0,
        "resources": ["https://mcp.example/mcp"],
        "scopes": [SCOPE],
        "switch_account_url": "/login?next=%2Fdevice",
    },
}

STATES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in DEFAULTS),
    ("login.html", {"username": "admin", "error": "Wrong.", "client_name": "Chat"}),
    ("login.html", {"error": "Too many.", "retry_after": 30}),
    ("login.html", {"username": HOSTILE, "error": HOSTILE, "client_name": HOSTILE}),
    ("login.html", {"provider_label": "Sign in with Google", "error": "No.", "reference": "R-1"}),
    ("login.html", {"provider_label": HOSTILE, "has_password_form": False, "client_name": "Chat"}),
    ("consent.html", {"binds_redirect": True, "client_uri": "https://chat.example/about"}),
    ("consent.html", {"loopback_only": True, "self_registered": True, "client_name": ""}),
    ("consent.html", {"self_registered": True, "publisher": "chat.example", "is_verified": True}),
    ("consent.html", {"publisher": "x.example", "imitated": "chat.example", "loopback_only": True}),
    ("consent.html", {"loopback_only": True, "did_not_arrive": True}),
    ("device.html", {"user_code": "WDJB-MJHT", "is_given": True}),
    ("device.html", {"user_code": HOSTILE, "error": HOSTILE, "person": HOSTILE}),
    ("device.html", {"error": "Too many.", "retry_after": 30}),
    (
        "device_consent.html",
        {"self_registered": True, "client_name": HOSTILE, "asked_from": HOSTILE, "scopes": [STRANGE, MANY]},
    ),
    ("device_consent.html", {"publisher": "x.example", "is_verified": True, "imitated": "chat.example"}),
    ("handover.html", {"client_name": HOSTILE, "address": HOSTILE, "command": None, "minutes": 1}),
    ("consent.html", {"scopes": [SCOPE, MANY], "resources": ["https://a.example", "https://b.example"]}),
    (
        "consent.html",
        {
            **dict.fromkeys(("client_name", "client_id", "redirect_host", "redirect_uri", "person"), HOSTILE),
            **dict.fromkeys(("binds_redirect", "loopback_only", "self_registered"), True),
            "client_uri": "javascript:alert(1)",
            "scopes": [STRANGE, STRANGE],
        },
    ),
    ("error.html", dict.fromkeys(("title", "message", "hint", "reference"), HOSTILE)),
    ("notice.html", {"link_url": "/login", "link_text": "Sign in"}),
    ("home.html", {"guides": [], "signed_in": True}),
    (
        "home.html",
        {"upstreams": [(Record(name=HOSTILE, failure="gone"), "https://mcp.example/files/mcp")]},
    ),
    ("account.html", {"apps": [], "message": "Done."}),
    ("account.html", {"apps": [STRANGE_APP], "person": HOSTILE, "message": HOSTILE}),
]


def render(name: str, **changes: Any) -> Page:
    """The template with its default variables, some of them changed."""
    variables = {"server_name": "omnitornado", "static": "/static/{}".format, **DEFAULTS[name], **changes}
    return Page(TEMPLATES.load(name).generate(**variables).decode())


@pytest.fixture(params=STATES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(STATES)])
def page(request: pytest.FixtureRequest) -> Page:
    name, changes = request.param
    return render(name, **changes)


def test_every_template_is_rendered_here() -> None:
    """Our choice: a page nobody renders in a test is a page nobody has looked at."""
    pages = {path.name for path in (ROOT / "templates").glob("*.html") if not path.name.startswith("_")}
    assert pages == {*DEFAULTS, "base.html"}


def test_a_page_is_a_complete_document(page: Page) -> None:
    """Required by WCAG 2.2 (2.4.2 title, 3.1.1 language, 1.3.1 structure)."""
    assert page.find_only("html").attrs["lang"] == "en"
    assert page.find_only("title").text.strip(" ·") != "omnitornado"
    assert page.find_only("main")
    assert page.find_only("h1").text.strip()
    for name in ("viewport", "color-scheme", "referrer", "robots"):
        assert page.find_only("meta", name=name).attrs["content"]
    assert page.find_only("meta", name="referrer").attrs["content"] == "no-referrer"
    assert page.find_only("link", rel="stylesheet").attrs["href"] == "/static/style.css"


def test_a_page_carries_no_script_and_no_inline_style(page: Page) -> None:
    """Required by the pages' own policy: default-src 'none', style-src 'self' (CSP Level 3, 6.1)."""
    for element in page.elements:
        assert element.tag not in {"script", "style", "iframe", "object", "base", "b"}
        assert not [key for key in element.attrs if key == "style" or key.startswith("on")]


def test_a_page_loads_and_links_nothing_from_elsewhere(page: Page) -> None:
    """Our choice: the one outside link is a client's own https website, and it sends no referrer."""
    for element in page.elements:
        for key in ("href", "src", "action", "formaction", "srcset"):
            url = element.attrs.get(key)
            if url is None or re.match(r"/(?!/)", url):
                continue
            assert element.tag == "a"
            assert url.startswith("https://chat.example")
            assert element.attrs["rel"] == "noreferrer"


def test_every_form_is_posted_with_its_anti_forgery_field(page: Page) -> None:
    """Our choice: state changes by POST alone, each with the csrf_token that the handler checks."""
    for form in page.find_all("form"):
        assert form.attrs["method"] == "post"
        tokens = [e for e in form.children if e.attrs.get("name") == "csrf_token"]
        assert [(e.attrs["type"], e.attrs["value"]) for e in tokens] == [("hidden", "token")]
        assert [e for e in form.children if e.tag == "button" and e.attrs.get("type") == "submit"]


def test_every_input_has_a_label_and_every_reference_a_target(page: Page) -> None:
    """Required by WCAG 2.2 (3.3.2 labels, 4.1.2 name, role, value)."""
    ids = [e.attrs["id"] for e in page.elements if "id" in e.attrs]
    assert len(ids) == len(set(ids))
    labelled = {e.attrs["for"] for e in page.find_all("label")}
    assert labelled == {e.attrs["id"] for e in page.find_all("input") if e.attrs["type"] != "hidden"}
    for element in page.elements:
        for key in ("aria-describedby", "aria-labelledby"):
            assert set((element.attrs.get(key) or "").split()) <= set(ids)
    assert all(button.text.strip() for button in page.find_all("button"))
    assert all("alt" in image.attrs for image in page.find_all("img"))


def test_the_login_form_has_the_promised_inputs() -> None:
    """Our choice: the names that people's password managers and programs rely on."""
    page = render("login.html")
    assert page.find_only("form").attrs["action"] == "/login?next=1&x=2"
    username, password = page.find_only("input", name="username"), page.find_only("input", name="password")
    assert (username.attrs["autocomplete"], username.attrs["type"]) == ("username", "text")
    assert (password.attrs["autocomplete"], password.attrs["type"]) == ("current-password", "password")
    assert "autofocus" in username.attrs
    assert "autofocus" not in password.attrs


def test_the_way_to_the_provider_is_a_form_of_its_own_beside_the_password() -> None:
    """Our choice: a button that works without a script, and that the Enter key in a field does not press."""
    page = render("login.html", provider_label="Sign in with Google")
    provider, password = page.find_all("form")
    assert provider.attrs["action"] == "/login/oidc?next=1&x=2"
    assert [e.text for e in provider.children if e.tag == "button"] == ["Sign in with Google"]
    assert {e.attrs["name"] for e in provider.children if e.tag == "input"} == {"csrf_token"}
    assert password.attrs["action"] == "/login?next=1&x=2"
    alone = render("login.html", provider_label="Sign in with Google", has_password_form=False)
    assert alone.find_only("form").attrs["action"] == "/login/oidc?next=1&x=2"
    assert not alone.find_all("input", name="password")


def test_what_went_wrong_at_the_provider_comes_with_its_reference() -> None:
    """Our choice: and is no fault of what is typed into the form."""
    page = render("login.html", provider_label="Google", error="It can't be asked.", reference="R-1")
    assert page.find_only("code", class_="copy").text == "R-1"
    assert not [e for e in page.find_all("input") if "aria-invalid" in e.attrs]


def test_a_known_username_is_filled_in_and_the_password_gets_the_focus() -> None:
    """Our choice: after a typing error only the password is typed again."""
    page = render("login.html", username='ad"min', error="Wrong.")
    assert page.find_only("input", name="username").attrs["value"] == 'ad"min'
    assert "autofocus" not in page.find_only("input", name="username").attrs
    assert "autofocus" in page.find_only("input", name="password").attrs
    assert "value" not in page.find_only("input", name="password").attrs


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (30, "30 seconds"), (121, "3 minutes"), (7201, "3 hours")]
)
def test_a_login_problem_is_announced_with_the_time_to_wait(seconds: int, words: str) -> None:
    """Required by WCAG 2.2 (3.3.1 error identification); the wait is never stated too short."""
    alert = render("login.html", error="Too many attempts.", retry_after=seconds).find_only(
        "div", role="alert"
    )
    assert " ".join(alert.text.split()) == f"Too many attempts. Try again in {words}."


def test_a_login_without_a_problem_shows_no_alert() -> None:
    """Our choice: an empty alert region is noise to a screen reader."""
    assert not render("login.html").find_all("div", role="alert")


def test_consent_can_be_approved_or_denied() -> None:
    """Our choice: both are buttons of one plain form, named action."""
    buttons = render("consent.html").find_all("button", name="action")
    assert [button.attrs["value"] for button in buttons] == ["approve", "deny"]


def test_consent_names_person_client_target_server_and_tools() -> None:
    """Required by MCP 2026-07-28 (Security considerations: redirect host shown at consent)."""
    text = render("consent.html").find_only("main").text
    for fact in (
        "admin",
        "Chat",
        "chat.example",
        "https://mcp.example/mcp",
        "Use the tools",
        "tool_2",
        "Does 2.",
    ):
        assert fact in text


def test_consent_warns_only_where_there_is_something_to_check() -> None:
    """Required by MCP 2026-07-28 (Security considerations: localhost redirect URI risks, extra warning)."""
    assert not render("consent.html").find_all("section", class_="warning")
    assert "verified" not in render("consent.html").find_only("main").text
    loopback = render("consent.html", loopback_only=True).find_only("section", class_="warning")
    assert "on this computer" in loopback.text
    assert CALLBACK not in loopback.text
    assert "verified" in render("consent.html", self_registered=True).find_only("main").text


def test_an_app_known_by_its_document_is_shown_with_the_host_that_stands_for_it() -> None:
    """Required by MCP 2026-07-28 (Client ID Metadata Document security): the host is shown; verified is what
    its own domain gave, and a copy that came along is not.
    """
    known = {"self_registered": True, "publisher": "chat.example"}
    verified = render("consent.html", **known, is_verified=True).find_only("dl", class_="panel")
    assert "Published by chat.example Verified" in " ".join(verified.text.split())
    shipped = render("consent.html", **known).find_only("dl", class_="panel")
    assert "chat.example" in shipped.text
    assert "erified" not in shipped.text
    nobody = render("consent.html", client_id="https://chat.example/client.json", self_registered=True)
    assert "Published by" not in nobody.find_only("dl", class_="panel").text


def test_a_verified_app_on_this_computer_is_warned_of_all_the_same() -> None:
    """Required by MCP 2026-07-28 (localhost redirect URI risks): its domain can't tell who asks."""
    known = {"self_registered": True, "publisher": "chat.example", "is_verified": True}
    warning = render("consent.html", **known, loopback_only=True).find_only("section", class_="warning")
    assert "chat.example can't tell who asks" in " ".join(warning.text.split())
    assert "on this computer" in warning.text


def test_a_name_that_belongs_to_another_host_is_warned_of() -> None:
    """Our choice: verified is a domain, and never a name; the person is told what does not fit."""
    changes = {"publisher": "attacker.example", "is_verified": True, "imitated": "chat.example"}
    page = render("consent.html", **changes)
    warning = " ".join(page.find_only("section", class_="warning").text.split())
    assert "could be an app of chat.example" in warning
    assert "published by attacker.example" in warning
    assert page.find_only("button", value="approve").attrs["aria-describedby"] == "warning"


def test_a_first_redirect_is_shown_in_full_before_it_is_bound() -> None:
    """Our choice: the person compares the whole address, then only this one is accepted."""
    page = render("consent.html", binds_redirect=True)
    assert CALLBACK in page.find_only("section", class_="warning").text
    assert page.find_only("button", value="approve").attrs["aria-describedby"] == "warning"


def test_many_tools_are_folded_and_a_few_are_not() -> None:
    """Our choice: the buttons stay within reach, and the whole list stays one key press away."""
    assert [e.inside.count("details") for e in render("consent.html").find_all("ul", class_="tools")] == [0]
    folded = render("consent.html", scopes=[MANY])
    assert folded.find_only("ul", class_="tools").inside.count("details") == 1
    assert any("24 tools" in e.text for e in folded.find_all("summary"))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://chat.example/",
        "https://google.example@evil.example/",
        "https://google.example\\@evil.example/",
        "https://g\u043eogle.example/",
        " https://chat.example",
        "//evil.example",
    ],
)
def test_a_website_that_is_not_plain_https_is_not_linked(address: str) -> None:
    """Our choice: only an address whose host reads the same to a person and to a browser is a link."""
    assert not render("consent.html", client_uri=address).find_all("a", rel="noreferrer")


def find_names(page: Page) -> Iterator[str]:
    yield from (element.text for element in page.find_all("bdi", class_="name"))


@pytest.mark.parametrize(
    ("template", "changes"),
    [
        ("login.html", {"client_name": HOSTILE}),
        ("consent.html", {"client_name": HOSTILE}),
        ("account.html", {"apps": [STRANGE_APP]}),
    ],
)
def test_a_hostile_client_name_stays_in_its_box(template: str, changes: dict[str, Any]) -> None:
    """Our choice: isolated, one line, no direction characters, bounded; and it is the app's word alone."""
    page = render(template, **changes)
    names = list(find_names(page))
    assert names
    for name in names:
        assert len(name) <= 81
        assert all(character.isprintable() for character in name)
        assert name.startswith("elgooG<script>alert(1)</script>\"' Google ✅ Verified")
    outside = page.find_only("title").text + page.find_only("h1").text
    assert "Google" not in outside


@pytest.mark.parametrize("name", ["", "  ", "\u200b\u2069", "\n"])
def test_a_client_without_a_visible_name_is_called_unnamed(name: str) -> None:
    """Our choice: an empty place where a name belongs looks like the page's own silence."""
    page = render("consent.html", client_name=name)
    assert page.find_only("span", class_="name").text == "Unnamed app"


def test_home_shows_the_url_to_copy_and_a_place_for_each_guide() -> None:
    """Our choice: one click selects the address; /#chat opens a guide."""
    page = render("home.html")
    assert page.find_only("code", class_="url").text == "https://mcp.example/mcp"
    assert "copy" in page.find_only("code", class_="url").attrs["class"]
    assert page.find_only("ol", id="chat").inside.count("details") == 1
    assert page.find_only("pre", class_="copy").text == '{\n  "url": "<here>"\n}'
    assert page.find_only("a", href="/account").text == "Sign in"
    assert render("home.html", signed_in=True).find_only("a", href="/account").text == "Your account"


def test_each_connected_app_has_its_own_disconnect_button() -> None:
    """Required by WCAG 2.2 (2.4.6): the button's name says which app it disconnects."""
    page = render("account.html", apps=[APP, STRANGE_APP])
    fields = page.find_all("input", name="public_id")
    assert [field.attrs["value"] for field in fields] == ["a1", '"><b>']
    names = [" ".join(b.text.split()) for b in page.find_all("button", class_="danger")]
    assert names[0] == "Disconnect Chat"
    assert page.find_only("form", action="/logout")


def test_account_says_what_happened_and_that_nothing_is_connected() -> None:
    """Required by WCAG 2.2 (4.1.3 status messages)."""
    page = render("account.html", apps=[], message="Disconnected.")
    assert page.find_only("p", role="status").text == "Disconnected."
    assert "No app is connected yet" in page.find_only("main").text
    assert not page.find_all("button", class_="danger")


def test_an_error_gives_the_reference_and_a_notice_its_link() -> None:
    """Our choice: the reference is what finds the line in the log."""
    assert render("error.html").find_only("code", class_="copy").text == "R-1"
    assert not render("notice.html").find_all("a")
    assert render("notice.html", link_url="/login", link_text="Sign in").find_only("a", href="/login")


def test_no_template_turns_escaping_off() -> None:
    """Our choice: what others chose is always escaped."""
    for path in (ROOT / "templates").glob("*.html"):
        assert not re.search(r"{%\s*(raw|autoescape|module)\b", path.read_text(encoding="utf-8")), path.name
