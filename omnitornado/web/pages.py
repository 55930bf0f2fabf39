"""What the pages share: the template, the cookie, the anti-forgery field, and errors a person can read."""

import re
from http.client import responses
from typing import Any, ClassVar, Final, NoReturn
from urllib.parse import urlencode, urlsplit

from tornado.web import HTTPError

from omnitornado.oauth.browser_session import build_form_token, is_cookie, is_form_token
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.people import Person
from omnitornado.oauth.resource import DEFAULT_PORTS
from omnitornado.store.records import BrowserSession
from omnitornado.web.base import BaseHandler

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)
"""No `form-action`: Chromium holds it against the redirect that follows a form, and so against every client's
address.
"""

TARGET: Final = re.compile(r"/|/account|/device(?:\?user_code=[A-Za-z-]{1,16})?|/authorize\?[!-~]*")
"""Only what a URL can have: a line break would end the header it is sent in."""

DEPARTURE_LIFETIME: Final = 600
"""Seconds in which the same request again means that the app was not reached."""

WORDS: Final = {
    400: ("This request can't be used", "The app sent something this server can't accept."),
    403: ("This form has expired", "Go back to the app and connect again."),
    404: ("Nothing here", "There is no page at this address."),
    405: ("Not this way", "This address does not take that kind of request."),
    413: ("Too much", "What was sent is too long."),
    421: ("Wrong address", "Open this server as localhost or 127.0.0.1."),
    429: ("Slow down", "Too many attempts. Wait a little and try again."),
    500: ("Something went wrong here", "It is not your fault. The operator finds it in the log."),
    503: ("Not now", "The server can't save anything at the moment. Try again shortly."),
}


class PageHandler(BaseHandler):
    """A page for a person."""

    template: ClassVar[str]

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.set_header("X-Frame-Options", "DENY")

    def render_page(self, template: str, *, status: int = 200, **variables: Any) -> None:
        """Write the page. Every value is escaped by the template."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        page = self.services.templates.load(template)
        common = {"server_name": self.services.server_name, "static": build_static_url, "status": status}
        self.write(page.generate(**common, **variables))

    # The browser

    @property
    def cookie_name(self) -> str:
        """`__Host-` binds it to this very host under https. Cookies don't know ports, so on loopback the name
        does.
        """
        if self.is_secure:
            return "__Host-omnitornado_session"
        return f"omnitornado_session_{urlsplit(self.issuer).port or DEFAULT_PORTS['http']}"

    @property
    def is_secure(self) -> bool:
        """Whether the browser came by https."""
        return self.issuer.startswith("https:")

    @property
    def cookie(self) -> str | None:
        """The browser's cookie value, if it is one of ours."""
        value = self.get_cookie(self.cookie_name)
        return value if value is not None and is_cookie(value) else None

    def ensure_cookie(self) -> str:
        """The browser's cookie value, given to it now if it has none."""
        cookie = self.cookie
        if cookie is None:
            cookie = self.services.sessions.build_cookie()
            self.give_cookie(cookie)
        return cookie

    def give_cookie(self, value: str, *, lifetime: float | None = None) -> None:
        """Set the cookie; `lifetime` in seconds, None until the browser closes."""
        self.set_cookie(
            self.cookie_name,
            value,
            httponly=True,
            samesite="Lax",
            secure=self.is_secure,
            path="/",
            max_age=None if lifetime is None else int(lifetime),
        )

    def take_cookie(self) -> None:
        """Have the browser forget the cookie. It takes no `__Host-` cookie back that is not Secure."""
        self.clear_cookie(self.cookie_name, path="/", secure=self.is_secure)

    async def find_session(self) -> tuple[BrowserSession, Person] | None:
        """Who is signed in at this browser."""
        return await self.services.sessions.find(self.cookie, now=self.now)

    # Browsers that were sent to an app on the person's own computer

    @property
    def _departure_name(self) -> str:
        return self.cookie_name.replace("session", "departed")

    def note_departure(self, shown: str) -> None:
        """Have the browser remember for a while that it was sent away from `shown`."""
        self.set_cookie(
            self._departure_name,
            self.build_form_token("departed", shown),
            httponly=True,
            samesite="Lax",
            secure=self.is_secure,
            path="/",
            max_age=DEPARTURE_LIFETIME,
        )

    def has_departed(self, shown: str) -> bool:
        """Whether the browser was sent away from `shown` a short while ago."""
        return is_form_token(self.get_cookie(self._departure_name), self.cookie, "departed", shown)

    # Forms

    def parse_form(self) -> Parameters:
        """A form of a page, each field once: of two decisions none counts. Raises: OAuthError."""
        form = super().parse_form()
        form.check_unique()
        return form

    def build_form_token(self, purpose: str, shown: str = "") -> str:
        """The anti-forgery field for a form of this page."""
        return build_form_token(self.ensure_cookie(), purpose, shown)

    def check_form_token(self, token: str | None, purpose: str, shown: str = "") -> None:
        """Raises: HTTPError 403 for a form that this browser was not given for this."""
        if not is_form_token(token, self.cookie, purpose, shown):
            raise HTTPError(403, "form_token")

    # Errors

    def write_failure(self, status: int, error: BaseException | None) -> None:
        title, message = WORDS.get(status, (responses.get(status, "Error"), "The request can't be answered."))
        hint = None
        if isinstance(error, OAuthError):
            title, _ = WORDS[400] if status < 500 else WORDS.get(status, WORDS[500])
            message = error.description[:1].upper() + error.description[1:] + "."
            hint = "You can close this page: nothing was given to the app."
        self.render_page(
            "error.html",
            status=status,
            title=title,
            message=message,
            hint=hint,
            reference=self.request_id,
        )
        self.finish()


def build_static_url(name: str) -> str:
    """The address of a static file, under a name that no other application's files have."""
    return f"/omnitornado/{name}"


def build_login_url(target: str) -> str:
    """The login page that leads on to `target`, a path of this server."""
    return "/login?" + urlencode({"next": target})


def build_provider_url(target: str) -> str:
    """The same by way of the OpenID provider."""
    return "/login/oidc?" + urlencode({"next": target})


def parse_target(value: str | None) -> str:
    """Where to go after sign-in: a page of this server, and nowhere else (no open redirect)."""
    return value if value is not None and TARGET.fullmatch(value) else "/account"


def refuse_form(reason: str) -> NoReturn:
    """Raises: HTTPError 400 for a form that is not one of ours."""
    raise HTTPError(400, reason)
